// SPDX-License-Identifier: MIT
//
// THE table of the system calls that an audit stops at: make_filter() builds the filters from it, and the tracer
// decodes calls by it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "model/audit/event.h"

namespace spawncheck::audit {

enum class Act : std::uint8_t {
  open,       // gives a number; argument 0 or 1 is a path
  create,     // gives a number
  pair,       // writes two numbers to memory
  duplicate,  // gives a number for argument 0
  duplicate_to,
  fcntl,
  ioctl,
  close,
  close_range,
  unshare,
  clone,
  clone3,
  exec,
  receive,  // may bring descriptors (SCM_RIGHTS)
  futex,
  read,
  write,
  wait,
  kill,
  take_signal,
  lock
};

struct CallRow {
  long number;
  const char* name;
  Act act;
  What what = What::unknown;
  int flags_argument = -1;    // the argument that can ask for close-on-exec
  std::uint64_t cloexec = 0;  // its bit; always_cloexec: the call always sets it
  int argument = -1;          // the path, the array of two, the process, ...: as the act needs it
  bool threads_only = false;  // the second filter's: the call orders threads and changes no table
};
inline constexpr std::uint64_t always_cloexec = ~0ull;

std::span<const CallRow> calls();

// Returns true if these arguments ask for close-on-exec.
bool asks_cloexec(const CallRow&, const std::uint64_t (&arguments)[6]);

}  // namespace spawncheck::audit
