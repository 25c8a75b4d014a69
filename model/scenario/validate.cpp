// SPDX-License-Identifier: MIT
#include "model/scenario/validate.h"

#include <algorithm>

#include "model/scenario/request_fields.h"
#include "model/scenario/scenario.h"
#include "model/scenario/words.h"

namespace spawncheck {

namespace {

bool is_run(std::uint8_t kind) { return kind == SC_WORLD_FILL || kind == SC_WORLD_WINDOW || kind == SC_WORLD_MEMFDS; }
bool is_pair(std::uint8_t kind) { return kind == SC_WORLD_PIPE || kind == SC_WORLD_SOCKETPAIR; }

// Returns true if the line opens the number: a line opens one, two single ones, or a run.
bool opens(const sc_world_line& line, std::int32_t number) {
  if (is_run(line.kind)) return line.number <= number && number <= line.second;
  return number == line.number || (is_pair(line.kind) && number == line.second);
}

bool overlaps(const sc_world_line& a, const sc_world_line& b) {
  if (is_run(a.kind) && is_run(b.kind)) return a.number <= b.second && b.number <= a.second;
  const sc_world_line& single = is_run(a.kind) ? b : a;
  const sc_world_line& other = is_run(a.kind) ? a : b;
  return opens(other, single.number) || (is_pair(single.kind) && opens(other, single.second));
}

}  // namespace

bool is_open(const sc_world& world, std::int32_t number) {
  return std::any_of(world.line, world.line + world.line_count,
                     [&](const sc_world_line& l) { return opens(l, number); });
}

std::int32_t lowest_closed(const sc_world& world, std::int32_t from) {
  while (is_open(world, from)) ++from;
  return from;
}

std::int32_t highest_open(const sc_world& world) {
  std::int32_t highest = 0;
  for (std::uint32_t i = 0; i < world.line_count; ++i)
    highest = std::max({highest, world.line[i].number, world.line[i].second});
  return highest;
}

const char* world_breach(const sc_world& world, const sc_world_line& line) {
  if ((line.kind == SC_WORLD_FILL || line.kind == SC_WORLD_MEMFDS) && line.second < line.number)
    return "a run of numbers, the smaller one first";
  if (line.kind == SC_WORLD_WINDOW && (line.second <= line.number || line.second >= 64))
    return "two numbers or more below 64, the smaller one first";
  if (is_pair(line.kind) && line.second == line.number) return "two different numbers";
  bool has_aliased = false;
  std::int32_t memfds = line.kind == SC_WORLD_MEMFDS ? line.second - line.number + 1 : 0;
  for (std::uint32_t i = 0; i < world.line_count; ++i) {
    if (overlaps(world.line[i], line)) return "a number that is not open yet";
    if (line.kind == SC_WORLD_WINDOW && world.line[i].kind == SC_WORLD_WINDOW) return "one window at most";
    has_aliased |= opens(world.line[i], line.second);
    if (world.line[i].kind == SC_WORLD_MEMFDS) memfds += world.line[i].second - world.line[i].number + 1;
  }
  if (line.kind == SC_WORLD_MEMFDS && memfds > SC_MEMFDS_MAX) return "512 numbers at most, of all memfds lines";
  if (line.kind == SC_WORLD_ALIAS && !has_aliased) return "an alias of a number that an earlier line opens";
  return nullptr;
}

static_assert(SC_MEMFDS_MAX == 512 && SC_KEPT_MAX == 8192, "as the messages say");

const char* keep_breach(const sc_request& r, const sc_keep& run) {
  if (run.more < 0 || (run.source.variable && run.more != 0)) return "a run of numbers, the smaller one first";
  if (run.target + run.more > SC_NUMBER_MAX || (!run.source.variable && run.source.value + run.more > SC_NUMBER_MAX))
    return "a run that ends at 19999 or below";
  return sc_kept_count(&r) + static_cast<std::uint32_t>(run.more) + 1 > SC_KEPT_MAX
             ? "a run of fewer: at most 8192 entries to keep"
             : nullptr;
}

namespace {

void repair_refusals(Scenario& s) {
  sc_world& world = s.world;
  sc_refusal good[SC_REFUSALS_MAX]{};
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(world.refusal_count, SC_REFUSALS_MAX); ++i) {
    const bool is_twice =
        std::any_of(good, good + count, [&](const sc_refusal& r) { return r.call == world.refusal[i].call; });
    if (is_twice || refusal_breach(s, world.refusal[i]) != nullptr) continue;
    good[count].call = world.refusal[i].call;
    good[count++].error = world.refusal[i].error;
  }
  std::copy(good, good + SC_REFUSALS_MAX, world.refusal);
  world.refusal_count = count;
}

void repair_fault(Scenario& s) {
  const sc_fault old = s.fault;
  s.fault = sc_fault{};
  if (old.kind == SC_FAULT_NONE || old.kind > SC_FAULT_KILL_PARENT || fault_breach(s, old) != nullptr) return;
  s.fault = old;
  if (old.kind == SC_FAULT_KILL_CHILD || old.kind == SC_FAULT_STOP_CHILD || old.kind == SC_FAULT_KILL_PARENT)
    s.fault.value = 0;
}

void repair_world(sc_world& world) {
  constexpr std::uint64_t unblockable = 1ull << 8 | 1ull << 18;
  world.limit = std::clamp(world.limit, 0, SC_NUMBER_MAX);
  world.ignored &= ~unblockable;
  world.handled &= ~(unblockable | world.ignored);
  sc_world good = world;
  good.line_count = 0;
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(world.line_count, SC_WORLD_MAX); ++i) {
    sc_world_line line = world.line[i];
    line.kind = static_cast<std::uint8_t>(line.kind % SC_WORLD_KIND_COUNT);
    line.name = world_rows()[line.kind].named ? static_cast<std::uint8_t>(line.name % SC_NAMES_MAX) : std::uint8_t{0};
    line.cloexec = line.kind == SC_WORLD_WINDOW || line.cloexec != 0;
    line.number = std::clamp(line.number, 0, SC_NUMBER_MAX);
    line.second = world_rows()[line.kind].line == "fd" ? -1 : std::clamp(line.second, 0, SC_NUMBER_MAX);
    if (world_breach(good, line) == nullptr) good.line[good.line_count++] = line;
  }
  std::fill(good.line + good.line_count, good.line + SC_WORLD_MAX, sc_world_line{});
  world = good;
}

