// SPDX-License-Identifier: MIT
//
// Call frame information of an ELF file: how to step from a function to its caller (DWARF 5, 6.4; .eh_frame as in the
// Linux Standard Base). Only the part that a walk from a system call to its caller needs. x86-64.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace spawncheck::audit {

// DWARF's numbers (System V ABI, AMD64 supplement, figure 3.36): rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15;
// then the return address.
inline constexpr std::size_t frame_pointer = 6, stack_pointer = 7, return_address = 16, registers_max = 17;

// The rule at one instruction: the canonical frame address is a register plus an offset, and each of the caller's
// registers is as `saved` says.
struct FrameRule {
  struct Saved {
    enum How : std::uint8_t { same, at_frame, in_register, unknown } how = same;
    std::int64_t value = 0;  // an offset from the canonical frame address, or a register
  };
  std::size_t frame_register = stack_pointer;
  std::int64_t frame_offset = 0;
  std::array<Saved, registers_max> saved;
};

class CallFrames {
 public:
  explicit CallFrames(const std::string& path);
  ~CallFrames();
  CallFrames(const CallFrames&) = delete;
  CallFrames& operator=(const CallFrames&) = delete;

  // Returns null if the file has no row for the instruction at this offset, or a row that this class does not support.
  const FrameRule* find(std::uint64_t file_offset);

 private:
  struct Segment {
    std::uint64_t offset = 0, size = 0, address = 0;
  };
  struct Row {  // of .eh_frame_hdr's table
    std::int32_t function, description;
  };
  bool read(std::uint64_t offset, void* to, std::size_t size) const;
  void read_table(const Segment& header);
  std::optional<std::uint64_t> offset_of(std::uint64_t address) const;
  std::optional<FrameRule> make(std::uint64_t address) const;

  int fd_ = -1;
  std::uint64_t table_address_ = 0;
  std::vector<Segment> segments_;
  std::vector<Row> rows_;  // ascending
  std::unordered_map<std::uint64_t, std::optional<FrameRule>> known_;
};

}  // namespace spawncheck::audit
