// SPDX-License-Identifier: MIT
#include "impl/audit/unwinder.h"

#include <sys/ptrace.h>
#include <sys/user.h>

#include <array>
#include <cstring>

namespace spawncheck::audit {

CallFrames& Unwinder::frames_of(std::uint32_t module, const Path& path) {
  const auto at = files_.find(module);
  if (at != files_.end()) return at->second;
  return files_.try_emplace(module, path(module)).first->second;
}

#if defined(__x86_64__)

namespace {

constexpr unsigned frames_max = 32;
constexpr std::uint64_t frame_bytes_max = 1 << 20;  // between two frame pointers

// The task's memory from its stack pointer on: the first 2048 bytes are read at once, any other word by itself.
class Stack {
 public:
  Stack(pid_t tid, std::uint64_t top) : tid_(tid), top_(top) {
    size_ = read_memory_some(tid, top, bytes_.data(), bytes_.size());
  }

  bool word(std::uint64_t address, std::uint64_t& to) const {
    if (address < top_ || address - top_ > size_ || size_ - (address - top_) < sizeof to)
      return read_memory(tid_, address, &to, sizeof to);
    std::memcpy(&to, bytes_.data() + (address - top_), sizeof to);
    return true;
  }

 private:
  pid_t tid_;
  std::uint64_t top_;
  std::array<char, 2048> bytes_;
  std::size_t size_ = 0;
};

using Registers = std::array<std::uint64_t, registers_max>;  // by DWARF's numbers, the instruction last

bool read_registers(pid_t tid, Registers& to) {
  user_regs_struct r{};
  if (ptrace(PTRACE_GETREGS, tid, 0, &r) != 0) return false;
  to = {r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8,
        r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip};
  return true;
}

bool step_by_rule(Registers& r, const FrameRule& rule, const Stack& stack) {
  const std::uint64_t frame = r[rule.frame_register] + static_cast<std::uint64_t>(rule.frame_offset);
  Registers next = r;
  for (std::size_t i = 0; i < registers_max; ++i) {
    const FrameRule::Saved& saved = rule.saved[i];
    if (saved.how == FrameRule::Saved::at_frame) {
      if (!stack.word(frame + static_cast<std::uint64_t>(saved.value), next[i])) return false;
    } else if (saved.how == FrameRule::Saved::in_register) {
      if (static_cast<std::uint64_t>(saved.value) >= registers_max) return false;
      next[i] = r[static_cast<std::size_t>(saved.value)];
    }
  }
  if (rule.saved[return_address].how == FrameRule::Saved::same ||
      rule.saved[return_address].how == FrameRule::Saved::unknown)
    return false;
  next[stack_pointer] = frame;
  r = next;
  return true;
}

bool step_by_frame_pointer(Registers& r, const Stack& stack) {
  const std::uint64_t at = r[frame_pointer];
  if (at < r[stack_pointer] || at - r[stack_pointer] > frame_bytes_max || at % sizeof at != 0) return false;
  Registers next = r;
  if (!stack.word(at, next[frame_pointer]) || !stack.word(at + 8, next[return_address])) return false;
  next[stack_pointer] = at + 16;
  r = next;
  return true;
}

// Leaves a function that has pushed nothing, such as a wrapper of a system call: its return address is on top of the
// stack.
bool step_off_the_top(pid_t tid, Registers& r, const Stack& stack, const Unwinder::Find& find) {
  std::uint64_t word = 0;
  if (!stack.word(r[stack_pointer], word) || !is_return_address(tid, word, find(word))) return false;
  r[return_address] = word;
  r[stack_pointer] += 8;
  return true;
}

}  // namespace

std::uint64_t Unwinder::caller(pid_t tid, const Find& find, const Path& path) {
  Registers r{};
  if (!read_registers(tid, r)) return 0;
  const Stack stack(tid, r[stack_pointer]);
  for (unsigned depth = 0; depth < frames_max; ++depth) {
    // A function may end with a call: only the byte before the return address is certainly in it.
    const std::uint64_t at = r[return_address] - (depth == 0 ? 0 : 1);
    const Mapping* mapping = find(at);
    if (mapping == nullptr) return 0;
    if (depth != 0 && !mapping->is_library) return r[return_address];
    const FrameRule* rule = mapping->module == nothing
                                ? nullptr
                                : frames_of(mapping->module, path).find(at - mapping->begin + mapping->offset);
    const bool is_left = rule != nullptr
                             ? step_by_rule(r, *rule, stack)
                             : (depth == 0 && step_off_the_top(tid, r, stack, find)) || step_by_frame_pointer(r, stack);
    if (!is_left) return 0;
  }
  return 0;
}

#else

std::uint64_t Unwinder::caller(pid_t, const Find&, const Path&) { return 0; }

#endif

}  // namespace spawncheck::audit
