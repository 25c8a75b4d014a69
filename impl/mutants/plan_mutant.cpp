// SPDX-License-Identifier: MIT
//
// Planted bugs in the reference's own strategies: its library, with a bug in one step of the plan or one operation of
// the window. The build sets SPAWNCHECK_FAULT, a number of the table in faults.h.
//
// The linker wraps the changed functions (ld --wrap, CMakeLists.txt): the library itself is unchanged,
// and its calls of f reach __wrap_f; __real_f is the library's own f.
#include <fcntl.h>
#include <spawncheck/spawn/request.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "impl/mutants/faults.h"
#include "impl/peers/implementation.h"
#include "impl/peers/run_reference.h"
#include "impl/spawn/strategy.h"
#include "impl/spawn/window.h"

#define HAS(fault) (SPAWNCHECK_FAULT == SPAWNCHECK_FAULT_##fault)

#pragma GCC visibility push(hidden)
extern "C" {
int __real_spawn_plan_build(const spawn_request*, const spawn_abilities*, spawn_plan*);
std::uint64_t __real__ZN16spawncheck_spawn11window_takeEjm(unsigned, std::uint64_t);
spawncheck_spawn::Read __real__ZN16spawncheck_spawn11window_readEm(std::uint64_t);
long __real__ZN16spawncheck_spawn12window_stageEiiiPNS_6StagedE(int, int, int, spawncheck_spawn::Staged*);
void __real__ZN16spawncheck_spawn14window_unstageERKNS_6StagedE(const spawncheck_spawn::Staged&);
int __wrap_spawn_plan_build(const spawn_request*, const spawn_abilities*, spawn_plan*);
std::uint64_t __wrap__ZN16spawncheck_spawn11window_takeEjm(unsigned, std::uint64_t);
spawncheck_spawn::Read __wrap__ZN16spawncheck_spawn11window_readEm(std::uint64_t);
long __wrap__ZN16spawncheck_spawn12window_stageEiiiPNS_6StagedE(int, int, int, spawncheck_spawn::Staged*);
void __wrap__ZN16spawncheck_spawn14window_unstageERKNS_6StagedE(const spawncheck_spawn::Staged&);
}
#pragma GCC visibility pop

namespace {

using spawncheck_spawn::call;
using spawncheck_spawn::Staged;

constexpr const char* classes[] = {
#define SPAWNCHECK_ROW(id, word, class_, shows, clauses, what) class_,
    SPAWNCHECK_FAULTS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};
constexpr const char* words[] = {
#define SPAWNCHECK_ROW(id, word, class_, shows, clauses, what) word,
    SPAWNCHECK_FAULTS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};
constexpr bool is_staged = classes[SPAWNCHECK_FAULT][0] == 's', is_fetched = classes[SPAWNCHECK_FAULT][0] == 'f';
constexpr std::uint32_t strategy = is_staged    ? SPAWN_STRATEGY_STAGED
                                   : is_fetched ? SPAWN_STRATEGY_FETCHED
                                                : SPAWN_STRATEGY_UNSHARE;

// ---- the plan ---------------------------------------------------------------------------------------------------

class Steps {
 public:
  explicit Steps(spawn_plan& plan) : plan_(plan) {}
  int count() const { return static_cast<int>(plan_.step_count); }
  spawn_step& operator[](int i) { return plan_.step[i]; }
  bool is(int i, int kind) const { return i >= 0 && i < count() && plan_.step[i].kind == kind; }
  // Returns the first step of that kind from `from` on, or -1.
  int next(int kind, int from = 0) const {
    while (from < count() && !is(from, kind)) ++from;
    return from < count() ? from : -1;
  }
  int last(int kind) const {
    int i = count() - 1;
    while (i >= 0 && !is(i, kind)) --i;
    return i;
  }
  void remove(int i) {
    if (i < 0) return;
    std::memmove(plan_.step + i, plan_.step + i + 1, static_cast<unsigned>(count() - i - 1) * sizeof(spawn_step));
    --plan_.step_count;
  }
  void mark_after(int i, int number) {  // the number becomes close-on-exec after step i
    if (plan_.step_count >= plan_.step_capacity) return;
    std::memmove(plan_.step + i + 2, plan_.step + i + 1, static_cast<unsigned>(count() - i - 1) * sizeof(spawn_step));
    plan_.step[i + 1] = {};
    plan_.step[i + 1].kind = SPAWN_STEP_SET_CLOEXEC;
    plan_.step[i + 1].a = number;
    ++plan_.step_count;
  }
  void move_before(int i, int before) {  // i < before
    if (i < 0 || before < 0) return;
    const spawn_step moved = plan_.step[i];
    std::memmove(plan_.step + i, plan_.step + i + 1, static_cast<unsigned>(before - i - 1) * sizeof(spawn_step));
    plan_.step[before - 1] = moved;
  }
  void swap_sources(int kind) {
    const int one = next(kind), other = one < 0 ? -1 : next(kind, one + 1);
    if (other < 0) return;
    const int source = plan_.step[one].a;
    plan_.step[one].a = plan_.step[other].a;
    plan_.step[other].a = source;
  }

