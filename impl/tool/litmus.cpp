// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "impl/litmus/campaign.h"
#include "impl/session/running_kernel.h"
#include "impl/tool/tool.h"
#include "model/litmus/generate.h"

namespace spawncheck::tool {

namespace {

using litmus::Campaign;
using litmus::Test;
using litmus::TestResult;

constexpr std::size_t told_max = 20;  // unseen outcomes, unless all are asked for

// Returns the tests asked for. If there are none, prints why, and `status` is the exit status.
std::vector<Test> tests_of(const LitmusOptions& options, int& status) {
  std::vector<Test> tests;
  for (const std::string& file : options.files) {
    const std::optional<Scenario> scenario = read_scenario(file, status);
    if (!scenario) return {};
    std::string why;
    std::optional<Test> test = litmus::make_test(*scenario, file, "file", why);
    if (!test) {
      fmt::print(stderr, "spawncheck: {}: {}\n", file, why);
      status = exit_usage;
      return {};
    }
    tests.push_back(std::move(*test));
  }
  if (options.files.empty()) tests = litmus::all_tests();
  std::erase_if(tests, [&](const Test& t) {
    return !litmus::matches(t, options.tests) || (options.threads != 0 && t.data.thread_count != options.threads);
  });
  if (tests.empty()) fmt::print(stderr, "spawncheck: no litmus test matches\n");
  if (tests.empty()) status = exit_usage;
  return tests;
}

std::string saved_as(const LitmusOptions& options, const Test& test) {
  if (options.save.empty()) return "";
  const std::string path = fmt::format("{}/litmus-{:016x}.scenario", options.save, hash(test.scenario));
  std::ofstream out(path);
  out << "# From: spawncheck litmus, " << test.name << "\n" << print(test.scenario);
  return out.flush().good() ? path : "";
}

void tell_outside(const LitmusOptions& options, const Test& test, const TestResult& r) {
  if (r.outside.empty()) return;
  const std::string saved = saved_as(options, test);
  for (const litmus::SeenOutcome& o : r.outside) {
    if (options.common.json) {
      say_json({{"verdict", "violated"},
                {"test", test.name},
                {"scenario", print(test.scenario)},
                {"observed", o.text},
                {"count", o.count},
                {"runs", r.runs},
                {"allowed", r.allowed_texts},
                {"kernel", kernel_release()},
                {"behaviours", behaviours_text()},
                {"replay", "spawncheck litmus --tests '" + test.name + "'"},
                {"saved", saved}});
      continue;
    }
    fmt::print("outside the model: {}\n  observed: {}    in {} of {} runs\n", test.name, o.text, o.count, r.runs);
    for (const std::string& text : r.allowed_texts) fmt::print("  allowed:  {}\n", text);
    fmt::print("  replay: spawncheck litmus {}\n", saved.empty() ? "--tests '" + test.name + "'" : saved);
  }
}

struct Line {
  std::size_t tests = 0;
  std::uint64_t runs = 0, allowed = 0, seen = 0, outside = 0;
};

std::string class_of(const Test& test) {
  return test.shape == "file" ? "file" : test.name.substr(0, test.name.find(':')) + ", " + test.shape;
}

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 100.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void tell_table(const std::vector<Test>& tests, const Campaign& c) {
  std::map<std::string, Line> lines;
  for (std::size_t i = 0; i < tests.size(); ++i) {
    Line& line = lines[class_of(tests[i])];
    line.tests += c.results[i].status == TestResult::Status::judged;
    line.runs += c.results[i].runs;
    line.allowed += c.results[i].allowed;
    line.seen += c.results[i].seen_allowed;
    line.outside += c.results[i].outside.size();
  }
  fmt::print("{:<28} {:>6} {:>12} {:>8} {:>8} {:>6} {:>8}\n", "world, shape", "tests", "runs", "allowed", "seen", "%",
             "outside");
  for (const auto& [name, line] : lines)
    fmt::print("{:<28} {:>6} {:>12} {:>8} {:>8} {:>6.1f} {:>8}\n", name, line.tests, line.runs, line.allowed, line.seen,
               share(line.seen, line.allowed), line.outside);
}

void tell_unseen(const LitmusOptions& options, const std::vector<Test>& tests, const Campaign& c) {
  std::size_t told = 0, all = 0;
  for (std::size_t i = 0; i < tests.size(); ++i)
    for (const std::string& text : c.results[i].unseen) {
      ++all;
      if (options.common.json && options.unseen)
        say_json({{"unseen", text}, {"test", tests[i].name}, {"runs", c.results[i].runs}});
      if (options.common.json || (!options.unseen && told >= told_max)) continue;
      if (told++ == 0) fmt::print("allowed and never seen:\n");
      fmt::print("  {}    {}    in {} runs\n", tests[i].name, text, c.results[i].runs);
    }
  if (!options.common.json && told < all) fmt::print("  and {} more: --unseen lists them\n", all - told);
}

void tell_undecided(const LitmusOptions& options, const std::vector<Test>& tests, const Campaign& c) {
  for (std::size_t i = 0; i < tests.size(); ++i) {
    if (c.results[i].status != TestResult::Status::undecided) continue;
    if (options.common.json)
      say_json({{"verdict", "inconclusive"}, {"test", tests[i].name}, {"observed", c.results[i].why}});
    else
      fmt::print("undecided: {}: {}\n", tests[i].name, c.results[i].why);
  }
}

Status verdict(const Campaign& c) {
  if (c.outside > 0) return Status::violated;
  return c.judged == 0 ? Status::inconclusive : Status::holds;
}

void tell_summary(const LitmusOptions& options, const Campaign& c) {
  const double rate = c.seconds > 0 ? static_cast<double>(c.runs) / c.seconds : 0.0;
  if (options.common.json) {
    say_json({{"verdict", std::string(name(verdict(c)))},
              {"tests", c.judged},
              {"undecided", c.undecided},
              {"not_run", c.not_run},
              {"runs", c.runs},
              {"seconds", c.seconds},
              {"runs_per_second", rate},
              {"allowed", c.allowed},
              {"seen", c.seen},
              {"outside", c.outside},
              {"outside_runs", c.outside_runs},
              {"seed", options.common.seed},
              {"kernel", kernel_release()},
              {"behaviours", behaviours_text()}});
    return;
  }
  fmt::print("{} tests, {} kernel runs ({:.0f}/s), {} outcomes allowed, {} of them seen ({:.1f} %), {} outside{}{}\n",
             c.judged, c.runs, rate, c.allowed, c.seen, share(c.seen, c.allowed), c.outside,
             c.undecided != 0 ? fmt::format(", {} tests undecided", c.undecided) : "",
             c.not_run != 0 ? fmt::format(", {} tests not reached", c.not_run) : "");
}

std::vector<std::string> texts_of(const Test& test, const litmus::Allowed& all) {
  std::vector<std::string> texts;
  for (const sc_litmus_outcome& o : all.outcomes) texts.push_back(litmus::describe(test, o));
  return texts;
}

int tell_tests(const LitmusOptions& options, std::vector<Test>& tests) {
  const model::Kernel kernel = running_kernel();
  for (Test& test : tests) {
    std::vector<std::string> allowed;
    if (options.allowed) allowed = texts_of(test, litmus::allowed(test, kernel));
    if (options.common.json) {
      nlohmann::json object = {{"test", test.name}};
      if (options.allowed) object["allowed"] = allowed;
      say_json(object);
      continue;
    }
    fmt::print("{}\n", test.name);
    for (const std::string& text : allowed) fmt::print("    {}\n", text);
  }
  if (!options.common.json) fmt::print("{} tests\n", tests.size());
  return 0;
}

}  // namespace

int litmus(const LitmusOptions& options) {
  int status = 0;
  std::vector<Test> tests = tests_of(options, status);
  if (status != 0) return status;
  if (options.list || options.allowed) return tell_tests(options, tests);
  std::string error;
  bool is_unsupported = false;
  const auto runner = litmus::Runner::start(error, is_unsupported);
  if (!runner) {
    fmt::print(stderr, "spawncheck: {}\n", error);
    return exit_status(is_unsupported ? Status::unsupported : Status::broken);
  }
  litmus::CampaignOptions how;
  how.runs = options.runs;
  how.seconds = options.common.seconds != 0 || options.runs != 0 ? options.common.seconds : 60;
  how.seed = options.common.seed;
  how.is_over = [] { return interrupted.load(); };
  how.progress = [](std::size_t done, std::size_t all) {
    if (done % 64 == 0) say_progress(fmt::format("{} of {} tests", done, all));
  };
  if (!options.common.json)
    fmt::print("seed {}, kernel {}, {} tests\n", options.common.seed, kernel_release(), tests.size());
  const Campaign c = litmus::run_campaign(*runner, tests, running_kernel(), how);
  for (std::size_t i = 0; i < tests.size(); ++i) tell_outside(options, tests[i], c.results[i]);
  tell_undecided(options, tests, c);
  tell_unseen(options, tests, c);
  if (!options.common.json) tell_table(tests, c);
  tell_summary(options, c);
  return exit_status(verdict(c));
}

}  // namespace spawncheck::tool