// Returns true if `o` is a variable that has a value: `defined` has a bit for each.
bool is_defined(const sc_operand& o, std::uint32_t defined) {
  return o.value >= 0 && o.value < SC_VARIABLES_MAX && (defined >> o.value & 1) != 0;
}

// From a value of a request to one that is allowed there.
void repair_value(std::uint64_t& to, std::uint64_t from, std::uint32_t) { to = from; }
void repair_value(std::uint8_t& to, std::uint8_t from, std::uint32_t) { to = from % SC_NAMES_MAX; }
void repair_value(std::uint16_t& to, std::uint16_t from, std::uint32_t) {
  to = std::min<std::uint16_t>(from, SC_ARGUMENTS_MAX);
}
void repair_value(sc_operand& to, const sc_operand& from, std::uint32_t defined) {
  to.variable = from.variable != 0 && is_defined(from, defined);
  to.value = to.variable ? from.value : std::max(from.value, 0);
}

void repair_request(sc_request& r, std::uint32_t defined) {
  const sc_request old = r;
  r = sc_request{};
  r.policy = old.policy % 3;
  r.program = static_cast<std::uint8_t>(old.program % SC_PROGRAM_COUNT);
  r.name = r.program == SC_PROGRAM_WRITTEN ? static_cast<std::uint8_t>(old.name % SC_NAMES_MAX) : std::uint8_t{0};
  for (const RequestField& field : request_fields) {
    if (!is_given(field, old)) continue;
    r.set |= field.bit;
    const auto repair = [&](auto& to, const auto& from) { repair_value(to, from, defined); };
    with_value(field, repair, r, old);
  }
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(old.keep_count, SC_KEEP_MAX); ++i) {
    sc_keep keep = old.keep[i];
    if (keep.source.variable && !is_defined(keep.source, defined)) continue;
    if (!keep.source.variable) keep.source.value = std::clamp(keep.source.value, 0, SC_NUMBER_MAX);
    keep.source.variable = keep.source.variable != 0;
    keep.target = std::clamp(keep.target, 0, SC_NUMBER_MAX);
    const std::int32_t room = static_cast<std::int32_t>(SC_KEPT_MAX - sc_kept_count(&r)) - 1;
    if (room < 0) break;
    keep.more =
        keep.source.variable
            ? 0
            : std::clamp(keep.more, 0, std::min(room, SC_NUMBER_MAX - std::max(keep.source.value, keep.target)));
    r.keep[r.keep_count++] = keep;
  }
}

