// SPDX-License-Identifier: MIT
#include "model/litmus/execution.h"

#include <cerrno>

#include "model/explore/driver_step.h"

namespace spawncheck::litmus {

class SignalCounter : public explore::NoObserver {
 public:
  explicit SignalCounter(Execution& execution) : execution_(execution) {}
  void takes_signal(const explore::Driver&, model::Index, int signal, model::Delivery how) {
    if (how == model::Delivery::handled) ++execution_.handled_[static_cast<std::size_t>(signal)];
    if (how == model::Delivery::terminated) execution_.ended_by_ = static_cast<std::uint8_t>(signal);
  }

 private:
  Execution& execution_;
};

bool Execution::step(unsigned actor, unsigned choice) {
  SignalCounter counter(*this);
  return driver_.step(actor, choice, counter);
}

model::Hash128 Execution::hash() const {
  model::Hash128 h = model::mix(driver_.hash(), ended_by_);
  for (const std::uint8_t runs : handled_) h = model::mix(h, runs);
  return h;
}

explore::Setting setting_of(const Scenario& scenario, const model::Kernel& kernel) {
  static const explore::Planner plans_nothing = [](const explore::PlanRequest&, spawn_plan&) { return ENOSYS; };
  return {scenario, plans_nothing, kernel};
}

}  // namespace spawncheck::litmus
