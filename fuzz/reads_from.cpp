// SPDX-License-Identifier: MIT
#include "fuzz/reads_from.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "impl/schedules/search/reads_from.h"

namespace spawncheck::fuzz {

namespace {

constexpr std::uint32_t nobody = 0x3ff;  // in the place of a write: what was there at first

std::uint32_t mix(std::uint64_t pair) {
  pair *= 0x9e3779b97f4a7c15u;
  return static_cast<std::uint32_t>((pair ^ pair >> 29) * 0xbf58476d1ce4e5b9u >> 32);
}

// What is left of numbers and threads: is it a number that a spawn keeps, or gives? Does the thread spawn?
class Roles {
 public:
  explicit Roles(const Scenario& scenario) : scenario_(scenario) {
    for (std::size_t t = 0; t < scenario.threads.size(); ++t)
      for (const sc_operation& op : scenario.threads[t].operations) {
        if (op.kind != SC_OP_SPAWN) continue;
        spawns_[t] = true;
        for (unsigned i = 0; i < op.request.keep_count; ++i) kept_.push_back(op.request.keep[i]);
      }
  }

  std::uint32_t of_number(std::int32_t number) const {
    std::uint32_t role = 0;
    for (const sc_keep& k : kept_) {
      if (k.source.variable == 0 && k.source.value <= number && number <= k.source.value + k.more) role |= 1;
      if (k.target <= number && number <= k.target + k.more) role |= 2;
    }
    return role;
  }

  // Ten bits: the operation, for a spawn by its policy, and whether its thread spawns.
  std::uint32_t of_operation(std::size_t thread, std::size_t operation) const {
    if (thread >= scenario_.threads.size() || operation >= scenario_.threads[thread].operations.size()) return nobody;
    const sc_operation& op = scenario_.threads[thread].operations[operation];
    const std::uint32_t kind = op.kind == SC_OP_SPAWN ? SC_OP_COUNT + op.request.policy : op.kind;
    return kind << 1 | spawns_[thread];
  }

 private:
  const Scenario& scenario_;
  std::vector<sc_keep> kept_;
  std::array<bool, SC_THREADS_MAX> spawns_{};
};

// ---- free runs ---------------------------------------------------------------------------------

using Variable = std::pair<Access::Kind, std::int32_t>;

struct Act {
  std::uint8_t thread, operation;
  std::uint32_t begin, end;
};

struct Acts {
  std::map<Variable, std::vector<Act>> writes, reads;
  std::vector<Act> spawns;  // each reads every number and every disposition
  std::vector<std::pair<std::pair<std::int32_t, std::int32_t>, Act>> ranges;  // closed, from and to
};

// The numbers that the variables of a thread stand for.
class Numbers {
 public:
  std::int32_t of(const sc_operand& o) const {
    return o.variable ? values_[static_cast<std::size_t>(o.value)] : o.value;
  }
  void set(const sc_operation& op, const sc_op_record& record) {
    for (int i = 0; i < 2; ++i)
      if (op.result[i] >= 0) values_[static_cast<std::size_t>(op.result[i])] = record.value[i];
  }

