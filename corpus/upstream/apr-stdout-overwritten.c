/* SPDX-License-Identifier: MIT
 *
 * APR: if the caller's 0 is closed, the child's stdout is overwritten by its stdin.
 *
 * What happens: apr_procattr_child_out_set duplicates the file to the lowest free number, 0. In the child dup2 puts
 *   child_in onto 0 and then takes 0 for child_out: the child writes to its stdin's file.
 * What should:  the child's 1 is the file that was given to apr_procattr_child_out_set.
 * Rule:         apr_thread_proc.h, apr_procattr_child_out_set: "Set the child_out and parent_out values to existing
 *   apr_file_t values".
 * Where:        threadproc/unix/proc.c apr_proc_create. Seen with 1.7.2.
 * Upstream:     no report found.
 *
 *   cc apr-stdout-overwritten.c -o apr-stdout-overwritten $(pkg-config --cflags --libs apr-1) */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <apr_general.h>
#include <apr_portable.h>
#include <apr_thread_proc.h>
#include <apr_version.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static apr_file_t* file_of(apr_os_file_t number, apr_pool_t* pool) {
  apr_file_t* file = NULL;
  return apr_os_file_put(&file, &number, APR_FOPEN_READ | APR_FOPEN_WRITE, pool) == APR_SUCCESS ? file : NULL;
}

int main(void) {
  static const char* const argv[] = {"/bin/sh", "-c", "echo x", NULL};
  apr_pool_t* pool;
  apr_procattr_t* attributes;
  apr_proc_t process;
  int code;
  const int in = fcntl(memfd_create("in", 0), F_DUPFD_CLOEXEC, 20);
  const int out = fcntl(memfd_create("out", 0), F_DUPFD_CLOEXEC, 20);
  if (in < 0 || out < 0 || apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS) return 77;
  close(0); /* closed, as in a daemon */
  if (apr_procattr_create(&attributes, pool) != APR_SUCCESS ||
      apr_procattr_cmdtype_set(attributes, APR_PROGRAM) != APR_SUCCESS ||
      apr_procattr_child_out_set(attributes, file_of(out, pool), NULL) != APR_SUCCESS ||
      apr_procattr_child_in_set(attributes, file_of(in, pool), NULL) != APR_SUCCESS ||
      apr_proc_create(&process, argv[0], argv, NULL, attributes, pool) != APR_SUCCESS)
    return 77;
  apr_proc_wait(&process, &code, NULL, APR_WAIT);
  const off_t wrong = lseek(in, 0, SEEK_END), right = lseek(out, 0, SEEK_END);
  const int is_bug = right != 2;
  printf("%s: APR %s, the caller's 0 closed: of the child's output %lld bytes are in child_out, %lld in child_in\n",
         is_bug ? "BUG" : "FIXED", apr_version_string(), (long long)right, (long long)wrong);
  return is_bug;
}
