// SPDX-License-Identifier: MIT
#include "model/explore/window.h"

#include <algorithm>
#include <cerrno>

#include "impl/peers/implementation.h"
#include "model/contract/describe.h"
#include "model/contract/habits.h"

namespace spawncheck::explore {

using model::Entry;
using model::Index;
using model::State;
using model::Table;

namespace {

// The parts of the ranges for which `explained` does not hold: each range is cut at the table's entries,
// and `explained` is asked for each part.
template <typename Explained>
std::vector<Range> without(const std::vector<Range>& ranges, const Table& table, Explained explained) {
  std::vector<Range> left;
  for (const Range& r : ranges) {
    std::int32_t at = r.first;
    while (at <= r.last) {
      const Entry* entry = table.find(at);
      std::int32_t to = r.last;
      if (entry != nullptr) {
        to = std::min(r.last, entry->last);
      } else {
        for (const Entry& e : table.entries())
          if (e.number > at) {
            to = std::min(r.last, e.number - 1);
            break;
          }
      }
      if (!explained(entry, r.entry)) left.push_back({at, to, r.entry});
      at = to + 1;
    }
  }
  return left;
}

bool crosses(const Entry* e) { return e != nullptr && e->description != model::none && !e->cloexec; }

// Removes first..last from the ranges.
void cut(std::vector<Range>& ranges, std::int32_t first, std::int32_t last) {
  std::vector<Range> left;
  for (const Range& r : ranges) {
    if (last < r.first || first > r.last) {
      left.push_back(r);
      continue;
    }
    if (r.first < first) left.push_back({r.first, first - 1, r.entry});
    if (r.last > last) left.push_back({last + 1, r.last, r.entry});
  }
  ranges = std::move(left);
}

// Removes the targets, a run at a time.
void cut_targets(const SpawnCase& c, std::vector<Range>& ranges) {
  for (std::size_t i = 0; i < c.targets.size();) {
    std::size_t end = i + 1;
    while (end < c.targets.size() && c.targets[end] - c.targets[i] == static_cast<std::int32_t>(end - i)) ++end;
    cut(ranges, c.targets[i], c.targets[i] + static_cast<std::int32_t>(end - i) - 1);
    i = end;
  }
}

// Removes the targets and the numbers of the child's table.
void cut_known(const SpawnCase& c, std::vector<Range>& ranges) {
  cut_targets(c, ranges);
  if (c.child == nullptr) return;
  for (std::uint32_t i = 0; i < c.child->entry_count; ++i)
    cut(ranges, c.child->entry[i].number, c.child->entry[i].last);
}

const sc_entry* observed_at(const sc_process& child, std::int32_t number) {
  const sc_entry* end = child.entry + child.entry_count;
  const sc_entry* at =
      std::lower_bound(child.entry, end, number, [](const sc_entry& e, std::int32_t n) { return e.last < n; });
  return at != end && at->number <= number ? at : nullptr;
}

}  // namespace

void Window::open(const SpawnCase& spawn, const State& state, Index task) {
  *this = Window{};
  case_ = &spawn;
  kept_unexplained_.assign(spawn.keep.size(), true);
  sources_never_open_.assign(spawn.keep.size(), true);
  if (spawn.child != nullptr) {
    for (std::uint32_t i = 0; i < spawn.child->entry_count; ++i) {
      const sc_entry& e = spawn.child->entry[i];
      std::vector<Range> range{{e.number, e.last, static_cast<std::int32_t>(i)}};
      cut_targets(spawn, range);
      unexplained_.insert(unexplained_.end(), range.begin(), range.end());
    }
    if (spawn.reads_table()) {
      for (const Entry& e : state.table_of(task).entries())
        if (crosses(&e)) always_crossing_.push_back({e.number, e.last, -1});
      cut_known(spawn, always_crossing_);
    }
  }
  look(state, task);
}

void Window::add_candidate(std::int32_t number, Index description) {
  constexpr std::size_t of_one_number_max = 64;
  const auto is_below = [](const auto& c, std::int32_t n) { return c.first < n; };
  const auto first = std::lower_bound(candidates_.begin(), candidates_.end(), number, is_below);
  auto end = first;
  for (; end != candidates_.end() && end->first == number; ++end)
    if (end->second == description) return;
  if (static_cast<std::size_t>(end - first) < of_one_number_max) candidates_.insert(end, {number, description});
}

bool Window::was_installed_in(std::int32_t first, std::int32_t last) const {
  return std::any_of(installed_.begin(), installed_.end(), [&](std::int32_t n) { return first <= n && n <= last; });
}

void Window::look_at_kept(const Table& table, bool& all_match) {
  for (std::size_t i = 0; i < case_->keep.size(); ++i) {
    const Kept& k = case_->keep[i];
    const Entry* source = k.source < 0 ? nullptr : table.find(k.source);
    const bool is_open = source != nullptr && source->description != model::none &&
                         !(source->description == own_pidfd_ && k.source == pidfd_number);
    if (is_open)
      sources_never_open_.remove(i);
    else
      is_source_once_closed_ = true;
    if (case_->child == nullptr) continue;
    const sc_entry* observed = observed_at(*case_->child, k.target);
    if (is_open && observed != nullptr && !observed->cloexec &&
        is_same_file(descriptions_->at(source->description), observed->key)) {
      kept_unexplained_.remove(i);
      add_candidate(k.target, source->description);
    } else if (!was_installed_in(k.source, k.source)) {
      all_match = false;
    }
  }
}

void Window::look_at_rest(const Table& table, bool& all_match) {
  const sc_process& child = *case_->child;
  auto explains = [&](const Entry* e, std::int32_t entry) {
    return crosses(e) && case_->reads_table() && !child.entry[entry].cloexec &&
           is_same_file(descriptions_->at(e->description), child.entry[entry].key);
  };
  for (std::uint32_t i = 0; i < child.entry_count; ++i) {
    const sc_entry& observed = child.entry[i];
    if (observed.number != observed.last || case_->is_target(observed.number)) continue;
    const Entry* e = table.find(observed.number);
    if (explains(e, static_cast<std::int32_t>(i)))
      add_candidate(observed.number, e->description);
    else if (!was_installed_in(observed.number, observed.number))
      all_match = false;
  }
  unexplained_ = without(unexplained_, table, explains);
  if (!case_->reads_table()) return;
  always_crossing_ = without(always_crossing_, table, [](const Entry* e, std::int32_t) { return !crosses(e); });
  std::vector<Range> crossing;
  for (const Entry& e : table.entries())
    if (crosses(&e)) crossing.push_back({e.number, e.last, -1});
  cut_known(*case_, crossing);
  for (const Range& r : crossing)
    if (!was_installed_in(r.first, r.last)) all_match = false;
}

void Window::look_at_errors(const State& state, Index task) {
  const Table& table = state.table_of(task);
  const std::int32_t limit = state.process_of(task).limit;
  highest_limit_ = std::max(highest_limit_, limit);
  lowest_limit_ = std::min(lowest_limit_, limit);
  bool must_fail = false, may_fail = false;
  std::int32_t taken_by_kept = 0;
  for (const Kept& k : case_->keep) {
    // A number that stays where it is needs no dup2(2): the spawn may succeed above the limit.
    must_fail |= k.target >= limit && k.source != k.target;
    may_fail |= k.target >= limit;
    taken_by_kept += (k.target >= 0 && k.target < limit && table.find(k.target) == nullptr) ? 1 : 0;
  }
  limit_ever_good_ |= !must_fail;
  limit_ever_bad_ |= may_fail;
  const std::int32_t free = table.count_free_below(limit);
  numbers_ever_exhausted_ |= table.count_free_below(lowest_limit_) == 0;
  numbers_ever_scarce_ |= free < 2 * static_cast<std::int32_t>(case_->keep.size()) + 8;
  // A cycle needs one number besides the kept ones. For `only`, all others are closed by then.
  std::int32_t room = table.count_free_below(lowest_limit_) - taken_by_kept;
  if (!case_->reads_table()) {
    std::vector<std::int32_t> used;
    for (const Kept& k : case_->keep)
      for (std::int32_t n : {k.source, k.target})
        if (n >= 0 && n < lowest_limit_) used.push_back(n);
    std::sort(used.begin(), used.end());
    room = lowest_limit_ - static_cast<std::int32_t>(std::unique(used.begin(), used.end()) - used.begin());
  }
  temporary_ever_exhausted_ |= case_->has_cycle && room <= 0;
  if (case_->request->program == SC_PROGRAM_WRITTEN) {
    const model::Busy busy = model::program_busy(state, case_->request->name);
    program_ever_busy_ |= busy != model::Busy::no;
    program_ever_free_ |= busy != model::Busy::yes;
  }
  const model::Dispositions& dispositions = state.dispositions[state.tasks[task].dispositions];
  ever_ignored_ |= dispositions.ignored;
  always_ignored_ &= dispositions.ignored;
}

void Window::look(const State& state, Index task) {
  const Table& table = state.table_of(task);
  descriptions_ = &state.descriptions;
  bool all_match = true;
  look_at_kept(table, all_match);
  if (case_->child != nullptr) {
    look_at_rest(table, all_match);
    same_instant_ |= all_match;
  }
  look_at_errors(state, task);
  descriptions_ = nullptr;
}

bool Window::may_succeed() const {
  // A child that a signal may have ended before exec has reported no error, and the spawn may not know of
  // any.
  if (case_->sometimes.has(ECANCELED) && case_->child == nullptr) return true;
  if (!case_->always.empty() || !sources_never_open_.is_empty() || !limit_ever_good_) return false;
  return case_->request->program != SC_PROGRAM_WRITTEN || program_ever_free_;
}

// An implementation that reports no errno may return any error if some error is allowed.
bool Window::may_fail(int error, bool resource_errors) const {
  if (!lifts(case_->habits, Rule::no_error_without_reason) || error == SPAWNCHECK_DECLINED)
    return may_fail_so(error, resource_errors);
  if (!case_->always.empty() || !case_->sometimes.empty()) return true;
  constexpr int of_table[] = {EBADF, EINVAL, ETXTBSY, EMFILE};
  return std::any_of(std::begin(of_table), std::end(of_table), [&](int e) { return may_fail_so(e, resource_errors); });
}

bool Window::may_fail_so(int error, bool resource_errors) const {
  if (case_->always.has(error) || case_->sometimes.has(error)) return true;
  if (error == EBADF) return is_source_once_closed_ || limit_ever_bad_;
  if (error == EINVAL && limit_ever_bad_) return true;
  if (error == ETXTBSY) return program_ever_busy_;
  if (error == EMFILE && ((case_->wants_pidfd && numbers_ever_exhausted_) || temporary_ever_exhausted_)) return true;
  // fcntl(2) F_DUPFD: EINVAL if the requested number is not below the limit.
  const bool is_resource_error =
      error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN || error == EINVAL;
  return resource_errors && is_resource_error && numbers_ever_scarce_;
}

namespace {

bool refuse(Window::Reason* reason, const Violation& violation) {
  if (reason != nullptr && violation)
    *reason = {*violation->clause, violation->observed, violation->allowed, violation->rule};
  return false;
}

}  // namespace

// What is left unexplained, as facts: computed only for a report.
SpawnFacts Window::facts() const {
  SpawnFacts f;
  f.request = case_->request;
  f.habits = case_->habits;
  f.thread = case_->thread;
  f.operation = case_->operation;
  f.has_returned = case_->returned;
  f.error = case_->returned ? case_->record->error : 0;
  f.ever_ignored = ever_ignored_;
  f.always_ignored = always_ignored_;
  f.may_succeed = may_succeed();
  f.has_closed_source = !sources_never_open_.is_empty();
  f.is_one_instant = same_instant_;
  if (case_->child == nullptr) return f;
  const sc_process& child = *case_->child;
  f.child = {child.mask, child.ignored, child.caught};
  for (std::size_t i = 0; i < case_->keep.size(); ++i) {
    if (!kept_unexplained_.has(i)) continue;
    const sc_entry* e = observed_at(child, case_->keep[i].target);
    f.not_kept.push_back({case_->keep[i].source, case_->keep[i].target, e != nullptr ? describe(*e) : "closed"});
  }
  for (const Range& r : unexplained_) f.unexplained.push_back({r.first, describe(child.entry[r.entry])});
  for (const Range& r : always_crossing_) f.missing.push_back(r.first);
  return f;
}

bool Window::table_is_explained(Clauses enforced, Reason* reason) const {
  const auto refused = [&](Violation (*clause)(const SpawnFacts&)) {
    return refuse(reason, reason != nullptr ? clause(facts()) : Violation{});
  };
  if (enforced.has(Clause::fd_kept) && !kept_unexplained_.is_empty()) return refused(clauses::fd_kept);
  if (enforced.has(Clause::fd_exact) && (!unexplained_.empty() || !always_crossing_.empty()))
    return refused(clauses::fd_exact);
  if (enforced.has(Clause::fd_snapshot) && !same_instant_) return refused(clauses::fd_snapshot);
  return true;
}

bool Window::dispositions_are_explained(Reason* reason) const {
  SpawnFacts f;
  f.request = case_->request;
  f.habits = case_->habits;
  f.thread = case_->thread;
  f.operation = case_->operation;
  f.ever_ignored = ever_ignored_;
  f.always_ignored = always_ignored_;
  f.child = {case_->child->mask, case_->child->ignored, case_->child->caught};
  const Violation violation = clauses::sig_disposition(f);
  return !violation || refuse(reason, violation);
}

bool Window::may_close(Clauses enforced, bool resource_errors, Reason* reason) const {
  if (pidfd == Pidfd::taken || pidfd == Pidfd::reserved) return false;
  if (!case_->returned) return true;
  const int error = case_->record->error;
  if (error != 0) {
    if (!enforced.has(Clause::err_exact) || may_fail(error, resource_errors)) return true;
    if (reason == nullptr) return false;
    SpawnFacts f = facts();
    f.may_fail_so = false;
    return refuse(reason, clauses::err_exact(f));
  }
  if (case_->wants_pidfd && pidfd != Pidfd::settled) return false;
  if (enforced.has(Clause::err_exact) && !may_succeed())
    return refuse(reason, reason != nullptr ? clauses::err_exact(facts()) : Violation{});
  if (case_->child == nullptr) return true;
  if (!table_is_explained(enforced, reason)) return false;
  return !enforced.has(Clause::sig_disposition) || dispositions_are_explained(reason);
}

// The length of each list is mixed in, so that no two lists run into each other.
model::Hash128 Window::hash(model::Hash128 h) const {
  using model::mix;
  if (case_ == nullptr) return mix(h, 7);
  const auto pair = [](std::int32_t a, std::int32_t b) {
    return static_cast<std::uint32_t>(a) | std::uint64_t{static_cast<std::uint32_t>(b)} << 32;
  };
  const bool flags[] = {same_instant_,         limit_ever_good_,        limit_ever_bad_,           program_ever_free_,
                        program_ever_busy_,    numbers_ever_exhausted_, temporary_ever_exhausted_, numbers_ever_scarce_,
                        is_source_once_closed_};
  std::uint64_t bits = static_cast<std::uint8_t>(pidfd);
  for (const bool flag : flags) bits = bits << 1 | std::uint64_t{flag};
  h = mix(sources_never_open_.hash(kept_unexplained_.hash(h)), bits);
  h = mix(mix(h, pair(pidfd_number, own_pidfd_)), pair(highest_limit_, lowest_limit_));
  for (const std::vector<Range>* ranges : {&unexplained_, &always_crossing_}) {
    h = mix(h, ranges->size());
    for (const Range& r : *ranges) h = mix(mix(h, pair(r.first, r.last)), static_cast<std::uint32_t>(r.entry));
  }
  h = mix(h, candidates_.size());
  for (const auto& c : candidates_) h = mix(h, pair(c.first, c.second));
  h = mix(h, installed_.size());
  for (const std::int32_t n : installed_) h = mix(h, static_cast<std::uint32_t>(n));
  return mix(mix(h, ever_ignored_), always_ignored_);
}

}  // namespace spawncheck::explore
