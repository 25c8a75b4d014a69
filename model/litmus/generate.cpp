// SPDX-License-Identifier: MIT
#include "model/litmus/generate.h"

#include <fnmatch.h>

#include <set>

#include "model/kernel/call.h"
#include "model/litmus/worlds.h"
#include "model/scenario/words.h"

namespace spawncheck::litmus {

namespace {

using Operations = std::vector<sc_operation>;

// The values that are tried for an operand.
std::vector<std::int32_t> values_of(const World& world, char letter, std::int32_t threads) {
  switch (letter) {
    case 'f':
      return world.f;
    case 'n':
      return world.n;
    case 'r':
      return world.r;
    case 'N':
      return world.names;
    case 's':
      return world.signals;
    case 'd':
      return {SC_DIRECTION_READ, SC_DIRECTION_WRITE};
    case 'h':
      return {SC_HOW_BLOCK, SC_HOW_UNBLOCK, SC_HOW_SET};
    case 'D':
      return {SC_DISPOSITION_DEFAULT, SC_DISPOSITION_IGNORE, SC_DISPOSITION_HANDLER};
    case 't':
      return threads > 2 ? std::vector<std::int32_t>{0, 1, 2} : std::vector<std::int32_t>{0, 1};
    case 'o':
      return {1, 0};
    case 'c':
      return {0};
    case 'v':
      return {7};
    default:
      return {0};  // S: see below
  }
}

std::vector<std::uint32_t> flags_of(const World& world, std::string_view flags) {
  if (flags == "U") return {0, model::close_range_cloexec, model::close_range_unshare};
  if (flags == "C" && world.flags) return {0, SC_FLAG_CLOEXEC};
  return {0};
}

bool is_tried(const World& world, std::uint8_t kind) {
  const OperationRow& row = operation_rows()[kind];
  if (row.operands.empty())
    return world.creators && world.left_out.find(" " + std::string(row.word) + " ") == std::string_view::npos;
  return row.operands.find_first_not_of(world.letters) == std::string_view::npos &&
         world.left_out.find(" " + std::string(row.word) + " ") == std::string_view::npos;
}

// The operation with every combination of operands in the world, without variables for results.
Operations of_kind(const World& world, std::uint8_t kind, std::int32_t threads) {
  Operations all;
  const OperationRow& row = operation_rows()[kind];
  const auto first = values_of(world, row.operands.size() > 0 ? row.operands[0] : 'S', threads),
             second = values_of(world, row.operands.size() > 1 ? row.operands[1] : 'S', threads);
  const bool has_set = row.operands.find('S') != std::string_view::npos;
  for (const std::int32_t a : first)
    for (const std::int32_t b : second)
      for (const std::uint64_t set : has_set ? world.sets : std::vector<std::uint64_t>{0})
        for (const std::uint32_t flags : flags_of(world, row.flags)) {
          sc_operation op = blank_operation(kind);
          op.operand[0].value = a;
          op.operand[1].value = b;
          op.signals = set;
          op.flags = flags;
          all.push_back(op);
        }
  return all;
}

Operations every_operation(const World& world, std::int32_t threads) {
  Operations all;
  for (std::uint8_t kind = 0; kind < SC_OP_COUNT; ++kind)
    if (is_tried(world, kind))
      for (const sc_operation& op : of_kind(world, kind, threads)) all.push_back(op);
  return all;
}

// One operation of each kind, without those that take the same path through the kernel as another one here.
Operations core(const World& world, std::int32_t threads) {
  Operations all;
  for (std::uint8_t kind = 0; kind < SC_OP_COUNT; ++kind) {
    if (!is_tried(world, kind) || kind == SC_OP_NULL_DEVICE || kind == SC_OP_EVENTFD || kind == SC_OP_SOCKETPAIR ||
        kind == SC_OP_GETFD)
      continue;
    const Operations of = of_kind(world, kind, threads);
    all.push_back(of.front());
    if (of.size() > 1 && (kind == SC_OP_FIFO || kind == SC_OP_CLOSE_RANGE || kind == SC_OP_KILL || kind == SC_OP_LIMIT))
      all.push_back(of[1]);
    if (of.size() > 2 && kind == SC_OP_KILL) all.push_back(of[2]);
  }
  return all;
}

// The operation on variable 0, if it takes a descriptor.
sc_operation on_result(sc_operation op, const sc_operation& first) {
  const std::string_view letters = row_of(op).operands;
  for (std::size_t i = 0; i < letters.size() && i < 2; ++i)
    if (letters[i] == 'f' && row_of(first).results > 0) op.operand[i] = {0, 1};
  return op;
}

sc_operation with_result(sc_operation op) {
  for (int i = 0; i < row_of(op).results; ++i) op.result[i] = static_cast<std::int8_t>(i);
  return op;
}

class Generator {
 public:
  std::vector<Test> make() {
    for (const World& world : worlds()) {
      const auto parsed = parse(world.text);
      base_ = std::get<Scenario>(parsed);
      world_ = &world;
      if (has("pair")) pairs(every_operation(world, 2));
      if (has("chain")) chains(core(world, 2));
      if (has("triple")) triples(core(world, 3));
    }
    return std::move(tests_);
  }

 private:
  bool has(std::string_view shape) const { return world_->shapes.find(shape) != std::string_view::npos; }

  void pairs(const Operations& ops) {
    for (std::size_t i = 0; i < ops.size(); ++i)
      for (std::size_t j = i; j < ops.size(); ++j) add("pair", {{ops[i]}, {ops[j]}});
  }

  void chains(const Operations& ops) {
    for (const sc_operation& first : ops)
      for (const sc_operation& second : ops)
        for (const sc_operation& other : ops) add("chain", {{with_result(first), on_result(second, first)}, {other}});
  }

  void triples(const Operations& ops) {
    for (std::size_t i = 0; i < ops.size(); ++i)
      for (std::size_t j = i; j < ops.size(); ++j)
        for (std::size_t k = j; k < ops.size(); ++k) add("triple", {{ops[i]}, {ops[j]}, {ops[k]}});
  }

  void add(const char* shape, const std::vector<Operations>& threads) {
    Scenario scenario = base_;
    std::string name = std::string(world_->name) + ":";
    for (const Operations& operations : threads) {
      name += scenario.threads.empty() ? " " : " | ";
      for (std::size_t i = 0; i < operations.size(); ++i) name += (i == 0 ? "" : "; ") + print(operations[i]);
      scenario.threads.push_back({operations});
    }
    std::string why;
    if (!names_.insert(name).second) return;
    if (std::optional<Test> test = make_test(scenario, name, shape, why)) tests_.push_back(std::move(*test));
  }

  const World* world_ = nullptr;
  Scenario base_;
  std::set<std::string> names_;
  std::vector<Test> tests_;
};

}  // namespace

std::vector<Test> all_tests() { return Generator().make(); }

bool matches(const Test& test, const std::string& pattern) {
  if (pattern.find_first_of("*?") == std::string::npos) return test.name.find(pattern) != std::string::npos;
  return fnmatch(pattern.c_str(), test.name.c_str(), 0) == 0;
}

}  // namespace spawncheck::litmus
