// SPDX-License-Identifier: MIT
//
// request -> plan. Pure: no system call, no allocation, no clock.
//
// The hard part is the descriptors. Three hazards, and what is done:
//
// - Other threads. While the table is shared, anything the child changes happens to the parent, and
//   anything other threads change happens to the child. So the first step that touches the table makes it
//   private, and nothing before does more than read it. With policy `only` that step is
//   close_range(highest source + 1, ~0, UNSHARE): the kernel then references nothing above the word of 64
//   that holds the highest source (fs/file.c sane_fdtable_size), so it is the first range and
//   not the last. A range with first > last would be EINVAL and would not unshare: the planner makes none.
//   Strategy staged has the same plan, with each source of 64 and above in a slot below 64, compared with its witness
//   in the child's own copy; with fetched the child's own table has no source; except names the range that stays.
// - The pidfd. CLONE_PIDFD with CLONE_FILES puts it into the shared table, at the lowest free number. A kept
//   source that another thread closes meanwhile may be that number. The child closes its own entry before
//   it reads any source, so that the read fails with EBADF instead of passing the pidfd on.
// - The keep-list is a simultaneous assignment. A move can be made once no other move has its target to read;
//   when no such move is left, only cycles remain, and one temporary opens each. By then every
//   remaining target is an open number, so the lowest free one is no target, provided that all
//   sources are still open: another thread may have closed one before the table became private, and a
//   temporary at its number would be read in its place. So the child first checks every number of a cycle
//   (SET_CLOEXEC: all of them are overwritten anyway; EBADF for a closed one).
//
// Rejected: moving sources to high numbers first (needs free numbers below the limit, twice the calls);
// dup2 in list order (wrong for swaps); reading the list of open numbers before clone (races).
// Checked by properties/spawn_plan_test (random keep-lists against an assignment) and by the model, which
// runs these plans.
#include <errno.h>
#include <limits.h>

#include "number_filter.h"
#include "strategy.h"

namespace {

using spawncheck_spawn::next_number_read;

constexpr uint32_t to_the_end = ~0u;
constexpr uint16_t unshare_flag = SPAWN_CLOSE_RANGE_UNSHARE, except_flag = SPAWN_CLOSE_RANGE_EXCEPT,
                   cloexec_only_flag = SPAWN_CLOSE_RANGE_CLOEXEC_ONLY;
constexpr uint16_t for_program = 1;  // of DUP_TO_TEMPORARY: which temporary

class Planner {
 public:
  Planner(const spawn_request* request, const spawn_abilities* abilities, spawn_plan* plan)
      : r_(*request), can_(*abilities), plan_(*plan) {
    for (uint32_t i = 0; i < r_.keep_count; ++i) targets_.add(r_.keep[i].target);
    for (uint32_t i = 0; i < r_.open_count; ++i) targets_.add(r_.open[i].target);
  }

  int build() {
    if (const int error = choose()) return error;
    stage();
    attributes();
    descriptors();
    open_and_attributes();
    finish();
    return overflow_ ? ENOSPC : 0;
  }

 private:
  bool asks(uint32_t bit) const { return (r_.set & bit) != 0; }
  bool only() const { return r_.policy == SPAWN_FDS_ONLY; }
  bool shares() const { return (plan_.start & SPAWN_START_FILES) != 0; }
  bool is(uint32_t strategy) const { return plan_.strategy == strategy; }

  spawn_step& add(uint16_t kind) {
    if (plan_.step_count >= plan_.step_capacity) {
      overflow_ = true;
      return discarded_;
    }
    spawn_step& s = plan_.step[plan_.step_count++];
    s = spawn_step{};
    s.kind = kind;
    return s;
  }
  void add(uint16_t kind, int a, int b = 0) {
    spawn_step& s = add(kind);
    s.a = a;
    s.b = b;
  }

  void add_list(uint16_t kind, uint32_t size, const void* data) {
    spawn_step& s = add(kind);
    s.first = size;
    s.data = data;
  }

  int choose();
  void attributes();
  void descriptors();
  void drop_all_but_sources();
  void close_gap(uint32_t first, uint32_t last, uint16_t flags);
  void protect_program();
  void move_kept();
  void move_cycle(uint32_t start);
  void close_sources();
  uint32_t writer_of(int number) const;
  void open_and_attributes();
  void finish();

