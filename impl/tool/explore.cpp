// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "impl/session/claims.h"
#include "impl/session/reproduce.h"
#include "impl/session/running_kernel.h"
#include "impl/tool/tool.h"

namespace spawncheck::tool {

namespace {

void tell_trace(const char* what, const std::vector<explore::TraceStep>& trace) {
  fmt::print("{}\n", what);
  for (std::size_t i = 0; i < trace.size(); ++i) fmt::print("  {:>3}  {}\n", i + 1, trace[i].text);
}

std::vector<std::string> texts(const std::vector<explore::TraceStep>& trace) {
  std::vector<std::string> out;
  for (const explore::TraceStep& step : trace) out.push_back(step.text);
  return out;
}

std::string command_of(const Reproduction& r, const std::string& file) {
  std::string out = "spawncheck run " + file;
  if (r.implementation != "reference") out += " --implementation " + r.implementation;
  if (!r.strategy.empty()) out += " --strategy " + r.strategy;
  return out;
}

void tell(const Reproduction& r, const std::string& saved) {
  if (r.runs == 0) return fmt::print("  on this kernel: not run: {}\n", r.text);
  if (!r.is_reproduced) return fmt::print("  on this kernel: not shown: {}\n", r.text);
  fmt::print("  on this kernel: shown in {} of {} runs: {}\n    schedule {}\n", r.times, r.runs, r.text,
             print(r.schedule));
  fmt::print("    {}\n", saved.empty() ? "--save FILE writes the scenario with this schedule" : command_of(r, saved));
}

bool save(Scenario scenario, const Reproduction& r, const std::string& file) {
  scenario.expectations.clear();
  scenario.schedule = r.schedule;
  std::ofstream out(file);
  out << print(scenario);
  return out.flush().good();
}

// Every file's expectations that name a way.
int claims(const ExploreToolOptions& options, const explore::ExploreOptions& how) {
  std::vector<ClaimResult> all;
  for (const std::string& file : options.files) {
    int status = 0;
    const std::optional<Scenario> scenario = read_scenario(file, status);
    if (!scenario) return status;
    const std::string claim = file.substr(file.rfind('/') + 1);
    for (ClaimResult& r : check_claims(claim.substr(0, claim.rfind('.')), *scenario, how)) all.push_back(std::move(r));
  }
  fmt::print("{}", markdown(all));
  Status worst = Status::holds;
  for (const ClaimResult& r : all) {
    if (r.is_as_expected) continue;
    fmt::print(stderr, "spawncheck: {} by {}: {}, which is not expected\n", r.claim, r.way,
               name(r.exploration.verdict.status));
    worst = Status::violated;
  }
  return exit_status(worst);
}

}  // namespace

int explore(const ExploreToolOptions& options) {
  const Deadline deadline(options.seconds);
  explore::ExploreOptions how;
  how.reduce = !options.unreduced;
  how.states_max = options.states;
  how.bytes_max = options.megabytes << 20;
  how.workers = options.workers;
  how.is_over = [&] { return deadline.passed(); };
  if (options.claims) return claims(options, how);
  int status = 0;
  const std::string& file = options.files.front();
  if (options.files.size() != 1) {
    fmt::print(stderr, "spawncheck: one file, or --claims\n");
    return exit_usage;
  }
  const std::optional<Scenario> scenario = read_scenario(file, status);
  if (!scenario) return status;
  const explore::Planner planner = planner_named(options.way);
  // The one that runs, unless the way needs what 6.18 has not.
  const bool is_this = options.kernel.empty() && kernel_of(options.way) == model::Kernel{}.name;
  const model::Kernel this_kernel = running_kernel();
  const std::string kernel_name = is_this                  ? std::string(this_kernel.name)
                                  : options.kernel.empty() ? std::string(kernel_of(options.way))
                                                           : options.kernel;
  const model::Kernel* kernel = is_this ? &this_kernel : model::kernel_named(kernel_name);
  if (!planner || kernel == nullptr) {
    if (!planner)
      fmt::print(stderr, "spawncheck: --way: {} is none of {}\n", options.way, ways());
    else
      fmt::print(stderr, "spawncheck: --kernel: {} is none of 6.1, 6.12, 6.18, 7.4, wish\n", options.kernel);
    return exit_usage;
  }
  how.kernel = *kernel;
  const auto start = std::chrono::steady_clock::now();
  const explore::Exploration e = explore::explore(*scenario, planner, how);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double us = e.steps > 0 ? seconds * 1e6 / static_cast<double>(e.steps) : 0.0;
  Reproduction reproduction;
  reproduction.text = "not asked for";
  if (e.verdict.status == Status::violated && !options.model_only)
    reproduction = reproduce(*scenario, options.way, *kernel, e);
  if (reproduction.is_reproduced && !options.save.empty() && !save(*scenario, reproduction, options.save)) {
    fmt::print(stderr, "spawncheck: {}: cannot be written\n", options.save);
    return exit_status(Status::broken);
  }
  if (options.json) {
    say_json({{"way", options.way},
              {"kernel", kernel_name},
              {"behaviours", is_this ? behaviours_text() : ""},
              {"verdict", std::string(name(e.verdict.status))},
              {"clause", e.verdict.clause ? std::string(name(*e.verdict.clause)) : ""},
              {"observed", e.verdict.observed},
              {"states", e.states},
              {"steps", e.steps},
              {"ends", e.ends},
              {"depth", e.depth},
              {"seconds", seconds},
              {"trace", texts(e.trace)},
              {"fd.untransient", !e.untransient.is_broken},
              {"untransient_trace", texts(e.untransient.trace)},
              {"fd.released", !e.released.is_broken},
              {"released_trace", texts(e.released.trace)},
              {"livelock", e.looked_for_livelock ? "none" : "not looked for"},
              {"bytes", e.bytes},
              {"collision_bound", e.collision_bound()},
              {"reproduced", reproduction.is_reproduced},
              {"reproduced_times", reproduction.times},
              {"runs", reproduction.runs},
              {"on_this_kernel", reproduction.text},
              {"schedule", print(reproduction.schedule)}});
    return exit_status(e.verdict.status);
  }
  fmt::print("{}, {} on {}: {}{}\n", file, options.way, kernel_name, name(e.verdict.status),
             e.verdict.clause                    ? fmt::format(" {}", name(*e.verdict.clause))
             : e.verdict.status == Status::holds ? " in every interleaving"
                                                 : "");
  fmt::print("  {} states, {} steps ({:.2f} us each), {} ends, depth {}, {:.2f} s, {} MiB{}\n", e.states, e.steps, us,
             e.ends, e.depth, seconds, e.bytes >> 20, options.unreduced ? ", not reduced" : "");
  if (e.verdict.status == Status::holds)
    fmt::print(
        "  states are told apart by 128 bits of hash: that two of them were taken for one, and one was not looked at, "
        "has a probability of at most {:.1e}\n",
        e.collision_bound());
  if (is_this) fmt::print("  kernel {}: {}\n", kernel_release(), behaviours_text());
  if (e.verdict.status != Status::holds && e.verdict.status != Status::violated)
    fmt::print("  {}\n", e.verdict.observed);
  if (e.verdict.status == Status::unsupported) return exit_status(e.verdict.status);
  if (e.verdict.status == Status::violated) {
    fmt::print("  observed: {}\n  allowed:  {}\n  rule:     {}\n", e.verdict.observed, e.verdict.allowed,
               e.verdict.rule);
    tell_trace("  the shortest way there:", e.trace);
    tell(reproduction, options.save);
  }
  if (e.untransient.is_broken)
    tell_trace("  fd.untransient: a child refers to what its program does not get, at the earliest after",
               e.untransient.trace);
  else
    fmt::print("  fd.untransient: no child refers to what its program does not get\n");
  if (e.released.is_broken)
    tell_trace("  fd.released: a child still does when its spawn has returned, at the earliest after",
               e.released.trace);
  else
    fmt::print("  fd.released: no child does when its spawn has returned\n");
  if (e.verdict.status == Status::holds)
    fmt::print("  livelock: {}\n",
               e.looked_for_livelock ? "every path ends" : "not looked for, there are too many steps");
  return exit_status(e.verdict.status);
}

}  // namespace spawncheck::tool
