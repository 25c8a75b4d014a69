// SPDX-License-Identifier: MIT
//
// A spawn as a window: the parent's states from the spawn's call to its return.
//
// The contract lets each entry of the child's table be taken at any instant of the call, so the judge of
// a free history need not know what the implementation does inside. The judge lets other threads' calls
// happen one by one while the window is open, looks at the parent after each, and removes what that
// instant explains. What remains when the window closes is unexplained: a clause is violated.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/contract/spawn_facts.h"
#include "model/explore/bits.h"
#include "model/explore/spawn_case.h"
#include "model/kernel/call.h"

namespace spawncheck::explore {

struct Range {
  std::int32_t first, last;
  std::int32_t entry;  // index in the child's observed table; -1: not in it
  bool operator==(const Range&) const = default;
};

class Window {
 public:
  bool is_open() const { return case_ != nullptr; }
  const SpawnCase& spawn() const { return *case_; }

  void open(const SpawnCase&, const model::State&, model::Index task);
  void look(const model::State&, model::Index task);  // takes in one instant
  // A number was installed without the table's lock while the window was open: a copy made meanwhile may
  // or may not have it (fs/file.c fd_install against dup_fd).
  void note_installed(std::int32_t number) { installed_.push_back(number); }

  // Returns true if the spawn may return as it did. Otherwise fills `reason`, which may be null.
  struct Reason {
    Clause clause{};  // the evidence is of this clause
    std::string observed, allowed, rule;
  };
  bool may_close(Clauses enforced, bool resource_errors, Reason* reason) const;

  // A requested pidfd takes a number of the parent's table, at an instant of its own.
  enum class Pidfd : std::uint8_t { untouched, reserved, taken, settled };
  // The spawn's own pidfd is not a file that the caller could keep: a source at its number counts as closed.
  void note_own_pidfd(model::Index description) { own_pidfd_ = description; }
  std::int32_t highest_limit() const { return highest_limit_; }  // of RLIMIT_NOFILE, so far in this window
  Pidfd pidfd = Pidfd::untouched;
  std::int32_t pidfd_number = -1;

  // Number of the child and a description that explains it; a number may have several.
  const std::vector<std::pair<std::int32_t, model::Index>>& candidates() const { return candidates_; }

  model::Hash128 hash(model::Hash128 h) const;

 private:
  void look_at_kept(const model::Table&, bool& all_match);
  void look_at_rest(const model::Table&, bool& all_match);
  void look_at_errors(const model::State&, model::Index task);
  void add_candidate(std::int32_t number, model::Index description);
  bool was_installed_in(std::int32_t first, std::int32_t last) const;
  bool may_fail(int error, bool resource_errors) const;
  bool may_fail_so(int error, bool resource_errors) const;
  bool may_succeed() const;
  SpawnFacts facts() const;
  bool table_is_explained(Clauses enforced, Reason* reason) const;
  bool dispositions_are_explained(Reason* reason) const;

  const SpawnCase* case_ = nullptr;
  const decltype(model::State::descriptions)* descriptions_ = nullptr;  // during look() only
  Bits kept_unexplained_, sources_never_open_;                          // indexed by keep entry
  bool is_source_once_closed_ = false;
  std::vector<Range> unexplained_;      // numbers the child has, targets aside
  std::vector<Range> always_crossing_;  // numbers that crossed at every instant, but that the child lacks
  std::vector<std::int32_t> installed_;
  std::vector<std::pair<std::int32_t, model::Index>>
      candidates_;  // ordered by number, and for one number in the order of instants
  model::Index own_pidfd_ = model::none;
  bool same_instant_ = false;
  bool limit_ever_good_ = false, limit_ever_bad_ = false;
  std::int32_t highest_limit_ = 0, lowest_limit_ = INT32_MAX;
  bool program_ever_free_ = false, program_ever_busy_ = false;
  bool numbers_ever_exhausted_ = false, temporary_ever_exhausted_ = false, numbers_ever_scarce_ = false;
  std::uint64_t ever_ignored_ = 0, always_ignored_ = ~0ull;
};

}  // namespace spawncheck::explore