 private:
  std::array<std::int32_t, SC_VARIABLES_MAX> values_{};
};

void add(Acts& acts, const sc_operation& op, const sc_op_record& record, const Numbers& numbers, const Act& act) {
  const auto puts = [&](std::int32_t number) {
    acts.writes[{Access::occupancy, number}].push_back(act);
    acts.writes[{Access::flags, number}].push_back(act);
  };
  const std::int32_t first = numbers.of(op.operand[0]), second = numbers.of(op.operand[1]);
  switch (op.kind) {
    case SC_OP_SPAWN:
      acts.spawns.push_back(act);
      return;
    case SC_OP_PIPE:
    case SC_OP_SOCKETPAIR:
      puts(record.value[0]);
      return puts(record.value[1]);
    case SC_OP_DUP:
    case SC_OP_DUPFD:
      acts.reads[{Access::occupancy, first}].push_back(act);
      return puts(record.value[0]);
    case SC_OP_DUP2:
    case SC_OP_DUP3:
      acts.reads[{Access::occupancy, first}].push_back(act);
      return puts(second);
    case SC_OP_FLOCK:
      acts.reads[{Access::occupancy, first}].push_back(act);
      return;
    case SC_OP_GETFD:
      acts.reads[{Access::flags, first}].push_back(act);
      return;
    case SC_OP_SETFD:
      acts.reads[{Access::occupancy, first}].push_back(act);
      acts.writes[{Access::flags, first}].push_back(act);
      return;
    case SC_OP_CLOSE:
      acts.reads[{Access::occupancy, first}].push_back(act);
      return puts(first);
    case SC_OP_CLOSE_RANGE:
      acts.ranges.push_back({{first, second == SC_RANGE_MAX ? SC_NUMBER_MAX : second}, act});
      return;
    case SC_OP_LIMIT:
      acts.writes[{Access::limit, 0}].push_back(act);
      return;
    case SC_OP_DISPOSITION:
      acts.writes[{Access::dispositions, first}].push_back(act);
      return;
    case SC_OP_KILL:
    case SC_OP_KILL_GROUP:
      acts.reads[{Access::dispositions, first}].push_back(act);
      return;
    case SC_OP_TGKILL:
      acts.reads[{Access::dispositions, second}].push_back(act);
      return;
    case SC_OP_STORE:
      acts.writes[{Access::memory, first}].push_back(act);
      return;
    case SC_OP_LOAD:
      acts.reads[{Access::memory, first}].push_back(act);
      return;
    case SC_OP_MEMFD:
    case SC_OP_NULL_DEVICE:
    case SC_OP_EVENTFD:
    case SC_OP_MQUEUE:
    case SC_OP_FILE:
    case SC_OP_PROGRAM:
    case SC_OP_FIFO:
    case SC_OP_LISTEN:
      acts.reads[{Access::limit, 0}].push_back(act);
      return puts(record.value[0]);
    default:
      return;
  }
}

Acts acts_of(const Scenario& scenario, const sc_history& history) {
  Acts acts;
  for (std::size_t t = 0; t < scenario.threads.size(); ++t) {
    Numbers numbers;
    for (std::size_t o = 0; o < scenario.threads[t].operations.size(); ++o) {
      const sc_op_record& record = history.op[t][o];
      if (record.begin == 0) break;
      const sc_operation& op = scenario.threads[t].operations[o];
      const Act act{static_cast<std::uint8_t>(t), static_cast<std::uint8_t>(o), record.begin,
                    record.end == 0 ? ~0u : record.end};
      if (record.error == 0) add(acts, op, record, numbers, act);
      numbers.set(op, record);
    }
  }
  return acts;
}

enum class Last { known, at_first, uncertain };

// Which of the writes came last before the read.
Last last_before(const std::vector<Act>& writes, const Act& read, const Act*& last) {
  last = nullptr;
  for (const Act& w : writes) {
    if (w.begin > read.end || (w.thread == read.thread && w.operation == read.operation)) continue;
    if (w.end > read.begin) return Last::uncertain;
    if (last == nullptr || last->end < w.end) last = &w;
  }
  if (last == nullptr) return Last::at_first;
  for (const Act& w : writes)
    if (w.end < read.begin && &w != last && w.end > last->begin) return Last::uncertain;
  return Last::known;
}

std::uint32_t number_of(std::uint32_t write, std::uint32_t read, Access::Kind kind, std::uint32_t role) {
  return mix(std::uint64_t{write} | std::uint64_t{read} << 10 | std::uint64_t{kind} << 20 | std::uint64_t{role} << 28);
}

void add_pair(Pairs& pairs, const Roles& roles, const Variable& v, const std::vector<Act>& writes, const Act& read) {
  const Act* write = nullptr;
  const Last last = last_before(writes, read, write);
  const bool is_contested =
      std::any_of(writes.begin(), writes.end(), [&](const Act& w) { return w.thread != read.thread; });
  if (last == Last::uncertain || !is_contested || (write != nullptr && write->thread == read.thread)) return;
  const std::uint32_t role = v.first == Access::occupancy || v.first == Access::flags ? roles.of_number(v.second) : 0;
  pairs.insert(number_of(write == nullptr ? nobody : roles.of_operation(write->thread, write->operation),
                         roles.of_operation(read.thread, read.operation), v.first, role));
}

// What the child holds, it was given by whom its identity says, whatever overlapped.
void add_held(Pairs& pairs, const Roles& roles, const sc_history& history, const Act& spawn) {
  const std::int16_t child = history.op[spawn.thread][spawn.operation].child;
  if (child < 0 || !history.child[child].observed) return;
  const sc_process& process = history.child[child];
  for (std::uint32_t i = 0; i < process.entry_count; ++i) {
    const sc_entry& e = process.entry[i];
    const std::uint64_t first = sc_identity_of_op(0, 0);
    if ((e.key.kind != SC_FILE_MEMFD && e.key.kind != SC_FILE_EVENTFD) || e.key.id < first ||
        e.key.id >= sc_identity_of_op(SC_THREADS_MAX, 0))
      continue;
    const auto thread = static_cast<std::size_t>((e.key.id - first) / 100);
    if (thread == spawn.thread) continue;
    pairs.insert(number_of(roles.of_operation(thread, (e.key.id - first) % 100),
                           roles.of_operation(spawn.thread, spawn.operation), Access::occupancy,
                           roles.of_number(e.number) | 4));
  }
}

}  // namespace

Pairs reads_from(const Scenario& scenario, const sc_history& history) {
  Pairs pairs;
  const Roles roles(scenario);
  Acts acts = acts_of(scenario, history);
  for (auto& [variable, writes] : acts.writes) {
    const auto& [kind, number] = variable;
    if (kind == Access::occupancy || kind == Access::flags)
      for (const auto& [range, act] : acts.ranges)
        if (range.first <= number && number <= range.second) writes.push_back(act);
    if (const auto reads = acts.reads.find(variable); reads != acts.reads.end())
      for (const Act& read : reads->second) add_pair(pairs, roles, variable, writes, read);
    if (kind == Access::memory) continue;
    for (const Act& spawn : acts.spawns) add_pair(pairs, roles, variable, writes, spawn);
  }
  for (const Act& spawn : acts.spawns) add_held(pairs, roles, history, spawn);
  return pairs;
}

// ---- scheduled runs ----------------------------------------------------------------------------

Pairs reads_from(const Scenario& scenario, const std::vector<Event>& run) {
  Pairs pairs;
  const Roles roles(scenario);
  const auto event = [&](const AbstractEvent& e) -> std::uint64_t {
    if (e.call == AbstractEvent::nothing) return nobody;
    const auto operation =
        roles.of_operation(static_cast<std::size_t>(e.thread), static_cast<std::size_t>(e.operation));
    return operation | static_cast<std::uint64_t>(e.call) << 10 | std::uint64_t{e.child >= 0} << 17;
  };
  for (const ReadsFrom& pair : pairs_of(run).seen) {
    const bool is_number = pair.read.kind == Access::occupancy || pair.read.kind == Access::flags;
    const std::uint32_t role = is_number ? roles.of_number(pair.read.slot) : 0;
    pairs.insert(mix(event(pair.write) | event(pair.read) << 18 | std::uint64_t{pair.read.kind} << 36 |
                     std::uint64_t{role} << 40 | std::uint64_t{1} << 63));
  }
  return pairs;
}

}  // namespace spawncheck::fuzz