 private:
  spawn_plan& plan_;
};

bool is_slot(Steps& steps, int number) {
  for (int i = 0; steps.is(i, SPAWN_STEP_STAGE); ++i)
    if (steps[i].b == number) return true;
  return false;
}

void spoil_unshare(Steps& steps, spawn_plan& plan) {
  if (HAS(PLAN_SWEPT_BY_EXEC)) steps.remove(steps.next(SPAWN_STEP_SWEEP_CLOEXEC));
  if (HAS(PLAN_PIDFD_LATE)) steps.move_before(steps.next(SPAWN_STEP_CLOSE_PIDFD), steps.next(SPAWN_STEP_MASK));
  if (HAS(PLAN_HANDLERS_KEPT)) {
    plan.start &= ~std::uint32_t{SPAWN_START_CLEAR_SIGHAND};
    steps.remove(steps.next(SPAWN_STEP_RESET_HANDLERS));
  }
  for (int i; HAS(PLAN_CYCLE_UNASKED) && (i = steps.next(SPAWN_STEP_DUP_TO_TEMPORARY)) > 0 &&
              steps.is(i - 1, SPAWN_STEP_SET_CLOEXEC);)
    steps.remove(i - 1);
  const int range = steps.next(SPAWN_STEP_CLOSE_RANGE);
  if (HAS(PLAN_LOW_RANGE_FIRST) && range >= 0 && steps.next(SPAWN_STEP_CLOSE_RANGE, range + 1) > 0)
    steps.move_before(range, steps.last(SPAWN_STEP_CLOSE_RANGE) + 1);
}

void spoil_staged(Steps& steps) {
  if (HAS(STAGED_FIRST_LOST) && steps.is(0, SPAWN_STEP_STAGE)) steps.remove(0);
  if (HAS(STAGED_SWAPPED)) steps.swap_sources(SPAWN_STEP_STAGE);
  for (int i = 0; i < steps.count(); ++i) {
    if (HAS(STAGED_SOURCE_CLOEXEC) && steps.is(i, SPAWN_STEP_DUP) && is_slot(steps, steps[i].a))
      steps.mark_after(i, steps[i].b);
    if (HAS(STAGED_COPY_LEFT) && steps.is(i, SPAWN_STEP_CLOSE) && is_slot(steps, steps[i].a))
      steps[i].kind = SPAWN_STEP_CLEAR_CLOEXEC;
  }
}

// Returns the target of the entry that begins with the fetch at `i`.
int target_of(Steps& steps, int i) { return steps.is(i + 1, SPAWN_STEP_DUP) ? steps[i + 1].b : steps[i].b; }

// An entry is a fetch and a clear, or a fetch, a dup and a close.
void lose_entry(Steps& steps, int fetch) {
  if (fetch < 0) return;
  const int size = steps.is(fetch + 1, SPAWN_STEP_DUP) ? 3 : 2;
  for (int n = 0; n < size; ++n) steps.remove(fetch);
}

void spoil_fetched(Steps& steps) {
  int latest = -1;  // the highest target
  if (HAS(FETCHED_SWAPPED)) steps.swap_sources(SPAWN_STEP_FETCH);
  if (HAS(FETCHED_SHARED)) steps[steps.next(SPAWN_STEP_CLOSE_RANGE)].flags = 0;
  if (HAS(FETCHED_LAST_LOST)) lose_entry(steps, steps.last(SPAWN_STEP_FETCH));
  for (int i = 0; i < steps.count(); ++i) {
    const bool is_moved = steps.is(i, SPAWN_STEP_DUP) && steps.is(i - 1, SPAWN_STEP_FETCH);
    if (HAS(FETCHED_BY_TARGET) && steps.is(i, SPAWN_STEP_FETCH)) steps[i].a = target_of(steps, i);
    if (HAS(FETCHED_MOVED_CLOEXEC) && is_moved) steps.mark_after(i, steps[i].b);
    if (HAS(FETCHED_COPIED) && steps.is(i, SPAWN_STEP_DUP) && !is_moved && latest >= 0) steps[i].a = latest;
    if (steps.is(i, SPAWN_STEP_CLEAR_CLOEXEC)) latest = steps[i].a;
    if (steps.is(i, SPAWN_STEP_DUP)) latest = steps[i].b;
    if (HAS(FETCHED_CLOEXEC) && steps.is(i, SPAWN_STEP_CLEAR_CLOEXEC)) steps.remove(i--);
  }
  int left = steps.last(SPAWN_STEP_CLOSE);
  if (HAS(FETCHED_CALLER_LEFT) && left >= 0 && steps[left].a == 0) steps[left].kind = SPAWN_STEP_CLEAR_CLOEXEC;
  while (left >= 0 && (steps[left].a == 0 || !steps.is(left, SPAWN_STEP_CLOSE))) --left;
  if (HAS(FETCHED_LEFT) && left >= 0) steps[left].kind = SPAWN_STEP_CLEAR_CLOEXEC;
}

// ---- the window -------------------------------------------------------------------------------------------------

int home = -1;           // a placeholder
std::uint64_t used = 0;  // STAGED_BLINDLY: numbers that a spawn has taken

std::uint64_t bit(int number) { return 1ull << number; }
void put_placeholder(int number) { call(SYS_dup3, home, number, O_CLOEXEC); }

// Takes the lowest numbers of the window that no spawn has, whatever is open there.
std::uint64_t take_blindly(unsigned count, std::uint64_t among) {
  std::uint64_t left = spawncheck_spawn::window_free() & among & ~__atomic_load_n(&used, __ATOMIC_ACQUIRE), taken = 0;
  for (unsigned i = 0; i < count && left != 0; ++i, left &= left - 1) taken |= left & ~(left - 1);
  if (spawncheck_spawn::count_bits(taken) < count) return 0;
  if (HAS(STAGED_BLINDLY) && (__atomic_fetch_or(&used, taken, __ATOMIC_ACQ_REL) & taken) != 0) return 0;
  return taken;
}

long stage_blindly(int source, int slot, int witness, Staged* staged) {
  long got = call(SYS_dup3, source, witness, O_CLOEXEC);
  if (got >= 0) got = call(SYS_dup3, source, slot, O_CLOEXEC);
  *staged = {source, slot, witness, spawncheck_spawn::identity_of(slot)};
  return got < 0 ? got : 0;
}

void unstage_badly(const Staged& s) {
  if (HAS(STAGED_BY_SOURCE) && spawncheck_spawn::same_description(s.slot, s.source) != spawncheck_spawn::Same::yes)
    return;
  if (HAS(STAGED_SLOT_CLOSED)) call(SYS_close, s.slot);
  if (!HAS(STAGED_SLOT_LEFT) && !HAS(STAGED_SLOT_CLOSED)) put_placeholder(s.slot);
  if (!HAS(STAGED_WITNESS_LEFT)) put_placeholder(s.witness);
  spawncheck_spawn::window_give_back(bit(s.slot) | bit(s.witness));
}

// ---- the one interface ------------------------------------------------------------------------------------------

int spawn(const spawncheck_request* request, spawncheck_result* result) {
  return run_reference(request, strategy, result);
}

}  // namespace

