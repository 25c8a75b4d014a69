// SPDX-License-Identifier: MIT
//
// System calls without libc. The child shares the parent's memory, and libc's wrappers write errno, may
// be cancellation points, and hide signals 32 and 33: none of them may run between clone and exec. Every
// function returns the kernel's value, a negative errno on failure. Async-signal-safe, all of them.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif

namespace spawncheck_spawn {

constexpr uint64_t clone_into_cgroup = 0x200000000ULL;  // CLONE_INTO_CGROUP, Linux 5.7

#if defined(__x86_64__)

inline long call6(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

// The child starts on the stack that the call names and never returns from `child`.
inline long clone_calling(long number, long a, long b, long c, long d, long e, void (*child)(void*), void* argument) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register void* r12 __asm__("r12") = argument;
  register void (*r13)(void*) __asm__("r13") = child;
  __asm__ volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %%r12, %%rdi\n\t"
      "call *%%r13\n\t"
      "ud2\n"
      "1:"
      : "=a"(result)
      : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r12), "r"(r13)
      : "rcx", "r11", "memory");
  return result;
}

// clone(2) on x86-64: flags, stack, parent_tid, child_tid, tls. The pidfd is stored at parent_tid.
inline long clone_old(unsigned long flags, void* stack_top, int* pidfd, void (*child)(void*), void* argument) {
  return clone_calling(SYS_clone, static_cast<long>(flags), reinterpret_cast<long>(stack_top),
                       reinterpret_cast<long>(pidfd), 0, 0, child, argument);
}

#elif defined(__aarch64__)

inline long call6(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}

inline long clone_calling(long number, long a, long b, long c, long d, long e, void (*child)(void*), void* argument) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register void* x19 __asm__("x19") = argument;
  register void (*x20)(void*) __asm__("x20") = child;
  __asm__ volatile(
      "svc 0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x29, xzr\n\t"
      "mov x0, x19\n\t"
      "blr x20\n\t"
      "brk 1\n"
      "1:"
      : "+r"(x0)
      : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x19), "r"(x20)
      : "memory");
  return x0;
}

inline long clone_old(unsigned long flags, void* stack_top, int* pidfd, void (*child)(void*), void* argument) {
  return clone_calling(SYS_clone, static_cast<long>(flags), reinterpret_cast<long>(stack_top),
                       reinterpret_cast<long>(pidfd), 0, 0, child, argument);
}

#else
#error "the reference spawn knows the system call conventions of x86-64 and aarch64"
#endif

template <typename T>
long word(T value) {
  return static_cast<long>(value);
}
template <typename T>
long word(T* pointer) {
  return reinterpret_cast<long>(pointer);
}

inline long word(decltype(nullptr)) { return 0; }

template <typename... Words>
long call(long number, Words... words) {
  static_assert(sizeof...(words) <= 6);
  const long w[6] = {word(words)...};
  return call6(number, w[0], w[1], w[2], w[3], w[4], w[5]);
}

// The kernel's struct sigaction; its signal sets have 64 bits.
struct Action {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

inline long set_mask(const uint64_t* set, uint64_t* old) {
  return call(SYS_rt_sigprocmask, SIG_SETMASK, set, old, sizeof *set);
}
// Identifies a file by fstat(2): all descriptions of one file are equal, and so are all files of anonymous inodes.
struct Identity {
  uint64_t device = 0, inode = 0;  // {0, 0}: no file
  bool operator==(const Identity& other) const { return device == other.device && inode == other.inode; }
};
inline Identity identity_of(int fd) {
  struct stat status;  // the kernel's own, on both machines
  if (call(SYS_fstat, fd, &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

enum class Same { yes, no, unknown };
// Says if two numbers have the same open file description. Unknown: before 6.10, in a sandbox that refuses kcmp(2).
// A process may always compare its own numbers (kernel/ptrace.c __ptrace_may_access). EBADF of the query proves
// nothing: before 6.10 it is also the answer for a file opened with O_PATH (fs/fcntl.c check_fcntl_cmd).
inline Same same_description(int a, int b) {
  constexpr unsigned dupfd_query = 1027;  // F_DUPFD_QUERY, Linux 6.10
  const long query = call(SYS_fcntl, a, dupfd_query, b);
  if (query >= 0) return query == 1 ? Same::yes : Same::no;
  const long self = call(SYS_getpid);
  constexpr int kcmp_file = 0;
  const long order = call(SYS_kcmp, self, self, kcmp_file, a, b);
  if (order == -EBADF) return Same::no;
  return order < 0 ? Same::unknown : order == 0 ? Same::yes : Same::no;
}
// The same; if the kernel cannot say, returns true if both numbers have `file`.
inline bool is_same_description(int a, int b, const Identity& file) {
  const Same same = same_description(a, b);
  return same == Same::unknown ? identity_of(a) == file && identity_of(b) == file : same == Same::yes;
}

inline long get_fd_flags(int fd) { return call(SYS_fcntl, fd, F_GETFD, 0); }
inline long close_fd(int fd) { return call(SYS_close, fd); }

}  // namespace spawncheck_spawn
