// SPDX-License-Identifier: MIT
//
// A scenario: a small concurrent program with its initial world, as text and as data.
//
//   limit 64
//   mask USR1
//   disposition INT handler
//   fd 0 null
//   fd 5 memfd cloexec
//   fds 6 7 pipe cloexec
//   window 60 63
//   memfds 300 555 cloexec
//   refuse close_range ENOSYS
//   thread
//     spawn only hold keep 5>3,7>4,300..555>10 -> $0
//     wait $0
//   thread
//     memfd -> $0
//     close $0
//   schedule 0 0 1 0.0 1
//   fault EMFILE@0.0.3
//   expect holds
//   expect violated fd.kept by canary
//   expect holds by vfork on 6.1.192
//
// '#' starts a comment. Blank lines and indentation do not count. Order: world, threads, schedule and fault,
// expectations. A scenario with a schedule or a fault runs scheduled. parse() and print() are inverse: parse(print(s))
// == s, and print(parse(x)) is the canonical text of x.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/scenario/operation.h"

namespace spawncheck {

struct Thread {
  std::vector<sc_operation> operations;
};

// The task that makes the next visible system call: thread t, or (child >= 0) the n-th process that it has started.
struct Turn {
  std::uint8_t thread = 0;
  std::int8_t child = -1;
  bool operator==(const Turn&) const = default;
};

enum class Status : std::uint8_t { holds, violated, inconclusive, unsupported, broken };

std::string_view name(Status);  // "holds", "violated", ...
std::optional<Status> status_named(std::string_view);
int exit_status(Status);  // 0, 1, 3, 4, 5; 2 is bad usage or a malformed scenario

struct Expectation {
  Status status = Status::holds;
  std::string clause;          // empty: any
  std::string implementation;  // empty: any
  std::string kernel;          // on the model: model/kernel/behaviours.h behaviours_in(); empty: the running one
  bool operator==(const Expectation&) const = default;
};

struct Scenario {
  sc_world world{};
  std::vector<Thread> threads;
  std::vector<Turn> schedule;  // empty: none
  sc_fault fault{};            // kind SC_FAULT_NONE: none
  std::vector<Expectation> expectations;
};

// Returns true if the scenario can only be run scheduled.
inline bool is_scheduled(const Scenario& s) { return !s.schedule.empty() || s.fault.kind != SC_FAULT_NONE; }

inline constexpr std::size_t schedule_turns_max = 4096;
inline constexpr int schedule_child_max = 31;
inline constexpr std::size_t expectations_max = 16;
inline constexpr std::size_t text_bytes_max = 64 * 1024;

bool operator==(const Scenario&, const Scenario&);

struct ParseError {
  int line = 0;    // from 1
  int column = 0;  // from 1, in bytes
  std::string expected;
  std::string message() const;  // "line 3, column 8: expected a descriptor number 0..19999 or $N"
};

// Never throws. Takes time and memory linear in the text.
std::variant<Scenario, ParseError> parse(std::string_view text);

// Canonical text, with a newline at the end.
std::string print(const Scenario&);
std::string print(const sc_operation&);
std::string print(const std::vector<Turn>&);  // "0*12 1 0.0"; empty for none

// "EMFILE@0.2.5": at the sixth call (5) of operation 2 of thread 0. Instead of an errno: `signal:USR1` for the
// caller's process, `child:TERM`, `kill-child`, `stop-child`, `kill-parent`.
std::string print(const sc_fault&);
std::optional<sc_fault> fault_named(std::string_view text);

// What a scenario must satisfy beyond syntax, so that generator, mutator and shrinker can build freely and repair:
// bounds of operation.h; a variable is used only after an operation of the same thread has set it; world numbers
// are distinct and below the limit, an alias names an earlier line; a thread index exists; no refused call is one
// that the operations make; a fault belongs to a spawn. parse() reports a breach at its place; repair() removes
// what breaks a rule.
bool is_valid(const Scenario&);
void repair(Scenario&);

std::uint64_t hash(const Scenario&);

}  // namespace spawncheck
