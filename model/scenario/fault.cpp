// SPDX-License-Identifier: MIT
//
// What goes wrong on purpose, as text: a scenario's `fault` line, and `--fault`.
#include <charconv>
#include <cstring>

#include "model/scenario/scenario.h"
#include "model/scenario/words.h"

namespace spawncheck {

namespace {

constexpr struct {
  const char* word;
  sc_fault_kind kind;
  bool takes_signal;
} kinds[] = {{"signal:", SC_FAULT_SIGNAL, true},
             {"child:", SC_FAULT_SIGNAL_CHILD, true},
             {"kill-child", SC_FAULT_KILL_CHILD, false},
             {"stop-child", SC_FAULT_STOP_CHILD, false},
             {"kill-parent", SC_FAULT_KILL_PARENT, false}};

// "T.O.N"
bool read_place(std::string_view text, sc_fault& f) {
  unsigned number[3];
  const char *next = text.data(), *const end = text.data() + text.size();
  for (int i = 0; i < 3; ++i) {
    const auto [rest, failed] = std::from_chars(next, end, number[i]);
    if (failed != std::errc{} || number[i] > (i < 2 ? 255u : 65535u) || (i < 2 && (rest == end || *rest != '.')))
      return false;
    next = rest + (i < 2);
  }
  f.thread = static_cast<std::uint8_t>(number[0]);
  f.operation = static_cast<std::uint8_t>(number[1]);
  f.at = static_cast<std::uint16_t>(number[2]);
  return next == end;
}

}  // namespace

std::string print(const sc_fault& f) {
  std::string out;
  if (f.kind == SC_FAULT_ERROR) out = errno_name(f.value);
  for (const auto& k : kinds)
    if (k.kind == f.kind) out = k.word + (k.takes_signal ? signal_name(f.value) : std::string());
  return out + "@" + std::to_string(f.thread) + "." + std::to_string(f.operation) + "." + std::to_string(f.at);
}

std::optional<sc_fault> fault_named(std::string_view text) {
  const std::size_t at = text.find('@');
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view what = text.substr(0, at);
  sc_fault f{};
  if (const int error = errno_named(what)) f.kind = SC_FAULT_ERROR, f.value = error;
  for (const auto& k : kinds) {
    if (k.takes_signal ? !what.starts_with(k.word) : what != k.word) continue;
    f.kind = k.kind;
    f.value = k.takes_signal ? signal_named(what.substr(std::strlen(k.word))) : 0;
    if (k.takes_signal && f.value <= 0) return std::nullopt;
  }
  if (f.kind == SC_FAULT_NONE || !read_place(text.substr(at + 1), f)) return std::nullopt;
  return f;
}

}  // namespace spawncheck
