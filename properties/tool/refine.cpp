// SPDX-License-Identifier: MIT
#include "properties/tool/tool.h"

#include "model/explore/race.h"
#include "model/explore/refine.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <thread>

namespace spawncheck::tool {

namespace {

// The two walks among other threads, and each with a bug planted.
int refine_walks(const RefineOptions& options) {
  using enum refine::Walk;
  Status worst = Status::holds;
  if (!options.json) fmt::print("{:<24} {:>12} {:>8}  {}\n", "walk", "states", "s", "verdict");
  for (const refine::Walk walk : {close, close_no_hop, copy_old, copy_new, copy_unlocked}) {
    const unsigned word = walk == copy_unlocked ? 1 : 2;
    const auto start = std::chrono::steady_clock::now();
    const refine::RaceReport r = refine::explore_walk(walk, word);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const std::string verdict = r.violation ? fmt::format("violated {}: {}", name(*r.violation), r.example) : "holds";
    if (r.violation.has_value() != (walk == close_no_hop || walk == copy_unlocked)) worst = Status::violated;
    if (options.json) say_json({{"walk", name(walk)}, {"word", word}, {"states", r.states}, {"seconds", seconds}, {"verdict", verdict}});
    else fmt::print("{:<24} {:>12} {:>8.2f}  {}\n", name(walk), r.states, seconds, verdict);
  }
  return exit_status(worst);
}

}  // namespace

// Each kernel's code against what the flags mean. Only what claims to reference nothing that it drops is held to that; of the
// others it is counted.
int refine(const RefineOptions& options) {
  if (options.walks) return refine_walks(options);
  Status worst = Status::holds;
  if (!options.json) fmt::print("{:<6} {:>5} {:>12} {:>14} {:>8}  {}\n", "kernel", "word", "states", "checks", "s", "verdict");
  for (const std::string_view kernel : model::kernel_names) {
    const model::Kernel& code = *model::kernel_named(kernel);
    if (!options.kernel.empty() && options.kernel != code.name) continue;
    const auto start = std::chrono::steady_clock::now();
    const refine::Report r = refine::check_all(code, options.word, std::max(1u, std::thread::hardware_concurrency()), code.copy_leaves_dropped);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (r.violation) worst = Status::violated;
    if (options.json) {
      say_json({{"kernel", code.name}, {"word", options.word}, {"tables", r.tables}, {"states", r.states}, {"checks", r.checks}, {"seconds", seconds},
                {"verdict", r.violation ? "violated" : "holds"}, {"transient", r.transient}, {"example", r.violation ? print(*r.violation, options.word) : ""}});
      continue;
    }
    fmt::print("{:<6} {:>5} {:>12} {:>14} {:>8.2f}  {}\n", code.name, options.word, r.states, r.checks, seconds, r.violation ? "violated: " + print(*r.violation, options.word) : "holds");
    if (r.transient == 0) fmt::print("       references nothing that it drops\n");
    else fmt::print("       references what it drops in {} checks, as in {}\n", r.transient, print(*r.transient_example, options.word));
  }
  return exit_status(worst);
}

}  // namespace spawncheck::tool
