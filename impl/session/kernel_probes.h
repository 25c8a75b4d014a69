// SPDX-License-Identifier: MIT
//
// The probes: one function for each row of SPAWNCHECK_BEHAVIOURS that is PROBED. Each call asks the kernel anew.
#pragma once

#include "impl/session/running_kernel.h"

namespace spawncheck::probes {

#define DECLARE_PROBED(id) Probed id();
#define DECLARE_ASSUMED(id)
#define SPAWNCHECK_ROW(id, word, judges, meaning, source, since, until, asked, how, with) DECLARE_##asked(id)
SPAWNCHECK_BEHAVIOURS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
#undef DECLARE_PROBED
#undef DECLARE_ASSUMED

}  // namespace spawncheck::probes
