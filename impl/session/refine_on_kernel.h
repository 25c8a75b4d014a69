// SPDX-License-Identifier: MIT
//
// The tables and calls of model/explore/refine.h that exist on a real kernel, put to it: each is a scenario, and
// lockstep compares the result, the flags and the tables after every call with the model's.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "impl/session/session.h"
#include "model/explore/refine.h"

namespace spawncheck {

// One of them. Slots are the first three of each word of 64; no slot is claimed (nobody can choose which number a call
// reserves), no flag is newer than UNSHARE and CLOEXEC.
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

// Of the numbers first, first + stride, ... until `is_over` says so (may be empty), or the kernel disagrees.
KernelCheck check_on_kernel(Session&, std::uint64_t first, std::uint64_t stride, const std::function<bool()>& is_over);

}  // namespace spawncheck
