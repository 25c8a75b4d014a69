// SPDX-License-Identifier: MIT
//
// Which behaviours of model/kernel/behaviours.h the running kernel has, found by probes and not by its version: stable
// releases change behaviour too, distributions backport patches, and a sandbox refuses calls. Lockstep, the judge,
// explore's default and every report use this; `spawncheck kernel` prints it.
//
// Hazard: a wrong answer makes the model predict what this kernel never does, and then a correct spawn is accused. So
// each probe either saw the behaviour itself or reports that it did not. What no probe can tell, or what a probe could
// not find out here, is assumed and marked so: from the row that it comes with, else from the release. Checked by:
// properties/running_kernel_test.cpp and `spawncheck check --mode lockstep`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/kernel/call.h"

namespace spawncheck {

using model::Behaviour;

enum class Answer : std::uint8_t { no, yes, unknown };
std::string_view name(Answer);

struct Probed {
  Answer answer = Answer::unknown;
  std::string seen;  // the evidence, as a phrase: "EINVAL", "it works"
};

// Probed once per process, at the first call; thread-safe. Costs up to 10 ms for exec-closes-before-wake, less than 2
// ms for any other. Probes that change a table, or could, run in a process of their own. `unknown` for every row that
// is not probed.
const Probed& probed(Behaviour);

struct Known {
  bool does = false;
  bool is_probed = false;  // else assumed
  std::string why;         // what was seen; or from what it is assumed, and why it is not probed
};
Known known(Behaviour);

// Returns the release that two fields of struct utsname name, as in 6.1.192; 0.0.0 if they name none. Debian's kernels
// say in `version` what `release` leaves out.
model::Release release_of(std::string_view release, std::string_view version);
model::Release running_release();

// The model of the running kernel.
model::Kernel running_kernel();

// "exec-closes-before-wake no, copy-leaves-dropped no, ...": the behaviours that verdicts depend on, for reports.
std::string behaviours_text(model::Behaviours);
std::string behaviours_text();  // of the kernel that runs
// The words of the behaviours that verdicts depend on and in which two kernels differ, by commas; empty: none.
std::string difference_text(model::Behaviours, model::Behaviours);

// The behaviours that a strategy of the reference, or a way of model/explore/claims.h, needs.
std::vector<Behaviour> needs_of_strategy(std::string_view strategy);
std::vector<Behaviour> needs_of_way(std::string_view way);

// Says why this kernel, or the sandbox around this process, cannot run a strategy of the reference or the way "array",
// as a sentence. Empty if it can.
std::string why_unsupported(std::string_view strategy);

}  // namespace spawncheck
