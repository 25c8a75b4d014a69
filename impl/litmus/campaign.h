// SPDX-License-Identifier: MIT
//
// Runs litmus tests on the kernel and judges them. An outcome that was seen and that the model does not allow is an
// error of the model, or of the kernel. One that is allowed and was never seen is a hint that the model allows too
// much.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "impl/litmus/runner.h"
#include "model/litmus/allowed.h"

namespace spawncheck::litmus {

struct CampaignOptions {
  std::uint64_t runs = 0;  // of each test at most; 0: no bound
  unsigned seconds = 0;    // of the whole; 0: no bound
  std::uint64_t seed = 1;  // of the order of the tests, and of their delays
  std::uint32_t fault = SC_LITMUS_FAULT_NONE;
  // Outcomes to remove from the model's set of each test, so that the judge itself can be tested.
  std::function<bool(const Test&, const sc_litmus_outcome&)> hides = nullptr;
  std::function<bool()> is_over = nullptr;
  std::function<void(std::size_t done, std::size_t all)> progress = nullptr;
};

struct SeenOutcome {
  std::string text;
  std::uint64_t count = 0;
  bool is_allowed = false;
};

// The result of one test.
struct TestResult {
  enum class Status { not_run, judged, undecided } status = Status::not_run;
  std::string why;  // undecided
  std::uint64_t runs = 0, allowed = 0, seen_allowed = 0;
  std::vector<SeenOutcome> outside;        // seen, not allowed
  std::vector<std::string> unseen;         // allowed, never seen
  std::vector<std::string> allowed_texts;  // filled where something is outside
};

struct Campaign {
  std::vector<TestResult> results;  // by test
  std::uint64_t runs = 0, allowed = 0, seen = 0, outside = 0, outside_runs = 0;
  std::size_t judged = 0, undecided = 0, not_run = 0;
  double seconds = 0;
};

// The caller must pass the rules of the running kernel. Completes each test that it runs (model/litmus/allowed.h).
Campaign run_campaign(Runner&, std::vector<Test>&, const model::Kernel&, const CampaignOptions&);

}  // namespace spawncheck::litmus
