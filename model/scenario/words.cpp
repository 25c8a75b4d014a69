// SPDX-License-Identifier: MIT
#include "model/scenario/words.h"

#include <charconv>
#include <cstring>

#include "model/scenario/scenario.h"
#include "model/scenario/visible.h"

namespace spawncheck {

namespace {

constexpr OperationRow all_operations[] = {
#define SPAWNCHECK_ROW(id, word, operands, flags, results, summary) {word, operands, flags, results, summary},
    SC_OPERATIONS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

constexpr ProgramRow programs[] = {
#define SPAWNCHECK_ROW(id, word, summary) {word, summary},
    SC_PROGRAMS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

// In the order of enum sc_world_kind.
constexpr WorldRow worlds[] = {
    {"fd", "memfd", false}, {"fd", "null", false},  {"fd", "eventfd", false},     {"fd", "mqueue", true},
    {"fd", "file", true},   {"fds", "pipe", false}, {"fds", "socketpair", false}, {"alias", "", false},
    {"fill", "", false},    {"window", "", false},  {"memfds", "", false},
};

constexpr std::string_view hows[] = {"block", "unblock", "set"};
constexpr std::string_view dispositions[] = {"default", "ignore", "handler"};
constexpr std::string_view directions[] = {"read", "write"};
constexpr std::string_view policies[] = {"inherit", "drop", "only"};

struct StatusRow {
  std::string_view name;
  int exit_status;
};

constexpr StatusRow statuses[] = {
    {"holds", 0}, {"violated", 1}, {"inconclusive", 3}, {"unsupported", 4}, {"broken", 5}};

// Linux on x86 and arm; signal(7).
constexpr std::string_view signals[] = {"",       "HUP",  "INT",    "QUIT", "ILL",   "TRAP", "ABRT", "BUS",
                                        "FPE",    "KILL", "USR1",   "SEGV", "USR2",  "PIPE", "ALRM", "TERM",
                                        "STKFLT", "CHLD", "CONT",   "STOP", "TSTP",  "TTIN", "TTOU", "URG",
                                        "XCPU",   "XFSZ", "VTALRM", "PROF", "WINCH", "IO",   "PWR",  "SYS"};

}  // namespace

std::span<const OperationRow, SC_OP_COUNT> operation_rows() { return all_operations; }
std::span<const ProgramRow, SC_PROGRAM_COUNT> program_rows() { return programs; }
std::span<const WorldRow, SC_WORLD_KIND_COUNT> world_rows() { return worlds; }
std::span<const std::string_view> how_words() { return hows; }
std::span<const std::string_view> disposition_words() { return dispositions; }
std::span<const std::string_view> direction_words() { return directions; }
std::span<const std::string_view> policy_words() { return policies; }

std::string_view name(Status s) { return statuses[static_cast<std::size_t>(s)].name; }
int exit_status(Status s) { return statuses[static_cast<std::size_t>(s)].exit_status; }

std::optional<Status> status_named(std::string_view wanted) {
  for (std::size_t i = 0; i < std::size(statuses); ++i)
    if (statuses[i].name == wanted) return static_cast<Status>(i);
  return std::nullopt;
}

int index_of(std::span<const std::string_view> words, std::string_view word) {
  for (std::size_t i = 0; i < words.size(); ++i)
    if (words[i] == word) return static_cast<int>(i);
  return -1;
}

int signal_named(std::string_view word) {
  if (!word.empty() && word[0] >= '0' && word[0] <= '9') {
    int number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    const bool whole = error == std::errc{} && end == word.data() + word.size();
    return whole && number >= 1 && number <= SC_SIGNAL_MAX ? number : 0;
  }
  if (word.starts_with("SIG")) word.remove_prefix(3);
  if (word.empty()) return 0;
  const int number = index_of(signals, word);
  return number > 0 ? number : 0;
}

std::string signal_name(int signal) {
  return signal >= 1 && signal < static_cast<int>(std::size(signals)) ? std::string(signals[signal])
                                                                      : std::to_string(signal);
}

std::uint64_t signal_bit(int signal) { return 1ull << (signal - 1); }

std::string signal_set_text(std::uint64_t set) {
  if (set == 0) return "none";
  if (set == ~0ull) return "all";
  std::string text;
  for (int signal = 1; signal <= SC_SIGNAL_MAX; ++signal) {
    if ((set & signal_bit(signal)) == 0) continue;
    if (!text.empty()) text += ',';
    text += signal_name(signal);
  }
  return text;
}

int errno_named(std::string_view word) {
  constexpr int errors = 134;  // asm-generic/errno.h ends at 133
  for (int error = 1; error < errors; ++error)
    if (const char* name = strerrorname_np(error); name != nullptr && name == word) return error;
  return 0;
}

std::string errno_name(int error) {
  const char* name = error > 0 ? strerrorname_np(error) : nullptr;
  return name != nullptr ? name : "";
}

int call_named(std::string_view word) {
  for (int call = 0; call < SC_VISIBLE_marker; ++call)
    if (sc_visible_calls[call].name == word) return call;
  return -1;
}

sc_operation blank_operation(std::uint8_t kind) {
  sc_operation op{};
  op.kind = kind;
  op.result[0] = op.result[1] = -1;
  return op;
}

}  // namespace spawncheck
