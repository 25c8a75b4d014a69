// SPDX-License-Identifier: MIT
//
// Draws Kaplan-Meier curves as one self-contained SVG.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "impl/bench/search/statistics.h"

namespace spawncheck {

struct Panel {
  std::string title;
  std::vector<std::pair<std::string, std::vector<Trial>>> curves;  // by scheduler, in the same order in each panel
};

// Draws the share of searches without a finding, against schedules on a logarithmic scale up to `schedules_max`.
std::string curves_svg(const std::vector<Panel>&, double schedules_max);

}  // namespace spawncheck