  void stage();
  int place_of(int number) const;
  int source(uint32_t i) const { return place_of(r_.keep[i].source); }
  void drop_all_but_window();
  void close_gaps(uint16_t flags);
  void fetch_all();
  void fetch(uint32_t i);
  int next_unused() const;
  bool is_used(int number) const { return number < used_max && (used_[number / 64] >> (number % 64) & 1) != 0; }
  void set_used(int number) {
    if (number < used_max) used_[number / 64] |= 1ull << (number % 64);
  }
  template <typename Visit>
  void for_each_source(Visit visit) const;
  int next_source(int after);
  int highest_source() const;
  bool is_target(int number) const;
  bool is_pending(uint32_t i) const { return (done_[i / 64] >> (i % 64) & 1) == 0; }
  void set_done(uint32_t i) { done_[i / 64] |= 1ull << (i % 64); }
  bool is_still_read(int number, uint32_t except) const;

  const spawn_request& r_;
  const spawn_abilities& can_;
  spawn_plan& plan_;
  bool overflow_ = false;
  spawn_step discarded_ = {};  // takes the steps that do not fit; such a plan is refused
  int program_ = -1;           // number, or SPAWN_PROGRAM_TEMPORARY
  uint64_t done_[SPAWN_KEEP_MAX / 64] = {};
  spawncheck_spawn::NumberFilter targets_, sources_;  // of the moves: most targets are no move's source
  uint64_t word_ = 0;                                 // the sources from word_first_ on
  int word_first_ = 0;
  spawn_keep staged_[SPAWN_COPIED_ALWAYS] = {};  // source -> slot
  uint32_t staged_count_ = 0;
  // The child's table while it is filled. Open at a time: the fetched numbers and at most two more.
  static constexpr int used_max = SPAWN_KEEP_MAX + 64;
  uint64_t used_[used_max / 64] = {};
};

int Planner::choose() {
  spawncheck_spawn::Choice choice;
  if (!spawncheck_spawn::choose_strategy(r_, can_, &choice)) return ENOTSUP;
  plan_.strategy = choice.strategy;
  plan_.reason = choice.reason;
  plan_.start = SPAWN_START_VM | SPAWN_START_VFORK;
  if (!is(SPAWN_STRATEGY_COPY)) plan_.start |= SPAWN_START_FILES;
  if (can_.clone3) plan_.start |= SPAWN_START_CLONE3;
  if (can_.clone3 && can_.clear_sighand) plan_.start |= SPAWN_START_CLEAR_SIGHAND;
  if (asks(SPAWN_WANT_PIDFD) && can_.pidfd) plan_.start |= SPAWN_START_PIDFD;
  if (asks(SPAWN_WANT_PIDFD) && !can_.pidfd && !can_.pidfd_open) return ENOTSUP;
  if (asks(SPAWN_SET_CGROUP)) {
    if (!can_.clone3) return ENOTSUP;
    plan_.start |= SPAWN_START_INTO_CGROUP;
    plan_.cgroup_fd = place_of(r_.cgroup_fd);
  }
  // New credentials make memory undumpable; the caller's stays dumpable unless the request allows it (request.h).
  if (spawncheck_spawn::copies_memory(r_)) plan_.start &= ~uint32_t{SPAWN_START_VM};
  return 0;
}

// Dispositions come first: until handlers are reset every signal stays blocked. The directory changes before
// descriptors do, since a descriptor may name it.
void Planner::attributes() {
  if ((plan_.start & SPAWN_START_CLEAR_SIGHAND) == 0) add(SPAWN_STEP_RESET_HANDLERS);
  if (asks(SPAWN_SET_DEFAULT) && r_.dflt != 0) add(SPAWN_STEP_DEFAULT).bits = r_.dflt;
  if (asks(SPAWN_SET_IGNORE) && r_.ignore != 0) add(SPAWN_STEP_IGNORE).bits = r_.ignore;
  if (asks(SPAWN_NEW_SESSION)) add(SPAWN_STEP_SESSION);
  if (asks(SPAWN_SET_PGROUP)) add(SPAWN_STEP_PGROUP, r_.pgroup);
  if (asks(SPAWN_SET_UMASK)) add(SPAWN_STEP_UMASK, static_cast<int>(r_.umask));
  if (asks(SPAWN_SET_CWD)) add(SPAWN_STEP_CHDIR).path = r_.cwd;
  if (asks(SPAWN_SET_CWD_FD)) add(SPAWN_STEP_FCHDIR, place_of(r_.cwd_fd));
}

bool Planner::is_target(int number) const {
  if (!targets_.may_have(number)) return false;
  for (uint32_t i = 0; i < r_.keep_count; ++i)
    if (r_.keep[i].target == number) return true;
  for (uint32_t i = 0; i < r_.open_count; ++i)
    if (r_.open[i].target == number) return true;
  return false;
}

// Each distinct source of 64 and above gets a witness and a slot, the lowest numbers first. The slots lie above the
// witnesses, so that the witnesses survive the first range, which begins above the highest slot, and close together.
void Planner::stage() {
  if (!is(SPAWN_STRATEGY_STAGED)) return;
  uint64_t witnesses = spawncheck_spawn::usable_window(r_, can_), slots = witnesses;
  for (uint32_t i = spawncheck_spawn::sources_to_stage(r_); i != 0 && slots != 0; --i) slots &= slots - 1;
  for (int n = next_number_read(r_, SPAWN_COPIED_ALWAYS - 1); n != INT_MAX && slots != 0; n = next_number_read(r_, n)) {
    const int slot = __builtin_ctzll(slots);
    staged_[staged_count_++] = {n, slot};
    add(SPAWN_STEP_STAGE, n, slot);
    if (!overflow_) plan_.step[plan_.step_count - 1].first = static_cast<uint32_t>(__builtin_ctzll(witnesses));
    slots &= slots - 1;
    witnesses &= witnesses - 1;
  }
}

// Returns the child's number for what the caller has at `number`.
int Planner::place_of(int number) const {
  if (number >= 0 && number < SPAWN_COPIED_ALWAYS && (can_.window_in_use >> number & 1) != 0) return can_.placeholder;
  uint32_t begin = 0, end = number < SPAWN_COPIED_ALWAYS ? 0 : staged_count_;
  while (begin < end) {  // ascending
    const uint32_t middle = (begin + end) / 2;
    if (staged_[middle].source == number) return staged_[middle].target;
    (staged_[middle].source < number ? begin : end) = staged_[middle].source < number ? middle + 1 : middle;
  }
  return number;
}

template <typename Visit>
void Planner::for_each_source(Visit visit) const {
  for (uint32_t i = 0; i < r_.keep_count; ++i) visit(source(i));
  if (asks(SPAWN_PROGRAM_FD)) visit(place_of(r_.program_fd));
}

// Returns the smallest number above `after` that must survive until the moves are done, or INT_MAX. A walk over all of
// them reads the whole list once per 64 numbers, since sources are mostly neighbours.
int Planner::next_source(int after) {
  const auto in_word = [&](int above) {
    const int from = above + 1 - word_first_;
    const uint64_t left = from < 0 || from >= 64 ? 0 : word_ >> from << from;
    return left == 0 ? INT_MAX : word_first_ + __builtin_ctzll(left);
  };
  if (word_ != 0 && after >= word_first_)
    if (const int next = in_word(after); next != INT_MAX) return next;
  int lowest = INT_MAX;
  for_each_source([&](int n) {
    if (n > after && n < lowest) lowest = n;
  });
  word_ = 0;
  word_first_ = lowest;
  for_each_source([&](int n) {
    if (n >= lowest && n - lowest < 64) word_ |= 1ull << (n - lowest);
  });
  return lowest;
}

int Planner::highest_source() const {
  int highest = -1;
  for_each_source([&](int n) {
    if (n > highest) highest = n;
  });
  return highest;
}

void Planner::close_gap(uint32_t first, uint32_t last, uint16_t flags) {
  spawn_step& s = add(can_.close_range ? SPAWN_STEP_CLOSE_RANGE : SPAWN_STEP_CLOSE_EACH);
  s.first = first;
  s.last = last;
  s.flags = flags;
}

void Planner::drop_all_but_sources() {
  close_gap(static_cast<uint32_t>(highest_source() + 1), to_the_end, shares() ? unshare_flag : uint16_t{0});
  if (shares() && (plan_.start & SPAWN_START_PIDFD) != 0) add(SPAWN_STEP_CLOSE_PIDFD);
  if (staged_count_ != 0) add(SPAWN_STEP_CHECK_STAGED);
  if (next_source(-1) > 0 && next_source(-1) != INT_MAX) close_gap(0, static_cast<uint32_t>(next_source(-1) - 1), 0);
  close_gaps(0);
}

// Closes the numbers between the sources.
void Planner::close_gaps(uint16_t flags) {
  int before = next_source(-1);
  for (int n = before == INT_MAX ? INT_MAX : next_source(before); n != INT_MAX; n = next_source(n)) {
    if (n > before + 1) close_gap(static_cast<uint32_t>(before + 1), static_cast<uint32_t>(n - 1), flags);
    before = n;
  }
}

// Drops all numbers, or all close-on-exec ones, outside the range of the sources; none of them is even copied.
void Planner::drop_all_but_window() {
  const uint16_t what = only() ? uint16_t{0} : cloexec_only_flag;
  const int lowest = next_source(-1);
  const int highest = highest_source();
  const auto flags = static_cast<uint16_t>(what | unshare_flag | (lowest == INT_MAX ? 0 : except_flag));
  if (lowest == INT_MAX)
    close_gap(0, to_the_end, flags);
  else
    close_gap(static_cast<uint32_t>(lowest), static_cast<uint32_t>(highest), flags);
  if ((plan_.start & SPAWN_START_PIDFD) != 0) add(SPAWN_STEP_CLOSE_PIDFD);
  close_gaps(what);
}

int Planner::next_unused() const {
  int n = 0;
  while (is_used(n)) ++n;
  return n;
}

// The child's table is private and empty, so each new number is predictable: the lowest unused one. Number 0
// is the pidfd of the caller; an entry with target 0 comes last and replaces the pidfd.
void Planner::fetch_all() {
  close_gap(0, to_the_end, unshare_flag);
  if (r_.keep_count == 0 && !asks(SPAWN_PROGRAM_FD)) return;
  add(SPAWN_STEP_CALLER, 0);
  set_used(0);
  uint32_t last = r_.keep_count;  // the entry with target 0
  for (int target = 0; target != INT_MAX;) {
    uint32_t next = r_.keep_count;
    int next_target = INT_MAX;
    for (uint32_t i = 0; i < r_.keep_count; ++i) {
      if (r_.keep[i].target == 0)
        last = i;
      else if (r_.keep[i].target > target && r_.keep[i].target < next_target)
        next_target = r_.keep[next = i].target;
    }
    target = next_target;
    if (next < r_.keep_count) fetch(next);
  }
  if (asks(SPAWN_PROGRAM_FD)) {  // only target 0 is left, so it blocks no target
    program_ = next_unused();
    add(SPAWN_STEP_FETCH, place_of(r_.program_fd), program_);
    set_used(program_);
  }
  if (last < r_.keep_count)
    fetch(last);
  else
    add(SPAWN_STEP_CLOSE, 0);
}

// Fetches one entry. Each source is read from the caller's table once; a further entry for it copies the first.
void Planner::fetch(uint32_t i) {
  const int target = r_.keep[i].target;
  set_done(i);
  for (uint32_t j = 0; j < r_.keep_count; ++j) {
    if (j == i || is_pending(j) || source(j) != source(i)) continue;
    set_used(target);
    return add(SPAWN_STEP_DUP, r_.keep[j].target, target);
  }
  const int got = next_unused();
  add(SPAWN_STEP_FETCH, source(i), got);
  set_used(target);
  if (got == target) return add(SPAWN_STEP_CLEAR_CLOEXEC, target);
  add(SPAWN_STEP_DUP, got, target);
  add(SPAWN_STEP_CLOSE, got);
}

// The program's descriptor must reach exec with close-on-exec set, wherever the targets go.
void Planner::protect_program() {
  if (!asks(SPAWN_PROGRAM_FD)) return;
  program_ = place_of(r_.program_fd);
  int highest = -1;
  bool is_identity = false;
  for (uint32_t i = 0; i < r_.keep_count; ++i) {
    if (r_.keep[i].target > highest) highest = r_.keep[i].target;
    if (source(i) > highest) highest = source(i);
    is_identity |= r_.keep[i].target == program_ && source(i) == program_;
  }
  for (uint32_t i = 0; i < r_.open_count; ++i)
    if (r_.open[i].target > highest) highest = r_.open[i].target;
  if (is_identity) return;  // a keep entry keeps it at its own number
  if (!is_target(program_)) return add(SPAWN_STEP_SET_CLOEXEC, program_);
  spawn_step& s = add(SPAWN_STEP_DUP_TO_TEMPORARY);
  s.a = program_;
  s.b = highest + 1;
  s.flags = for_program;
  program_ = SPAWN_PROGRAM_TEMPORARY;
}

bool Planner::is_still_read(int number, uint32_t except) const {
  if (!sources_.may_have(number)) return false;
  for (uint32_t i = 0; i < r_.keep_count; ++i)
    if (i != except && is_pending(i) && source(i) == number) return true;
  return false;
}

// Returns the entry that overwrites `number`; a number of a cycle has exactly one.
uint32_t Planner::writer_of(int number) const {
  uint32_t i = 0;
  while (i + 1 < r_.keep_count && r_.keep[i].target != number) ++i;
  return i;
}

void Planner::move_kept() {
  for (uint32_t i = 0; i < r_.keep_count; ++i) sources_.add(source(i));
  for (uint32_t i = 0; i < r_.keep_count; ++i) {
    if (source(i) != r_.keep[i].target) continue;
    add(SPAWN_STEP_CLEAR_CLOEXEC, source(i));
    set_done(i);
  }
  for (bool moved = true; moved;) {
    moved = false;
    for (uint32_t i = 0; i < r_.keep_count; ++i) {
      if (!is_pending(i) || is_still_read(r_.keep[i].target, i)) continue;
      add(SPAWN_STEP_DUP, source(i), r_.keep[i].target);
      set_done(i);
      moved = true;
    }
  }
  for (uint32_t i = 0; i < r_.keep_count; ++i)
    if (is_pending(i)) move_cycle(i);
}

// Only cycles are left; each of their numbers is read once and written once. The first target's content is put
// aside; then each move frees the target of the next.
void Planner::move_cycle(uint32_t start) {
  const int aside = r_.keep[start].target;
  for (uint32_t i = start, asked = 0; asked < r_.keep_count; ++asked) {
    add(SPAWN_STEP_SET_CLOEXEC, source(i));
    if (source(i) == aside) break;
    i = writer_of(source(i));
  }
  add(SPAWN_STEP_DUP_TO_TEMPORARY, aside, 0);
  uint32_t i = start;
  for (uint32_t moves = 0; moves < r_.keep_count; ++moves) {
    const int from = source(i);
    add(SPAWN_STEP_DUP, from == aside ? SPAWN_TEMPORARY : from, r_.keep[i].target);
    set_done(i);
    if (from == aside) break;
    i = writer_of(from);
  }
  add(SPAWN_STEP_CLOSE, SPAWN_TEMPORARY);
}

void Planner::close_sources() {
  for (int n = next_source(-1); n != INT_MAX; n = next_source(n))
    if (!is_target(n) && n != program_) add(SPAWN_STEP_CLOSE, n);
}

void Planner::descriptors() {
  if (is(SPAWN_STRATEGY_FETCHED)) return fetch_all();
  if (is(SPAWN_STRATEGY_EXCEPT)) {
    drop_all_but_window();
  } else if (only()) {
    drop_all_but_sources();
  } else if (shares()) {
    if (can_.unshare_files)
      add(SPAWN_STEP_UNSHARE);
    else
      close_gap(to_the_end, to_the_end, unshare_flag);  // an empty range still copies the whole table
    if ((plan_.start & SPAWN_START_PIDFD) != 0) add(SPAWN_STEP_CLOSE_PIDFD);
  }
  protect_program();
  move_kept();
  if (only()) close_sources();
  // exec(2) closes close-on-exec descriptors only after it has woken the parent (6.18). The child closes them
  // before, so that fd.released holds when spawn returns.
  else if (!is(SPAWN_STRATEGY_EXCEPT))
    add(SPAWN_STEP_SWEEP_CLOEXEC, program_);
}

// Limits come after the descriptors, since a low RLIMIT_NOFILE would refuse their moves. Credentials come after all
// steps that need the caller's; attributes that a change of credentials clears come after it.
void Planner::open_and_attributes() {
  for (uint32_t i = 0; i < r_.open_count; ++i) {
    spawn_step& s = add(SPAWN_STEP_OPEN);
    s.a = r_.open[i].target;
    s.b = r_.open[i].flags;
    s.first = r_.open[i].mode;
    s.path = r_.open[i].path;
  }
  if (asks(SPAWN_SET_TERMINAL)) add(SPAWN_STEP_TERMINAL, r_.terminal);
  if (asks(SPAWN_SET_FOREGROUND)) add(SPAWN_STEP_FOREGROUND, r_.foreground);
  if (asks(SPAWN_SET_SCHEDULING)) add(SPAWN_STEP_SCHEDULING, r_.scheduling, r_.priority);
  if (asks(SPAWN_SET_NICE)) add(SPAWN_STEP_NICE, r_.nice);
  if (asks(SPAWN_SET_AFFINITY)) add_list(SPAWN_STEP_AFFINITY, r_.cpu_words * uint32_t{sizeof *r_.cpus}, r_.cpus);
  for (uint32_t i = 0; i < r_.limit_count; ++i) {
    spawn_step& s = add(SPAWN_STEP_LIMIT);
    s.a = static_cast<int>(r_.limit[i].resource);
    s.data = &r_.limit[i];
  }
  if (asks(SPAWN_SET_GROUPS)) add_list(SPAWN_STEP_GROUPS, r_.group_count, r_.groups);
  if (asks(SPAWN_SET_GID)) add_list(SPAWN_STEP_GID, r_.gid, nullptr);
  if (asks(SPAWN_SET_UID)) add_list(SPAWN_STEP_UID, r_.uid, nullptr);
  if (asks(SPAWN_SET_DEATH_SIGNAL)) add(SPAWN_STEP_DEATH_SIGNAL, r_.death_signal);
  if (asks(SPAWN_NO_NEW_PRIVS)) add(SPAWN_STEP_NO_NEW_PRIVS);
}

// The list of directories for a search whose request has none.
const char* path_of(char* const* envp) {
  for (; envp != nullptr && *envp != nullptr; ++envp) {
    const char* v = *envp;
    if (v[0] == 'P' && v[1] == 'A' && v[2] == 'T' && v[3] == 'H' && v[4] == '=') return v + 5;
  }
  return SPAWN_SEARCH_DEFAULT;
}

void Planner::finish() {
  spawn_step& mask = add(SPAWN_STEP_MASK);
  mask.bits = r_.mask;
  mask.flags = asks(SPAWN_SET_MASK) ? 0 : SPAWN_MASK_OF_CALLER;
  if (asks(SPAWN_PROGRAM_FD))
    add(SPAWN_STEP_EXEC_FD, program_);
  else if (asks(SPAWN_SEARCH)) {
    spawn_step& s = add(SPAWN_STEP_EXEC_SEARCH);
    s.path = r_.path;
    s.data = r_.search != nullptr ? r_.search : path_of(r_.envp);
  } else
    add(SPAWN_STEP_EXEC).path = r_.path;
}

const char* const step_words[] = {
#define SPAWN_ROW(id, table, word, meaning) word,
    SPAWN_STEPS(SPAWN_ROW)
#undef SPAWN_ROW
};

const spawn_strategy_row strategies[] = {
#define SPAWN_ROW(id, word, inherits, at_once, needs, meaning) {word, inherits, at_once, needs, meaning},
    SPAWN_STRATEGIES(SPAWN_ROW)
#undef SPAWN_ROW
};

}  // namespace

