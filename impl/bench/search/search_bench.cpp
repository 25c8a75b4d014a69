// SPDX-License-Identifier: MIT
//
// Counts schedules to the first violation, for each scheduler, from several seeds: one line per target, then totals,
// by which a default is chosen. Every scheduler of a target gets the same seeds; a bound on time drops the remaining
// seeds of all schedulers alike.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "impl/bench/search/picture.h"
#include "impl/bench/search/targets.h"
#include "impl/schedules/search/scheduler.h"
#include "impl/tool/tool.h"

std::atomic<bool> spawncheck::tool::interrupted{false};

namespace spawncheck {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

struct Options {
  unsigned seeds = 20, seconds = 0, workers = std::max(1u, std::thread::hardware_concurrency());
  std::uint64_t schedules_max = 1000;
  std::vector<std::string> searches, only;  // only: names or groups; empty: all
  std::string json_file, svg_file;
};

struct Result {
  Target target;
  std::string error;
  std::map<std::string, std::vector<Trial>> trials;  // by scheduler
};

constexpr unsigned vain_max = 2;  // seeds from which no scheduler finds the bug; then the target is given up

std::vector<Target> chosen_targets(const Options& options) {
  std::vector<Target> all = search_targets();
  if (options.only.empty()) return all;
  std::erase_if(all, [&](const Target& t) {
    return std::none_of(options.only.begin(), options.only.end(),
                        [&](const std::string& what) { return what == t.name || what == t.group; });
  });
  return all;
}

// ---- trials ------------------------------------------------------------------------------------

json try_seeds(const Target& target, const Options& options, Clock::time_point end) {
  SessionOptions how;
  how.implementation = target.implementation;
  std::string error;
  const std::unique_ptr<Session> session = Session::start(how, error);
  json out = {{"name", target.name}, {"trials", json::object()}};
  if (session == nullptr) return out.update({{"error", error}}), out;
  const auto is_over = [&] { return options.seconds != 0 && Clock::now() >= end; };
  bool has_found = false;
  for (unsigned i = 0; i < options.seeds && (has_found || i < vain_max); ++i) {
    json round = json::object();
    for (const std::string& search : options.searches) {
      const auto trial = try_target(*session, target, search, 1000 + 7919 * i, options.schedules_max, is_over);
      if (!trial) return out;
      has_found |= trial->has_happened;
      round[search] = trial->has_happened ? trial->time : -trial->time;  // negative: censored
    }
    for (const auto& [search, time] : round.items()) out["trials"][search].push_back(time);
  }
  return out;
}

// Each worker is a process that takes target after target and writes one line for each.
std::vector<json> work(const std::vector<Target>& targets, const Options& options) {
  auto* next = static_cast<unsigned*>(
      mmap(nullptr, sizeof(unsigned), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  int ends[2];
  if (next == MAP_FAILED || pipe2(ends, O_CLOEXEC) != 0) return {};
  const auto end = Clock::now() + std::chrono::seconds(options.seconds);
  for (unsigned w = 0; w < options.workers; ++w) {
    if (fork() != 0) continue;
    close(ends[0]);
    for (unsigned t; (t = __atomic_fetch_add(next, 1, __ATOMIC_SEQ_CST)) < targets.size();) {
      const auto rest = (end - Clock::now()) / std::max<std::int64_t>(1, targets.size() - t) * options.workers;
      json line = try_seeds(targets[t], options, std::min(end, Clock::now() + rest));
      line["index"] = t;
      const std::string text = line.dump() + "\n";  // below PIPE_BUF: the write is atomic
      if (write(ends[1], text.data(), text.size()) < 0) break;
    }
    _exit(0);
  }
  close(ends[1]);
  std::vector<json> lines;
  FILE* in = fdopen(ends[0], "r");
  char* line = nullptr;
  std::size_t size = 0;
  while (getline(&line, &size, in) > 0) {
    lines.push_back(json::parse(line));
    tool::say_progress(fmt::format("{} of {} targets", lines.size(), targets.size()));
  }
  tool::say_progress("");
  std::free(line);
  std::fclose(in);
  while (wait(nullptr) > 0) continue;
  return lines;
}

std::vector<Result> results_of(const std::vector<Target>& targets, const std::vector<json>& lines) {
  std::vector<Result> results;
  for (const Target& t : targets) results.push_back({t, "no time was left", {}});
  for (const json& line : lines) {
    Result& r = results[line.at("index").get<std::size_t>()];
    r.error = line.value("error", "");
    for (const auto& [search, times] : line.at("trials").items())
      for (const double time : times) r.trials[search].push_back({std::abs(time), time > 0});
    if (r.error.empty() && r.trials.empty()) r.error = "no time was left";
  }
  return results;
}

// ---- results -----------------------------------------------------------------------------------

bool is_decided(const Result& r) {
  return std::any_of(r.trials.begin(), r.trials.end(), [](const auto& of) {
    return std::any_of(of.second.begin(), of.second.end(), [](const Trial& t) { return t.has_happened; });
  });
}

struct Whole {
  std::string search;
  std::size_t found = 0, tried = 0;
  double log_mean = 0;  // mean over targets of the log of the geometric mean
  double ratio = 1;     // to the best
  double p = 1;         // that it is no worse than the best: log-rank, one stratum per target
};

// Sorted, the best first.
std::vector<Whole> wholes_of(const std::vector<Result>& results, const Options& options) {
  std::vector<Whole> all;
  for (const std::string& search : options.searches) {
    Whole w{search};
    double targets = 0;
    for (const Result& r : results) {
      if (!is_decided(r)) continue;
      const std::vector<Trial>& trials = r.trials.at(search);
      w.tried += trials.size();
      w.found += static_cast<std::size_t>(
          std::count_if(trials.begin(), trials.end(), [](const Trial& t) { return t.has_happened; }));
      w.log_mean += std::log(geometric_mean(trials));
      ++targets;
    }
    w.log_mean /= std::max(targets, 1.0);
    all.push_back(w);
  }
  std::stable_sort(all.begin(), all.end(), [](const Whole& a, const Whole& b) { return a.log_mean < b.log_mean; });
  for (Whole& w : all) {
    LogRank sum;
    w.ratio = std::exp(w.log_mean - all[0].log_mean);
    for (const Result& r : results)
      if (is_decided(r)) sum += log_rank(r.trials.at(all[0].search), r.trials.at(w.search));
    w.p = sum.p();
  }
  return all;
}

std::string cell(const std::vector<Trial>& trials, std::uint64_t schedules_max) {
  const auto found = std::count_if(trials.begin(), trials.end(), [](const Trial& t) { return t.has_happened; });
  const auto median = median_of(trials);
  const std::string text = median ? fmt::format("{:.0f}", *median) : fmt::format(">{}", schedules_max);
  return static_cast<std::size_t>(found) == trials.size() ? text
                                                          : fmt::format("{} ({}/{})", text, found, trials.size());
}

std::string table(const std::vector<Result>& results, const std::vector<Whole>& wholes, const Options& options) {
  std::string out = fmt::format("{:<22}", "schedules, median");
  for (const std::string& search : options.searches) out += fmt::format("{:>15}", search);
  out += "   best, p against the next\n";
  for (const Result& r : results) {
    out += fmt::format("{:<22}", r.target.name);
    if (!r.error.empty()) {
      out += r.error + "\n";
      continue;
    }
    std::vector<std::pair<double, std::string>> order;
    for (const std::string& search : options.searches) {
      out += fmt::format("{:>15}", cell(r.trials.at(search), options.schedules_max));
      order.emplace_back(geometric_mean(r.trials.at(search)), search);
    }
    std::sort(order.begin(), order.end());
    if (!is_decided(r))
      out += "   nobody";
    else if (order.size() > 1)
      out += fmt::format("   {}, {:.2g}", order[0].second,
                         log_rank(r.trials.at(order[0].second), r.trials.at(order[1].second)).p());
    out += "\n";
  }
  out +=
      fmt::format("\n{:<15}{:>12}{:>24}{:>26}\n", "in all", "found", "times the best's number", "p against the best");
  for (const Whole& w : wholes)
    out +=
        fmt::format("{:<15}{:>12}{:>24.2f}{:>26.2g}\n", w.search, fmt::format("{}/{}", w.found, w.tried), w.ratio, w.p);
  return out;
}

json to_json(const std::vector<Result>& results, const std::vector<Whole>& wholes, const Options& options) {
  json out = {{"seeds", options.seeds}, {"schedules_max", options.schedules_max}, {"targets", json::array()}};
  for (const Result& r : results) {
    json of = {{"group", r.target.group}, {"name", r.target.name}, {"error", r.error}, {"searches", json::object()}};
    for (const auto& [search, trials] : r.trials) {
      json& at = of["searches"][search];
      const auto median = median_of(trials);
      at["median"] = median ? json(*median) : json(nullptr);
      for (const Trial& t : trials) at["trials"].push_back({t.time, t.has_happened});
    }
    out["targets"].push_back(of);
  }
  for (const Whole& w : wholes)
    out["whole"].push_back(
        {{"search", w.search}, {"found", w.found}, {"tried", w.tried}, {"ratio", w.ratio}, {"p", w.p}});
  return out;
}

// One panel for all mutants, one for each other target.
std::vector<Panel> panels_of(const std::vector<Result>& results, const Options& options) {
  std::vector<Panel> panels;
  for (const Result& r : results) {
    if (!is_decided(r)) continue;
    const bool is_pooled = r.target.group == "mutants";
    const std::string title = is_pooled ? "racing mutants, together" : r.target.name;
    if (panels.empty() || panels.back().title != title) {
      panels.push_back({title, {}});
      for (const std::string& search : options.searches) panels.back().curves.push_back({search, {}});
    }
    for (auto& [search, trials] : panels.back().curves)
      trials.insert(trials.end(), r.trials.at(search).begin(), r.trials.at(search).end());
  }
  return panels;
}

int bench(const Options& options) {
  const std::vector<Target> targets = chosen_targets(options);
  if (targets.empty()) {
    fmt::print(stderr, "search-bench: there is no such target\n");
    return tool::exit_usage;
  }
  const std::vector<Result> results = results_of(targets, work(targets, options));
  const std::vector<Whole> wholes = wholes_of(results, options);
  fmt::print("{}", table(results, wholes, options));
  if (!options.json_file.empty()) std::ofstream(options.json_file) << to_json(results, wholes, options).dump(1) << "\n";
  if (!options.svg_file.empty())
    std::ofstream(options.svg_file) << curves_svg(panels_of(results, options),
                                                  static_cast<double>(options.schedules_max));
  return std::any_of(results.begin(), results.end(), is_decided) ? 0 : 1;
}

}  // namespace
}  // namespace spawncheck

int main(int argc, char** argv) {
  using namespace spawncheck;
  Options options;
  std::vector<std::string> words;
  for (const SchedulerRow& row : scheduler_rows()) words.push_back(row.word);
  CLI::App app{"Schedules to the first violation, by each way to search them"};
  app.add_option("--seeds", options.seeds, "searches by each scheduler for each target");
  app.add_option("--schedules", options.schedules_max, "schedules of a search at most")->check(CLI::Range(1, 1000000));
  app.add_option("--seconds", options.seconds, "bound of the whole; 0: none");
  app.add_option("--workers", options.workers, "processes");
  app.add_option("--search", options.searches, "schedulers, a comma between two; default: all")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember(words));
  app.add_option("--json", options.json_file, "a file for every trial");
  app.add_option("--svg", options.svg_file, "a file for the curves");
  app.add_option("WHAT", options.only, "targets or groups: mutants, reorder, twostage, peers; default: all");
  CLI11_PARSE(app, argc, argv);
  if (options.searches.empty()) options.searches = words;
  return bench(options);
}
