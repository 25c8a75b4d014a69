// SPDX-License-Identifier: MIT
//
// Measures the cost of a spawn and the wait for its end, for every peer, against the state of the caller.
//
//   spawn-bench PROGRAM [--quick] [--data DIRECTORY] [--benchmark_...]
//
// A benchmark is one peer at one point of one panel, descriptors/15000/vfork. The first of a panel measures all
// peers, in turn, at all its points; each then reports its median as its time. Google Benchmark's own repetition runs
// one peer after the other, while the machine's load may change; its random interleaving would rebuild the world
// for each sample. Rejected: pinning to one processor; the placement of a new process is part of its cost.
#include <benchmark/benchmark.h>
#include <fmt/core.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <regex>

#include "measure.h"
#include "panels.h"
#include "report.h"
#include "world.h"

namespace {

using namespace bench;

struct Options {
  std::string program, data;
  bool is_quick = false;
};

// The effort of one pass.
constexpr Effort latency_effort = {0.2, 20}, latency_quick = {0.05, 5}, threads_effort = {0.25, 20},
                 threads_quick = {0.05, 5};
constexpr int passes = 3, passes_quick = 1;

// The samples of one point, for all its benchmarks.
struct Measured {
  Samples samples;
  std::string error;
};

class Bench {
 public:
  Bench(Options options, std::vector<const bench_peer*> peers, std::string filter)
      : options_(std::move(options)), peers_(std::move(peers)), filter_(std::move(filter)) {}

  void register_all() {
    for (const Panel& panel : panels())
      for (const unsigned value : panel.values)
        for (std::size_t p = 0; p < peers_.size(); ++p)
          benchmark::RegisterBenchmark(
              fmt::format("{}/{}/{}", panel.name, value, peers_[p]->name).c_str(),
              [this, &panel, value, p](benchmark::State& state) { run(state, panel, value, p); })
              ->UseManualTime()
              ->Iterations(1)
              ->Unit(benchmark::kMicrosecond);
  }

 private:
  static std::string name_of(const Panel& panel, unsigned value) { return fmt::format("{}/{}", panel.name, value); }

  void run(benchmark::State& state, const Panel& panel, unsigned value, std::size_t peer) {
    if (!measured_.contains(name_of(panel, value))) measure(panel);
    const Measured& m = measured_.at(name_of(panel, value));
    if (!m.error.empty()) return state.SkipWithError(m.error.c_str());
    if (m.samples[peer].empty()) return state.SkipWithError(not_available);
    const Figure figure = figure_of(m.samples[peer]);
    for ([[maybe_unused]] auto _ : state) state.SetIterationTime(figure.median_us * 1e-6);
    state.counters["p99_us"] = figure.p99_us;
    state.counters["samples"] = figure.samples;
  }

  bool is_wanted(const Panel& panel, unsigned value) const {
    const std::regex filter(filter_);
    for (const bench_peer* peer : peers_)
      if (std::regex_search(fmt::format("{}/{}", name_of(panel, value), peer->name), filter)) return true;
    return false;
  }

  // Measures all its points several times: the machine's load changes, and growth is the ratio of two points.
  void measure(const Panel& panel) {
    for (int pass = 0; pass < (options_.is_quick ? passes_quick : passes); ++pass)
      for (const unsigned value : panel.values)
        if (is_wanted(panel, value)) measure(panel, value, &measured_[name_of(panel, value)]);
  }

  void measure(const Panel& panel, unsigned value, Measured* m) {
    if (!m->error.empty()) return;
    if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "{}: {}\n", panel.quantity, value);
    Point point = panel.base;
    point.*panel.varied = value;
    World world(point.descriptors, std::size_t{point.memory_mib} << 20, point.kept, point.threads);
    if (m->error = world.error(); !m->error.empty()) return;
    const bench_job job = world.job(options_.program.c_str());
    if (panel.varied == &Point::threads)
      measure_threads(peers_, job, point.threads, options_.is_quick ? threads_quick : threads_effort, &m->samples,
                      &m->error);
    else
      measure_latency(peers_, job, options_.is_quick ? latency_quick : latency_effort, &m->samples, &m->error);
  }

  Options options_;
  std::vector<const bench_peer*> peers_;
  std::string filter_;
  std::map<std::string, Measured> measured_;
};

// Returns the peers that can start a program here; names the others.
std::vector<const bench_peer*> available_peers(const std::string& program) {
  World world(0, 0, 1);
  const bench_job job = world.job(program.c_str());
  std::vector<const bench_peer*> peers;
  for (const bench_peer* peer : all_peers()) {
    const bool is_available = prepare(*peer, job) != nullptr;
    fmt::print("{}: {}\n", peer->name, is_available ? peer->note : "not available here");
    if (is_available) peers.push_back(peer);
  }
  for (const std::string& missing : peers_not_built()) fmt::print("{}\n", missing);
  return peers;
}

bool parse(int argc, char** argv, Options* options) {
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--quick") == 0)
      options->is_quick = true;
    else if (std::strcmp(argv[i], "--data") == 0 && i + 1 < argc)
      options->data = argv[++i];
    else if (options->program.empty() && argv[i][0] == '/')
      options->program = argv[i];
    else
      return false;
  }
  return !options->program.empty();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  benchmark::Initialize(&argc, argv);
  if (!parse(argc, argv, &options)) {
    fmt::print(stderr,
               "usage: {} /PROGRAM [--quick] [--data DIRECTORY] [--benchmark_filter=REGEX] [--benchmark_out=FILE]\n",
               argv[0]);
    return 2;
  }
  clearenv();  // for peers that pass their own environment on
  const std::vector<const bench_peer*> peers = available_peers(options.program);
  std::vector<std::string> names;
  for (const bench_peer* peer : peers) names.emplace_back(peer->name);
  // The filter selects the points to measure; a filter that excludes benchmarks (-REGEX) measures all.
  std::string filter = benchmark::GetBenchmarkFilter();
  if (filter == "all" || filter.starts_with('-')) filter = "";
  Bench bench(options, peers, filter);
  bench.register_all();
  Report report(names, options.data);
  benchmark::RunSpecifiedBenchmarks(&report);
  return report.failed() ? 1 : 0;
}
