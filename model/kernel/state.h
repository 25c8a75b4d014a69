// SPDX-License-Identifier: MIT
//
// The model's state: what a kernel knows of a few small processes. Plain values: copying a State copies
// the world. Objects that tasks may share (tables, dispositions, memory) are named by index, so that
// sharing is identity, as in the kernel.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <boost/container/small_vector.hpp>
#include <cmath>
#include <compare>
#include <cstdint>
#include <functional>

#include "model/scenario/history.h"

namespace spawncheck::model {

using Index = std::uint16_t;
inline constexpr Index none = 0xffff;

// A vector that keeps `few` elements without the heap: an explorer copies a state for every step.
template <typename T, std::size_t few>
using SmallVector = boost::container::small_vector<T, few>;

// An open file description (struct file). Never erased from State::descriptions; count == 0 means freed.
struct Description {
  sc_key key{};
  std::uint32_t count = 0;  // references (f_count): one for each number of a table, and those of calls in flight
  bool wildcard = false;    // stands for a file the model knows nothing about; matches every observation
  bool locked = false;      // holds flock(2) LOCK_EX
  // A spawn that is seen only from outside may refer to the description for a while: one bit for each
  // thread whose spawn is in flight, and whether a spawn that has returned may still refer to it.
  std::uint32_t held_in_window = 0;
  bool held_for_good = false;
  bool operator==(const Description& o) const;
};

// Numbers number..last refer to the same description with the same flag. Without a description the
// slot is reserved and still empty (fs/file.c alloc_fd before fd_install).
struct Entry {
  std::int32_t number, last;
  Index description;
  bool cloexec;
  bool operator==(const Entry&) const = default;
};

// A descriptor table (struct files_struct): entries ascending, without overlap, neighbours merged
// where they can be.
class Table {
 public:
  using Entries = SmallVector<Entry, 10>;
  const Entries& entries() const { return entries_; }
  std::uint16_t users() const {
    return users_;
  }  // files_struct.count: tasks, and a call that has made the table and not installed it yet
  const Entry* find(std::int32_t number) const;  // null: free
  std::int32_t lowest_free(std::int32_t from) const;
  std::int32_t last_reserved_below(std::int64_t bound) const;  // -1: none
  std::int32_t count_free_below(std::int32_t bound) const;
  bool refers_to(Index description) const;
  Table without(std::uint64_t numbers) const;  // a copy that no State counts, without these of the first 64 numbers
  bool operator==(const Table&) const = default;

