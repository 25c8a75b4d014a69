// SPDX-License-Identifier: MIT
#include "model/scenario/mutate.h"

#include <algorithm>
#include <cerrno>

#include "impl/peers/implementation.h"
#include "model/scenario/generate.h"
#include "model/scenario/visible.h"
#include "model/scenario/words.h"

namespace spawncheck {

namespace {

// Mutation adds no threads beyond this: each makes a run slower, and few races need more.
constexpr std::size_t threads_grown_max = 8;

class Mutator {
 public:
  Mutator(Scenario scenario, Random& random) : s_(std::move(scenario)), random_(random) {}

  Scenario run() {
    using Change = void (Mutator::*)();
    constexpr Change changes[] = {
        &Mutator::insert_operation, &Mutator::insert_operation, &Mutator::delete_operation, &Mutator::repeat_operation,
        &Mutator::swap_operations,  &Mutator::move_operation,   &Mutator::change_operation, &Mutator::change_operation,
        &Mutator::change_request,   &Mutator::change_request,   &Mutator::change_keep,      &Mutator::change_keep,
        &Mutator::change_keep,      &Mutator::change_keep,      &Mutator::change_world,     &Mutator::change_world,
        &Mutator::change_signals,   &Mutator::change_threads,   &Mutator::change_schedule,  &Mutator::change_group,
        &Mutator::change_memfds,    &Mutator::change_refusals,  &Mutator::change_fault};
    const std::uint32_t count = 1 + random_.below(3);
    for (std::uint32_t i = 0; i < count; ++i) (this->*changes[random_.below(std::size(changes))])();
    repair(s_);
    return std::move(s_);
  }

 private:
  std::uint32_t below(std::size_t n) { return random_.below(static_cast<std::uint32_t>(n)); }
  std::vector<sc_operation>* some_thread() {
    return s_.threads.empty() ? nullptr : &s_.threads[below(s_.threads.size())].operations;
  }
  sc_operation* some_operation() {
    auto* ops = some_thread();
    return ops == nullptr || ops->empty() ? nullptr : &(*ops)[below(ops->size())];
  }
  sc_request* some_request() {
    std::vector<sc_request*> all;
    for (Thread& t : s_.threads)
      for (sc_operation& op : t.operations)
        if (op.kind == SC_OP_SPAWN) all.push_back(&op.request);
    return all.empty() ? nullptr : all[below(all.size())];
  }
  // A number of the world, a neighbour of one, or one at which tables change their size.
  std::int32_t some_number() {
    constexpr std::int32_t edges[] = {0, 1, 2, 3, 62, 63, 64, 65, 127, 128, 255, 1023, 1024};
    if (s_.world.line_count > 0 && random_.chance(1, 2))
      return s_.world.line[below(s_.world.line_count)].number + random_.between(-1, 1);
    return random_.chance(1, 3) ? edges[below(std::size(edges))] : random_.between(0, 16);
  }
  // Mostly a descriptor of the world: closed ones have few different outcomes.
  sc_operand some_operand() {
    if (s_.world.line_count > 0 && random_.chance(1, 2)) return {s_.world.line[below(s_.world.line_count)].number, 0};
    return {random_.chance(1, 3) ? random_.between(0, 6) : some_number(),
            static_cast<std::uint8_t>(random_.chance(1, 3))};
  }

  // Mostly a single entry; runs have lengths at which lists and tables change their size.
  std::int32_t some_more() {
    constexpr std::int32_t edges[] = {1, 2, 15, 16, 31, 32, 62, 63, 64, 127, 128, 255, 256, 1023};
    return random_.chance(2, 3) ? 0 : edges[below(std::size(edges))];
  }

  sc_operation new_operation() {
    sc_operation op = blank_operation(static_cast<std::uint8_t>(below(SC_OP_COUNT)));
    randomise(op);
    for (int i = 0; i < row_of(op).results; ++i) op.result[i] = static_cast<std::int8_t>(below(8));
    return op;
  }
  void randomise(sc_operation& op) {
    const OperationRow& row = row_of(op);
    for (std::size_t i = 0; i < row.operands.size() && i < 2; ++i) {
      op.operand[i] = some_operand();
      if (row.operands[i] == 's') op.operand[i] = {random_.chance(1, 2) ? 28 : random_.between(1, 64), 0};
      if (row.operands[i] != 'f' && row.operands[i] != 'k') op.operand[i].variable = 0;
      if (row.operands[i] == 'k') op.operand[i].variable = 1;
    }
    op.signals = random_.next() & random_.next();
    op.flags = random_.below(8);
  }

