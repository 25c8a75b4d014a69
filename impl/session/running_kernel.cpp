// SPDX-License-Identifier: MIT
#include "impl/session/running_kernel.h"

#include <array>
#include <mutex>

#include "impl/session/kernel_probes.h"

namespace spawncheck {

namespace {

constexpr BehaviourRow rows[] = {
#define SPAWNCHECK_ROW(id, word, judges, meaning, source, how) {word, judges != 0, meaning, source, how},
    SPAWNCHECK_BEHAVIOURS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

constexpr Probed (*asks[])() = {
#define SPAWNCHECK_ROW(id, word, judges, meaning, source, how) probes::id,
    SPAWNCHECK_BEHAVIOURS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

bool is_yes(Behaviour b) { return probed(b).answer == Answer::yes; }

// What each strategy of the reference cannot do without (impl/spawn/strategy.cpp is_to_be_had), and the way `array`
// (model/explore/claims.h). `copy` needs nothing.
struct Need {
  std::string_view strategy;
  Behaviour behaviour;
};
constexpr Need needs[] = {
    {"unshare", Behaviour::close_range},     {"staged", Behaviour::close_range},
    {"fetched", Behaviour::close_range},     {"fetched", Behaviour::pidfd_thread},
    {"fetched", Behaviour::pidfd_getfd},     {"except", Behaviour::close_range_except},
    {"array", Behaviour::close_range_array},
};

}  // namespace

const BehaviourRow& row(Behaviour b) { return rows[static_cast<std::size_t>(b)]; }

std::string_view name(Answer a) {
  constexpr std::string_view names[] = {"no", "yes", "unknown"};
  return names[static_cast<std::size_t>(a)];
}

const Probed& probed(Behaviour b) {
  static std::array<std::once_flag, behaviour_count> asked;
  static std::array<Probed, behaviour_count> known;
  const auto at = static_cast<std::size_t>(b);
  std::call_once(asked[at], [&] { known[at] = asks[at](); });
  return known[at];
}

model::Kernel running_kernel() {
  model::Kernel kernel;
  kernel.name = "this kernel";
  kernel.exec_closes_before_wake = is_yes(Behaviour::exec_closes_before_wake);
  kernel.copy_leaves_dropped = is_yes(Behaviour::copy_leaves_dropped);
  kernel.has_except = is_yes(Behaviour::close_range_except);
  kernel.closes_synchronously = kernel.has_except;
  if (kernel.copy_leaves_dropped)
    kernel.sizing = model::Sizing::last_kept;
  else if (is_yes(Behaviour::copy_sized_by_capacity))
    kernel.sizing = model::Sizing::capacity;
  return kernel;
}

std::string behaviours_text() {
  std::string out;
  for (int b = 0; b < behaviour_count; ++b)
    if (rows[b].judges)
      out += (out.empty() ? "" : ", ") + std::string(rows[b].word) + " " +
             std::string(name(probed(static_cast<Behaviour>(b)).answer));
  return out;
}

std::string why_unsupported(std::string_view strategy) {
  for (const Need& need : needs)
    if (need.strategy == strategy && probed(need.behaviour).answer == Answer::no)
      return "strategy " + std::string(strategy) +
             " needs what this kernel or sandbox lacks: " + std::string(row(need.behaviour).meaning) + " (" +
             std::string(row(need.behaviour).source) + "); probed: " + probed(need.behaviour).seen;
  return {};
}

}  // namespace spawncheck
