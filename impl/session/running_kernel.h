// SPDX-License-Identifier: MIT
//
// What the kernel that runs does of model/kernel/behaviours.h, found out by asking it and not by its version: stable
// releases change behaviour too, distributions pick what they like, and a sandbox refuses calls. Lockstep, the judge,
// explore's default and every report use this; `spawncheck kernel` prints it.
//
// Hazard: a wrong answer makes the model predict what this kernel never does, and then a correct spawn is accused. So
// each probe either saw the thing itself or says that it did not. What nothing outside can tell, or what a probe could
// not find out here, is assumed, and says so: from the row that it goes with, or else from the release. Checked by:
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
  std::string seen;  // the evidence, as a phrase: "EINVAL", "in 1 of 1 tries"
};

// Asked once a process, at the first call; thread-safe. Costs up to 10 ms for exec-closes-before-wake, less than 2 ms
// for any other. Probes that change a table, or could, run in a process of their own. `unknown` for every row that is
// not probed.
const Probed& probed(Behaviour);

struct Known {
  bool does = false;
  bool is_probed = false;  // else assumed
  std::string why;         // what was seen; or from what it is assumed, and why it is not probed
};
Known known(Behaviour);

// "6.1.192": the release that runs, as far as its name says. Debian's kernels say in uname(2)'s version what the name
// leaves out. `release` and `version` are fields of struct utsname. 0.0.0: they do not say.
model::Release release_of(std::string_view release, std::string_view version);
model::Release running_release();

// The model of the kernel that runs.
model::Kernel running_kernel();

// "exec-closes-before-wake no, copy-leaves-dropped no, ...": those that judge, for reports.
std::string behaviours_text(model::Behaviours);
std::string behaviours_text();  // of the kernel that runs
// The words of those that judge and in which two kernels differ, by commas; empty: none.
std::string difference_text(model::Behaviours, model::Behaviours);

// What a strategy of the reference, or a way of model/explore/claims.h, cannot do without.
std::vector<Behaviour> needs_of_strategy(std::string_view strategy);
std::vector<Behaviour> needs_of_way(std::string_view way);

// A strategy of the reference, or a way that a call of the running kernel makes, that this kernel, or the sandbox
// around this process, lacks: why, as a sentence. Empty: it has it.
std::string why_unsupported(std::string_view strategy);

}  // namespace spawncheck