  void insert_operation() {
    auto* ops = some_thread();
    if (ops != nullptr && ops->size() < SC_OPS_MAX) ops->insert(ops->begin() + below(ops->size() + 1), new_operation());
  }
  void delete_operation() {
    auto* ops = some_thread();
    if (ops != nullptr && !ops->empty()) ops->erase(ops->begin() + below(ops->size()));
  }
  void repeat_operation() {
    auto* ops = some_thread();
    if (ops == nullptr || ops->empty() || ops->size() >= SC_OPS_MAX) return;
    const sc_operation copy = (*ops)[below(ops->size())];
    ops->insert(ops->begin() + below(ops->size() + 1), copy);
  }
  void swap_operations() {
    auto* ops = some_thread();
    if (ops != nullptr && ops->size() > 1) std::swap((*ops)[below(ops->size())], (*ops)[below(ops->size())]);
  }
  void move_operation() {
    auto *from = some_thread(), *to = some_thread();
    if (from == nullptr || from->empty() || from == to || to->size() >= SC_OPS_MAX) return;
    const std::uint32_t at = below(from->size());
    to->insert(to->begin() + below(to->size() + 1), (*from)[at]);
    from->erase(from->begin() + at);
  }
  void change_operation() {
    sc_operation* op = some_operation();
    if (op == nullptr) return;
    switch (random_.below(3)) {
      case 0:
        op->operand[below(2)] = some_operand();
        break;
      case 1:
        op->flags ^= 1u << below(3);
        break;
      default:
        randomise(*op);
    }
  }
  void change_request() {
    sc_request* r = some_request();
    if (r == nullptr) return;
    switch (random_.below(7)) {
      case 0:
        r->policy = static_cast<std::uint8_t>(below(3));
        break;
      case 1:
        r->program = static_cast<std::uint8_t>(random_.chance(1, 2) ? 0 : below(SC_PROGRAM_COUNT));
        break;
      case 2:
        r->set ^= 1u << below(7);
        break;
      case 3:
        r->mask = random_.next() & random_.next();
        break;
      case 4:
        r->ignore = signal_bit(1 + static_cast<int>(below(64)));
        break;
      case 5:
        r->dflt = signal_bit(1 + static_cast<int>(below(64)));
        break;
      default:
        r->argument_count = static_cast<std::uint16_t>(below(200));
    }
  }
  void change_keep() {
    sc_request* r = some_request();
    if (r == nullptr) return;
    const std::uint32_t at = below(r->keep_count);
    switch (random_.below(6)) {
      case 0:
        if (r->keep_count < SC_KEEP_MAX) r->keep[r->keep_count++] = {some_operand(), some_number(), some_more()};
        break;
      case 1:
        if (r->keep_count > 0) r->keep[at] = r->keep[--r->keep_count];
        break;
      case 2:
        if (r->keep_count > 0) r->keep[at].target = some_number();
        break;
      case 3:
        if (r->keep_count > 0) r->keep[at].source = some_operand();
        break;
      case 4:
        if (r->keep_count > 0) r->keep[at].more = some_more();
        break;
      default:  // towards a swap
        if (r->keep_count > 0 && r->keep_count < SC_KEEP_MAX && !r->keep[at].source.variable)
          r->keep[r->keep_count++] = {{r->keep[at].target, 0}, r->keep[at].source.value, r->keep[at].more};
    }
  }
  void change_world() {
    sc_world& w = s_.world;
    const std::uint32_t at = below(w.line_count);
    switch (random_.below(5)) {
      case 0:
      case 1:
        if (w.line_count < SC_WORLD_MAX) {
          const std::int32_t number = some_number();
          w.line[w.line_count++] = {static_cast<std::uint8_t>(below(SC_WORLD_FILL)),
                                    static_cast<std::uint8_t>(below(4)), static_cast<std::uint8_t>(below(2)), number,
                                    some_number()};
        }
        break;
      case 2:
        if (w.line_count > 0) w.line[at] = w.line[--w.line_count];
        break;
      case 3:
        if (w.line_count > 0) w.line[at].cloexec ^= 1;
        break;
      default:
        w.limit = random_.chance(1, 2) ? 0 : random_.between(1, 80);
    }
  }
  void change_signals() {
    const std::uint64_t bit = signal_bit(1 + static_cast<int>(below(64)));
    (random_.chance(1, 3) ? s_.world.mask : random_.chance(1, 2) ? s_.world.ignored : s_.world.handled) ^= bit;
  }
  void change_threads() {
    if (random_.chance(1, 2) && s_.threads.size() < threads_grown_max) {
      GenerateOptions options;
      Scenario other = generate(random_, options);
      if (!other.threads.empty()) s_.threads.push_back(std::move(other.threads[below(other.threads.size())]));
    } else if (s_.threads.size() > 1) {
      s_.threads.erase(s_.threads.begin() + below(s_.threads.size()));
    }
  }
  void change_group() {
    sc_request* r = some_request();
    if (r == nullptr) return;
    r->set |= SPAWNCHECK_SET_PGROUP;
    r->pgroup = {random_.chance(1, 4) ? 0 : random_.between(0, 4), static_cast<std::uint8_t>(random_.chance(2, 3))};
  }
  void change_memfds() {
    sc_world& w = s_.world;
    if (w.line_count >= SC_WORLD_MAX) return;
    const std::int32_t first = random_.chance(1, 2) ? 300 : some_number();
    w.line[w.line_count++] = {SC_WORLD_MEMFDS, 0, static_cast<std::uint8_t>(below(2)), first, first + some_more()};
  }
  void change_refusals() {
    sc_world& w = s_.world;
    if (w.refusal_count > 0 && random_.chance(1, 2)) {
      --w.refusal_count;
      return;
    }
    constexpr std::int32_t errors[] = {ENOSYS, EPERM, EMFILE, ENOMEM, EINTR};
    if (w.refusal_count < SC_REFUSALS_MAX)
      w.refusal[w.refusal_count++] = {static_cast<std::uint8_t>(below(SC_VISIBLE_marker)),
                                      errors[below(std::size(errors))]};
  }
  void change_fault() {
    if (s_.threads.empty() || random_.chance(1, 2)) {
      s_.fault = {};
      return;
    }
    constexpr std::int32_t errors[] = {ENOSYS, EPERM, EMFILE, ENOMEM, EINTR, EAGAIN};
    const std::uint32_t thread = below(s_.threads.size());
    s_.fault = {static_cast<std::uint8_t>(1 + below(SC_FAULT_KILL_PARENT)), static_cast<std::uint8_t>(thread),
                static_cast<std::uint8_t>(below(s_.threads[thread].operations.size() + 1)),
                static_cast<std::uint16_t>(below(30)), errors[below(std::size(errors))]};
  }
  void change_schedule() {
    if (s_.threads.empty() || random_.chance(3, 4)) return;
    if (random_.chance(1, 4)) return s_.schedule.clear();
    const Turn turn{static_cast<std::uint8_t>(below(s_.threads.size())),
                    static_cast<std::int8_t>(random_.between(-1, 1))};
    s_.schedule.insert(s_.schedule.begin() + below(s_.schedule.size() + 1), turn);
  }

  Scenario s_;
  Random& random_;
};

}  // namespace

Scenario mutate(const Scenario& scenario, Random& random) { return Mutator(scenario, random).run(); }

Scenario cross(const Scenario& a, const Scenario& b, Random& random) {
  Scenario child = a;
  child.expectations.clear();
  for (std::uint32_t i = 0; i < b.world.line_count && child.world.line_count < SC_WORLD_MAX; ++i)
    if (random.chance(1, 2)) child.world.line[child.world.line_count++] = b.world.line[i];
  child.world.handled |= b.world.handled;
  child.world.ignored |= b.world.ignored & ~child.world.handled;
  for (const Thread& thread : b.threads)
    if (random.chance(1, 2) || child.threads.empty()) child.threads.push_back(thread);
  repair(child);
  return child;
}

}  // namespace spawncheck
