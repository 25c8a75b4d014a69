// SPDX-License-Identifier: MIT
//
// One spawn of a history, seen from outside: its request, its result, and what its child held.
// Everything here is known before any order of operations is tried.
#pragma once

#include <cstdint>
#include <vector>

#include "model/contract/verdict.h"
#include "model/kernel/state.h"
#include "model/scenario/history.h"

namespace spawncheck::explore {

// A small set of errno values.
class Errors {
 public:
  void add(int error) {
    if (!has(error) && count_ < errors_max) errors_[count_++] = error;
  }
  void add(const Errors& other) {
    for (int i = 0; i < other.count_; ++i) add(other.errors_[i]);
  }
  bool has(int error) const;
  bool empty() const { return count_ == 0; }

 private:
  static constexpr int errors_max = 32;
  int errors_[errors_max]{};
  int count_ = 0;
};

struct Kept {
  std::int32_t source, target;
};

struct SpawnCase {
  std::uint8_t thread = 0, operation = 0;
  const sc_request* request = nullptr;
  const sc_op_record* record = nullptr;
  const sc_process* child = nullptr;  // null: not observed
  std::vector<Kept> keep;             // resolved to numbers
  std::vector<std::int32_t> targets;  // of `keep`, ascending
  Errors always;                      // errors of the request itself, whatever the table: it must fail
  Errors sometimes;                   // errors that are allowed, as is success
  bool has_cycle = false;             // the keep-list needs a temporary number
  bool wants_pidfd = false;
  std::uint32_t habits = 0;  // of the implementation: model/contract/habits.h
  std::int32_t pgroup = 0;   // resolved; used if the request sets one
  bool returned = false, succeeded = false;

  bool is_target(std::int32_t number) const;
  bool reads_table() const { return request->policy != 2; }  // not `only`: numbers that are not kept may cross too
};

SpawnCase spawn_case(const Scenario&, const sc_history&, std::uint32_t thread, std::uint32_t operation,
                     bool reference_errors, std::uint32_t habits = 0);

// Returns true if exec refuses the program with ENOEXEC and the implementation runs it by sh(1): nothing is known of
// such a child.
bool runs_by_shell(const SpawnCase&);

// The value of an operand: its number, or the result of the variable's operation (-1 if that failed).
std::int32_t resolve(const Scenario&, const sc_history&, std::uint32_t thread, std::uint32_t operation,
                     const sc_operand&);

// Returns true if the model's description can be the observed file.
bool is_same_file(const model::Description&, const sc_key& observed);

}  // namespace spawncheck::explore
