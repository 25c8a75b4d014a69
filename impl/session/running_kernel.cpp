// SPDX-License-Identifier: MIT
#include "impl/session/running_kernel.h"

#include <spawncheck/spawn/plan.h>
#include <sys/utsname.h>

#include <array>
#include <mutex>

#include "impl/session/kernel_probes.h"
#include "model/explore/claims.h"

namespace spawncheck {

namespace {

constexpr Probed (*asks[])() = {
#define ASK_PROBED(id) probes::id
#define ASK_ASSUMED(id) nullptr
#define SPAWNCHECK_ROW(id, word, judges, meaning, source, since, until, asked, how, with) ASK_##asked(id),
    SPAWNCHECK_BEHAVIOURS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
#undef ASK_PROBED
#undef ASK_ASSUMED
};

// `words` are separated by spaces.
std::vector<Behaviour> behaviours_named(std::string_view words) {
  std::vector<Behaviour> out;
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(' '), words.size());
    out.push_back(model::behaviour_named(words.substr(0, end)).value());
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return out;
}

std::string text(model::Release r) {
  return std::to_string(r.major) + "." + std::to_string(r.minor) + "." + std::to_string(r.patch);
}

Known assumed(Behaviour b, const std::string& why_not_probed) {
  const model::BehaviourRow& r = model::row(b);
  Known known;
  if (r.with != b) {
    known.does = spawncheck::known(r.with).does;
    known.why = "as " + std::string(model::row(r.with).word);
  } else if (r.since.empty()) {
    known.why = "no release has it";
  } else {
    const model::Release release = running_release();
    // The kernel's name says no release: the model's defaults.
    known.does = (release == model::Release{} ? model::Kernel{}.does : model::behaviours_of(release)).has(b);
    known.why = release == model::Release{} ? "as in " + model::Kernel{}.name : "as in " + text(release);
  }
  known.why += ": " + why_not_probed;
  return known;
}

}  // namespace

std::string_view name(Answer a) {
  constexpr std::string_view names[] = {"no", "yes", "unknown"};
  return names[static_cast<std::size_t>(a)];
}

const Probed& probed(Behaviour b) {
  static std::array<std::once_flag, model::behaviour_count> asked;
  static std::array<Probed, model::behaviour_count> known;
  const auto at = static_cast<std::size_t>(b);
  std::call_once(asked[at], [&] {
    if (asks[at] != nullptr) known[at] = asks[at]();
  });
  return known[at];
}

Known known(Behaviour b) {
  const model::BehaviourRow& r = model::row(b);
  const Probed& p = probed(b);
  if (!r.is_probed) return assumed(b, std::string(r.how));
  if (p.answer == Answer::unknown) return assumed(b, "the probe could not tell: " + p.seen);
  return {p.answer == Answer::yes, true, p.seen};
}

model::Release release_of(std::string_view release, std::string_view version) {
  constexpr std::string_view mark = "Debian ";
  if (const std::size_t at = version.find(mark); at != std::string_view::npos)
    if (const auto of_version = model::release_in(version.substr(at + mark.size()), false)) return *of_version;
  return model::release_in(release, false).value_or(model::Release{});
}

model::Release running_release() {
  utsname name{};
  return uname(&name) == 0 ? release_of(name.release, name.version) : model::Release{};
}

model::Kernel running_kernel() {
  model::Kernel kernel;
  kernel.name = "this kernel";
  for (int b = 0; b < model::behaviour_count; ++b)
    kernel.does.set(static_cast<Behaviour>(b), known(static_cast<Behaviour>(b)).does);
  return kernel;
}

std::string behaviours_text(model::Behaviours does) {
  std::string out;
  for (int i = 0; i < model::behaviour_count; ++i) {
    const auto b = static_cast<Behaviour>(i);
    if (model::row(b).judges)
      out += (out.empty() ? "" : ", ") + std::string(model::row(b).word) + (does.has(b) ? " yes" : " no");
  }
  return out;
}

std::string behaviours_text() {
  static const std::string text = behaviours_text(running_kernel().does);
  return text;
}

std::string difference_text(model::Behaviours one, model::Behaviours other) {
  std::string out;
  for (int i = 0; i < model::behaviour_count; ++i) {
    const auto b = static_cast<Behaviour>(i);
    if (model::row(b).judges && one.has(b) != other.has(b))
      out += (out.empty() ? "" : ", ") + std::string(model::row(b).word);
  }
  return out;
}

std::vector<Behaviour> needs_of_strategy(std::string_view strategy) {
  for (std::uint32_t s = SPAWN_STRATEGY_AUTOMATIC + 1; s < SPAWN_STRATEGY_COUNT; ++s)
    if (strategy == spawn_strategy_of(s)->word) return behaviours_named(spawn_strategy_of(s)->needs);
  // The way "array" makes a call that only the kernel of ci/kernels.d/array has.
  return behaviours_named(strategy == "array" ? "close-range-array" : "");
}

std::vector<Behaviour> needs_of_way(std::string_view way) {
  constexpr std::string_view reference = "reference:";
  if (way.starts_with(reference)) return needs_of_strategy(way.substr(reference.size()));
  for (int w = 0; w < static_cast<int>(explore::Way::count); ++w)
    if (word(static_cast<explore::Way>(w)) == way)
      return behaviours_named(explore::needs(static_cast<explore::Way>(w)));
  return {};
}

std::string why_unsupported(std::string_view strategy) {
  for (const Behaviour b : needs_of_strategy(strategy))
    if (probed(b).answer == Answer::no)
      return "strategy " + std::string(strategy) +
             " needs what this kernel or sandbox lacks: " + std::string(model::row(b).meaning) + " (" +
             std::string(model::row(b).source) + "); probed: " + probed(b).seen;
  return {};
}

}  // namespace spawncheck
