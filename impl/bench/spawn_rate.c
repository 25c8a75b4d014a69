/* SPDX-License-Identifier: MIT
 *
 * Measures this machine: posix_spawn(3) and waitpid(2) of a program that exits at once, N times.
 *
 *   spawn-rate N PROGRAM */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

int main(int argc, char** argv) {
  if (argc != 3 || atol(argv[1]) <= 0) {
    fprintf(stderr, "usage: %s N PROGRAM\n", argv[0]);
    return 2;
  }
  const long count = atol(argv[1]);
  char *const child_argv[] = {argv[2], NULL}, *const child_envp[] = {NULL};
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (long i = 0; i < count; ++i) {
    pid_t pid;
    const int error = posix_spawn(&pid, argv[2], NULL, NULL, child_argv, child_envp);
    if (error != 0 || waitpid(pid, NULL, 0) != pid) {
      fprintf(stderr, "posix_spawn of %s: %s\n", argv[2], strerror(error));
      return 1;
    }
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  const double seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
  printf("%.0f spawns/s\n", (double)count / seconds);
  return 0;
}
