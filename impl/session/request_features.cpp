// SPDX-License-Identifier: MIT
#include "impl/session/request_features.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include "impl/peers/implementation.h"
#include "model/scenario/kept.h"
#include "model/scenario/request_fields.h"
#include "model/scenario/validate.h"

namespace spawncheck {

namespace {

constexpr std::int32_t standard_count = 3;  // 0, 1 and 2
constexpr std::uint32_t few = 3;

// ---- what the request sets ------------------------------------------------------------------------

template <std::uint8_t policy>
bool has_policy(const Scenario&, const sc_request& r) {
  return r.policy == policy;
}
void nothing_instead(Request, Random&) {}

template <std::size_t field>
bool sets(const Scenario&, const sc_request& r) {
  return (r.set & request_fields[field].bit) != 0;
}
template <std::size_t field>
void unset(Request at, Random&) {
  at.request.set &= ~request_fields[field].bit;
}

// ---- the keep-list --------------------------------------------------------------------------------

bool is_standard(std::int32_t n) { return 0 <= n && n < standard_count; }
bool is_identity(const sc_keep& k) { return k.source.variable == 0 && k.source.value == k.target; }

bool is_target(const sc_request& r, std::int32_t n) {
  return std::any_of(r.keep, r.keep + r.keep_count,
                     [n](const sc_keep& k) { return k.target <= n && n <= k.target + k.more; });
}

template <typename Predicate>
void erase_entries(sc_request& r, Predicate is_erased) {
  r.keep_count = static_cast<std::uint16_t>(std::remove_if(r.keep, r.keep + r.keep_count, is_erased) - r.keep);
}

bool keeps(const Scenario&, const sc_request& r) { return r.keep_count != 0; }
void keep_none(Request at, Random&) { at.request.keep_count = 0; }

bool keeps_many(const Scenario&, const sc_request& r) { return sc_kept_count(&r) > few; }
void keep_few(Request at, Random&) {
  sc_request& r = at.request;
  std::stable_partition(r.keep, r.keep + r.keep_count, [](const sc_keep& k) { return is_standard(k.target); });
  r.keep_count = static_cast<std::uint16_t>(std::min<std::uint32_t>(r.keep_count, few));
  for (std::uint32_t i = 0; i < r.keep_count; ++i) r.keep[i].more = 0;
}

bool keeps_beyond_standard(const Scenario&, const sc_request& r) {
  return std::any_of(r.keep, r.keep + r.keep_count,
                     [](const sc_keep& k) { return !is_standard(k.target) || !is_standard(k.target + k.more); });
}
void keep_at_standard(Request at, Random& random) {
  keep_few(at, random);
  for (std::uint32_t i = 0; i < at.request.keep_count; ++i) at.request.keep[i].target = static_cast<std::int32_t>(i);
}

bool keeps_in_place(const Scenario&, const sc_request& r) {
  return std::any_of(r.keep, r.keep + r.keep_count, is_identity);
}
void keep_moved(Request at, Random&) { erase_entries(at.request, is_identity); }

bool keeps_moved(const Scenario&, const sc_request& r) {
  return !std::all_of(r.keep, r.keep + r.keep_count, is_identity);
}
// Makes each entry's source the target's number if that is open, else erases the entry.
void keep_in_place(Request at, Random&) {
  sc_request& r = at.request;
  erase_entries(r, [&](const sc_keep& k) {
    return !is_identity(k) && (k.more != 0 || k.target < 0 || !is_open(at.scenario.world, k.target));
  });
  for (std::uint32_t i = 0; i < r.keep_count; ++i)
    if (!is_identity(r.keep[i])) r.keep[i].source = {r.keep[i].target, 0};
}

bool keeps_target_twice(const Scenario&, const sc_request& r) {
  for (std::uint32_t i = 0; i < r.keep_count; ++i)
    for (std::uint32_t j = 0; j < i; ++j)
      if (r.keep[i].target <= r.keep[j].target + r.keep[j].more &&
          r.keep[j].target <= r.keep[i].target + r.keep[i].more)
        return true;
  return false;
}
void keep_targets_once(Request at, Random&) {
  sc_request all = at.request;
  at.request.keep_count = 0;
  for (std::uint32_t i = 0; i < all.keep_count; ++i) {
    sc_request& r = at.request;
    r.keep[r.keep_count++] = all.keep[i];
    if (keeps_target_twice(at.scenario, r)) --r.keep_count;
  }
}

// Returns the entries of cycles and the entries that wait for one. An entry waits while another must still read its
// target; these are left after every entry that does not wait has been made.
std::vector<std::uint32_t> in_cycle(const sc_request& r) {
  std::vector<std::uint32_t> left;
  for (std::uint32_t i = 0; i < r.keep_count; ++i) left.push_back(i);
  const auto is_free = [&](std::uint32_t i) {
    return std::none_of(left.begin(), left.end(), [&](std::uint32_t j) {
      const sc_keep &k = r.keep[i], &other = r.keep[j];
      return i != j && other.source.variable == 0 && other.source.value <= k.target + k.more &&
             k.target <= other.source.value + other.more;
    });
  };
  for (std::size_t before = left.size() + 1; before != left.size();) {
    before = left.size();
    left.erase(std::remove_if(left.begin(), left.end(), is_free), left.end());
  }
  return left;
}
bool keeps_cycle(const Scenario&, const sc_request& r) { return !in_cycle(r).empty(); }
void break_cycle(Request at, Random& random) {
  const std::vector<std::uint32_t> left = in_cycle(at.request);
  if (left.empty()) return;
  const std::uint32_t erased = left[random.below(static_cast<std::uint32_t>(left.size()))];
  sc_request& r = at.request;
  std::copy(r.keep + erased + 1, r.keep + r.keep_count, r.keep + erased);
  --r.keep_count;
}

bool has_gaps(const Scenario&, const sc_request& r) {
  const std::uint32_t count = sc_kept_count(&r);
  for (const sc_keep& k : kept(r))
    if (k.target < 0 || static_cast<std::uint32_t>(k.target) >= count) return true;
  return false;
}
// Renumbers the targets from 0 on, in their order.
void keep_without_gaps(Request at, Random&) {
  sc_request& r = at.request;
  std::stable_sort(r.keep, r.keep + r.keep_count,
                   [](const sc_keep& a, const sc_keep& b) { return a.target < b.target; });
  std::int32_t next = 0;
  for (std::uint32_t i = 0; i < r.keep_count; ++i) {
    r.keep[i].target = next;
    next += 1 + r.keep[i].more;
  }
}

// ---- the caller -----------------------------------------------------------------------------------

// Adds a line to the world if there is room for it.
void open_at(sc_world& world, std::int32_t number, std::uint8_t kind) {
  if (world.line_count == SC_WORLD_MAX) return;
  sc_world_line line{};
  line.kind = kind;
  line.number = number;
  line.second = -1;
  world.line[world.line_count++] = line;
}

// Returns the number of each line of the world, of a range the first; without the window's.
std::vector<std::int32_t> opened(const Scenario& scenario) {
  std::vector<std::int32_t> out;
  for (const sc_world_line& l : std::span(scenario.world.line, scenario.world.line_count))
    if (l.kind != SC_WORLD_WINDOW) out.push_back(l.number);
  return out;
}

// Returns true if some operation names the number and closes or replaces it.
bool is_disturbed(const Scenario& scenario, std::int32_t n) {
  for (const Thread& thread : scenario.threads)
    for (const sc_operation& op : thread.operations) {
      const bool replaces = op.kind == SC_OP_DUP2 || op.kind == SC_OP_DUP3;
      const sc_operand& named = op.operand[replaces ? 1 : 0];
      if ((op.kind == SC_OP_CLOSE || replaces) && named.variable == 0 && named.value == n) return true;
    }
  return false;
}

// Draws an open number, mostly one that no operation disturbs. Opens 0 if nothing is open.
std::int32_t some_source(Scenario& scenario, Random& random) {
  std::vector<std::int32_t> all = opened(scenario), quiet;
  if (all.empty()) {
    open_at(scenario.world, 0, SC_WORLD_MEMFD);
    return 0;
  }
  std::copy_if(all.begin(), all.end(), std::back_inserter(quiet), [&](auto n) { return !is_disturbed(scenario, n); });
  const std::vector<std::int32_t>& from = quiet.empty() || random.chance(1, 8) ? all : quiet;
  return from[random.below(static_cast<std::uint32_t>(from.size()))];
}

bool misses_standard(const Scenario&, const sc_request& r) {
  for (std::int32_t n = 0; n < standard_count; ++n)
    if (!is_target(r, n)) return true;
  return false;
}
// The source is mostly the target's own number if that is open, else any open number.
void keep_standard_too(Request at, Random& random) {
  sc_request& r = at.request;
  for (std::int32_t n = 0; n < standard_count; ++n) {
    if (is_target(r, n)) continue;
    if (r.keep_count == SC_KEEP_MAX) --r.keep_count;
    const bool in_place = is_open(at.scenario.world, n) && random.chance(3, 4);
    const std::int32_t source = in_place ? n : some_source(at.scenario, random);
    std::copy_backward(r.keep, r.keep + r.keep_count, r.keep + r.keep_count + 1);
    r.keep[0] = {{source, 0}, n, 0};
    ++r.keep_count;
  }
}

bool is_closed_source(const Scenario& scenario, const sc_keep& k) {
  if (k.source.variable != 0) return false;
  for (std::int32_t n = k.source.value; n <= k.source.value + k.more; ++n)
    if (!is_open(scenario.world, n)) return true;
  return false;
}
bool keeps_closed(const Scenario& scenario, const sc_request& r) {
  return std::any_of(r.keep, r.keep + r.keep_count, [&](const sc_keep& k) { return is_closed_source(scenario, k); });
}
void keep_open(Request at, Random& random) {
  sc_request& r = at.request;
  for (std::uint32_t i = 0; i < r.keep_count; ++i)
    if (is_closed_source(at.scenario, r.keep[i]))
      r.keep[i] = {{some_source(at.scenario, random), 0}, r.keep[i].target, 0};
}

// A shell's redirections name numbers of one digit.
constexpr std::int32_t last_digit = 9;

bool keeps_beyond_digits(const Scenario&, const sc_request& r) {
  return std::any_of(r.keep, r.keep + r.keep_count, [](const sc_keep& k) {
    return k.target + k.more > last_digit || (k.source.variable == 0 && k.source.value + k.more > last_digit);
  });
}
// Makes the source an open number from `first` to 9. Opens one if there is none.
void keep_from_digit(Scenario& scenario, sc_keep& k, std::int32_t first, Random& random) {
  const std::int32_t from = random.between(first, last_digit);
  std::int32_t source = first;
  for (std::int32_t i = first; i <= last_digit; ++i)
    if (const std::int32_t n = first + (from + i) % (last_digit + 1 - first); is_open(scenario.world, n)) source = n;
  if (!is_open(scenario.world, source)) open_at(scenario.world, source, SC_WORLD_MEMFD);
  k = {{source, 0}, k.target, 0};
}
void keep_at_digits(Request at, Random& random) {
  erase_entries(at.request, [](const sc_keep& k) { return k.target + k.more > last_digit; });
  for (sc_keep& k : std::span(at.request.keep, at.request.keep_count))
    if (k.source.variable == 0 && k.source.value + k.more > last_digit) keep_from_digit(at.scenario, k, 0, random);
}

bool is_of_zero(const sc_keep& k) { return k.source.variable == 0 && k.source.value == 0; }
bool keeps_zero(const Scenario&, const sc_request& r) { return std::any_of(r.keep, r.keep + r.keep_count, is_of_zero); }
void keep_another(Request at, Random& random) {
  for (sc_keep& k : std::span(at.request.keep, at.request.keep_count))
    if (is_of_zero(k)) keep_from_digit(at.scenario, k, 1, random);
}

// Returns true if the line is close-on-exec and an entry keeps it.
bool is_kept_closing(const sc_world_line& l, const sc_request& r) {
  const std::int32_t last = std::max(l.number, l.second), first = std::min(l.number, last);
  return l.kind != SC_WORLD_WINDOW && l.cloexec != 0 &&
         std::any_of(r.keep, r.keep + r.keep_count, [&](const sc_keep& k) {
           return k.source.variable == 0 && k.source.value <= last && first <= k.source.value + k.more;
         });
}
bool keeps_closing(const Scenario& scenario, const sc_request& r) {
  return std::any_of(scenario.world.line, scenario.world.line + scenario.world.line_count,
                     [&](const sc_world_line& l) { return is_kept_closing(l, r); });
}
void keep_not_closing(Request at, Random&) {
  for (sc_world_line& l : std::span(at.scenario.world.line, at.scenario.world.line_count))
    if (is_kept_closing(l, at.request)) l.cloexec = 0;
}

bool lacks_standard(const Scenario& scenario, const sc_request&) {
  for (std::int32_t n = 0; n < standard_count; ++n)
    if (!is_open(scenario.world, n)) return true;
  return false;
}
void open_standard(Request at, Random& random) {
  sc_world& world = at.scenario.world;
  for (std::int32_t n = 0; n < standard_count && world.line_count < SC_WORLD_MAX; ++n)
    if (!is_open(world, n)) open_at(world, n, random.chance(1, 2) ? SC_WORLD_MEMFD : SC_WORLD_NULL);
}

bool closes_standard(const sc_world_line& l) { return l.cloexec != 0 && is_standard(l.number); }
bool has_standard_closing(const Scenario& scenario, const sc_request&) {
  return std::any_of(scenario.world.line, scenario.world.line + scenario.world.line_count, closes_standard);
}
void leave_standard_open(Request at, Random&) {
  for (std::uint32_t i = 0; i < at.scenario.world.line_count; ++i)
    if (closes_standard(at.scenario.world.line[i])) at.scenario.world.line[i].cloexec = 0;
}

constexpr RequestFeature policies_and_lists[] = {
    {"policy inherit", has_policy<SPAWNCHECK_FDS_INHERIT>, nothing_instead},
    {"policy drop", has_policy<SPAWNCHECK_FDS_DROP_CLOEXEC_EXCEPT>, nothing_instead},
    {"policy only", has_policy<SPAWNCHECK_FDS_ONLY>, nothing_instead},
    {"keep", keeps, keep_none},
    {"keep more than 3", keeps_many, keep_few},
    {"keep beyond 2", keeps_beyond_standard, keep_at_standard},
    {"keep in place", keeps_in_place, keep_moved},
    {"keep moved", keeps_moved, keep_in_place},
    {"keep a target twice", keeps_target_twice, keep_targets_once},
    {"keep in a cycle", keeps_cycle, break_cycle},
    {"keep with gaps", has_gaps, keep_without_gaps},
    {"keep not all of 0 to 2", misses_standard, keep_standard_too},
    {"keep what is closed", keeps_closed, keep_open},
    {"keep beyond 9", keeps_beyond_digits, keep_at_digits},
    {"keep 0", keeps_zero, keep_another},
    {"keep what is close-on-exec", keeps_closing, keep_not_closing},
    {"not all of 0 to 2 are open", lacks_standard, open_standard},
    {"one of 0 to 2 is close-on-exec", has_standard_closing, leave_standard_open},
};

// Those, then a row for each field of a request that has a bit.
template <std::size_t... field>
constexpr auto with_fields(std::index_sequence<field...>) {
  constexpr std::size_t first = std::size(policies_and_lists);
  std::array<RequestFeature, first + ((request_fields[field].bit != 0) + ...)> all{};
  std::copy(std::begin(policies_and_lists), std::end(policies_and_lists), all.begin());
  std::size_t next = first;
  const auto add = [&](const RequestFeature& feature, std::uint32_t bit) {
    if (bit != 0) all[next++] = feature;
  };
  (add({request_fields[field].word, sets<field>, unset<field>}, request_fields[field].bit), ...);
  return all;
}
constexpr auto feature_table = with_fields(std::make_index_sequence<std::size(request_fields)>());
static_assert(std::size(feature_table) <= request_features_max);

}  // namespace

std::span<const RequestFeature> request_features() { return feature_table; }

std::uint32_t shape_of(const Scenario& scenario, const sc_request& r) {
  std::uint32_t shape = 0;
  for (std::size_t i = 0; i < std::size(feature_table); ++i)
    if (feature_table[i].has(scenario, r)) shape |= 1u << i;
  return shape;
}

void drop_feature(std::size_t i, Request at, Random& random) {
  feature_table[i].drop(at, random);
  clear_not_given(at.request);
  std::fill(at.request.keep + at.request.keep_count, std::end(at.request.keep), sc_keep{});
}

}  // namespace spawncheck
