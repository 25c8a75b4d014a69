/* SPDX-License-Identifier: MIT
 *
 * APR: a file that is meant for one child arrives in another.
 *
 * What happens: apr_procattr_child_in_set duplicates the caller's file by dup(2), without close-on-exec. A child that
 *   is started before the one that the file is for, for example by another thread, inherits the duplicate.
 * What should:  the file, which the caller has marked close-on-exec, reaches only the child whose attributes name it.
 * Rule:         apr_portable.h and apr_file_io.h: a file is inherited if apr_file_inherit_set was called for it; the
 *   caller did not call it.
 * Where:        file_io/unix/filedup.c file_dup; threadproc/unix/proc.c apr_procattr_child_in_set. Seen with 1.7.2.
 * Upstream:     no report found; unchanged in trunk of March 2024.
 *
 *   cc apr-duplicate-inherited.c -o apr-duplicate-inherited $(pkg-config --cflags --libs apr-1) */
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

int main(void) {
  /* Exits with 0 if one of its descriptors is the memfd called "secret". */
  static const char* const argv[] = {"/bin/sh", "-c", "ls -l /proc/$$/fd | grep -q memfd:secret", NULL};
  static const char* const environment[] = {"PATH=/usr/bin:/bin", NULL};
  apr_pool_t* pool;
  apr_procattr_t *first, *second;
  apr_file_t* file = NULL;
  apr_proc_t process;
  apr_exit_why_e why;
  int code;
  apr_os_file_t secret = memfd_create("secret", MFD_CLOEXEC);
  if (secret < 0 || apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS ||
      apr_os_file_put(&file, &secret, APR_FOPEN_READ, pool) != APR_SUCCESS ||
      apr_procattr_create(&first, pool) != APR_SUCCESS || apr_procattr_create(&second, pool) != APR_SUCCESS ||
      apr_procattr_cmdtype_set(second, APR_PROGRAM) != APR_SUCCESS)
    return 77;
  /* `first` is for another child, whose thread would call apr_proc_create next. */
  if (apr_procattr_child_in_set(first, file, NULL) != APR_SUCCESS ||
      apr_proc_create(&process, argv[0], argv, environment, second, pool) != APR_SUCCESS ||
      apr_proc_wait(&process, &code, &why, APR_WAIT) != APR_CHILD_DONE || why != APR_PROC_EXIT || code > 1)
    return 77;
  const int is_bug = code == 0;
  printf("%s: APR %s: what is child_in of one child %s another\n", is_bug ? "BUG" : "FIXED", apr_version_string(),
         is_bug ? "was inherited by" : "did not reach");
  return is_bug;
}