// Attributes, sweep, mask, exec and the program's descriptor: at most 34 steps. Per keep entry: a stage, a gap, a
// check, a move, a temporary and its close, a source to close. One step for each opened file and each limit.
uint32_t spawn_plan_steps_max(const spawn_request* request) {
  return 34 + 7 * (request->keep_count + 1) + request->open_count + request->limit_count;
}

int spawn_plan_build(const spawn_request* request, const spawn_abilities* abilities, spawn_plan* plan) {
  if (const int error = spawn_request_check(request, nullptr)) return error;
  plan->step_count = 0;
  plan->argv = request->argv;
  plan->envp = request->envp;
  return Planner(request, abilities, plan).build();
}

const char* spawn_step_word(uint32_t kind) { return kind < SPAWN_STEP_COUNT ? step_words[kind] : "?"; }

const spawn_strategy_row* spawn_strategy_of(uint32_t strategy) {
  const bool is_one = strategy > SPAWN_STRATEGY_AUTOMATIC && strategy < SPAWN_STRATEGY_COUNT;
  return is_one ? &strategies[strategy - SPAWN_STRATEGY_AUTOMATIC - 1] : nullptr;
}

const char* spawn_strategy_word(uint32_t strategy) {
  if (strategy == SPAWN_STRATEGY_AUTOMATIC) return "automatic";
  const spawn_strategy_row* row = spawn_strategy_of(strategy);
  return row != nullptr ? row->word : "?";
}
