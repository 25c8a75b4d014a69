// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "impl/session/running_kernel.h"
#include "impl/tool/tool.h"

namespace spawncheck::tool {

namespace {

// "since 5.9; until 6.12, 6.11.3", or "in no release".
std::string releases(const model::BehaviourRow& r) {
  const auto listed = [](std::string_view points) {
    std::string out;
    for (const char c : points) out += c == ' ' ? std::string(", ") : std::string(1, c);
    return out;
  };
  if (r.since.empty()) return "in no release";
  return "since " + listed(r.since) + (r.until.empty() ? "" : "; until " + listed(r.until));
}

void tell(const model::BehaviourRow& r, const Known& k, double ms) {
  fmt::print("{:<4}{}: {}{}\n", k.does ? "yes" : "no", r.word, r.meaning, r.judges ? "; verdicts depend on it" : "");
  if (k.is_probed)
    fmt::print("    probed: {}: {} ({:.1f} ms)\n", r.how, k.why, ms);
  else
    fmt::print("    assumed, {}\n", k.why);
  fmt::print("    source: {}; {}\n", r.source, releases(r));
}

}  // namespace

int kernel(bool json) {
  const model::Release release = running_release();
  const std::string number = fmt::format("{}.{}.{}", release.major, release.minor, release.patch);
  if (!json) fmt::print("kernel {}, release {}\n", kernel_release(), number);
  for (int i = 0; i < model::behaviour_count; ++i) {
    const auto b = static_cast<Behaviour>(i);
    const model::BehaviourRow& r = model::row(b);
    const auto start = std::chrono::steady_clock::now();
    const Known k = known(b);
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    if (json)
      say_json({{"kernel", kernel_release()},
                {"release", number},
                {"behaviour", std::string(r.word)},
                {"does", k.does},
                {"known", k.is_probed ? "probed" : "assumed"},
                {"why", k.why},
                {"judges", r.judges},
                {"meaning", std::string(r.meaning)},
                {"source", std::string(r.source)},
                {"since", std::string(r.since)},
                {"until", std::string(r.until)},
                {"in_release", model::behaviours_of(release).has(b)},
                {"how", std::string(r.how)},
                {"milliseconds", ms}});
    else
      tell(r, k, ms);
  }
  if (!json)
    fmt::print(
        "--kernel of explore and refine takes a release, behaviours, or both: 6.1.192; 6.18,exec-closes-before-wake\n");
  return 0;
}

}  // namespace spawncheck::tool
