// SPDX-License-Identifier: MIT
#include "model/explore/world.h"

#include <algorithm>
#include <cerrno>
#include <initializer_list>

#include "model/contract/rules.h"
#include "model/explore/canonical.h"
#include "model/explore/driver_step.h"

namespace spawncheck::explore {

using model::Entry;
using model::Index;
using model::State;
using model::Table;

namespace {

// Returns true if the tables are equal from number `from` on, except for pidfds, which a spawn may make and close.
bool same_but_pidfds(const State& state, const Table& a, const Table& b, std::int32_t from = 0) {
  const auto counts = [&](const Entry& e) {
    return e.last >= from && e.description != model::none &&
           state.descriptions[e.description].key.kind != SC_FILE_PIDFD;
  };
  const auto is_same = [&](Entry p, Entry q) {
    p.number = std::max(p.number, from);
    q.number = std::max(q.number, from);
    return p == q;
  };
  auto x = a.entries().begin(), y = b.entries().begin();
  for (;;) {
    while (x != a.entries().end() && !counts(*x)) ++x;
    while (y != b.entries().end() && !counts(*y)) ++y;
    if (x == a.entries().end() || y == b.entries().end()) return x == a.entries().end() && y == b.entries().end();
    if (!is_same(*x++, *y++)) return false;
  }
}

// Returns true if a step of the spawn has changed the caller's table only in window slots of its
// own.
bool differs_in_own_slots(const State& state, const SimulatedSpawn& machine, const Table& before) {
  constexpr std::int32_t window_end = 64;
  const Table& now = state.table_of(machine.parent());
  const auto counted = [&](const Table& table, std::int32_t n) {
    const Entry* e = table.find(n);
    const bool is_nothing = e == nullptr || e->description == model::none ||
                            state.descriptions[e->description].key.kind == SC_FILE_PIDFD ||
                            machine.is_own_slot(state, n, e->description);
    return is_nothing ? Entry{n, n, model::none, false} : Entry{n, n, e->description, e->cloexec};
  };
  for (std::int32_t n = 0; n < window_end; ++n)
    if (!(counted(before, n) == counted(now, n))) return false;
  return same_but_pidfds(state, before, now, window_end);
}

// A spawn that fails closes its pidfd by number. A thread that put a file there meanwhile did not own the number, and
// loses the file (linearize.cpp step_pidfd says the same of a run on the kernel).
bool differs_at_pidfd(const State& state, const Table& before, const Table& now, std::int32_t pidfd) {
  if (pidfd < 0 || pidfd >= 64) return false;
  return same_but_pidfds(state, before.without(std::uint64_t{1} << pidfd), now.without(std::uint64_t{1} << pidfd));
}

}  // namespace

// Checks each step of a spawn while it is made.
class Checker : public NoObserver {
 public:
  Checker(World& world, Violation& violation) : world_(world), violation_(violation) {}

  void takes_signal(const Driver& driver, Index task, int signal, model::Delivery how) {
    const bool in_child = how == model::Delivery::handled && driver.state().tasks[task].process != 0 &&
                          driver.state().process_of(task).program < 0;
    if (in_child) violation_ = clauses::sig_no_handler_in_child(signal);
  }

  void begins_spawn(const Driver& driver, std::size_t spawn) {
    SeenSpawn seen;
    seen.source.resize(driver.spawns()[spawn].keep().size());
    seen.mask_before = driver.state().tasks[driver.spawns()[spawn].parent()].mask;
    world_.seen_.insert(world_.seen_.begin() + static_cast<std::ptrdiff_t>(spawn), std::move(seen));
    world_.look(spawn);
  }

  void before_caller(const Driver& driver, const SimulatedSpawn& s) {
    before_ = driver.state().table_of(s.parent());
    pidfd_before_ = s.pidfd();
  }

