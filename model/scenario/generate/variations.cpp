// SPDX-License-Identifier: MIT
//
// Additions to a scenario of any family: one function for each variation. A variation that does not apply leaves the
// scenario unchanged.
#include <algorithm>
#include <cerrno>

#include "model/scenario/generate/generator.h"
#include "model/scenario/visible.h"

namespace spawncheck::generating {

void Generator::vary() {
  struct Row {
    void (Generator::*add)();
    std::uint32_t weight;
  };
  static constexpr Row rows[] = {
#define SPAWNCHECK_ROW(id, weight, what) {&Generator::id, weight},
      SPAWNCHECK_VARIATIONS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
  };
  std::uint32_t sum = 0, of_counts = 0, count = 0;
  for (const Row& row : rows) sum += row.weight;
  for (const std::uint32_t weight : variation_counts) of_counts += weight;
  for (std::uint32_t drawn = random_.below(of_counts); drawn >= variation_counts[count]; ++count)
    drawn -= variation_counts[count];
  for (; count > 0; --count) {
    std::uint32_t drawn = random_.below(sum);
    const Row* row = rows;
    while (drawn >= row->weight) drawn -= (row++)->weight;
    (this->*row->add)();
  }
}

// ---- signals ------------------------------------------------------------------------------------

void Generator::masks_differ() {
  for (std::size_t t = 0; t < scenario_.threads.size(); ++t) {
    sc_operation mask = op(SC_OP_MASK, random_.between(0, 2));
    mask.signals = some_signals();
    Place first{t, 0};
    if (!random_.chance(1, 4)) insert(first, {mask});
  }
}

void Generator::stacks_differ() {
  for (std::size_t t = 0; t < scenario_.threads.size(); ++t) {
    Place first{t, 0};
    if (random_.chance(1, 2)) insert(first, {op(SC_OP_ALTSTACK, !random_.chance(1, 6))});
  }
}

// Mostly a few signals; sometimes most of them.
void Generator::more_dispositions() {
  sc_world& world = scenario_.world;
  std::uint64_t handled = random_.next() & random_.next(), ignored = random_.next() & random_.next() & random_.next();
  if (random_.chance(1, 4)) handled = random_.next() | random_.next();
  world.handled = (world.handled | handled) & ~unblockable;
  world.ignored = (world.ignored | ignored) & ~world.handled & ~unblockable;
}

void Generator::more_signals() {
  const std::uint64_t harmless =
      scenario_.world.handled | scenario_.world.ignored | signal_bit(sig_urg) | signal_bit(sig_winch);
  if (scenario_.threads.empty()) return;
  const bool to_group = happens(Chance::group_signals);
  Operations& ops = has_room_for_thread() ? thread() : enter(below(scenario_.threads.size()));
  if (ops.size() + 8 <= SC_OPS_MAX)
    sender(ops, 1 + random_.below(8), to_group ? signal_bit(sig_urg) | signal_bit(sig_winch) : harmless, to_group);
}

// Signals that the thread blocks and is then sent. SIGCHLD comes from a child that has ended, in child_ends_before().
void Generator::pending_signals() {
  auto at = some_spawn();
  if (!at) return;
  sc_operation mask = op(SC_OP_MASK, SC_HOW_BLOCK);
  mask.signals =
      (random_.chance(1, 2) ? some_signals() : random_.next()) | signal_bit(random_.chance(1, 3) ? sig_chld : sig_usr1);
  Operations before{mask};
  const std::uint32_t count = 1 + random_.below(3);
  for (std::uint32_t i = 0; i < count; ++i) {
    int s = 1 + static_cast<int>(random_.below(64));
    while ((mask.signals & ~unblockable & signal_bit(s)) == 0) s = s % 64 + 1;
    const bool is_alone = scenario_.threads.size() == 1;  // else it ends another thread, which does not block it
    before.push_back(is_alone && random_.chance(1, 2) ? op(SC_OP_KILL, s)
                                                      : op(SC_OP_TGKILL, static_cast<std::int32_t>(at->thread), s));
  }
  insert(*at, before);
}

// ---- processes ----------------------------------------------------------------------------------

void Generator::child_ends_before() {
  auto at = some_spawn();
  if (!at) return;
  enter(at->thread);
  Operations before;
  if (random_.chance(1, 2)) {
    sc_operation mask = op(SC_OP_MASK, SC_HOW_BLOCK);
    mask.signals = signal_bit(sig_chld);
    before.push_back(mask);
  }
  const bool exits = random_.chance(1, 2);
  const sc_operation child = plain_spawn(exits ? SC_PROGRAM_EXIT : SC_PROGRAM_HOLD);
  before.push_back(child);
  sc_operation end = op(SC_OP_KILL_CHILD, 0, sig_kill), wait = op(SC_OP_WAIT);
  end.operand[0] = wait.operand[0] = result_of(child);
  if (!exits) before.push_back(end);
  if (random_.chance(2, 3)) before.push_back(wait);
  insert(*at, before);
}

void Generator::other_group() {
  auto at = some_spawn();
  if (!at || !allows(SPAWNCHECK_SET_PGROUP)) return;
  enter(at->thread);
  sc_operand group{0, 0};
  const Group kind = pick(group_kinds);
  if (kind == Group::foreign) group.value = 1;
  if (kind == Group::of_child || kind == Group::of_gone || kind == Group::of_member) {
    sc_operation leader = plain_spawn(SC_PROGRAM_HOLD);
    if (kind != Group::of_member) leader.request.set |= SPAWNCHECK_SET_PGROUP;  // else the child leads no group
    Operations before{leader};
    group = result_of(leader);
    sc_operation end = op(SC_OP_KILL_CHILD, 0, sig_kill), wait = op(SC_OP_WAIT);
    end.operand[0] = wait.operand[0] = group;
    if (kind == Group::of_gone) {
      before.push_back(end);
      if (random_.chance(2, 3)) before.push_back(wait);  // else the child is a zombie, and its group exists
    }
    if (!insert(*at, before)) return;
  }
  sc_request& r = request(*at);
  r.set |= SPAWNCHECK_SET_PGROUP;
  if (!happens(Chance::session_and_group)) r.set &= ~static_cast<std::uint32_t>(SPAWNCHECK_NEW_SESSION);
  r.pgroup = group;
}

void Generator::bad_program() {
  if (const auto at = some_spawn())
    request(*at).program =
        static_cast<std::uint8_t>(SC_PROGRAM_MISSING + random_.below(SC_PROGRAM_COUNT - SC_PROGRAM_MISSING));
}

void Generator::busy_program() {
  auto at = some_spawn();
  if (!at) return;
  enter(at->thread);
  const std::int32_t name = random_.between(0, SC_NAMES_MAX - 1);
  const sc_operation file = creating(SC_OP_PROGRAM, !random_.chance(1, 4), name);
  Operations before{file};
  sc_operation close = op(SC_OP_CLOSE);
  close.operand[0] = result_of(file);
  if (random_.chance(1, 3)) before.push_back(close);
  if (!insert(*at, before)) return;
  request(*at).program = SC_PROGRAM_WRITTEN;
  request(*at).name = static_cast<std::uint8_t>(name);
}

void Generator::with_pidfd() {
  const auto at = some_spawn();
  if (at && allows(SPAWNCHECK_WANT_PIDFD)) request(*at).set |= SPAWNCHECK_WANT_PIDFD;
}

// ---- tables -------------------------------------------------------------------------------------

void Generator::wide_table() { open_wide(); }
void Generator::numbered_files() { open_numbered(8 + random_.between(0, 120)); }

void Generator::tight_limit() {
  std::uint32_t kept = 0;
  for (const Place p : spawns()) kept = std::max(kept, sc_kept_count(&request(p)));
  const std::int32_t enough = highest_open() + 2 * static_cast<std::int32_t>(kept) + 9;
  const std::int32_t limit =
      random_.chance(1, 3) ? enough + random_.between(0, 3) : highest_open() + random_.between(0, 4);
  scenario_.world.limit = std::clamp(limit, 1, SC_NUMBER_MAX);
}

// Sets limits between the targets of the thread's own spawns, if possible.
void Generator::changing_limit() {
  auto at = some_spawn();
  if (!at) return;
  std::int32_t highest = 0;
  const sc_request& r = request(*at);
  for (std::uint32_t i = 0; i < r.keep_count; ++i) highest = std::max(highest, r.keep[i].target + r.keep[i].more);
  std::int32_t limit = random_.chance(1, 2) ? highest + random_.between(0, 2) : highest_open() + random_.between(1, 40);
  const bool rises = random_.chance(1, 2) && r.keep_count > 0;
  if (rises) {  // a target becomes allowed
    scenario_.world.limit = std::max(scenario_.world.limit, highest_open() + 1 + random_.between(0, 20));
    limit = scenario_.world.limit + random_.between(5, 60);
    request(*at).keep[below(r.keep_count)].target = random_.between(scenario_.world.limit, limit - 1);
  }
  Operations before{op(SC_OP_LIMIT, std::clamp(limit, 1, SC_NUMBER_MAX))};
  if (rises || random_.chance(1, 2)) {  // an earlier spawn saw another limit
    enter(at->thread);
    before.insert(before.begin(), plain_spawn(SC_PROGRAM_HOLD));
  }
  insert(*at, before);
}

void Generator::high_limit() {
  constexpr std::int32_t limits[] = {1023, 1025, 2048, 4096, 19999};
  scenario_.world.limit = limits[below(std::size(limits))];
  const auto at = some_spawn();
  if (!at) return;
  sc_request& r = request(*at);
  const std::int32_t target = std::min(scenario_.world.limit - random_.between(-1, 2), SC_NUMBER_MAX);
  if (r.keep_count == 0)
    keep(r, {some_open(), 0}, target);
  else
    r.keep[below(r.keep_count)].target = target;
}

void Generator::above_limit() {
  const std::int32_t limit = scenario_.world.limit != 0 ? scenario_.world.limit : 1024;
  open_at(std::min(limit + (random_.chance(1, 2) ? random_.between(0, 2) : random_.between(0, 300)), SC_NUMBER_MAX),
          happens(Chance::world_cloexec));
}

void Generator::closed_source() {
  const auto at = some_spawn();
  if (!at) return;
  sc_request& r = request(*at);
  std::int32_t source = 0;
  switch (pick(closed_sources)) {
    case Closed::low:
      source = lowest_closed(random_.between(0, 20));
      break;
    case Closed::lowest_free:  // the number that the pidfd or an error pipe gets
      source = lowest_closed(0);
      if (random_.chance(1, 4)) source = lowest_closed(source + 1);
      if (allows(SPAWNCHECK_WANT_PIDFD) && random_.chance(2, 3)) r.set |= SPAWNCHECK_WANT_PIDFD;
      break;
    case Closed::high:
      source = lowest_closed(random_.between(64, 1200));
      break;
    case Closed::edge:
      source = lowest_closed(edge());
      break;
  }
  if (r.keep_count == 0) return keep(r, {source, 0}, random_.chance(1, 4) ? source : some_target());
  sc_keep& k = r.keep[below(r.keep_count)];
  k = {{source, 0}, k.target, 0};
}

void Generator::edge_target() {
  const auto at = some_spawn();
  if (!at) return;
  sc_request& r = request(*at);
  if (r.keep_count == 0)
    keep(r, {some_open(), 0}, edge());
  else
    r.keep[below(r.keep_count)].target = edge();
}

void Generator::edge_source() {
  const auto at = some_spawn();
  if (!at) return;
  const std::int32_t source = edge();
  open_at(source, happens(Chance::world_cloexec));
  keep(request(*at), {source, 0}, happens(Chance::keep_identity) ? source : some_target());
}

// Another thread replaces a source by its own file, repeatedly, while the source is kept.
void Generator::replaced_source() {
  const auto at = some_spawn();
  if (!at || request(*at).keep_count == 0 || !has_room_for_thread()) return;
  const sc_keep k = request(*at).keep[below(request(*at).keep_count)];
  if (k.source.variable) return;
  Operations& ops = thread();
  const std::uint32_t count = 1 + random_.below(3);
  for (std::uint32_t i = 0; i < count; ++i) {
    const sc_operation made = creating(random_.chance(1, 3) ? SC_OP_EVENTFD : SC_OP_MEMFD, random_.chance(1, 2));
    sc_operation replace = creating(SC_OP_DUP3, random_.chance(1, 2), 0, k.source.value + random_.between(0, k.more)),
                 close = op(SC_OP_CLOSE);
    replace.operand[0] = close.operand[0] = result_of(made);
    ops.insert(ops.end(), {made, replace});
    if (random_.chance(1, 2)) ops.push_back(close);
  }
}

void Generator::own_source() {
  auto at = some_spawn();
  if (!at) return;
  enter(at->thread);
  const sc_operation made = happens(Chance::own_fails)
                                ? creating(SC_OP_DUP, false, lowest_closed(900))
                                : creating(pick(creators), happens(Chance::creator_cloexec), some_open());
  if (!insert(*at, {made}) || made.result[0] < 0) return;
  sc_request& r = request(*at);
  if (r.keep_count == 0 || random_.chance(1, 2))
    keep(r, result_of(made), some_target());
  else {
    sc_keep& k = r.keep[below(r.keep_count)];
    k = {result_of(made), k.target, 0};
  }
}

void Generator::closed_meanwhile() {
  const auto at = some_spawn();
  if (!at || request(*at).keep_count == 0 || !has_room_for_thread()) return;
  const sc_request& r = request(*at);
  sc_keep k = r.keep[below(r.keep_count)];
  const auto is_moved_on = [&] {
    return std::any_of(r.keep, r.keep + r.keep_count,
                       [&](const sc_keep& other) { return !other.source.variable && other.source.value == k.target; });
  };
  for (int tries = 0; tries < 3 && !is_moved_on(); ++tries)
    k = r.keep[below(r.keep_count)];  // chains and cycles go wrong most
  if (k.source.variable) return;
  Operations& ops = thread();
  if (random_.chance(1, 3)) ops.push_back(creating(SC_OP_MEMFD, random_.chance(1, 2)));  // gives the race a moment
  ops.push_back(op(SC_OP_CLOSE, k.source.value + random_.between(0, k.more)));
}

void Generator::longer_list() {
  const auto at = some_spawn();
  if (!at) return;
  const std::int32_t length = 10 + random_.between(0, 60);
  const std::int32_t first = open_numbered(length);
  sc_request& r = request(*at);
  if (first < 0 || r.keep_count >= SC_KEEP_MAX) return;
  r.keep[r.keep_count++] = {
      {first, 0}, random_.chance(1, 2) ? random_.between(20, 80) : first + random_.between(-2, 2), length - 1};
}

// ---- what the kernel refuses --------------------------------------------------------------------

void Generator::refused_call() {
  constexpr sc_refusal refusals[] = {
      {SC_VISIBLE_clone3, ENOSYS},      {SC_VISIBLE_clone3, EPERM},      {SC_VISIBLE_clone3, ENOMEM},
      {SC_VISIBLE_clone3, EAGAIN},      {SC_VISIBLE_clone, ENOMEM},      {SC_VISIBLE_clone, EPERM},
      {SC_VISIBLE_close_range, ENOSYS}, {SC_VISIBLE_close_range, EPERM}, {SC_VISIBLE_close_range, ENOMEM},
      {SC_VISIBLE_close_range, EMFILE}, {SC_VISIBLE_unshare, EPERM},     {SC_VISIBLE_unshare, ENOMEM},
      {SC_VISIBLE_pidfd_open, ENOSYS},  {SC_VISIBLE_pidfd_open, EMFILE}, {SC_VISIBLE_pidfd_getfd, ENOSYS},
      {SC_VISIBLE_pidfd_getfd, EPERM},  {SC_VISIBLE_pipe2, EMFILE},      {SC_VISIBLE_dup3, EMFILE},
      {SC_VISIBLE_setsid, EPERM},       {SC_VISIBLE_setpgid, EPERM},     {SC_VISIBLE_execve, ENOMEM},
      {SC_VISIBLE_execve, EINTR},       {SC_VISIBLE_chdir, ENOMEM}};
  sc_world& world = scenario_.world;
  if (world.refusal_count < SC_REFUSALS_MAX)
    world.refusal[world.refusal_count++] = refusals[below(std::size(refusals))];
}

}  // namespace spawncheck::generating
