/* SPDX-License-Identifier: MIT
 *
 * Measures the cheapest ptrace(2) stop of this machine: a loop of one call that a seccomp filter stops, and a tracer
 * that only waits and continues. Both run on one processor.
 *
 *   stop-rate N */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void run_tracee(long count) {
  struct sock_filter program[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                                  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close, 0, 1),
                                  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
                                  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const struct sock_fprog filter = {sizeof program / sizeof *program, program};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  ptrace(PTRACE_TRACEME, 0, NULL, NULL);
  raise(SIGSTOP);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0)
    _exit(1);
  for (long i = 0; i < count; ++i) syscall(SYS_close, -1);
  _exit(0);
}

int main(int argc, char** argv) {
  const long count = argc == 2 ? atol(argv[1]) : 0;
  if (count <= 0) {
    fprintf(stderr, "usage: %s N\n", argv[0]);
    return 2;
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof one, &one);
  const pid_t tracee = fork();
  if (tracee == 0) run_tracee(count);
  int status;
  if (tracee < 0 || waitpid(tracee, &status, 0) != tracee ||
      ptrace(PTRACE_SETOPTIONS, tracee, NULL, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL) != 0) {
    perror("ptrace");
    return 1;
  }
  struct timespec start, end;
  long stops = 0;
  ptrace(PTRACE_CONT, tracee, NULL, NULL);
  clock_gettime(CLOCK_MONOTONIC, &start);
  while (waitpid(tracee, &status, 0) == tracee && WIFSTOPPED(status)) {
    ++stops;
    ptrace(PTRACE_CONT, tracee, NULL, NULL);
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  const double seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
  if (stops < count) {
    fprintf(stderr, "%s: %ld stops of %ld\n", argv[0], stops, count);
    return 1;
  }
  printf("%.0f ns a stop\n", seconds * 1e9 / (double)stops);
  return 0;
}
