// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "impl/session/running_kernel.h"
#include "impl/tool/tool.h"

namespace spawncheck::tool {

int kernel(bool json) {
  if (!json) fmt::print("kernel {}\n", kernel_release());
  for (int i = 0; i < behaviour_count; ++i) {
    const auto b = static_cast<Behaviour>(i);
    const BehaviourRow& r = row(b);
    const auto start = std::chrono::steady_clock::now();
    const Probed& p = probed(b);
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    if (json)
      say_json({{"kernel", kernel_release()},
                {"behaviour", std::string(r.word)},
                {"answer", std::string(name(p.answer))},
                {"judges", r.judges},
                {"meaning", std::string(r.meaning)},
                {"source", std::string(r.source)},
                {"how", std::string(r.how)},
                {"seen", p.seen},
                {"milliseconds", ms}});
    else
      fmt::print("{:<8}{}: {}{}\n        found: {}: {} ({:.1f} ms)\n        source: {}\n", name(p.answer), r.word,
                 r.meaning, r.judges ? "; verdicts depend on it" : "", r.how, p.seen, ms, r.source);
  }
  if (!json)
    fmt::print(
        "what is unknown is taken to be as in 6.18; what cannot be told from outside goes with what can "
        "(impl/session/running_kernel.h)\n");
  return 0;
}

}  // namespace spawncheck::tool