 private:
  friend struct State;  // State counts the references of entries
  void put(std::int32_t number, std::int32_t last, Index description, bool cloexec);  // replaces what is there
  void remove(std::int32_t first, std::int32_t last);
  void merge_around(std::size_t at);
  Entries entries_;
  std::uint16_t users_ = 0;
};

// Dispositions (struct sighand_struct). Bit n-1 is signal n; a signal in neither set has its default.
struct Dispositions {
  std::uint64_t ignored = 0, handled = 0;
  bool operator==(const Dispositions&) const = default;
};

// A memory space (struct mm_struct): the cells that a scenario names, and the reference's record of its window
// (impl/spawn/window.cpp).
struct Memory {
  std::array<std::int32_t, SC_CELLS_MAX> cell{};
  std::uint64_t window = 0, window_free = 0;  // bit n: number n is in the window; is a free slot of it
  Index placeholder = none;                   // the description that the window's numbers refer to
  std::int32_t window_home = -1;              // the window's number that is not a slot
  Index owner = 0;                            // the process it was made for; a CLONE_VM child only borrows it
  Index written_by = 0;                       // the process that wrote to the memory last
  bool operator==(const Memory&) const = default;
};

// Pending signals. Standard ones merge; real-time ones, 32 and up, queue (kernel/signal.c legacy_queue).
struct Pending {
  std::uint64_t set = 0;
  std::array<std::uint8_t, 33> queued{};  // of signal 32 + i
  void add(int signal) {
    set |= 1ull << (signal - 1);
    if (signal >= 32 && queued[static_cast<std::size_t>(signal - 32)] < 255)
      ++queued[static_cast<std::size_t>(signal - 32)];
  }
  void take(int signal) {
    if (signal >= 32 && --queued[static_cast<std::size_t>(signal - 32)] != 0) return;
    set &= ~(1ull << (signal - 1));
  }
  void drop(std::uint64_t signals) {
    set &= ~signals;
    for (int signal = 32; signal <= 64; ++signal)
      if (signals >> (signal - 1) & 1) queued[static_cast<std::size_t>(signal - 32)] = 0;
  }
  bool operator==(const Pending&) const = default;
};

enum class Life : std::uint8_t { running, zombie, reaped };

struct Process {
  Index parent = none;
  Life life = Life::running;
  std::int32_t status = 0;    // of a zombie: its exit status, or -signal
  std::int32_t limit = 1024;  // RLIMIT_NOFILE, soft
  Pending shared_pending;
  std::int32_t group = 0;    // process index + 1 of the leader; 0: the arena's
  std::int32_t session = 0;  // likewise
  bool session_leader = false;
  std::uint8_t stopped_by = 0;  // the stop signal; 0: not stopped. A stopped process begins no call
  std::int32_t cwd = -1;        // name of a directory, -1: the arena's own
  std::int32_t umask = 022;
  std::int32_t program = -1;  // enum sc_program that the process has exec'd, -1: none yet
  std::uint8_t program_name = 0;
  bool is_clone_child = false;  // its exit signal is not SIGCHLD: wait(2), "Linux-specific options"
  bool operator==(const Process&) const = default;
};

// What a task asks of the kernel: a system call, resolved to numbers. See call.h.
struct Call {
  std::uint8_t kind = 0;
  std::uint8_t name = 0;
  std::uint8_t direction = 0;
  std::uint32_t flags = 0;
  std::int32_t a = -1, b = -1;
  std::uint64_t bits = 0;
  sc_key key[2]{};
  bool operator==(const Call& o) const;
};

// A call between its entry and its return. Each step is one thing that the kernel does at an instant;
// between steps any other task may act.
struct InFlightCall {
  Call call;
  bool active = false;
  std::uint8_t row = 0;    // of the call's table of steps (calls.cpp): the step it makes next
  std::uint8_t phase = 0;  // position within a row that makes several steps
  bool woken = false;
  bool holds_lock = false;  // of its task's table (files_struct.file_lock), from one step to the next
  Index held = none;        // a description the call refers to (fget); State::hold()
  Index table = none;       // a private copy that is not installed yet
  std::int32_t reserved[2] = {-1, -1};
  std::int32_t limit = 0;  // RLIMIT_NOFILE, as the call has read it
  std::int32_t error = 0;  // what the call returns once it has undone what it did
  std::int64_t cursor = 0, last = 0;
  std::int64_t room = 0;  // slots that have been allocated for a copy
  SmallVector<Index, 4>
      deferred;  // closed; held, and released when the call returns to user mode (fs/file_table.c fput)
  bool operator==(const InFlightCall& o) const = default;
};

// The signals whose handlers a task is running; the last to begin returns first. If there is no room for another,
// the oldest is forgotten and no longer blocks its signal.
struct Frames {
  std::array<std::uint8_t, 23> signal{};
  std::uint8_t count = 0;
  bool empty() const { return count == 0; }
  void push(int of) {
    if (count == signal.size()) std::copy(signal.begin() + 1, signal.begin() + count--, signal.begin());
    signal[count++] = static_cast<std::uint8_t>(of);
  }
  void pop() { signal[--count] = 0; }
  bool operator==(const Frames&) const = default;
};

struct Task {
  Index process = 0, table = 0, dispositions = 0, memory = 0;
  std::uint64_t mask = 0;
  Pending pending;
  Frames frames;
  bool altstack = false;
  Index vfork_child = none;          // the task is suspended until this child releases the memory
  bool has_released_memory = false;  // it still has the memory, but never runs on it again (kernel/fork.c mm_release)
  bool ended = false;
  bool in_user_mode = true;  // out of its last call: see signals.h may_begin_call()
  InFlightCall flight;
  bool operator==(const Task&) const = default;
};

struct State {
  SmallVector<Description, 12> descriptions;
  SmallVector<Table, 4> tables;
  SmallVector<Dispositions, 4> dispositions;
  SmallVector<Memory, 4> memories;
  SmallVector<Process, 3> processes;
  SmallVector<Task, 6> tasks;
  // May a limit change? If not, it does not matter when a call reads the limit, and the read is no step of its own.
  bool has_limit_changes = true;
  // The driver of the model knows only that signals are sent, not which: any interruptible sleep may be
  // interrupted.
  bool has_unknown_signals = false;

