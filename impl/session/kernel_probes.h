// SPDX-License-Identifier: MIT
//
// The probes of running_kernel.h: one function a row of SPAWNCHECK_BEHAVIOURS, each asks the kernel anew.
#pragma once

#include "impl/session/running_kernel.h"

namespace spawncheck::probes {

#define SPAWNCHECK_ROW(id, word, judges, meaning, source, how) Probed id();
SPAWNCHECK_BEHAVIOURS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW

}  // namespace spawncheck::probes
