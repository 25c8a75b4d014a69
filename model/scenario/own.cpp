// SPDX-License-Identifier: MIT
#include "model/scenario/own.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "model/scenario/kept.h"
#include "model/scenario/validate.h"
#include "model/scenario/words.h"

namespace spawncheck {

namespace {

struct Place {
  std::size_t thread, operation;
};

bool opens_new_number(std::uint8_t kind) {
  return kind <= SC_OP_LISTEN || kind == SC_OP_DUP || kind == SC_OP_DUPFD || kind == SC_OP_SPAWN;
}

bool replaces(std::uint8_t kind) { return kind == SC_OP_DUP2 || kind == SC_OP_DUP3; }

bool names_descriptor(const sc_operation& op) { return row_of(op).operands.starts_with('f'); }

// The world's numbers that an operation replaces, and how often each number is closed.
struct OfWorld {
  std::set<std::int32_t> replaced;
  std::map<std::int32_t, unsigned> closed;

  explicit OfWorld(const Scenario& scenario) {
    for (const Thread& thread : scenario.threads)
      for (const sc_operation& op : thread.operations) {
        if (replaces(op.kind)) replaced.insert(op.operand[1].value);
        if (op.kind == SC_OP_CLOSE && op.operand[0].variable == 0) ++closed[op.operand[0].value];
      }
  }
  bool stays_open(std::int32_t n) const { return closed.find(n) == closed.end(); }
  bool is_closed_once(std::int32_t n) const { return closed.at(n) == 1 && replaced.count(n) == 0; }
};

// The variables of one thread that name a descriptor it has opened and not closed.
using Variables = std::set<std::int32_t>;

bool is_own(const sc_world& world, const OfWorld& of_world, const Variables& variables, const sc_operation& op) {
  if (op.kind == SC_OP_CLOSE_RANGE) return false;
  if (replaces(op.kind) && !(is_open(world, op.operand[1].value) && of_world.stays_open(op.operand[1].value)))
    return false;
  if (!names_descriptor(op)) return true;
  const sc_operand& o = op.operand[0];
  if (o.variable != 0) return variables.count(o.value) != 0;
  if (!is_open(world, o.value)) return false;
  return op.kind == SC_OP_CLOSE ? of_world.is_closed_once(o.value) : of_world.stays_open(o.value);
}

void follow(Variables& variables, const sc_operation& op) {
  if (op.kind == SC_OP_CLOSE && op.operand[0].variable != 0) variables.erase(op.operand[0].value);
  for (int i = 0; i < 2; ++i) {
    if (op.result[i] < 0) continue;
    const bool is_descriptor = opens_new_number(op.kind) && (op.kind != SC_OP_SPAWN || i == 1);
    if (is_descriptor)
      variables.insert(op.result[i]);
    else
      variables.erase(op.result[i]);
  }
}

std::optional<Place> first_breach(const Scenario& scenario) {
  const OfWorld of_world(scenario);
  for (std::size_t t = 0; t < scenario.threads.size(); ++t) {
    Variables variables;
    const auto& operations = scenario.threads[t].operations;
    for (std::size_t o = 0; o < operations.size(); ++o) {
      if (!is_own(scenario.world, of_world, variables, operations[o])) return Place{t, o};
      follow(variables, operations[o]);
    }
  }
  return std::nullopt;
}

}  // namespace

bool touches_own_only(const Scenario& scenario) { return !first_breach(scenario); }

namespace {

bool is_own_source(const sc_world& world, const OfWorld& of_world, const Variables& variables, const sc_keep& run) {
  if (run.source.variable != 0) return variables.count(run.source.value) != 0;
  for (std::int32_t n = run.source.value; n <= run.source.value + run.more; ++n)
    if (!is_open(world, n) || !of_world.stays_open(n)) return false;
  return true;
}

// Calls `with(operation, is_own)` for each spawn, in the order of its thread; is_own(entry) is true if the
// entry's source is the thread's own.
template <typename Operations, typename With>
void for_each_spawn(Operations& threads, const sc_world& world, const OfWorld& of_world, With with) {
  for (auto& thread : threads) {
    Variables variables;
    for (auto& op : thread.operations) {
      if (op.kind == SC_OP_SPAWN)
        with(op, [&](const sc_keep& run) { return is_own_source(world, of_world, variables, run); });
      follow(variables, op);
    }
  }
}

void keep_own_sources(Scenario& scenario) {
  for_each_spawn(scenario.threads, scenario.world, OfWorld(scenario), [](sc_operation& op, auto is_own_source_of) {
    sc_request& r = op.request;
    const auto end =
        std::remove_if(r.keep, r.keep + r.keep_count, [&](const sc_keep& k) { return !is_own_source_of(k); });
    std::fill(end, r.keep + r.keep_count, sc_keep{});
    r.keep_count = static_cast<std::uint16_t>(end - r.keep);
  });
}

}  // namespace

bool keeps_own_only(const Scenario& scenario) {
  bool all = true;
  for_each_spawn(scenario.threads, scenario.world, OfWorld(scenario),
                 [&](const sc_operation& op, auto is_own_source_of) {
                   all = all && std::all_of(op.request.keep, op.request.keep + op.request.keep_count, is_own_source_of);
                 });
  return all;
}

bool is_own_only(const Scenario& scenario) { return touches_own_only(scenario) && keeps_own_only(scenario); }

// Terminates: each round leaves fewer operations that break the rule, or can.
void make_own_only(Scenario& scenario) {
  while (const std::optional<Place> at = first_breach(scenario)) {
    auto& operations = scenario.threads[at->thread].operations;
    sc_operation& op = operations[at->operation];
    const std::int8_t result = op.result[0];
    if (result >= 0 || operations.size() == 1) {
      op = blank_operation(result >= 0 ? SC_OP_MEMFD : SC_OP_LOAD);
      op.result[0] = result;
    } else {
      operations.erase(operations.begin() + static_cast<std::ptrdiff_t>(at->operation));
    }
  }
  if (scenario.threads.size() > 1) keep_own_sources(scenario);
}

bool names_number(const Scenario& scenario, std::int32_t number) {
  for (const Thread& thread : scenario.threads)
    for (const sc_operation& op : thread.operations) {
      const bool is_in_range = op.kind == SC_OP_CLOSE_RANGE && op.operand[0].value <= number &&
                               (op.operand[1].value == SC_RANGE_MAX || number <= op.operand[1].value);
      const bool is_source = names_descriptor(op) && op.operand[0].variable == 0 && op.operand[0].value == number;
      if (is_in_range || is_source || (replaces(op.kind) && op.operand[1].value == number)) return true;
      if (op.kind != SC_OP_SPAWN) continue;
      for (const sc_keep& k : kept(op.request))
        if (k.source.variable == 0 && k.source.value == number) return true;
    }
  return is_open(scenario.world, number);
}

}  // namespace spawncheck
