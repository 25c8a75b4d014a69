// SPDX-License-Identifier: MIT
#include "model/litmus/allowed.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <unordered_map>
#include <vector>

#include "model/litmus/execution.h"

namespace spawncheck::litmus {

using model::Entry;
using model::State;

namespace {

// Explores all executions; calls `end` once for each distinct one that cannot continue. False: there are too many.
template <typename End>
bool for_each_end(const Execution& first, std::uint64_t& states, End end) {
  std::unordered_map<model::Hash128, Execution> seen;
  std::vector<const Execution*> open;
  const auto add = [&](Execution&& e) {
    const auto [at, is_new] = seen.emplace(e.hash(), std::move(e));
    if (is_new) open.push_back(&at->second);  // references to nodes stay valid
  };
  add(Execution(first));
  while (!open.empty()) {
    if (seen.size() > states_max) return false;
    const Execution* now = open.back();
    open.pop_back();
    unsigned went = 0;
    for (unsigned actor = 0; actor < now->actors(); ++actor)
      for (unsigned choice = 0; now->may_go(actor) && choice < now->choices(actor); ++choice) {
        Execution next = *now;
        if (!next.step(actor, choice)) continue;
        ++went;
        add(std::move(next));
      }
    if (went == 0) end(*now);
  }
  states = seen.size();
  return true;
}

bool is_regular_end(const Test& test, const Execution& e) {
  for (unsigned t = 0; t < test.data.thread_count; ++t)
    if (!e.is_finished(t)) return false;
  return e.ended_by() == 0 && !e.is_stopped();
}

// Chooses the numbers that any outcome could show, and two more, at which a wrong result would show first.
bool choose_numbers(Test& test, const std::vector<Execution>& ends) {
  std::set<std::int32_t> numbers;
  for (const Execution& e : ends)
    for (const model::Table& table : e.state().tables)
      for (const Entry& entry : table.entries())
        for (std::int32_t n = entry.number; n <= entry.last; ++n) numbers.insert(n);
  for (const Thread& thread : test.scenario.threads)
    for (const sc_operation& op : thread.operations)
      if (op.kind != SC_OP_LIMIT)
        for (const sc_operand& operand : op.operand)
          if (!operand.variable && operand.value >= 0 && operand.value < 512 &&
              (operand.value < SC_LITMUS_NUMBER_BOUND || operand.value > 63))
            numbers.insert(operand.value);
  for (std::uint32_t i = 0; i < test.data.world.line_count; ++i) numbers.insert(test.data.world.line[i].number);
  for (int guards = 2, n = 0; guards > 0 && n < SC_LITMUS_NUMBER_BOUND; ++n) guards -= numbers.insert(n).second;
  if (numbers.size() > SC_LITMUS_NUMBERS_MAX) return false;
  test.data.number_count = static_cast<std::uint32_t>(numbers.size());
  std::copy(numbers.begin(), numbers.end(), test.data.number);
  return true;
}

class Projection {
 public:
  Projection(const Test& test, const Execution& execution, model::Index first_fresh)
      : test_(test.data), execution_(execution), state_(execution.state()), first_fresh_(first_fresh) {
    std::memset(&out_, 0, sizeof out_);
  }

  sc_litmus_outcome make() {
    if (execution_.ended_by() != 0 || execution_.is_stopped()) {
      out_.end = execution_.ended_by() != 0 ? SC_LITMUS_ENDED : SC_LITMUS_STOPPED;
      out_.signal = static_cast<std::uint8_t>(execution_.ended_by());
      return out_;
    }
    add_results();
    const auto main_table = state_.tasks[test_.thread_count].table;
    look(out_.slot, state_.tables[main_table]);
    for (unsigned t = 0; t < test_.thread_count; ++t) {
      if (state_.tasks[t].table == main_table) continue;
      out_.has_own_table |= static_cast<std::uint8_t>(1u << t);
      look(out_.own_slot[t], state_.tables[state_.tasks[t].table]);
    }
    if ((test_.looks & SC_LITMUS_LIMIT) != 0) out_.limit = state_.processes[0].limit;
    if ((test_.looks & SC_LITMUS_SIGNALS) != 0) add_signals();
    for (unsigned t = 0; t < test_.thread_count && (test_.looks & SC_LITMUS_ALTSTACK) != 0; ++t)
      if (execution_.is_finished(t) && state_.tasks[t].altstack) out_.altstacks |= static_cast<std::uint8_t>(1u << t);
    return out_;
  }

