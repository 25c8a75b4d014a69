// SPDX-License-Identifier: MIT
//
// Which write each read of a run saw, over abstract events: thread, operation, call and number, nothing that differs
// between runs. So a pair means the same in another schedule, and in a scenario that was changed elsewhere. A variable
// is a number of a descriptor table (its file, its flag), or another thing of Access::Kind: the limit, the
// dispositions, files, a memory cell, the life of processes.
#pragma once

#include <compare>
#include <map>
#include <vector>

#include "impl/schedules/search/scheduler.h"

namespace spawncheck {

// A variable that a step touches: `low` to `high` are numbers of a table, or one number that stands for the whole.
struct Touched {
  Access::Kind kind;
  std::uint16_t id;  // of the table, the process: in this run
  std::int32_t low, high;
  bool is_read, is_write;
};
Touched touched(const Access&);

struct AbstractEvent {
  static constexpr std::int16_t any = -2, nothing = -3;

  std::int16_t thread = any, child = any, operation = any;
  std::int16_t call = nothing;  // enum sc_visible; nothing: no event, but the value when the run began
  Access::Kind kind = Access::occupancy;
  std::int32_t slot = any;

  auto operator<=>(const AbstractEvent&) const = default;
  bool is_of(const Event&) const;  // ignores what the event touches
  bool takes(std::int32_t number) const { return slot == any || slot == number; }
  AbstractEvent widened() const;  // the same call of any thread (or any child), any operation, any number
};

struct ReadsFrom {
  AbstractEvent write, read;
  auto operator<=>(const ReadsFrom&) const = default;
};

// The last write of each variable, as a run goes on. The caller must number the events in order.
class WriteLog {
 public:
  void add(const Event&, int number);
  int last(Access::Kind, std::uint16_t id, std::int32_t slot) const;  // -1: none
  // Returns the numbers from low to high that some event wrote alone, not as part of a range.
  std::vector<std::int32_t> written(Access::Kind, std::uint16_t id, std::int32_t low, std::int32_t high) const;

 private:
  struct Key {
    Access::Kind kind;
    std::uint16_t id;
    std::int32_t slot;
    auto operator<=>(const Key&) const = default;
  };
  struct Range {
    Touched what;
    int number;
  };
  std::map<Key, int> last_;
  std::vector<Range> ranges_;
};

struct RunPairs {
  std::vector<ReadsFrom> seen;  // a read of another task's write, or of the first value before another task's write
  std::vector<ReadsFrom>
      possible;  // each read with each write of the variable by another task, and with the first value
};
RunPairs pairs_of(const std::vector<Event>& run);

}  // namespace spawncheck
