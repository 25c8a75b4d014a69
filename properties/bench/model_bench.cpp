// SPDX-License-Identifier: MIT
//
// What the model costs, one line for each figure: name, figure, unit, goal. --smoke: each of them once, small. --json
// FILE: also writes the figures there, as an object with one member for each line.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "impl/session/claims.h"
#include "impl/session/reference_planner.h"
#include "model/explore/linearize.h"
#include "model/explore/refine.h"
#include "model/scenario/generate.h"

namespace spawncheck {
namespace {

double seconds(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

double quantile(std::vector<double> of, double q) {
  const auto at = of.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(of.size() - 1));
  std::nth_element(of.begin(), at, of.end());
  return *at;
}

nlohmann::json figures;

void say(const std::string& what, double figure, const char* unit, const char* goal) {
  fmt::print("{:<64} {:>12.3f} {:<4} {}\n", what, figure, unit, *goal != 0 ? std::string("goal: ") + goal : "");
  figures[*unit != 0 ? what + ", " + unit : what] = figure;
}

// Returns four threads with three operations each, from scenarios that generate() draws, in the world of the first;
// nullopt if these threads are not valid in that world.
std::optional<Scenario> four_threads(std::uint64_t seed) {
  Random random(seed);
  Scenario s = generate(random);
  std::vector<Thread> threads;
  for (unsigned drawn = 0; drawn < 64 && threads.size() < 4; ++drawn) {
    Scenario more = drawn == 0 ? s : generate(random);
    for (Thread& thread : more.threads) {
      if (thread.operations.size() < 3 || threads.size() == 4) continue;
      thread.operations.resize(3);
      threads.push_back(std::move(thread));
    }
  }
  s.threads = std::move(threads);
  s.schedule.clear();
  return s.threads.size() == 4 && is_valid(s) ? std::optional(std::move(s)) : std::nullopt;
}

// Measures histories that the model made with interleaved steps, so that each can be explained.
void linearizing(unsigned count) {
  const auto history = std::make_unique<sc_history>();
  std::vector<double> us;
  unsigned explained = 0;
  for (std::uint64_t seed = 1; us.size() < count && seed < 20ull * count; ++seed) {
    const std::optional<Scenario> scenario = four_threads(seed);
    if (!scenario) continue;
    explore::SimulateOptions simulate_options;
    simulate_options.seed = seed;
    explore::simulate(*scenario, ReferencePlanner(), simulate_options, *history);
    explore::LinearizeOptions options;
    options.enforced = Clauses::basic();
    options.reference_errors = true;
    options.resource_errors = false;
    options.steps = true;
    const double begin = seconds(CLOCK_THREAD_CPUTIME_ID);
    const explore::Linearization l = explore::linearize(*scenario, *history, options);
    us.push_back((seconds(CLOCK_THREAD_CPUTIME_ID) - begin) * 1e6);
    explained += l.explained == explore::Explained::yes;
  }
  say("linearizability, 12 operations in 4 threads, median", quantile(us, 0.5), "us", "well under 1000 us");
  say("likewise, of a hundred 99 take at most", quantile(us, 0.99), "us", "");
  say("of them explained", 100.0 * explained / static_cast<double>(us.size()), "%", "");
}

Scenario claim(const char* name) {
  std::stringstream text;
  text << std::ifstream(std::filesystem::path(SPAWNCHECK_SOURCE_DIRECTORY) / "corpus/seeds/claims" /
                        (std::string(name) + ".scenario"))
              .rdbuf();
  auto parsed = parse(text.str());
  if (!std::holds_alternative<Scenario>(parsed)) std::exit(2);
  return std::get<Scenario>(std::move(parsed));
}

// One worker: its processor time for a step, with its copies, hashes and invariants.
void exploring(unsigned times) {
  const Scenario scenario = claim("two-spawns");
  for (const char* way : {"reference:unshare", "reference:copy", "fork", "fetched"}) {
    explore::ExploreOptions options;
    options.workers = 1;
    const explore::Exploration reduced = explore::explore(scenario, planner_named(way), options);
    options.reduce = false;
    std::vector<double> us;
    std::uint64_t steps = 0;
    for (unsigned i = 0; i < times; ++i) {
      const double begin = seconds(CLOCK_THREAD_CPUTIME_ID);
      const explore::Exploration all = explore::explore(scenario, planner_named(way), options);
      us.push_back((seconds(CLOCK_THREAD_CPUTIME_ID) - begin) * 1e6 / static_cast<double>(all.steps));
      steps = all.steps;
    }
    say(fmt::format("explore, a step of {}, median", way), quantile(us, 0.5), "us", "1 us");
    say(fmt::format("explore, {} steps without reduction, {} with: factor", steps, reduced.steps),
        static_cast<double>(steps) / static_cast<double>(reduced.steps), "", "10");
  }
}

void refining(unsigned word, const char* goal) {
  const double begin = seconds(CLOCK_MONOTONIC);
  const refine::Report r =
      refine::check_all(model::kernel_named("6.18"), word, std::max(1u, std::thread::hardware_concurrency()), false);
  say(fmt::format("refine, word of {}: {} states", word, r.states), seconds(CLOCK_MONOTONIC) - begin, "s", goal);
}

}  // namespace
}  // namespace spawncheck

int main(int argc, char** argv) {
  const bool is_smoke = argc > 1 && std::strcmp(argv[1], "--smoke") == 0;
  const char* file = argc > 2 && std::strcmp(argv[1], "--json") == 0 ? argv[2] : nullptr;
  spawncheck::linearizing(is_smoke ? 50 : 4000);
  spawncheck::exploring(is_smoke ? 1 : 25);
  spawncheck::refining(is_smoke ? 2 : 3, is_smoke ? "" : "2 s");
  if (!is_smoke) spawncheck::refining(4, "120 s");
  if (file != nullptr) std::ofstream(file) << spawncheck::figures.dump();
  return 0;
}
