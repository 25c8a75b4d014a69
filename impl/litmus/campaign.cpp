// SPDX-License-Identifier: MIT
#include "impl/litmus/campaign.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "model/scenario/random.h"

namespace spawncheck::litmus {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t slice_ms_min = 10;
constexpr std::uint64_t runs_max = ~0ull >> 1;

std::vector<std::size_t> shuffled(std::size_t count, Random& random) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.below(static_cast<std::uint32_t>(i))]);
  return order;
}

void judge(TestResult& result, const Test& test, const Outcomes& outcomes, const Histogram& histogram) {
  result.status = TestResult::Status::judged;
  result.runs = histogram.runs;
  result.allowed = outcomes.size();
  Outcomes seen;
  for (const sc_litmus_seen& s : histogram.seen) {
    if (outcomes.contains(s.outcome)) {
      seen.insert(s.outcome);
      continue;
    }
    result.outside.push_back({describe(test, s.outcome), s.count, false});
  }
  result.seen_allowed = seen.size();
  for (const sc_litmus_outcome& o : outcomes) {
    if (!seen.contains(o)) result.unseen.push_back(describe(test, o));
    if (!result.outside.empty()) result.allowed_texts.push_back(describe(test, o));
  }
  std::sort(result.unseen.begin(), result.unseen.end());
  std::sort(result.allowed_texts.begin(), result.allowed_texts.end());
  if (histogram.lost == 0) return;
  result.status = TestResult::Status::undecided;
  result.why = std::to_string(histogram.lost) + " runs had outcomes that found no room";
}

class Runs {
 public:
  Runs(Runner& runner, std::vector<Test>& tests, const model::Kernel& kernel, const CampaignOptions& options)
      : runner_(runner),
        tests_(tests),
        kernel_(kernel),
        options_(options),
        random_(options.seed),
        end_(Clock::now() + std::chrono::seconds(options.seconds)) {}

  Campaign make() {
    const auto start = Clock::now();
    campaign_.results.resize(tests_.size());
    const std::vector<std::size_t> order = shuffled(tests_.size(), random_);
    for (std::size_t i = 0; i < order.size() && !is_over(); ++i) {
      run(tests_[order[i]], campaign_.results[order[i]], order.size() - i);
      if (options_.progress) options_.progress(i + 1, order.size());
    }
    for (const TestResult& r : campaign_.results) count(r);
    campaign_.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return std::move(campaign_);
  }

 private:
  bool is_over() const {
    return (options_.is_over && options_.is_over()) || (options_.seconds != 0 && Clock::now() >= end_);
  }

  void run(Test& test, TestResult& result, std::size_t left) {
    Allowed all = allowed(test, kernel_);
    if (options_.hides)
      std::erase_if(all.outcomes, [&](const sc_litmus_outcome& o) { return options_.hides(test, o); });
    if (!all.is_complete) {
      result.status = TestResult::Status::undecided;
      result.why = "the model has more than " + std::to_string(states_max) + " states of it";
      return;
    }
    RunBounds bounds;
    bounds.runs = options_.runs != 0 ? options_.runs : runs_max;
    bounds.seed = random_.next();
    bounds.fault = options_.fault;
    if (options_.seconds != 0) {
      const auto left_ms = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - Clock::now()).count();
      bounds.time_ms_max = std::max(slice_ms_min, static_cast<std::uint32_t>(std::max<std::int64_t>(0, left_ms) /
                                                                             static_cast<std::int64_t>(left)));
    }
    Histogram histogram = runner_.run(test, bounds);
    // Runs a stuck test again, with a process for each run, which finds out for certain which threads wait for ever.
    if (histogram.status == Histogram::Status::stuck && (test.data.looks & SC_LITMUS_FRESH) == 0) {
      test.data.looks |= SC_LITMUS_FRESH;
      bounds.runs = std::min<std::uint64_t>(bounds.runs, 1000);
      histogram = runner_.run(test, bounds);
    }
    judge(result, test, all.outcomes, histogram);
    if (histogram.status == Histogram::Status::ran && (histogram.runs != 0 || !result.outside.empty())) return;
    result.status = TestResult::Status::undecided;
    result.why = histogram.status == Histogram::Status::ran ? "no run"
                 : histogram.why.empty()                    ? "the test got no further"
                                                            : histogram.why;
  }

  void count(const TestResult& r) {
    campaign_.judged += r.status == TestResult::Status::judged;
    campaign_.undecided += r.status == TestResult::Status::undecided;
    campaign_.not_run += r.status == TestResult::Status::not_run;
    campaign_.runs += r.runs;
    campaign_.allowed += r.allowed;
    campaign_.seen += r.seen_allowed;
    campaign_.outside += r.outside.size();
    for (const SeenOutcome& o : r.outside) campaign_.outside_runs += o.count;
  }

  Runner& runner_;
  std::vector<Test>& tests_;
  const model::Kernel& kernel_;
  const CampaignOptions& options_;
  Random random_;
  const Clock::time_point end_;
  Campaign campaign_;
};

}  // namespace

Campaign run_campaign(Runner& runner, std::vector<Test>& tests, const model::Kernel& kernel,
                      const CampaignOptions& options) {
  return Runs(runner, tests, kernel, options).make();
}

}  // namespace spawncheck::litmus
