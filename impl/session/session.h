// SPDX-License-Identifier: MIT
//
// A session: one implementation under test, run and judged. What the tool, the property tests and the fuzz
// targets have in common.
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
  // Null: `error` says in one line what is missing.
  static std::unique_ptr<Session> start(const SessionOptions&, std::string& error);

  // Runs once, freely, and judges. Seed 0: no race is provoked. A scenario with a fault runs scheduled, each task on.
  Verdict run(const Scenario&, std::uint64_t seed);
  // One scheduled run (policy_of() in scheduled.h): the scenario's turns, then the policy's rule; the policy's fault,
  // else the scenario's. *unsupported* where the fault happened to a call that can give no such error.
  // By SC_RULE_ASK `choose` is asked.
  Verdict run_scheduled(const Scenario&, const sc_policy&, const Choose& choose = {});
  // From now on scheduled runs of one thread, where the implementation has none of its own, also see which pages a
  // child on the caller's memory writes (watch.h), at some cost.
  void watch_memory(bool does) { watches_memory_ = does; }
  // One more, whose every step is compared with the model instead of being judged; of a scenario in which nothing is
  // refused or goes wrong.
  lockstep::Comparison run_lockstep(const Scenario&, sc_policy);
  const sc_history& history() const { return *history_; }       // of the last run
  const sc_trace& trace() const { return executor_->trace(); }  // of the last run, a scheduled one

  // Runs up to `runs` times, with seeds from `seed` on, until one violates or `is_over` (may be empty) says so: that
  // verdict, and how many runs it took. Else the worst of them.
  Verdict run_until_violated(const Scenario&, unsigned runs, std::uint64_t seed, unsigned& used,
                             const std::function<bool()>& is_over = {});

  // Why nothing can run here: the forced strategy needs what this kernel or sandbox lacks. Then every run is
  // *unsupported* without being made. Empty: it can.
  const std::string& why_unsupported() const { return why_unsupported_; }

  const SessionOptions& options() const { return options_; }
  const ImplementationInfo& implementation() const { return executor_->implementation(); }
  // What generated scenarios may ask for: what the implementation offers. Where it holds descriptors of its own,
  // threads touch only what is theirs; where it waits for its children, no other thread does.
  GenerateOptions generate_options() const;

 private:
  Session(SessionOptions, std::unique_ptr<Executor>);
  Verdict judged(const Scenario&) const;        // of history_
  Verdict unsupported(const std::string& why);  // of a run that is not made
  SessionOptions options_;
  std::string why_unsupported_;
  std::unique_ptr<sc_history> not_run_;
  std::unique_ptr<Executor> executor_;
  JudgeOptions judge_;
  const sc_history* history_ = nullptr;
  bool watches_memory_ = false;
};

// What a comparison in lockstep amounts to. Agreement is what was compared and agreed: a run that was not made, that
// failed, that reached its bound in time or of which the model followed no step is none.
struct LockstepVerdict {
  Status status = Status::holds;
  std::string why;  // not empty unless it holds or the model and the kernel disagree
  // Nothing went wrong either: it ran to its end and made no call that another task can see (inconclusive), or it
  // refuses calls (unsupported).
  bool is_empty = false;
};
LockstepVerdict lockstep_verdict(const lockstep::Comparison&, const sc_history&);

// The seed of the n-th repetition: the first run of a scenario provokes nothing.
std::uint64_t seed_of_run(std::uint64_t seed, unsigned run);

// Violated before broken before inconclusive before unsupported before holds.
bool is_worse(Status a, Status b);

}  // namespace spawncheck
