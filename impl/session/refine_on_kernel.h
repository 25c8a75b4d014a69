// SPDX-License-Identifier: MIT
//
// Runs on the kernel those tables and calls of model/explore/refine.h that a real kernel can have. Each is a scenario;
// after every call lockstep compares the result, the flags and the tables with the model's.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "impl/session/session.h"
#include "model/explore/refine.h"

namespace spawncheck {

// One table and call. Slots are the first three numbers of each word of 64. No slot is claimed, since a scenario cannot
// choose which number a call reserves. The flags are UNSHARE and CLOEXEC, none newer.
struct KernelCase {
  refine::Bits table;
  refine::Arguments arguments;
};

std::uint64_t
kernel_case_count();  // every table of two words, every range, every combination of flags, table shared or not
KernelCase kernel_case(std::uint64_t number);
std::string scenario_text(const KernelCase&);

struct KernelCheck {
  std::uint64_t cases = 0, snapshots = 0;
  std::string disagreement;  // with the scenario; empty: none
};

// Checks the cases first, first + stride, ... until `is_over` (may be empty) returns true or the kernel disagrees.
KernelCheck check_on_kernel(Session&, std::uint64_t first, std::uint64_t stride, const std::function<bool()>& is_over);

}  // namespace spawncheck
