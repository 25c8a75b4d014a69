// SPDX-License-Identifier: MIT
#include "impl/audit/filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstddef>
#include <initializer_list>

#include "impl/audit/calls.h"

namespace spawncheck::audit {

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_AARCH64;
#else
#error "audit: this architecture is not supported"
#endif
constexpr std::uint32_t x32_bit = 0x40000000;
constexpr std::uint32_t new_signalfd = 0xffffffff;  // the number given to signalfd(2); any other: of an old one
constexpr std::uint32_t bpf_token_create = 36;      // BPF_TOKEN_CREATE, since Linux 6.9

constexpr std::uint32_t argument_offset(int i) {  // the low half, on little endian
  return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 8 * static_cast<std::size_t>(i));
}

class Assembler {
 public:
  void load(std::uint32_t offset) { code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)); }
  void give(std::uint32_t verdict) { code_.push_back(BPF_STMT(BPF_RET | BPF_K, verdict)); }
  void stop(std::size_t row) { give(SECCOMP_RET_TRACE | static_cast<std::uint32_t>(row)); }
  void allow() { give(SECCOMP_RET_ALLOW); }
  void mask(std::uint32_t bits) { code_.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, bits)); }
  // Skips the next instruction unless the accumulator equals `value`, or has one of `bits`.
  void when_equal(std::uint32_t value) { code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1)); }
  void when_any(std::uint32_t bits) { code_.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1)); }
  std::size_t branch_at_least(std::uint32_t value) {  // below `value`: goes on; else: jumps to where land() is called
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, value, 0, 1));
    code_.push_back(BPF_STMT(BPF_JMP | BPF_JA, 0));
    return code_.size() - 1;
  }
  std::size_t jump() {
    code_.push_back(BPF_STMT(BPF_JMP | BPF_JA, 0));
    return code_.size() - 1;
  }
  void land(std::size_t branch) { code_[branch].k = static_cast<std::uint32_t>(code_.size() - branch - 1); }
  std::vector<sock_filter> code() && { return std::move(code_); }

 private:
  std::vector<sock_filter> code_;
};

void stop_at_commands(Assembler& to, std::size_t row, int argument, std::initializer_list<std::uint32_t> commands) {
  to.load(argument_offset(argument));
  for (const std::uint32_t command : commands) {
    to.when_equal(command);
    to.stop(row);
  }
  to.allow();
}

void emit_row(Assembler& to, std::size_t i, bool for_threads) {
  const CallRow& row = calls()[i];
  switch (row.act) {
    case Act::open:
      if (for_threads || row.flags_argument < 0) return to.stop(i);
      to.load(argument_offset(row.flags_argument));
      to.mask(O_CLOEXEC | O_ACCMODE);
      to.when_equal(O_CLOEXEC | O_RDONLY);
      to.allow();
      return to.stop(i);
    case Act::fcntl:
      if (for_threads) return stop_at_commands(to, i, 1, {F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW});
      return stop_at_commands(to, i, 1, {F_DUPFD, F_DUPFD_CLOEXEC, F_SETFD});
    case Act::ioctl:
      return stop_at_commands(to, i, 1, {FIOCLEX, FIONCLEX, TIOCGPTPEER});
    case Act::unshare:
      to.load(argument_offset(0));
      to.when_any(CLONE_FILES);
      to.stop(i);
      return to.allow();
    case Act::create:
      if (row.what == What::signalfd) return stop_at_commands(to, i, 0, {new_signalfd});
      if (row.number == SYS_bpf)  // a command that makes nothing returns 0 too
        return stop_at_commands(
            to, i, 0,
            {BPF_MAP_CREATE, BPF_PROG_LOAD, BPF_OBJ_GET, BPF_PROG_GET_FD_BY_ID, BPF_MAP_GET_FD_BY_ID,
             BPF_RAW_TRACEPOINT_OPEN, BPF_BTF_LOAD, BPF_BTF_GET_FD_BY_ID, BPF_LINK_CREATE, BPF_LINK_GET_FD_BY_ID,
             BPF_ENABLE_STATS, BPF_ITER_CREATE, bpf_token_create});
      return to.stop(i);
    default:
      return to.stop(i);
  }
}

bool belongs(const CallRow& row, bool for_threads) {
  if (for_threads) return row.threads_only || row.act == Act::open || row.act == Act::fcntl;
  return !row.threads_only;
}

void emit_tree(Assembler& to, const std::vector<std::size_t>& order, std::size_t first, std::size_t count,
               bool threads) {
  if (count == 1) {
    to.when_equal(static_cast<std::uint32_t>(calls()[order[first]].number));
    const std::size_t hit = to.jump();  // a row may take several instructions, and when_equal skips one
    to.allow();
    to.land(hit);
    return emit_row(to, order[first], threads);
  }
  const std::size_t upper = to.branch_at_least(static_cast<std::uint32_t>(calls()[order[first + count / 2]].number));
  emit_tree(to, order, first, count / 2, threads);
  to.land(upper);
  emit_tree(to, order, first + count / 2, count - count / 2, threads);
}

}  // namespace

std::vector<sock_filter> make_filter(bool for_threads) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < calls().size(); ++i)
    if (belongs(calls()[i], for_threads)) order.push_back(i);
  std::sort(order.begin(), order.end(),
            [](std::size_t a, std::size_t b) { return calls()[a].number < calls()[b].number; });
  Assembler to;
  to.load(offsetof(seccomp_data, arch));
  to.when_equal(architecture);
  const std::size_t native = to.jump();
  to.stop(foreign_call);
  to.land(native);
  to.load(offsetof(seccomp_data, nr));
  const std::size_t x32 = to.branch_at_least(x32_bit);
  emit_tree(to, order, 0, order.size(), for_threads);
  to.land(x32);
  to.stop(foreign_call);
  return std::move(to).code();
}

}  // namespace spawncheck::audit
