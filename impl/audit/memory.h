// SPDX-License-Identifier: MIT
//
// Reads the memory of an audited process: what a call points to, and where a call was made.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/audit/event.h"

namespace spawncheck::audit {

// Returns how many bytes it could read: at most those of eight pages.
std::size_t read_memory_some(pid_t, std::uint64_t address, void* to, std::size_t size);
// Returns true if it could read all `size` bytes.
bool read_memory(pid_t, std::uint64_t address, void* to, std::size_t size);
bool write_memory(pid_t, std::uint64_t address, const void* from, std::size_t size);
// Reads up to the first null byte, at most `size_max` bytes.
std::string read_string(pid_t, std::uint64_t address, std::size_t size_max = 512);

struct Mapping {
  std::uint64_t begin = 0, end = 0, offset = 0;
  std::uint32_t module = nothing;  // Recording::texts
  bool is_library = false;         // the C library, the loader or the vdso: not a program's own code
};

// The executable mappings of one memory (one process, or several that share it by CLONE_VM). find() reads them again
// when it does not know an address.
class Mappings {
 public:
  // `intern` gives a text's index.
  template <typename Intern>
  const Mapping* find(pid_t pid, std::uint64_t address, const Intern& intern) {
    const Mapping* found = look_up(address);
    if (found == nullptr && reads_ < reads_max) {
      read(pid);
      for (std::size_t i = 0; i < list_.size(); ++i) list_[i].module = intern(names_[i]);
      found = look_up(address);
    }
    return found;
  }
  const Mapping* look_up(std::uint64_t address) const;
  // The next find() reads anew, up to reads_max times in all; after these the list is kept as it is.
  void forget() {
    if (reads_ < reads_max) list_.clear();
  }

 private:
  static constexpr unsigned reads_max = 5000;  // bounds the cost of an address that is never found
  void read(pid_t);
  std::vector<Mapping> list_;  // ascending
  std::vector<std::string> names_;
  unsigned reads_ = 0;
};

// Returns true if `word` points just behind a call instruction. `mapping`: the mapping that it points into.
bool is_return_address(pid_t, std::uint64_t word, const Mapping*);

// The first word on the stack that is a return address outside the C library; 0 if there is none. For code that the
// unwinder cannot walk (musl, another architecture): a stale word may be mistaken for one.
std::uint64_t caller_on_stack(pid_t, std::uint64_t stack, const Mappings&);

}  // namespace spawncheck::audit
