// SPDX-License-Identifier: MIT
#include "model/litmus/test.h"

#include <algorithm>
#include <cstring>

#include "model/kernel/call.h"
#include "model/scenario/words.h"

namespace spawncheck::litmus {

namespace {

// Tests may use the numbers 0..39 and those above the arena's own.
bool is_usable(std::int32_t number) { return number < SC_LITMUS_NUMBER_BOUND || (number > 63 && number < 512); }

std::string breach_of(const Scenario& s) {
  if (s.threads.empty() || s.threads.size() > SC_LITMUS_THREADS_MAX) return "a litmus test has 1 to 3 threads";
  if (s.world.refusal_count != 0 || s.fault.kind != SC_FAULT_NONE) return "in a litmus test nothing is refused";
  std::uint32_t descriptions = 0;
  for (std::uint32_t i = 0; i < s.world.line_count; ++i) {
    const sc_world_line& line = s.world.line[i];
    if (line.kind == SC_WORLD_WINDOW || line.kind == SC_WORLD_FILL || line.kind == SC_WORLD_MEMFDS)
      return "windows and filled ranges belong to spawns";
    if (!is_usable(line.number) || !is_usable(line.second)) return "numbers 40 to 63 are the arena's";
    descriptions += line.kind == SC_WORLD_ALIAS ? 0 : world_rows()[line.kind].line == "fds" ? 2 : 1;
  }
  if (descriptions > SC_LITMUS_WORLD_MAX) return "its world has more than 12 descriptions";
  for (const Thread& thread : s.threads) {
    if (thread.operations.size() > SC_LITMUS_OPS_MAX) return "a thread of a litmus test has at most 3 operations";
    for (const sc_operation& op : thread.operations) {
      const std::string_view letters = row_of(op).operands;
      if (letters.find_first_of("Rk") != std::string_view::npos) return "a litmus test starts no process";
      for (std::size_t i = 0; i < letters.size() && i < 2; ++i)
        if ((letters[i] == 'f' || letters[i] == 'n') && !op.operand[i].variable && op.kind != SC_OP_LIMIT &&
            !is_usable(op.operand[i].value))
          return "numbers 40 to 63 are the arena's";
    }
  }
  return "";
}

void add_signal(sc_litmus_test& data, std::int32_t signal) {
  const std::uint8_t *begin = data.signal, *end = begin + data.signal_count;
  if (std::find(begin, end, signal) == end && data.signal_count < SC_LITMUS_SIGNALS_MAX)
    data.signal[data.signal_count++] = static_cast<std::uint8_t>(signal);
}

// Notes what the operations can change beyond the table.
void note_looks(sc_litmus_test& data, const Scenario& s) {
  unsigned memfds = 0, eventfds = 0;
  for (const Thread& thread : s.threads)
    for (const sc_operation& op : thread.operations) {
      const std::string_view letters = row_of(op).operands;
      if (letters.find_first_of("sS") != std::string_view::npos) data.looks |= SC_LITMUS_SIGNALS;
      for (std::size_t i = 0; i < letters.size(); ++i)
        if (letters[i] == 's') add_signal(data, op.operand[i].value);
      for (int signal = 1; signal <= SC_SIGNAL_MAX && letters.find('S') != std::string_view::npos; ++signal)
        if ((op.signals & signal_bit(signal)) != 0) add_signal(data, signal);
      if (op.kind == SC_OP_LIMIT) data.looks |= SC_LITMUS_LIMIT;
      if (op.kind == SC_OP_ALTSTACK) data.looks |= SC_LITMUS_ALTSTACK;
      if (op.kind == SC_OP_FLOCK) data.looks |= SC_LITMUS_UNSAVED;
      if (op.kind == SC_OP_CLOSE_RANGE && (op.flags & model::close_range_unshare) != 0)
        data.looks |= SC_LITMUS_PRIVATE | SC_LITMUS_FRESH;
      if (op.kind == SC_OP_CLOSE_RANGE && (op.flags & (model::close_range_unshare | model::close_range_cloexec)) == 0 &&
          op.operand[0].value < SC_LITMUS_SAVED_END &&
          (op.operand[1].value == SC_RANGE_MAX || op.operand[1].value >= SC_LITMUS_SAVED_FIRST))
        data.looks |= SC_LITMUS_LOSSY;
      memfds += op.kind == SC_OP_MEMFD;
      eventfds += op.kind == SC_OP_EVENTFD;
    }
  if (memfds > 1 || eventfds > 1) data.looks |= SC_LITMUS_CREATORS;
}

// Returns true if two lines open the same file: a mark in it cannot tell the descriptions apart.
bool has_twins(const sc_world& world) {
  for (std::uint32_t i = 0; i < world.line_count; ++i)
    for (std::uint32_t j = 0; j < i; ++j) {
      const std::uint8_t kind = world.line[i].kind;
      const bool is_one_file =
          kind == SC_WORLD_NULL || kind == SC_WORLD_EVENTFD || kind == SC_WORLD_MQUEUE || kind == SC_WORLD_FILE;
      if (is_one_file && world.line[j].kind == kind && world.line[j].name == world.line[i].name) return true;
    }
  return false;
}

}  // namespace

std::optional<Test> make_test(const Scenario& scenario, const std::string& name, const std::string& shape,
                              std::string& why) {
  why = breach_of(scenario);
  if (!why.empty()) return std::nullopt;
  Test test;
  test.name = name;
  test.shape = shape;
  test.scenario = scenario;
  sc_litmus_test& data = test.data;
  data.thread_count = static_cast<std::uint32_t>(scenario.threads.size());
  data.world = scenario.world;
  for (std::size_t t = 0; t < scenario.threads.size(); ++t) {
    data.op_count[t] = static_cast<std::uint32_t>(scenario.threads[t].operations.size());
    std::copy(scenario.threads[t].operations.begin(), scenario.threads[t].operations.end(), data.op[t]);
  }
  note_looks(data, scenario);
  if ((data.looks & (SC_LITMUS_UNSAVED | SC_LITMUS_LOSSY)) != 0 && has_twins(scenario.world)) {
    why =
        "two descriptions of its world are of the same file, and close_range or flock does not leave room to tell them "
        "apart";
    return std::nullopt;
  }
  return test;
}

std::size_t OutcomeHash::operator()(const sc_litmus_outcome& outcome) const {
  return std::hash<std::string_view>{}({reinterpret_cast<const char*>(&outcome), sizeof outcome});
}

bool OutcomeEqual::operator()(const sc_litmus_outcome& a, const sc_litmus_outcome& b) const {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

}  // namespace spawncheck::litmus
