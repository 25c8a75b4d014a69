// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <stdexcept>

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

// Replaces the table at the end of the page. It must begin as the new one does, up to the column `kernel`.
bool replace_table(const std::string& page, const std::string& table) {
  std::stringstream text;
  text << std::ifstream(page).rdbuf();
  const std::size_t at = text.str().find(table.substr(0, table.find("| kernel |")));
  if (at == std::string::npos) {
    fmt::print(stderr, "spawncheck: --write: {} has no table of claims\n", page);
    return false;
  }
  std::ofstream out(page);
  out << text.str().substr(0, at) << table;
  if (out.flush().good()) return true;
  fmt::print(stderr, "spawncheck: {}: cannot be written\n", page);
  return false;
}

// Returns false, and prints what is wrong, if the text names no kernel.
bool kernel_asked_for(const std::string& text, std::optional<model::Kernel>& kernel) {
  const auto does = model::behaviours_in(text);
  if (const auto* error = std::get_if<std::string>(&does)) {
    fmt::print(stderr, "spawncheck: --kernel: {}\n", *error);
    return false;
  }
  kernel = model::kernel_named(text);
  return true;
}

// Returns the running kernel if it has what the way needs, else the model's kernel_of() the way.
model::Kernel kernel_for(const std::string& way) {
  model::Kernel running = running_kernel();
  for (const Behaviour b : needs_of_way(way))
    if (!running.has(b)) return model::kernel_named(kernel_of(way));
  return running;
}

// Returns true if the path ends with a child within its exec. No tracer stops a task there, so no schedule shows it.
bool ends_within_exec(const explore::Observed& what) {
  for (auto step = what.trace.rbegin(); step != what.trace.rend(); ++step)
    if (step->who == explore::TraceStep::Who::child) return step->call == "exec" && !step->is_call_done;
  return false;
}

void tell(const explore::ObservedRow& row, const explore::Observed& what) {
  if (!what.is_asked) return;
  if (!what.is_broken) return fmt::print("  {}: {}\n", row.word, row.holds);
  tell_trace(fmt::format("  {}: {}", row.word, row.broken).c_str(), what.trace);
  if (ends_within_exec(what))
    fmt::print("    not replayed on this kernel: the child is within its exec, where no tracer stops it\n");
}

void add_observed(const explore::Exploration& e, nlohmann::json& out) {
  for (const explore::ObservedRow& row : explore::observed_rows) {
    const explore::Observed& what = e.*row.what;
    if (!what.is_asked) continue;
    out[std::string(row.word)] = !what.is_broken;
    out[std::string(row.id) + "_trace"] = texts(what.trace);
  }
}

nlohmann::json json_of(const std::string& way, const model::Kernel& kernel, const explore::Exploration& e,
                       double seconds, const Reproduction& reproduction) {
  nlohmann::json out = {{"way", way},
                        {"kernel", kernel.name},
                        {"behaviours", behaviours_text(kernel.does)},
                        {"verdict", std::string(name(e.verdict.status))},
                        {"clause", e.verdict.clause ? std::string(name(*e.verdict.clause)) : ""},
                        {"observed", e.verdict.observed},
                        {"states", e.states},
                        {"steps", e.steps},
                        {"ends", e.ends},
                        {"depth", e.depth},
                        {"seconds", seconds},
                        {"trace", texts(e.trace)},
                        {"livelock", e.looked_for_livelock ? "none" : "not looked for"},
                        {"bytes", e.bytes},
                        {"collision_bound", e.collision_bound()},
                        {"reproduced", reproduction.is_reproduced},
                        {"reproduced_times", reproduction.times},
                        {"runs", reproduction.runs},
                        {"on_this_kernel", reproduction.text},
                        {"schedule", print(reproduction.schedule)}};
  add_observed(e, out);
  return out;
}

nlohmann::json json_of(const ClaimResult& r) {
  const Verdict& v = r.exploration.verdict;
  nlohmann::json out = {{"claim", r.claim},
                        {"way", r.way},
                        {"kernel", r.kernel},
                        {"threads", r.threads},
                        {"operations", r.operations},
                        {"verdict", std::string(name(v.status))},
                        {"clause", v.clause ? std::string(name(*v.clause)) : ""},
                        {"observed", v.observed},
                        {"states", r.exploration.states},
                        {"seconds", r.seconds},
                        {"trace", texts(r.exploration.trace)},
                        {"as_expected", r.is_as_expected}};
  add_observed(r.exploration, out);
  return out;
}