int __wrap_spawn_plan_build(const spawn_request* request, const spawn_abilities* abilities, spawn_plan* plan) {
  const int error = __real_spawn_plan_build(request, abilities, plan);
  if (error != 0 || plan->strategy != strategy) return error;
  Steps steps(*plan);
  if (is_staged)
    spoil_staged(steps);
  else if (is_fetched)
    spoil_fetched(steps);
  else
    spoil_unshare(steps, *plan);
  return 0;
}

std::uint64_t __wrap__ZN16spawncheck_spawn11window_takeEjm(unsigned count, std::uint64_t among) {
  if (HAS(STAGED_BLINDLY) || HAS(STAGED_TOGETHER)) return take_blindly(count, among);
  return __real__ZN16spawncheck_spawn11window_takeEjm(count, among);
}

spawncheck_spawn::Read __wrap__ZN16spawncheck_spawn11window_readEm(std::uint64_t named) {
  if (HAS(STAGED_IN_NAMED)) return {0, 0, home};
  return __real__ZN16spawncheck_spawn11window_readEm(named);
}

long __wrap__ZN16spawncheck_spawn12window_stageEiiiPNS_6StagedE(int source, int slot, int witness, Staged* staged) {
  if (HAS(STAGED_BLINDLY) || HAS(STAGED_TOGETHER) || HAS(STAGED_READ_ONCE))
    return stage_blindly(source, slot, witness, staged);
  return __real__ZN16spawncheck_spawn12window_stageEiiiPNS_6StagedE(source, slot, witness, staged);
}

void __wrap__ZN16spawncheck_spawn14window_unstageERKNS_6StagedE(const Staged& s) {
  if (HAS(STAGED_SLOT_LEFT) || HAS(STAGED_WITNESS_LEFT) || HAS(STAGED_SLOT_CLOSED) || HAS(STAGED_BY_SOURCE))
    unstage_badly(s);
  else
    __real__ZN16spawncheck_spawn14window_unstageERKNS_6StagedE(s);
  __atomic_fetch_and(&used, ~(bit(s.slot) | bit(s.witness)), __ATOMIC_ACQ_REL);
}

extern "C" __attribute__((visibility("default"))) int spawncheck_adopt_window_v1(int first, int last) {
  home = first;
  return spawn_window_adopt(first, last);
}

extern "C" __attribute__((visibility("default"))) const spawncheck_implementation* spawncheck_implementation_v1() {
  static const spawncheck_implementation self = {SPAWNCHECK_ABI,
                                                 words[SPAWNCHECK_FAULT],
                                                 is_staged || is_fetched ? 1u << SPAWNCHECK_FDS_ONLY : 7u,
                                                 127,
                                                 is_staged || is_fetched ? "fd.released" : "fd.snapshot fd.released",
                                                 spawn};
  (void)spawn_abilities_probed();  // once in the server, not in each arena it forks
  return &self;
}
