// SPDX-License-Identifier: MIT
//
// Clauses of a spawn's result.
#include "impl/peers/implementation.h"
#include "model/contract/describe.h"
#include "model/contract/rules.h"
#include "model/judge/facts.h"

namespace spawncheck::judging {

using explore::SpawnCase;

Violation err_result(const Facts& f) {
  for (const SpawnCase& s : f.spawns)
    if (s.returned && (s.record->disturbed & SC_DISTURBED_RESULT) != 0)
      return violated(Clause::err_exact,
                      where(s) + " returned " + describe_error(s.record->error) + ", and result.error is " +
                          describe_error(s.record->result_error),
                      "the same", rule(Rule::error_in_result));
  return {};
}

Violation proc_result(const Facts& f) {
  for (const SpawnCase& s : f.spawns) {
    if (!s.succeeded) continue;
    const sc_op_record& r = *s.record;
    if (r.value[0] <= 0)
      return violated(Clause::proc_child, where(s) + " succeeded and gave the pid " + std::to_string(r.value[0]),
                      "that of its child", rule(Rule::pid_is_given));
    if (Violation v = clauses::proc_pidfd(spawn_facts(f, s))) return v;
    if (!s.wants_pidfd && r.value[1] != -1)
      return violated(Clause::proc_child,
                      where(s) + " gave the pidfd " + std::to_string(r.value[1]) + ", which nobody had asked for", "-1",
                      rule(Rule::no_unasked_pidfd));
  }
  return {};
}

}  // namespace spawncheck::judging
