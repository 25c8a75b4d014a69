// SPDX-License-Identifier: MIT
//
// Descriptor tables with provenance. Follower steps over the events of a run and keeps each task's table; its
// results are facts: windows, clones, children, execs. It judges nothing (rules.h).
//
// These are not the tables of model/kernel, which are made for comparing and hashing a few small processes: here a run
// has thousands of tasks, and each entry carries its origin.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/audit/event.h"
#include "model/audit/order.h"

namespace spawncheck::audit {

// The time for which a descriptor lacks close-on-exec: until the flag is set, or it is closed or replaced.
struct Window {
  enum class End : std::uint8_t { open, flagged, closed, replaced };
  std::uint32_t table = 0;
  std::int32_t number = -1;
  TaskId creator = -1;
  std::uint32_t create_event = nothing;  // its site and its text are there
  std::uint64_t begin_ns = 0, end_ns = 0;
  End end = End::open;
  std::uint32_t calls = 0;  // followed calls of other tasks on the same table meanwhile
  std::uint64_t description = 0;
  std::array<Instant, 2> start, stop;  // one for each of Follower's orders
  bool is_shared = false;              // another task used the table meanwhile
};

// A clone without CLONE_FILES: a copy of the table.
struct Copy {
  TaskId task = -1, child = -1;
  std::uint32_t table = 0, event = nothing;  // the copied table
  std::uint64_t begin_ns = 0, end_ns = 0;
  std::array<Instant, 2> at;
  bool is_table_shared = false;  // several tasks used it when it was copied
  // What the child did to its table until its last exec:
  std::vector<std::pair<std::int64_t, std::int64_t>> swept;  // numbers that the child closed, open or not
  bool lists_all = false;                                    // the child listed its descriptors, to close them
  std::set<std::int32_t> asked;                              // numbers that the child placed, or whose flag it cleared
  // Likewise after its first exec; used from the next exec on, since the first program was a helper.
  std::vector<std::pair<std::int64_t, std::int64_t>> swept_late;
  bool lists_all_late = false;
  std::vector<std::uint32_t> execs;  // Follower::execs()
  bool sweeps(std::int32_t number) const;
};

struct Inherited {
  std::int32_t number = -1;
  std::string link;
  std::uint32_t window = nothing;  // the window it came from; nothing: see the flags
  bool is_passed_through = false, is_asked = false, is_standard = false,
       is_own = false;  // is_own: opened by the child itself
  bool is_seen = true;  // false: it came by a call that was not followed
};

struct Exec {
  TaskId task = -1;
  std::uint32_t event = nothing, copy = nothing;  // Follower::copies(); nothing: the first program, or a thread's exec
  std::vector<Inherited> inherited;
  std::vector<std::int32_t> lost;  // open according to the events, but not in the kernel's list
};

// An exec that failed with ETXTBSY while the child of another clone, before its exec, held the file open for writing.
struct BusyExec {
  std::uint32_t event = nothing, copy = nothing, create_event = nothing;
  std::int32_t number = -1;
};

// A late end of file: the last writer closed its end while a child, before its exec, held a copy.
struct LateEnd {
  std::uint32_t event = nothing, copy = nothing, create_event = nothing;
  std::int32_t number = -1;
};

struct Entry {
  std::int32_t number = -1;
  bool cloexec = false, may_write = false;
  What what = What::unknown;
  std::uint32_t create_event = nothing, window = nothing;
  std::uint64_t description = 0, channel = 0;
  bool is_passed_through = false, is_own = false, is_seen = true;
};

class Follower {
 public:
  // The orders. strict: what every run must wait for (births, data, waits, signals). all: also what only this run
  // may have waited for (futexes, file locks, the end of a thread).
  enum { strict, all, orders };

  explicit Follower(Recording& recording) : recording_(recording) {}

  void begin(TaskId first, const std::vector<OpenNumber>& open);  // the first task, and its open numbers
  void apply(std::uint32_t event);                                // an event of the recording; call in its order
  void apply(const Event&);                                       // adds the event to the recording and applies it

  const std::vector<Window>& windows() const { return windows_; }
  const std::vector<Copy>& copies() const { return copies_; }
  const std::vector<Exec>& execs() const { return execs_; }
  const std::vector<BusyExec>& busy_execs() const { return busy_execs_; }
  const std::vector<LateEnd>& late_ends() const { return late_ends_; }
  std::uint32_t copy_that_made(std::uint32_t table) const {
    return tables_[table].made_by;
  }  // nothing: the first table
  const Recording& recording() const { return recording_; }

  const Entry* find(TaskId, std::int32_t number) const;
  std::vector<Entry> entries(TaskId) const;  // of the task's table, if no other task uses it
  std::uint32_t users_of(std::uint32_t table) const { return tables_[table].users; }

 private:
  // The former entry of a number, for copies that the kernel made before the call that ended the entry. Such a call
  // is recorded at its entry; it has certainly returned when its task makes the next call.
  struct Past {
    Entry entry;
    TaskId ended_by = -1;
    std::uint64_t end_ns = 0;
  };
  struct Table {
    std::uint32_t users = 0;
    bool was_shared = false;
    std::uint32_t calls = 0;
    std::map<std::int32_t, Entry> entries;
    std::map<std::int32_t, Past> past;
    std::uint32_t copied_from = nothing, made_by = nothing;
    std::uint64_t copied_begin_ns = 0, copied_end_ns = 0;
  };
  struct Task {
    std::uint32_t table = nothing, copy = nothing;
    bool is_before_exec = false;
    std::int32_t process = -1;
    std::int32_t ended_number = -1;  // the Past of this number waits for the task's next call
  };

  void put(const Event&, std::uint32_t index, Entry);
  void take(Table&, const Event&, std::int32_t number, Window::End);
  void keep_past(Table&, const Event&, const Entry&);
  void date_past(Task&, const Event&);
  void end_window(Entry&, const Event&, Window::End);
  void open_window(Entry&, std::uint32_t table, const Event&, std::uint32_t index, std::uint64_t begin_ns);
  void clone(const Event&, std::uint32_t index);
  void exec(const Event&, std::uint32_t index);
  void close_range(const Event&);
  void own_table(TaskId, const Event&);
  void give_copy(Task&, Copy, const Event&);
  void leave(TaskId, const Event&);
  std::array<Instant, 2> now(TaskId);
  void explain(Table&, Inherited&);  // explains an unexpected number by a call in flight
  void note_busy(const Event&, std::uint32_t index);
  void note_late_end(const Event&, std::uint32_t index, std::uint32_t table);
  void flag(const Event&, std::uint32_t index, Task&, Copy*);
  void add(const Event&, std::uint32_t index, Copy*);

  Recording& recording_;
  std::vector<Table> tables_;
  std::unordered_map<TaskId, Task> tasks_;
  std::array<Order, orders> order_;
  std::vector<Window> windows_;
  std::vector<Copy> copies_;
  std::vector<Exec> execs_;
  std::vector<BusyExec> busy_execs_;
  std::vector<LateEnd> late_ends_;
  std::set<std::uint32_t> open_copies_;
  std::uint64_t descriptions_ = 0;
};

}  // namespace spawncheck::audit
