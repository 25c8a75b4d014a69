// SPDX-License-Identifier: MIT
//
// spawncheck matrix: searches each implementation, policy by policy, and shows the results as a scoreboard.
#pragma once

#include <string>
#include <vector>

#include "impl/tool/tool.h"

namespace spawncheck::tool {

struct ScoreboardOptions {
  Common common;                             // seconds: of the whole, shared out evenly
  std::vector<std::string> implementations;  // empty: the built-in ones, and every object in bin/peers
  std::string format = "text";               // text, markdown, json or html
  std::string save;                          // a directory for violations, and for the scoreboard in each format
};

// Returns 0 if the scoreboard could be made, whatever it says.
int scoreboard(const ScoreboardOptions&);

}  // namespace spawncheck::tool
