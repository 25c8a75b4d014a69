// SPDX-License-Identifier: MIT
//
// What a spawn and the wait for its end cost, for every peer, against what it meets.
//
//   spawn-bench PROGRAM [--quick] [--data DIRECTORY] [--benchmark_...]
//
// A benchmark is one peer at one point of one panel, descriptors/15000/vfork. The first of a point measures all of
// them, in turn; each then reports its median as its time. Google Benchmark's own repetition runs one peer after the other, in
// which time another process may come or go; its random interleaving would build the world anew for each sample.
// Rejected: pinning to one processor; the placement of a new process is part of what is paid.
#include "measure.h"
#include "panels.h"
#include "report.h"
#include "world.h"

#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <stdlib.h>
#include <unistd.h>

namespace {

using namespace bench;

struct Options {
  std::string program, data;
  bool is_quick = false;
};

constexpr Effort latency_effort = {0.6, 60}, latency_quick = {0.05, 5}, threads_effort = {0.8, 60}, threads_quick = {0.05, 5};

// What one point gave, for all its benchmarks.
struct Measured {
  Figures figures;
  std::string error;
};

class Bench {
 public:
  Bench(Options options, std::vector<const bench_peer*> peers) : options_(std::move(options)), peers_(std::move(peers)) {}

  void register_all() {
    for (const Panel& panel : panels())
      for (const unsigned value : panel.values)
        for (std::size_t p = 0; p < peers_.size(); ++p)
          benchmark::RegisterBenchmark(fmt::format("{}/{}/{}", panel.name, value, peers_[p]->name).c_str(),
                                       [this, &panel, value, p](benchmark::State& state) { run(state, panel, value, p); })
              ->UseManualTime()
              ->Iterations(1)
              ->Unit(benchmark::kMicrosecond);
  }

 private:
  void run(benchmark::State& state, const Panel& panel, unsigned value, std::size_t peer) {
    const Measured& m = measured(panel, value);
    if (!m.error.empty()) return state.SkipWithError(m.error.c_str());
    const std::optional<Figure>& figure = m.figures[peer];
    if (!figure) return state.SkipWithError(not_available);
    for ([[maybe_unused]] auto _ : state) state.SetIterationTime(figure->median_us * 1e-6);
    state.counters["p99_us"] = figure->p99_us;
    state.counters["samples"] = figure->samples;
  }

  const Measured& measured(const Panel& panel, unsigned value) {
    const auto [at, is_new] = measured_.try_emplace(fmt::format("{}/{}", panel.name, value));
    if (is_new) at->second = measure(panel, value);
    return at->second;
  }

  Measured measure(const Panel& panel, unsigned value) {
    if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "{}: {}\n", panel.quantity, value);
    Point point = panel.base;
    point.*panel.varied = value;
    Measured m;
    World world(point.descriptors, std::size_t{point.memory_mib} << 20, point.kept, point.threads);
    if (m.error = world.error(); !m.error.empty()) return m;
    const bench_job job = world.job(options_.program.c_str());
    if (panel.varied == &Point::threads)
      m.figures = measure_threads(peers_, job, point.threads, options_.is_quick ? threads_quick : threads_effort, &m.error);
    else
      m.figures = measure_latency(peers_, job, options_.is_quick ? latency_quick : latency_effort, &m.error);
    return m;
  }

  Options options_;
  std::vector<const bench_peer*> peers_;
  std::map<std::string, Measured> measured_;
};

// Those that start a program here; says of the others that they do not.
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
    if (std::strcmp(argv[i], "--quick") == 0) options->is_quick = true;
    else if (std::strcmp(argv[i], "--data") == 0 && i + 1 < argc) options->data = argv[++i];
    else if (options->program.empty() && argv[i][0] == '/') options->program = argv[i];
    else return false;
  }
  return !options->program.empty();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  benchmark::Initialize(&argc, argv);
  if (!parse(argc, argv, &options)) {
    fmt::print(stderr, "usage: {} /PROGRAM [--quick] [--data DIRECTORY] [--benchmark_filter=REGEX] [--benchmark_out=FILE]\n", argv[0]);
    return 2;
  }
  clearenv();  // the same for those that hand their own environment on
  const std::vector<const bench_peer*> peers = available_peers(options.program);
  std::vector<std::string> names;
  for (const bench_peer* peer : peers) names.emplace_back(peer->name);
  Bench bench(options, peers);
  bench.register_all();
  Report report(names, options.data);
  benchmark::RunSpecifiedBenchmarks(&report);
  return report.failed() ? 1 : 0;
}
