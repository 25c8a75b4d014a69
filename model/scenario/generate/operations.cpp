// SPDX-License-Identifier: MIT
//
// Operations, requests, and the work of threads that every family needs.
#include <algorithm>

#include "model/scenario/generate/generator.h"

namespace spawncheck::generating {

Generator::Operations& Generator::thread() {
  scenario_.threads.emplace_back();
  variable_ = 0;
  return scenario_.threads.back().operations;
}

Generator::Operations& Generator::enter(std::size_t at) {
  Operations& ops = scenario_.threads[at].operations;
  variable_ = 0;
  for (const sc_operation& o : ops)
    for (const std::int8_t result : o.result) variable_ = std::max(variable_, static_cast<std::int8_t>(result + 1));
  return ops;
}

sc_operation Generator::op(std::uint8_t kind, std::int32_t a, std::int32_t b) {
  sc_operation o = blank_operation(kind);
  o.operand[0].value = a;
  o.operand[1].value = b;
  return o;
}

sc_operation Generator::creating(std::uint8_t kind, bool cloexec, std::int32_t a, std::int32_t b) {
  sc_operation o = op(kind, a, b);
  if (cloexec) o.flags = SC_FLAG_CLOEXEC;
  for (int i = 0; i < operation_rows()[kind].results; ++i)
    if (variable_ < SC_VARIABLES_MAX) o.result[i] = variable_++;
  return o;
}

sc_operand Generator::result_of(const sc_operation& creator, int which) const {
  return {creator.result[which] < 0 ? 0 : creator.result[which], std::uint8_t{1}};
}

std::uint64_t Generator::some_signals() {
  switch (pick(signal_sets)) {
    case Signals::none:
      return 0;
    case Signals::all:
      return ~0ull;
    case Signals::any:
      return random_.next();
    case Signals::some:
      break;
  }
  std::uint64_t set = 0;
  constexpr int interesting[] = {1, 2, 10, 12, 13, 15, 17, 28, 32, 33, 34, 64};
  for (const int s : interesting)
    if (random_.chance(1, 3)) set |= signal_bit(s);
  return set;
}

std::int32_t Generator::some_open() {
  if (open_.empty() || happens(Chance::unknown_number)) return random_.between(0, 20);
  return open_[below(open_.size())];
}

// Small numbers collide most: with sources, with descriptors that an implementation opens, with 0 to 2.
std::int32_t Generator::some_target() {
  switch (pick(targets)) {
    case Target::standard:
      return random_.between(0, 2);
    case Target::open:
      return some_open();
    case Target::around_64:
      return random_.between(60, 70);
    case Target::low:
      break;
  }
  return random_.between(0, 14);
}

std::uint8_t Generator::policy() {
  if ((options_.policies & 7) == 0) return SPAWNCHECK_FDS_ONLY;
  for (;;) {
    const std::uint32_t p = random_.below(4);  // `only` has two chances
    const std::uint32_t policy = p == 3 ? 2 : p;
    if (options_.policies >> policy & 1) return static_cast<std::uint8_t>(policy);
  }
}

void Generator::keep(sc_request& r, sc_operand source, std::int32_t target) {
  if (r.keep_count < SC_KEEP_MAX) r.keep[r.keep_count++] = {source, target, 0};
}

// Moves sources of the world onto each other's numbers: swaps, cycles, chains.
void Generator::add_permutation(sc_request& r) {
  std::vector<std::int32_t> from;
  for (const std::int32_t n : open_)
    if (from.size() < 6 && happens(Chance::permuted)) from.push_back(n);
  std::vector<std::int32_t> to = from;
  for (std::size_t i = to.size(); i > 1; --i) std::swap(to[i - 1], to[below(i)]);
  if (!to.empty() && happens(Chance::permutation_open)) to[below(to.size())] = 15 + random_.between(0, 3);
  for (std::size_t i = 0; i < from.size(); ++i) keep(r, {from[i], 0}, to[i]);
}

void Generator::add_keep(sc_request& r) {
  const std::uint32_t count = random_.below(5);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::int32_t source = some_open();
    const std::int32_t target = happens(Chance::keep_identity) ? source : some_target();
    const bool is_taken = std::any_of(r.keep, r.keep + r.keep_count, [&](const sc_keep& k) {
      return k.target <= target && target <= k.target + k.more;
    });
    if (is_taken && !happens(Chance::keep_target_twice)) continue;
    keep(r, {source, 0}, target);
  }
}

void Generator::add_attributes(sc_request& r, std::uint32_t one_in) {
  auto sometimes = [&](std::uint32_t bit) {
    const bool taken = allows(bit) && random_.chance(1, one_in);
    if (taken) r.set |= bit;
    return taken;
  };
  if (sometimes(SPAWNCHECK_SET_MASK)) r.mask = some_signals();
  if (sometimes(SPAWNCHECK_SET_DEFAULT)) r.dflt = some_signals() & ~unblockable;
  if (sometimes(SPAWNCHECK_SET_IGNORE)) r.ignore = some_signals() & ~r.dflt & ~unblockable;
  if (sometimes(SPAWNCHECK_SET_CWD)) r.cwd = static_cast<std::uint8_t>(random_.below(SC_NAMES_MAX));
  if (!sometimes(SPAWNCHECK_SET_PGROUP) || happens(Chance::session_and_group)) sometimes(SPAWNCHECK_NEW_SESSION);
  sometimes(SPAWNCHECK_WANT_PIDFD);
  if (random_.chance(1, 4 * one_in))
    r.argument_count =
        static_cast<std::uint16_t>(happens(Chance::long_arguments) ? 1000 + random_.below(3000) : random_.below(50));
}