  Table& table_of(Index task) { return tables[tasks[task].table]; }
  const Table& table_of(Index task) const { return tables[tasks[task].table]; }
  Process& process_of(Index task) { return processes[tasks[task].process]; }
  const Process& process_of(Index task) const { return processes[tasks[task].process]; }
  Dispositions& dispositions_of(Index task) { return dispositions[tasks[task].dispositions]; }

  // All changes of entries go through these functions, which count references.
  void put(Index table, std::int32_t number, std::int32_t last, Index description,
           bool cloexec);  // replaces what is there
  void put(Index table, std::int32_t number, Index description, bool cloexec) {
    put(table, number, number, description, cloexec);
  }
  void remove(Index table, std::int32_t first, std::int32_t last);

  Index add_table();  // an empty table; the call that makes it is its user
  void use_table(Index table) { ++tables[table].users_; }
  void leave_table(Index table);                // with its last user the table's entries are removed (put_files_struct)
  void install_table(Index task, Index table);  // replaces the task's table

  bool referenced(Index description) const { return descriptions[description].count != 0; }
  void hold(Index description) { ++descriptions[description].count; }
  void release(Index description) { --descriptions[description].count; }
  Index add(const Description&);
  bool operator==(const State&) const;
};

// A 128-bit hash that stands for a state, where two different states must not be confused: collision_bound().
struct Hash128 {
  std::uint64_t high = 0, low = 0;
  auto operator<=>(const Hash128&) const = default;
};

// Mixes a value into a running hash.
inline std::uint64_t mix(std::uint64_t h, std::uint64_t v) {
  h ^= v + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
  h *= 0xff51afd7ed558ccdu;
  return h ^ (h >> 32);
}

// The halves are two different functions of the values: a collision in one is unlikely to be one in the other.
inline Hash128 mix(Hash128 h, std::uint64_t v) {
  const std::uint64_t high = (std::rotl(h.high, 41) + v) * 0xff51afd7ed558ccdu,
                      low = (std::rotl(h.low, 27) ^ v) * 0x9fb21c651e98df25u;
  return {high ^ (high >> 32), low ^ (low >> 29)};
}

// An upper bound on the probability that two of this many states share a hash, if hashes are as good as random: n^2
// / 2 over 2^128 (the birthday bound).
inline double collision_bound(std::uint64_t states) {
  return std::ldexp(static_cast<double>(states) * static_cast<double>(states), -129);
}

// Equal states have equal hashes; the hash covers every field of a state.
std::uint64_t hash(const State&);
Hash128 hash128(const State&);

// The initial state of a scenario: process 0 with a task for each of its threads and one more, last, for
// the main thread, which does nothing and blocks every signal; all of them share everything. `inode[i]`, where known,
// identifies the two ends of world line i.
State initial_state(const sc_world&, std::uint32_t threads, const std::uint64_t (*inode)[2]);

}  // namespace spawncheck::model

template <>
struct std::hash<spawncheck::model::Hash128> {
  std::size_t operator()(const spawncheck::model::Hash128& h) const noexcept { return h.low; }
};