// Brings an operand into its letter's range. Returns false if the operation must be removed.
bool repair_operand(char letter, sc_operand& o, std::uint32_t defined, std::size_t threads) {
  auto limited = [&](std::int32_t low, std::int32_t high) {
    o.variable = 0;
    o.value = std::clamp(o.value, low, high);
    return true;
  };
  switch (letter) {
    case 'f':
    case 'k':
      if (o.variable) {
        o.variable = 1;
        return is_defined(o, defined);
      }
      return letter == 'f' && limited(0, SC_NUMBER_MAX);
    case 'n':
      return limited(0, SC_NUMBER_MAX);
    case 'r':
      return limited(SC_RANGE_MAX, SC_NUMBER_MAX);
    case 'N':
      return limited(0, SC_NAMES_MAX - 1);
    case 'd':
    case 'o':
      return limited(0, 1);
    case 's':
      return limited(1, SC_SIGNAL_MAX);
    case 'h':
    case 'D':
      return limited(0, 2);
    case 't':
      return limited(0, static_cast<std::int32_t>(threads) - 1);
    case 'c':
      return limited(0, SC_CELLS_MAX - 1);
    case 'v':
      return limited(0, INT32_MAX);
    default:
      return limited(0, 0);  // S, R: the value is in another field
  }
}

bool repair_operation(sc_operation& op, std::uint32_t& defined, std::size_t threads) {
  if (op.kind >= SC_OP_COUNT) return false;
  const OperationRow& row = row_of(op);
  for (std::size_t i = 0; i < 2; ++i) {
    if (i >= row.operands.size())
      op.operand[i] = sc_operand{};
    else if (!repair_operand(row.operands[i], op.operand[i], defined, threads))
      return false;
  }
  if (row.operands.find('S') == std::string_view::npos) op.signals = 0;
  if (op.kind == SC_OP_SPAWN)
    repair_request(op.request, defined);
  else
    op.request = sc_request{};
  if (row.flags == "C")
    op.flags &= SC_FLAG_CLOEXEC;
  else if (row.flags == "U")
    op.flags &= INT32_MAX;
  else
    op.flags = 0;
  for (int i = 0; i < 2; ++i) {
    const bool taken =
        i < row.results && op.result[i] >= 0 && op.result[i] < SC_VARIABLES_MAX && (i == 0 || op.result[0] >= 0);
    if (!taken)
      op.result[i] = -1;
    else
      defined |= 1u << op.result[i];
  }
  return true;
}

}  // namespace

void repair(Scenario& s) {
  repair_world(s.world);
  if (s.threads.size() > SC_THREADS_MAX) s.threads.resize(SC_THREADS_MAX);
  for (Thread& thread : s.threads) {
    std::uint32_t defined = 0;
    std::vector<sc_operation>& ops = thread.operations;
    std::erase_if(ops, [&](sc_operation& op) { return !repair_operation(op, defined, s.threads.size()); });
    if (ops.size() > SC_OPS_MAX) ops.resize(SC_OPS_MAX);
  }
  repair_refusals(s);
  repair_fault(s);
  if (s.schedule.size() > schedule_turns_max) s.schedule.resize(schedule_turns_max);
  std::erase_if(s.schedule,
                [&](const Turn& t) { return t.thread >= s.threads.size() || t.child > schedule_child_max; });
  for (Turn& t : s.schedule) t.child = std::max<std::int8_t>(t.child, -1);
  if (s.expectations.size() > expectations_max) s.expectations.resize(expectations_max);
}

bool is_valid(const Scenario& s) {
  const auto parsed = parse(print(s));
  const Scenario* back = std::get_if<Scenario>(&parsed);
  return back != nullptr && *back == s;
}

}  // namespace spawncheck
