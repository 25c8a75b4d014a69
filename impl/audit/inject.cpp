// SPDX-License-Identifier: MIT
//
// Before a process makes its first thread, or the first task that shares its table, the task that calls clone installs
// a second filter: the calls that order threads. Most processes neither have threads nor come from one that has, and
// never stop at a read, a write or a wait.
//
// The task is stopped at the entry of its clone. The tracer saves the registers, writes the filter below the red zone
// of the task's stack and changes the call to seccomp(2). At the exit of seccomp(2) it restores the registers, with the
// instruction pointer on the clone's own instruction: the task enters the clone again. Rejected: to install both
// filters at the start (every read and write of every compiler would stop).
#include <elf.h>
#include <linux/seccomp.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#include <cstddef>
#include <cstring>

#include "impl/audit/filter.h"
#include "impl/audit/tracer.h"

namespace spawncheck::audit {

#if defined(__x86_64__)

bool Tracer::begin_thread_filter(Tracee& t) {
  constexpr std::uint64_t red_zone = 128, instruction_size = 2;
  user_regs_struct registers{};
  if (ptrace(PTRACE_GETREGS, t.tid, 0, &registers) != 0) return false;
  if (thread_filter_.empty()) thread_filter_ = make_filter(true);
  const std::size_t size = thread_filter_.size() * sizeof(sock_filter);
  const std::uint64_t code = (registers.rsp - red_zone - size) & ~15ull, header = code - sizeof(sock_fprog);
  sock_fprog program{static_cast<unsigned short>(thread_filter_.size()), reinterpret_cast<sock_filter*>(code)};
  if (!write_memory(t.tid, code, thread_filter_.data(), size) || !write_memory(t.tid, header, &program, sizeof program))
    return false;
  t.saved_registers.resize(sizeof registers);
  user_regs_struct back = registers;
  back.rip -= instruction_size;
  back.rax = registers.orig_rax;
  std::memcpy(t.saved_registers.data(), &back, sizeof back);
  registers.orig_rax = SYS_seccomp;
  registers.rdi = SECCOMP_SET_MODE_FILTER;
  registers.rsi = 0;
  registers.rdx = header;
  if (ptrace(PTRACE_SETREGS, t.tid, 0, &registers) != 0) {
    t.saved_registers.clear();
    return false;
  }
  resume(t, PTRACE_SYSCALL);
  return true;
}

void Tracer::end_thread_filter(Tracee& t) {
  user_regs_struct registers{};
  ptrace(PTRACE_GETREGS, t.tid, 0, &registers);
  if (registers.rax != 0)
    remark(Remark::Kind::not_followed, t.id, "what orders threads is not followed: seccomp failed");
  std::memcpy(&registers, t.saved_registers.data(), sizeof registers);
  ptrace(PTRACE_SETREGS, t.tid, 0, &registers);
  t.saved_registers.clear();
  t.has_thread_filter = true;  // also if seccomp failed: there is no second try
  t.row = nullptr;
}

void Tracer::change_first_argument(const Tracee& t, std::uint64_t to) {
  ptrace(PTRACE_POKEUSER, t.tid, offsetof(user_regs_struct, rdi), to);
}

#else

bool Tracer::begin_thread_filter(Tracee& t) {
  t.has_thread_filter = true;
  remark(Remark::Kind::not_followed, t.id, "what orders threads is not followed on this architecture");
  return false;
}

void Tracer::end_thread_filter(Tracee&) {}

void Tracer::change_first_argument(const Tracee& t, std::uint64_t to) {
  user_regs_struct registers{};
  iovec part{&registers, sizeof registers};
  if (ptrace(PTRACE_GETREGSET, t.tid, NT_PRSTATUS, &part) != 0) return;
  registers.regs[0] = to;
  ptrace(PTRACE_SETREGSET, t.tid, NT_PRSTATUS, &part);
}

#endif

}  // namespace spawncheck::audit
