/* SPDX-License-Identifier: MIT
 *
 * glibc: system(3) that could not create a child reports that the shell exited with 127.
 *
 * What happens: clone fails with EAGAIN; system returns 0x7f00, as if the shell could not be executed.
 * What should:  -1, and errno EAGAIN.
 * Rule:         POSIX, system(): "If a child process cannot be created, or if the termination status for the command
 *   language interpreter cannot be obtained, system() shall return -1 and set errno to indicate the error".
 * Where:        sysdeps/posix/system.c do_system. Versions: 2.30 to 2.40; fixed in 2.41.
 * Upstream:     glibc bug 32450.
 *
 *   cc glibc-system-no-child.c -o glibc-system-no-child && ./glibc-system-no-child */
#define _GNU_SOURCE
#include <errno.h>
#include <gnu/libc-version.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define FAILS(number, error) \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))

/* From here on no process can be created; clone3 is reported as missing, so that libc tries clone. */
static int refuse_children(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      FAILS(SYS_clone3, ENOSYS),
      FAILS(SYS_clone, EAGAIN),
#ifdef SYS_vfork
      FAILS(SYS_fork, EAGAIN),
      FAILS(SYS_vfork, EAGAIN),
#endif
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0;
}

int main(void) {
  if (refuse_children()) return 77;
  errno = 0;
  const int status = system("exit 0");
  const int error = errno;
  printf("%s: glibc %s, clone fails with EAGAIN: system gave %#x, errno %d\n", status == -1 ? "FIXED" : "BUG",
         gnu_get_libc_version(), (unsigned)status, error);
  return status != -1;
}