sc_operation Generator::plain_spawn(sc_program program) {
  sc_operation o = creating(SC_OP_SPAWN, false);
  o.request.policy = policy();
  o.request.program = static_cast<std::uint8_t>(program);
  return o;
}

sc_operation Generator::spawn() {
  sc_operation o = plain_spawn(SC_PROGRAM_HOLD);
  if (happens(Chance::permutation))
    add_permutation(o.request);
  else
    add_keep(o.request);
  add_attributes(o.request, 8);
  return o;
}

// Another thread's work on the table meanwhile: opens and closes, sometimes without close-on-exec.
void Generator::opener(Operations& ops, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint8_t kind = pick(creators);
    std::int32_t a = 0, b = 0;
    if (kind == SC_OP_DUP || kind == SC_OP_DUPFD)
      a = some_open();
    else if (kind == SC_OP_MQUEUE || kind == SC_OP_FILE)
      a = random_.between(0, SC_NAMES_MAX - 1);
    if (kind == SC_OP_DUPFD) b = random_.chance(1, 2) ? 0 : random_.between(3, 130);
    const sc_operation made = creating(kind, happens(Chance::creator_cloexec), a, b);
    ops.push_back(made);
    if (happens(Chance::marked_later)) {
      sc_operation mark = op(SC_OP_SETFD);
      mark.operand[0] = result_of(made);
      if (random_.chance(2, 3)) mark.flags = SC_FLAG_CLOEXEC;
      ops.push_back(mark);
    }
    if (happens(Chance::closed_again)) {
      sc_operation close = op(SC_OP_CLOSE);
      close.operand[0] = result_of(made, made.result[1] >= 0 && random_.chance(1, 2) ? 1 : 0);
      ops.push_back(close);
    }
  }
}

// Changes numbers that another thread's spawn keeps.
void Generator::disturber(Operations& ops) {
  const std::uint32_t count = 1 + random_.below(4);
  for (std::uint32_t i = 0; i < count; ++i) {
    sc_operation o = op(SC_OP_CLOSE, some_open());
    switch (pick(disturbances)) {
      case Disturbance::close:
        break;
      case Disturbance::replace: {
        const sc_operation made = creating(random_.chance(1, 2) ? SC_OP_MEMFD : SC_OP_EVENTFD, random_.chance(1, 2));
        ops.push_back(made);
        o = creating(SC_OP_DUP2, false, 0, some_open());
        o.operand[0] = result_of(made);
        break;
      }
      case Disturbance::duplicate:
        o = creating(SC_OP_DUP3, random_.chance(1, 2), some_open(), some_target());
        break;
      case Disturbance::mark:
        o = op(SC_OP_SETFD, some_open());
        if (random_.chance(1, 2)) o.flags = SC_FLAG_CLOEXEC;
        break;
      case Disturbance::look:
        o = op(SC_OP_GETFD, some_open());
        break;
      case Disturbance::close_range:
        o = op(SC_OP_CLOSE_RANGE, random_.between(0, 12), 0);
        o.operand[1].value = o.operand[0].value + random_.between(0, 4);
        o.flags = random_.chance(1, 3) ? 4 : 0;
    }
    ops.push_back(o);
  }
}

// Sends signals of the set `harmless`, which must end or stop no process.
void Generator::sender(Operations& ops, std::uint32_t count, std::uint64_t harmless, bool to_group) {
  harmless &= ~unblockable;
  if (harmless == 0) return;
  for (std::uint32_t i = 0; i < count; ++i) {
    int s = 1 + static_cast<int>(random_.below(64));
    while ((harmless & signal_bit(s)) == 0) s = s % 64 + 1;
    if (to_group)
      ops.push_back(op(SC_OP_KILL_GROUP, s));
    else if (random_.chance(1, 3))
      ops.push_back(op(SC_OP_TGKILL, static_cast<std::int32_t>(below(scenario_.threads.size())), s));
    else
      ops.push_back(op(SC_OP_KILL, s));
  }
}

std::vector<Generator::Place> Generator::spawns() const {
  std::vector<Place> out;
  for (std::size_t t = 0; t < scenario_.threads.size(); ++t)
    for (std::size_t o = 0; o < scenario_.threads[t].operations.size(); ++o)
      if (scenario_.threads[t].operations[o].kind == SC_OP_SPAWN) out.push_back({t, o});
  return out;
}

std::optional<Generator::Place> Generator::some_spawn() {
  const std::vector<Place> all = spawns();
  if (all.empty()) return std::nullopt;
  return all[below(all.size())];
}

bool Generator::insert(Place& at, const Operations& before) {
  Operations& ops = scenario_.threads[at.thread].operations;
  if (ops.size() + before.size() > SC_OPS_MAX) return false;
  ops.insert(ops.begin() + static_cast<std::ptrdiff_t>(at.operation), before.begin(), before.end());
  at.operation += before.size();
  return true;
}

}  // namespace spawncheck::generating
