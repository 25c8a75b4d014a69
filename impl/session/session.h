// SPDX-License-Identifier: MIT
//
// A session: runs one implementation under test and judges each run. The tool, the property tests and the fuzz targets
// all use it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "impl/executor/executor.h"
#include "model/judge/judge.h"
#include "model/lockstep/lockstep.h"
#include "model/scenario/generate.h"

namespace spawncheck {

struct SessionOptions {
  std::string implementation = "reference";
  std::string strategy;
  std::uint32_t timeout_ms = 5000;
  std::uint64_t work_max = 200'000;
};

class Session {
 public:
  // Returns null if something is missing; `error` names it in one line.
  static std::unique_ptr<Session> start(const SessionOptions&, std::string& error);

  // Makes one free run and judges it. Seed 0 provokes no race. A scenario with a fault runs scheduled, by RUN_ON.
  Verdict run(const Scenario&, std::uint64_t seed);
  // Makes one scheduled run (policy_of() in scheduled.h) and judges it: by the scenario's turns, then by the policy's
  // rule; with the policy's fault, else the scenario's. A violation is *unsupported* instead if the fault happened to a
  // call that can return no such error (possible_faults.h). Under SC_RULE_ASK the run asks `choose`.
  Verdict run_scheduled(const Scenario&, const sc_policy&, const Choose& choose = {});
  // With true, later scheduled runs also judge which pages a child on the caller's memory writes (watch.h), at some
  // cost; only if the scenario has one thread and the implementation starts none.
  void watch_memory(bool does) { watches_memory_ = does; }
  // A scheduled run whose every step is compared with the model, and which is not judged. The scenario must have no
  // refusals and no fault.
  lockstep::Comparison run_lockstep(const Scenario&, sc_policy);
  const sc_history& history() const { return *history_; }  // of the last run
  const sc_trace& trace() const;                           // of the last run, a scheduled one; empty if it was not made

  // Runs up to `runs` times, with seeds from `seed` on, until a run violates or `is_over` (may be empty) returns true.
  // Returns the violation, and how many runs it took; without one, the worst verdict.
  Verdict run_until_violated(const Scenario&, unsigned runs, std::uint64_t seed, unsigned& used,
                             const std::function<bool()>& is_over = {});

  // Why no run is possible here: the forced strategy needs what this kernel or sandbox lacks. Every run is then
  // *unsupported* without being made. Empty if runs are possible.
  const std::string& why_unsupported() const { return why_unsupported_; }

  const SessionOptions& options() const { return options_; }
  const ImplementationInfo& implementation() const { return executor_->implementation(); }
  // Options of generated scenarios: they ask only for what the implementation offers. If it holds descriptors of its
  // own, threads touch only their own; if it reaps its children, no operation waits for them.
  GenerateOptions generate_options() const;

 private:
  Session(SessionOptions, std::unique_ptr<Executor>);
  Verdict judged(const Scenario&, bool processes_sufficed = false) const;  // of history_
  Verdict unsupported(const std::string& why);                             // of a run that is not made
  SessionOptions options_;
  std::string why_unsupported_;
  std::unique_ptr<sc_history> not_run_;  // null until a run is not made
  std::unique_ptr<sc_trace> no_trace_;   // its trace
  std::unique_ptr<Executor> executor_;
  JudgeOptions judge_;
  const sc_history* history_ = nullptr;
  bool watches_memory_ = false;
};

// The result of a comparison in lockstep. Only steps that were compared can agree: a run that was not made, that
// failed, that reached its time limit, or of which the model followed no step does not agree.
struct LockstepVerdict {
  Status status = Status::holds;
  std::string why;  // not empty unless it holds or the model and the kernel disagree
  // Nothing went wrong, but there was nothing to compare: the run made no call that another task can see
  // (inconclusive), or no run was made, since lockstep cannot follow the scenario (unsupported): see
  // Comparison::is_declined.
  bool is_empty = false;
};
LockstepVerdict lockstep_verdict(const lockstep::Comparison&, const sc_history&);

// Returns the seed of the n-th run of a scenario; 0 for run 0, which provokes no race.
std::uint64_t seed_of_run(std::uint64_t seed, unsigned run);

// From worst to best: violated, broken, inconclusive, unsupported, holds.
bool is_worse(Status a, Status b);

}  // namespace spawncheck
