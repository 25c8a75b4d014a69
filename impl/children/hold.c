/* SPDX-License-Identifier: MIT
 *
 * What gets exec'd: a program without a libc that touches no descriptor and no signal state, so that
 * an observer from outside sees what exec left. EXIT_AT_ONCE makes it exit with status 7, EXIT_WITH_DEATH_SIGNAL
 * with its parent death signal, which no file of /proc shows; else it waits, at most a minute, and not longer than
 * the thread that started it lives. EXIT_IF_DEATH_SIGNAL makes it wait only where nobody has given it a parent death
 * signal. */
#include <stddef.h>
#include <sys/syscall.h>

#define PR_SET_PDEATHSIG 1
#define PR_GET_PDEATHSIG 2
#define SIGKILL 9

static long call4(long number, long a, long b, long c, long d) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = 0;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = 0;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
#else
#error "x86-64 and aarch64"
#endif
}

void _start(void);

#if defined(__x86_64__)
__attribute__((force_align_arg_pointer))
#endif
void _start(void) {
#ifdef EXIT_WITH_DEATH_SIGNAL
  int signal = 0;
  call4(SYS_prctl, PR_GET_PDEATHSIG, (long)&signal, 0, 0);
  call4(SYS_exit_group, signal, 0, 0, 0);
#elif !defined(EXIT_AT_ONCE)
#ifdef EXIT_IF_DEATH_SIGNAL
  int signal = 0;
  call4(SYS_prctl, PR_GET_PDEATHSIG, (long)&signal, 0, 0);
  if (signal != 0) call4(SYS_exit_group, signal, 0, 0, 0); /* it was not asked for, and cannot be seen from outside */
#endif
  struct {
    long seconds, nanoseconds;
  } minute = {60, 0};
  call4(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
  call4(SYS_ppoll, 0, 0, (long)&minute, 0);
  call4(SYS_exit_group, 0, 0, 0, 0);
#else
  call4(SYS_exit_group, 7, 0, 0, 0);
#endif
  for (;;) continue;
}
