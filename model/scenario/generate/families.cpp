// SPDX-License-Identifier: MIT
//
// What a scenario is about: one function for each family.
#include <algorithm>

#include "model/scenario/generate/generator.h"

namespace spawncheck::generating {

void Generator::keep_list() {
  open_standard();
  open_some(1 + random_.below(6));
  if (random_.chance(1, 10)) open_wide();
  auto& ops = thread();
  sc_operation o = spawn();
  o.request.keep_count = 0;
  if (random_.chance(1, 2)) add_permutation(o.request);
  add_keep(o.request);
  ops.push_back(o);
}

void Generator::policies() {
  open_standard();
  open_some(random_.below(8));
  if (random_.chance(1, 8)) open_wide();
  auto& ops = thread();
  if (random_.chance(1, 2)) opener(ops, 1 + random_.below(2));
  ops.push_back(spawn());
  if (random_.chance(1, 3)) ops.push_back(spawn());
  if (random_.chance(1, 3)) opener(ops, 1);
}

void Generator::close_range() {
  open_standard();
  open_some(2 + random_.below(6));
  auto& ops = thread();
  const std::uint32_t count = 1 + random_.below(4);
  for (std::uint32_t i = 0; i < count; ++i) {
    sc_operation o =
        op(SC_OP_CLOSE_RANGE, random_.chance(1, 3) ? random_.between(60, 130) : random_.between(0, 16), SC_RANGE_MAX);
    if (random_.chance(2, 3))
      o.operand[1].value =
          random_.chance(1, 8) ? std::max(0, o.operand[0].value - 1) : o.operand[0].value + random_.between(0, 70);
    constexpr std::uint32_t flags[] = {0, 0, 2, 4, 6, 1, 8, 16, 64};
    o.flags = flags[random_.below(std::size(flags))];
    ops.push_back(o);
    if (random_.chance(1, 2)) ops.push_back(op(SC_OP_GETFD, some_open()));
    if (random_.chance(1, 3)) opener(ops, 1);
  }
  if (random_.chance(1, 2)) ops.push_back(spawn());
  if (options_.threads_max > 1 && random_.chance(1, 3)) opener(thread(), 1 + random_.below(3));
}

void Generator::calls() {
  open_standard();
  open_some(random_.below(5));
  auto& ops = thread();
  opener(ops, 1 + random_.below(3));
  disturber(ops);
  if (random_.chance(1, 3)) ops.push_back(op(SC_OP_LIMIT, random_.between(1, 40)));
  if (random_.chance(1, 3)) ops.push_back(creating(SC_OP_PROGRAM, random_.chance(1, 2), random_.between(0, 3)));
  if (random_.chance(1, 3)) {
    const sc_operation file = creating(SC_OP_FILE, true, 0);
    ops.push_back(file);
    sc_operation lock = op(SC_OP_FLOCK);
    lock.operand[0] = result_of(file);
    ops.push_back(lock);
  }
  if (random_.chance(1, 2)) {
    ops.push_back(op(SC_OP_STORE, 1, random_.between(0, 99)));
    ops.push_back(op(SC_OP_LOAD, 1));
  }
  if (options_.threads_max > 1 && random_.chance(1, 2)) {
    auto& other = thread();
    opener(other, 1 + random_.below(3));
    disturber(other);
  }
  if (options_.threads_max > 1 && random_.chance(1, 3)) {
    const std::int32_t name = random_.between(0, SC_NAMES_MAX - 1);
    scenario_.threads[0].operations.push_back(creating(SC_OP_FIFO, random_.chance(1, 2), name, SC_DIRECTION_READ));
    if (!random_.chance(1, 10))
      thread().push_back(creating(SC_OP_FIFO, random_.chance(1, 2), name, SC_DIRECTION_WRITE));
  }
}

void Generator::signals() {
  open_at(0, false);
  set_signals();
  if (random_.chance(1, 2)) more_dispositions();
  const std::uint64_t quiet = scenario_.world.handled | scenario_.world.ignored;  // these end no process
  auto& ops = thread();
  if (random_.chance(1, 3)) {
    sc_operation mask = op(SC_OP_MASK, random_.between(0, 2));
    mask.signals = some_signals();
    ops.push_back(mask);
  }
  if (random_.chance(1, 4)) ops.push_back(op(SC_OP_ALTSTACK, 1));
  const std::uint32_t spawns = 1 + random_.below(3);
  const bool group = happens(Chance::group_signals);
  for (std::uint32_t i = 0; i < spawns; ++i) {
    sc_operation o = plain_spawn(happens(Chance::missing_program) ? SC_PROGRAM_MISSING : SC_PROGRAM_HOLD);
    add_attributes(o.request, 3);
    // Signals that may reach the child must not end it. Without SET_MASK its children may be ended.
    if (group && allows(SPAWNCHECK_SET_MASK)) {
      o.request.set |= SPAWNCHECK_SET_MASK;
      o.request.mask |= quiet & ~signal_bit(sig_winch);
      o.request.set &= ~(SPAWNCHECK_SET_PGROUP | SPAWNCHECK_NEW_SESSION);
    }
    ops.push_back(o);
  }
  if (options_.threads_max < 2 || random_.chance(1, 6)) return;
  sender(thread(), 2 + random_.below(14), quiet, group);
  if (random_.chance(1, 4))
    scenario_.threads.back().operations.push_back(op(SC_OP_DISPOSITION, sig_urg, random_.between(0, 2)));
}

void Generator::errors() {
  open_standard();
  open_some(1 + random_.below(4));
  if (random_.chance(1, 3)) scenario_.world.mask = some_signals();
  auto& ops = thread();
  sc_operation o = spawn();
  sc_request& r = o.request;
  switch (pick(error_kinds)) {
    case ErrorOf::program:
      r.program = static_cast<std::uint8_t>(SC_PROGRAM_MISSING + random_.below(SC_PROGRAM_COUNT - SC_PROGRAM_MISSING));
      break;
    case ErrorOf::closed_source:
      keep(r, {random_.between(15, 40), 0}, random_.between(30, 50));
      break;
    case ErrorOf::target_twice:
      if (r.keep_count > 0) keep(r, r.keep[0].source, r.keep[0].target);
  }
  ops.push_back(o);
  ops.push_back(creating(SC_OP_MEMFD, true));
  if (random_.chance(1, 2)) ops.push_back(spawn());
  if (options_.threads_max > 1 && random_.chance(1, 3)) opener(thread(), 2);
}

void Generator::attributes() {
  open_standard();
  open_some(random_.below(3));
  set_signals();
  auto& ops = thread();
  const std::uint32_t spawns = 1 + random_.below(2);
  for (std::uint32_t i = 0; i < spawns; ++i) {
    sc_operation o = spawn();
    add_attributes(o.request, 2);
    o.request.ignore &= ~o.request.dflt;
    if (random_.chance(1, 4)) o.request.program = SC_PROGRAM_EXIT;
    ops.push_back(o);
    sc_operation end = op(SC_OP_KILL_CHILD, 0, sig_kill);
    end.operand[0] = result_of(o);
    const bool exits = o.request.program == SC_PROGRAM_EXIT;
    if (!exits && !random_.chance(1, 3)) continue;
    if (!exits) ops.push_back(end);
    sc_operation wait = op(SC_OP_WAIT);
    wait.operand[0] = result_of(o);
    ops.push_back(wait);
  }
}

void Generator::races() {
  open_standard();
  open_some(1 + random_.below(4));
  if (random_.chance(1, 4)) open_wide();
  thread().push_back(spawn());
  if (random_.chance(1, 3)) scenario_.threads[0].operations.push_back(spawn());
  const std::uint32_t others = std::min(options_.threads_max, 2 + random_.below(2)) - 1;
  for (std::uint32_t i = 0; i < others; ++i) {
    auto& other = thread();
    if (random_.chance(2, 3)) opener(other, 1 + random_.below(4));
    if (random_.chance(1, 2) || other.empty()) disturber(other);
  }
}

void Generator::two_spawns() {
  open_standard();
  open_some(1 + random_.below(3));
  const std::uint32_t threads = std::max(1u, std::min(options_.threads_max, 2 + random_.below(2)));
  for (std::uint32_t t = 0; t < threads; ++t) {
    auto& ops = thread();
    const std::uint32_t spawns = 1 + random_.below(2);
    for (std::uint32_t i = 0; i < spawns; ++i) {
      sc_operation o = spawn();
      if (happens(Chance::missing_program)) o.request.program = SC_PROGRAM_MISSING;
      ops.push_back(o);
    }
  }
  if (happens(Chance::own_masks)) masks_differ();
}

// Takes a resource, spawns, gives it back, takes it again: it must be free.
void Generator::released() {
  open_standard();
  open_some(random_.below(3));
  if (random_.chance(1, 2)) open_wide();
  const std::int32_t name = random_.between(0, SC_NAMES_MAX - 1);
  const std::uint32_t what = random_.below(3);
  auto& ops = thread();
  constexpr std::uint8_t makers[] = {SC_OP_FILE, SC_OP_LISTEN, SC_OP_PROGRAM};
  const sc_operation made = creating(makers[what], !random_.chance(1, 4), name);
  ops.push_back(made);
  sc_operation lock = op(SC_OP_FLOCK), close = op(SC_OP_CLOSE);
  lock.operand[0] = close.operand[0] = result_of(made);
  if (what == 0) ops.push_back(lock);
  const bool elsewhere = options_.threads_max > 1 && random_.chance(1, 2);
  if (!elsewhere) ops.push_back(spawn());
  ops.push_back(close);
  if (what == 2) {
    sc_operation run = spawn();
    run.request.program = SC_PROGRAM_WRITTEN;
    run.request.name = static_cast<std::uint8_t>(name);
    ops.push_back(run);
  } else {
    const sc_operation again = creating(makers[what], true, name);
    ops.push_back(again);
    lock.operand[0] = result_of(again);
    if (what == 0) ops.push_back(lock);
  }
  if (!elsewhere) return;
  auto& other = thread();
  other.push_back(spawn());
  if (random_.chance(1, 2)) other.push_back(spawn());
}

void Generator::limits() {
  open_standard();
  open_some(1 + random_.below(4));
  std::int32_t highest = 0;
  for (const std::int32_t n : open_) highest = std::max(highest, n);
  scenario_.world.limit = std::max(1, highest + random_.between(0, 3));
  auto& ops = thread();
  if (random_.chance(1, 3)) ops.push_back(op(SC_OP_LIMIT, random_.between(1, highest + 4)));
  sc_operation o = spawn();
  if (o.request.keep_count > 0 && random_.chance(1, 2))
    o.request.keep[0].target = std::max(0, scenario_.world.limit - random_.between(0, 1));
  ops.push_back(o);
  opener(ops, 1 + random_.below(2));
  if (options_.threads_max > 1 && random_.chance(1, 3)) {
    auto& other = thread();
    other.push_back(op(SC_OP_LIMIT, random_.between(1, 30)));
    opener(other, 1);
  }
}

// Tens to hundreds of sources, each with its own file: in order, moved up or down by one, or reversed in pieces.
void Generator::long_lists() {
  open_standard();
  open_some(random_.below(3));
  const std::int32_t length = pick(list_lengths);
  const std::int32_t first = length <= SC_MEMFDS_MAX ? open_numbered(length) : open_alike(length);
  auto& ops = thread();
  sc_operation o = plain_spawn(SC_PROGRAM_HOLD);
  if (first >= 0) {
    constexpr std::int32_t shifts[] = {0, 1, -1, 17};
    const std::int32_t target =
        random_.chance(1, 2) ? std::max(0, first + shifts[below(std::size(shifts))]) : random_.between(0, 80);
    o.request.keep[0] = {{first, 0}, target, length - 1};
    o.request.keep_count = 1;
    if (random_.chance(1, 3)) {  // the two halves are swapped
      const std::int32_t half = length / 2;
      o.request.keep[0] = {{first, 0}, first + half, half - 1};
      o.request.keep[1] = {{first + half, 0}, first, half - 1};
      o.request.keep_count = half > 0 ? 2 : 0;
    }
  }
  add_attributes(o.request, 12);
  ops.push_back(o);
  if (options_.threads_max > 1 && random_.chance(1, 4)) opener(thread(), 1 + random_.below(3));
}

void Generator::groups() {
  open_at(0, false);
  auto& ops = thread();
  ops.push_back(plain_spawn(SC_PROGRAM_HOLD));
  if (random_.chance(1, 2)) ops.push_back(spawn());
  other_group();
  if (random_.chance(1, 2)) other_group();
}

// Some children are waited for, some stay zombies, some are killed by the thread that started them.
void Generator::children() {
  open_standard();
  if (random_.chance(2, 3))
    (random_.chance(2, 3) ? scenario_.world.handled : scenario_.world.ignored) |= signal_bit(sig_chld);
  if (random_.chance(1, 3)) scenario_.world.mask |= signal_bit(sig_chld);
  const std::uint32_t threads = std::min(options_.threads_max, 1 + random_.below(2));
  for (std::uint32_t t = 0; t < threads; ++t) {
    auto& ops = thread();
    const std::uint32_t spawns = 1 + random_.below(3);
    for (std::uint32_t i = 0; i < spawns; ++i) {
      const bool exits = random_.chance(1, 2);
      sc_operation o = plain_spawn(exits                              ? SC_PROGRAM_EXIT
                                   : happens(Chance::missing_program) ? SC_PROGRAM_MISSING
                                                                      : SC_PROGRAM_HOLD);
      add_keep(o.request);
      ops.push_back(o);
      if (o.request.program == SC_PROGRAM_MISSING) continue;
      sc_operation end = op(SC_OP_KILL_CHILD, 0, random_.chance(1, 3) ? sig_usr1 : sig_kill), wait = op(SC_OP_WAIT);
      end.operand[0] = wait.operand[0] = result_of(o);
      if (!exits && random_.chance(1, 2)) continue;
      if (!exits) ops.push_back(end);
      if (random_.chance(2, 3)) ops.push_back(wait);
    }
    ops.push_back(spawn());
  }
}

}  // namespace spawncheck::generating