 private:
  void add_results() {
    for (unsigned t = 0; t < test_.thread_count; ++t)
      for (unsigned o = 0; o < test_.op_count[t]; ++o) {
        const model::Result* r = execution_.result(t, o);
        sc_litmus_result& to = out_.result[t][o];
        to.value[0] = to.value[1] = -1;
        if (r == nullptr) continue;
        to.has_returned = 1;
        to.error = static_cast<std::uint8_t>(r->error);
        for (int i = 0; i < 2 && r->error == 0; ++i) to.value[i] = static_cast<std::int16_t>(r->value[i]);
      }
  }

  void look(std::uint8_t* slot, const model::Table& table) {
    for (std::uint32_t i = 0; i < test_.number_count; ++i) {
      const Entry* e = table.find(test_.number[i]);
      if (e == nullptr || e->description == model::none) continue;
      slot[i] = static_cast<std::uint8_t>(name_of(e->description) | (e->cloexec ? SC_LITMUS_CLOEXEC : 0));
    }
  }

  std::uint8_t name_of(model::Index description) {
    if (description < first_fresh_) return static_cast<std::uint8_t>(1 + description);
    const auto at = std::find(fresh_.begin(), fresh_.end(), description);
    const auto index = static_cast<std::size_t>(at - fresh_.begin());
    if (index >= SC_LITMUS_FRESH_MAX) return SC_LITMUS_UNKNOWN;
    if (at == fresh_.end()) {
      fresh_.push_back(description);
      const sc_key& key = state_.descriptions[description].key;
      out_.fresh[index].kind = key.kind;
      const bool is_named = key.kind == SC_FILE_MEMFD || key.kind == SC_FILE_EVENTFD;
      if (is_named && (test_.looks & SC_LITMUS_CREATORS) != 0)
        out_.fresh[index].creator =
            static_cast<std::uint8_t>(1 + (key.id - 1000) / 100 * SC_LITMUS_OPS_MAX + (key.id - 1000) % 100);
    }
    return static_cast<std::uint8_t>(SC_LITMUS_FIRST_FRESH + index);
  }

  void add_signals() {
    std::uint64_t counted = 0;
    for (std::uint32_t i = 0; i < test_.signal_count; ++i) {
      counted |= model::bit(test_.signal[i]);
      out_.handled[i] = static_cast<std::uint8_t>(execution_.handled(test_.signal[i]));
    }
    out_.ignored = state_.dispositions[0].ignored & counted;
    out_.caught = state_.dispositions[0].handled & counted;
    for (unsigned t = 0; t < test_.thread_count; ++t) {
      if (!execution_.is_finished(t)) continue;
      out_.mask[t] = state_.tasks[t].mask;
      out_.pending[t] = (state_.tasks[t].pending.set | state_.processes[0].shared_pending.set) & state_.tasks[t].mask;
    }
  }

  const sc_litmus_test& test_;
  const Execution& execution_;
  const State& state_;
  const model::Index first_fresh_;
  std::vector<model::Index> fresh_;
  sc_litmus_outcome out_;
};

}  // namespace

Allowed allowed(Test& test, const model::Kernel& kernel) {
  Allowed all;
  const explore::Setting setting = setting_of(test.scenario, kernel);
  const Execution first(setting);
  const auto world = static_cast<model::Index>(first.state().descriptions.size());
  std::vector<Execution> ends;
  if (!for_each_end(first, all.states, [&](const Execution& e) { ends.push_back(e); }) || !choose_numbers(test, ends))
    return all;
  for (const Execution& e : ends) {
    if (!is_regular_end(test, e)) test.data.looks |= SC_LITMUS_FRESH;
    all.outcomes.insert(Projection(test, e, world).make());
  }
  all.is_complete = true;
  return all;
}

}  // namespace spawncheck::litmus
