// SPDX-License-Identifier: MIT
#include <string.h>

#include "model/litmus/test.h"
#include "model/scenario/history.h"
#include "model/scenario/words.h"

namespace spawncheck::litmus {

namespace {

constexpr const char* file_kinds[] = {"nothing",   "memfd",      "null",     "pipe:read", "pipe:write",
                                      "socket",    "eventfd",    "mqueue",   "file",      "program",
                                      "fifo:read", "fifo:write", "listener", "pidfd",     "other"};

std::string error_text(int error) {
  const char* text = strerrorname_np(error);
  return text != nullptr ? text : std::to_string(error);
}

std::string result_text(const sc_litmus_result& r) {
  if (r.has_returned == 0) return "waits";
  if (r.error != 0) return error_text(r.error);
  if (r.value[0] < 0) return "ok";
  return std::to_string(r.value[0]) + (r.value[1] >= 0 ? "," + std::to_string(r.value[1]) : "");
}

std::string description_text(const sc_litmus_outcome& o, std::uint8_t slot) {
  const std::uint8_t description = slot & ~SC_LITMUS_CLOEXEC;
  const std::string cloexec = (slot & SC_LITMUS_CLOEXEC) != 0 ? "!" : "";
  if (description == SC_LITMUS_UNKNOWN) return "?" + cloexec;
  if (description < SC_LITMUS_FIRST_FRESH) return "w" + std::to_string(description - 1) + cloexec;
  const auto i = static_cast<std::size_t>(description - SC_LITMUS_FIRST_FRESH);
  const sc_litmus_fresh& fresh = o.fresh[i];
  std::string text = fresh.kind < std::size(file_kinds) ? file_kinds[fresh.kind] : "?";
  if (fresh.creator != 0)
    text += "@" + std::to_string((fresh.creator - 1) / SC_LITMUS_OPS_MAX) + "." +
            std::to_string((fresh.creator - 1) % SC_LITMUS_OPS_MAX);
  return text + "#" + std::to_string(i) + cloexec;
}

std::string table_text(const sc_litmus_test& test, const sc_litmus_outcome& o, const std::uint8_t* slot) {
  std::string text = "{";
  for (std::uint32_t i = 0; i < test.number_count; ++i)
    if (slot[i] != 0)
      text += (text.size() > 1 ? " " : "") + std::to_string(test.number[i]) + ":" + description_text(o, slot[i]);
  return text + "}";
}

std::string signals_text(const sc_litmus_test& test, const sc_litmus_outcome& o) {
  std::string text;
  for (std::uint32_t i = 0; i < test.signal_count; ++i)
    if (o.handled[i] != 0) text += " handled " + signal_name(test.signal[i]) + "*" + std::to_string(o.handled[i]);
  for (std::uint32_t t = 0; t < test.thread_count; ++t) {
    if (o.mask[t] != 0) text += " mask" + std::to_string(t) + " " + signal_set_text(o.mask[t]);
    if (o.pending[t] != 0) text += " pending" + std::to_string(t) + " " + signal_set_text(o.pending[t]);
  }
  if (o.ignored != 0) text += " ignored " + signal_set_text(o.ignored);
  if (o.caught != 0) text += " caught " + signal_set_text(o.caught);
  return text;
}

}  // namespace

std::string describe(const Test& test, const sc_litmus_outcome& o) {
  if (o.end == SC_LITMUS_ENDED) return "ended by " + signal_name(o.signal);
  if (o.end == SC_LITMUS_STOPPED) return "stopped";
  const sc_litmus_test& data = test.data;
  std::string text;
  for (std::uint32_t t = 0; t < data.thread_count; ++t) {
    text += t == 0 ? "" : " | ";
    for (std::uint32_t i = 0; i < data.op_count[t]; ++i) text += (i == 0 ? "" : "; ") + result_text(o.result[t][i]);
  }
  text += " " + table_text(data, o, o.slot);
  for (std::uint32_t t = 0; t < data.thread_count; ++t)
    if ((o.has_own_table >> t & 1) != 0) text += " own" + std::to_string(t) + table_text(data, o, o.own_slot[t]);
  if ((data.looks & SC_LITMUS_LIMIT) != 0) text += " limit " + std::to_string(o.limit);
  if (o.altstacks != 0) text += " altstacks " + std::to_string(o.altstacks);
  return text + signals_text(data, o);
}

}  // namespace spawncheck::litmus
