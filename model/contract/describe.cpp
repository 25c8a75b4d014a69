// SPDX-License-Identifier: MIT
#include "model/contract/describe.h"

#include <cstring>

#include "impl/peers/implementation.h"
#include "model/kernel/call.h"

namespace spawncheck {

namespace {

std::string name_of(std::uint64_t id) { return std::string(1, static_cast<char>('a' + id % 26)); }

std::string creator_of(std::uint64_t id) {
  if (id < 1000) return "of world line " + std::to_string(id - 1);
  if (id >= sc_identity_of_number(0)) return "of number " + std::to_string(id - sc_identity_of_number(0));
  return "of thread " + std::to_string((id - 1000) / 100) + ", operation " + std::to_string((id - 1000) % 100);
}

}  // namespace

std::string describe(const sc_key& key) {
  switch (key.kind) {
    case SC_FILE_MEMFD:
      return "the memfd " + creator_of(key.id);
    case SC_FILE_EVENTFD:
      return "the eventfd " + creator_of(key.id);
    case SC_FILE_NULL:
      return "/dev/null";
    case SC_FILE_PIPE_READ:
      return "the read end of pipe " + std::to_string(key.id);
    case SC_FILE_PIPE_WRITE:
      return "the write end of pipe " + std::to_string(key.id);
    case SC_FILE_SOCKET:
      return "socket " + std::to_string(key.id);
    case SC_FILE_LISTENER:
      return key.id == model::unbound ? "a socket bound to no port" : "the socket bound to port " + name_of(key.id);
    case SC_FILE_MQUEUE:
      return "queue " + name_of(key.id);
    case SC_FILE_REGULAR:
      return "file " + name_of(key.id);
    case SC_FILE_PROGRAM:
      return "program " + name_of(key.id) + ", open for writing";
    case SC_FILE_FIFO_READ:
      return "FIFO " + name_of(key.id) + ", open for reading";
    case SC_FILE_FIFO_WRITE:
      return "FIFO " + name_of(key.id) + ", open for writing";
    case SC_FILE_PIDFD:
      return "a pidfd";
    case SC_FILE_NONE:
      return "nothing";
    default:
      return "a file the scenario did not open";
  }
}

std::string describe(const sc_entry& entry) { return describe(entry.key) + (entry.cloexec ? ", close-on-exec" : ""); }

std::string describe_error(int error) {
  if (error == 0) return "success";
  if (error == SPAWNCHECK_DECLINED) return "declined";
  const char* name = ::strerrorname_np(error);
  return name != nullptr ? name : "errno " + std::to_string(error);
}

std::string describe_signals(std::uint64_t set) {
  if (set == 0) return "none";
  if (set == ~0ull) return "all";
  std::string words;
  for (int signal = 1; signal <= SC_SIGNAL_MAX; ++signal) {
    if ((set >> (signal - 1) & 1) == 0) continue;
    const char* name = signal < 32 ? ::sigabbrev_np(signal) : nullptr;
    if (!words.empty()) words += ' ';
    words += name != nullptr ? name : std::to_string(signal);
  }
  return words;
}

}  // namespace spawncheck