// Explores every file's expectations that name a way. They are meant for their own kernels: with --kernel, a verdict
// that they do not expect is no failure.
int claims(const ExploreToolOptions& options, const explore::ExploreOptions& how, const model::Kernel* on) {
  std::vector<ClaimResult> all;
  for (const std::string& file : options.files) {
    int status = 0;
    const std::optional<Scenario> scenario = read_scenario(file, status);
    if (!scenario) return status;
    const std::string claim = file.substr(file.rfind('/') + 1);
    try {
      for (ClaimResult& r : check_claims(claim.substr(0, claim.rfind('.')), *scenario, how, on))
        all.push_back(std::move(r));
    } catch (const std::invalid_argument& error) {
      fmt::print(stderr, "spawncheck: {}: {}\n", file, error.what());
      return exit_usage;
    }
  }
  if (options.json)
    for (const ClaimResult& r : all) say_json(json_of(r));
  else if (options.write.empty())
    fmt::print("{}", markdown(all));
  if (!options.write.empty() && !replace_table(options.write, markdown(all))) return exit_status(Status::broken);
  Status worst = Status::holds;
  for (const ClaimResult& r : all) {
    if (r.is_as_expected || on != nullptr) continue;
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
  std::optional<model::Kernel> asked;
  if (!options.kernel.empty() && !kernel_asked_for(options.kernel, asked)) return exit_usage;
  if (options.claims) return claims(options, how, asked ? &*asked : nullptr);
  int status = 0;
  const std::string& file = options.files.front();
  if (options.files.size() != 1) {
    fmt::print(stderr, "spawncheck: one file, or --claims\n");
    return exit_usage;
  }
  const std::optional<Scenario> scenario = read_scenario(file, status);
  if (!scenario) return status;
  const explore::Planner planner = planner_named(options.way);
  if (!planner) {
    fmt::print(stderr, "spawncheck: --way: {} is none of {}\n", options.way, ways());
    return exit_usage;
  }
  how.kernel = asked ? *asked : kernel_for(options.way);
  const auto start = std::chrono::steady_clock::now();
  const explore::Exploration e = explore::explore(*scenario, planner, how);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double us = e.steps > 0 ? seconds * 1e6 / static_cast<double>(e.steps) : 0.0;
  Reproduction reproduction;
  reproduction.text = "not asked for";
  if (e.verdict.status == Status::violated && !options.model_only)
    reproduction = reproduce(*scenario, options.way, how.kernel, e);
  if (reproduction.is_reproduced && !options.save.empty() && !save(*scenario, reproduction, options.save)) {
    fmt::print(stderr, "spawncheck: {}: cannot be written\n", options.save);
    return exit_status(Status::broken);
  }
  if (options.json) {
    say_json(json_of(options.way, how.kernel, e, seconds, reproduction));
    return exit_status(e.verdict.status);
  }
  fmt::print("{}, {} on {}: {}{}\n", file, options.way, how.kernel.name, name(e.verdict.status),
             e.verdict.clause                    ? fmt::format(" {}", name(*e.verdict.clause))
             : e.verdict.status == Status::holds ? " in every interleaving"
                                                 : "");
  fmt::print("  {} states, {} steps ({:.2f} us each), {} ends, depth {}, {:.2f} s, {} MiB{}\n", e.states, e.steps, us,
             e.ends, e.depth, seconds, e.bytes >> 20, options.unreduced ? ", not reduced" : "");
  if (e.verdict.status == Status::holds)
    fmt::print(
        "  states are compared by a 128-bit hash; the probability that a collision hid a state is at most {:.1e}\n",
        e.collision_bound());
  fmt::print("  kernel {}: {}\n", how.kernel.name, behaviours_text(how.kernel.does));
  if (e.verdict.status != Status::holds && e.verdict.status != Status::violated)
    fmt::print("  {}\n", e.verdict.observed);
  if (e.verdict.status == Status::unsupported) return exit_status(e.verdict.status);
  if (e.verdict.status == Status::violated) {
    fmt::print("  observed: {}\n  allowed:  {}\n  rule:     {}\n", e.verdict.observed, e.verdict.allowed,
               e.verdict.rule);
    tell_trace("  shortest counterexample:", e.trace);
    tell(reproduction, options.save);
  }
  for (const explore::ObservedRow& row : explore::observed_rows) tell(row, e.*row.what);
  if (e.verdict.status == Status::holds)
    fmt::print("  livelock: {}\n",
               e.looked_for_livelock ? "every path ends" : "not looked for, there are too many steps");
  return exit_status(e.verdict.status);
}

}  // namespace spawncheck::tool
