// SPDX-License-Identifier: MIT
#include "model/explore/refine.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

#include "impl/session/refine_on_kernel.h"
#include "impl/session/running_kernel.h"
#include "impl/tool/tool.h"
#include "model/explore/race.h"

namespace spawncheck::tool {

namespace {

// Explores the two walks of close_range(2) while other threads act, and each with a planted bug, which must be found.
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
    if (options.json)
      say_json(
          {{"walk", name(walk)}, {"word", word}, {"states", r.states}, {"seconds", seconds}, {"verdict", verdict}});
    else
      fmt::print("{:<24} {:>12} {:>8.2f}  {}\n", name(walk), r.states, seconds, verdict);
  }
  return exit_status(worst);
}

// A session for each processor.
int refine_on_kernel(const RefineOptions& options) {
  const Deadline deadline(options.seconds);
  const unsigned workers = std::max(1u, std::thread::hardware_concurrency());
  std::vector<KernelCheck> checks(workers);
  std::vector<std::unique_ptr<Session>> sessions(workers);
  for (auto& session : sessions) {
    int status = 0;
    session = start_session({}, status);
    if (session == nullptr) return status;
  }
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (unsigned w = 0; w < workers; ++w)
    threads.emplace_back(
        [&, w] { checks[w] = check_on_kernel(*sessions[w], w, workers, [&] { return deadline.passed(); }); });
  for (std::thread& thread : threads) thread.join();
  KernelCheck all;
  for (const KernelCheck& c : checks) {
    all.cases += c.cases;
    all.snapshots += c.snapshots;
    if (all.disagreement.empty()) all.disagreement = c.disagreement;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const Status status = !all.disagreement.empty()         ? Status::violated
                        : all.cases < kernel_case_count() ? Status::inconclusive
                                                          : Status::holds;
  if (options.json) {
    say_json({{"kernel", kernel_release()},
              {"cases", all.cases},
              {"of", kernel_case_count()},
              {"snapshots", all.snapshots},
              {"seconds", seconds},
              {"verdict", name(status)},
              {"example", all.disagreement}});
    return exit_status(status);
  }
  fmt::print("on {}: {} of {} tables and calls, {} snapshots compared, {:.1f} s: {}\n", kernel_release(), all.cases,
             kernel_case_count(), all.snapshots, seconds,
             status == Status::holds ? "the model says the same" : std::string(name(status)));
  if (!all.disagreement.empty()) fmt::print("{}\n", all.disagreement);
  return exit_status(status);
}

// Returns one kernel for all releases whose close_range(2) computes the same; its name lists them, by commas.
std::vector<model::Kernel> kernels_that_differ() {
  constexpr Behaviour counted[] = {Behaviour::copy_leaves_dropped, Behaviour::copy_sized_by_capacity,
                                   Behaviour::close_range_except};
  std::vector<model::Kernel> out;
  for (const std::string_view release : model::named_releases) {
    const model::Kernel kernel = model::kernel_named(release);
    const auto same = std::find_if(out.begin(), out.end(), [&](const model::Kernel& other) {
      return std::all_of(std::begin(counted), std::end(counted),
                         [&](Behaviour b) { return other.has(b) == kernel.has(b); });
    });
    if (same == out.end())
      out.push_back(kernel);
    else
      same->name += ", " + kernel.name;
  }
  return out;
}

}  // namespace

// Checks each kernel's code against what the flags mean. A kernel with copy-leaves-dropped must never reference what it
// drops; for the others this is only counted.
int refine(const RefineOptions& options) {
  if (options.walks) return refine_walks(options);
  if (options.on_kernel) return refine_on_kernel(options);
  const auto does = model::behaviours_in(options.kernel.empty() ? model::Kernel{}.name : options.kernel);
  if (const auto* error = std::get_if<std::string>(&does)) {
    fmt::print(stderr, "spawncheck: --kernel: {}\n", *error);
    return exit_usage;
  }
  const std::vector<model::Kernel> kernels =
      options.kernel.empty() ? kernels_that_differ() : std::vector{model::kernel_named(options.kernel)};
  Status worst = Status::holds;
  if (!options.json)
    fmt::print("{:<38} {:>5} {:>12} {:>14} {:>8}  {}\n", "kernel", "word", "states", "checks", "s", "verdict");
  for (const model::Kernel& code : kernels) {
    const bool asks_untransient = code.has(Behaviour::copy_leaves_dropped);
    const auto start = std::chrono::steady_clock::now();
    const refine::Report r =
        refine::check_all(code, options.word, std::max(1u, std::thread::hardware_concurrency()), asks_untransient);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (r.violation) worst = Status::violated;
    if (options.json) {
      say_json({{"kernel", code.name},
                {"word", options.word},
                {"tables", r.tables},
                {"states", r.states},
                {"checks", r.checks},
                {"seconds", seconds},
                {"verdict", r.violation ? "violated" : "holds"},
                {"transient", r.transient},
                {"example", r.violation ? print(*r.violation, options.word) : ""}});
      continue;
    }
    fmt::print("{:<38} {:>5} {:>12} {:>14} {:>8.2f}  {}\n", code.name, options.word, r.states, r.checks, seconds,
               r.violation ? "violated: " + print(*r.violation, options.word) : "holds");
    if (r.transient == 0)
      fmt::print("       references nothing that it drops\n");
    else
      fmt::print("       references what it drops in {} checks, as in {}\n", r.transient,
                 print(*r.transient_example, options.word));
  }
  return exit_status(worst);
}

}  // namespace spawncheck::tool
