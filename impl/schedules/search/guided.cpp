// SPDX-License-Identifier: MIT
#include "impl/schedules/search/guided.h"

#include "impl/session/scheduled.h"
#include "model/scenario/visible.h"

namespace spawncheck {

namespace {

constexpr auto no_call = static_cast<std::uint8_t>(SC_VISIBLE_COUNT);

// Tells the scheduler what the trace says, and asks it which task goes.
class Guide {
 public:
  Guide(const Scenario& scenario, Scheduler& scheduler, unsigned preemptions_max)
      : accesses_(scenario), scheduler_(scheduler), preemptions_max_(preemptions_max) {}

  // At each question, and at the end of the run, the last step of the trace is over.
  void tell(const sc_trace& trace) {
    for (; told_ < trace.step_count; ++told_) {
      const sc_step& step = trace.step[told_];
      const bool is_call = step.kind == SC_STEP_CALL || step.kind == SC_STEP_WAKES;
      const std::size_t before = step.kind == SC_STEP_WAKES ? turn_.accesses.size() : 0;
      accesses_.add(trace, told_, turn_);
      Event event = event_of(trace, step.task, step.operation, is_call ? step.call : no_call);
      event.accesses.assign(turn_.accesses.begin() + static_cast<std::ptrdiff_t>(before), turn_.accesses.end());
      scheduler_.did(event);
      if (step.kind == SC_STEP_WAKES) continue;
      preemptions_ += last_ >= 0 && last_ != step.task && (step.enabled >> last_ & 1) != 0;
      last_ = step.task;
    }
  }

  unsigned choose(const sc_trace& trace, std::uint32_t enabled) {
    tell(trace);
    if (preemptions_ >= preemptions_max_ && last_ >= 0 && (enabled >> last_ & 1) != 0)
      return static_cast<unsigned>(last_);
    std::vector<Event> can;
    for (unsigned i = 0; i < trace.task_count; ++i) {
      if ((enabled >> i & 1) == 0) continue;
      const sc_task& task = trace.task[i];
      can.push_back(event_of(trace, i, task.operation, task.state == SC_TASK_AT_CALL ? task.call : no_call));
      can.back().accesses = accesses_.pending(trace, i);
    }
    return can[scheduler_.choose(can)].task;
  }

 private:
  static Event event_of(const sc_trace& trace, unsigned task, std::uint8_t operation, std::uint8_t call) {
    return {static_cast<std::uint8_t>(task), {trace.task[task].thread, trace.task[task].child}, operation, call, {}};
  }

  AccessReader accesses_;
  Scheduler& scheduler_;
  Transition turn_;
  unsigned told_ = 0, preemptions_ = 0, preemptions_max_;
  int last_ = -1;
};

}  // namespace

Verdict run_guided(Session& session, const Scenario& scenario, Scheduler& scheduler, const GuidedOptions& options) {
  Scenario plain = scenario;
  plain.schedule.clear();
  Guide guide(plain, scheduler, options.preemptions_max);
  sc_policy policy = policy_of(Turns::lenient, SC_RULE_ASK);
  policy.results = options.results;
  scheduler.begin(options.seed);
  Verdict verdict = session.run_scheduled(
      plain, policy, [&](const sc_trace& trace, std::uint32_t enabled) { return guide.choose(trace, enabled); });
  if (session.history().end != SC_RUN_BROKEN && session.history().end != SC_RUN_REFUSED) guide.tell(session.trace());
  scheduler.end(verdict.status == Status::violated);
  return verdict;
}

}  // namespace spawncheck