  void after_caller(const Driver& driver, std::size_t spawn, SimulatedSpawn::Stage before) {
    const SimulatedSpawn& s = driver.spawns()[spawn];
    if (world_.has_pipes_ && before == SimulatedSpawn::Stage::clone && s.child() != model::none)
      world_.seen_[spawn].pipes = world_.pipes_of_child(spawn);
    const Table& now = driver.state().table_of(s.parent());
    const bool closes_pidfd = before == SimulatedSpawn::Stage::close_pidfd;
    if (!same_but_pidfds(driver.state(), before_, now) && !differs_in_own_slots(driver.state(), s, before_) &&
        !(closes_pidfd && differs_at_pidfd(driver.state(), before_, now, pidfd_before_)))
      violation_ = violated(Clause::fd_untouched, "the spawn changes the caller's table",
                            "nothing of ours is visible in it", rule(Rule::others_unaffected));
    if (!s.has_returned()) return;
    if (s.error() == EOPNOTSUPP) {  // a way or strategy that cannot do it, as an implementation declines
      violation_ = Verdict{};
      violation_->status = Status::unsupported;
      violation_->observed = "the way cannot make the spawn of thread " + std::to_string(s.parent()) + ", operation " +
                             std::to_string(s.operation());
      return;
    }
    if (s.leaves_what_it_staged(driver.state()))
      violation_ = violated(Clause::fd_untouched, "what the spawn has staged is left in the caller's window",
                            "its placeholders are there again", rule(Rule::window_at_end));
    world_.seen_[spawn].returned_unreleased = s.error() == 0 && world_.references_dropped(spawn);
    world_.seen_[spawn].returned_on_callers_memory = s.error() == 0 && s.has_callers_memory(driver.state());
    using namespace clauses;
    ask(world_.facts_of_return(spawn), {mm_released, sig_parent_restored, proc_pidfd, proc_unzombied, err_exact});
  }

  void before_child(const Driver& driver, const SimulatedSpawn& s) {
    shares_ = driver.state().tasks[s.child()].table == driver.state().tasks[s.parent()].table;
    if (shares_) before_ = driver.state().table_of(s.parent());
  }

  void after_child(const Driver& driver, std::size_t spawn) {
    if (shares_ && !same_but_pidfds(driver.state(), before_, driver.state().table_of(driver.spawns()[spawn].parent())))
      violation_ = violated(Clause::fd_untouched, "the child changes the caller's table",
                            "nothing of ours is visible in it, not even for a moment", rule(Rule::others_unaffected));
  }

  void begins_program(const Driver&, std::size_t spawn) {
    using namespace clauses;
    ask(world_.facts_of_child(spawn), {fd_kept, fd_exact, sig_disposition, sig_mask});
  }

 private:
  void ask(const SpawnFacts& facts, std::initializer_list<Violation (*)(const SpawnFacts&)> all) {
    for (const auto clause : all)
      if (!violation_) violation_ = clause(facts);
  }

  World& world_;
  Violation& violation_;
  Table before_;  // of the caller
  std::int32_t pidfd_before_ = -1;
  bool shares_ = false;
};

bool World::step(unsigned actor, unsigned outcome, Violation& violation) {
  Checker checker(*this, violation);
  if (!driver_.step(actor, outcome, checker)) return false;
  for (std::size_t s = 0; s < seen_.size(); ++s) look(s);
  // A caller that has ended is owed nothing.
  if (driver_.caller_has_ended() && violation && violation->clause != Clause::sig_no_handler_in_child)
    violation.reset();
  if (!violation) violation = check_state();
  return true;
}

Violation World::at_end(bool is_deadlock) const {
  if (!is_deadlock || driver_.caller_has_ended() || driver_.caller_is_stopped()) return std::nullopt;
  for (std::size_t s = 0; s < seen_.size(); ++s)
    if (!driver_.spawns()[s].has_returned()) return clauses::live_returns(facts(s), " never returns: nobody can go on");
  return std::nullopt;  // only the scenario's own operations wait for each other
}

model::Hash128 World::hash() const {
  Canonical canonical(driver_);
  model::Hash128 h = driver_.hash(canonical);
  for (const SeenSpawn& s : seen_) {
    h = model::mix(h, s.source_was_closed);
    if (has_pipes_) h = canonical.add_files(h, s.pipes);
    if (has_dispositions_) h = model::mix(model::mix(h, s.ever_ignored), s.always_ignored);
    for (const std::uint64_t set : s.source) h = canonical.add_files(h, set);
    for (const Crossing& c : s.crossing)
      h = canonical.add_files(canonical.add_files(model::mix(h, static_cast<std::uint64_t>(c.number)), c.ever),
                              c.always);
  }
  return h;
}

}  // namespace spawncheck::explore
