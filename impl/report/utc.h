// SPDX-License-Identifier: MIT
#pragma once

#include <ctime>
#include <string>

namespace spawncheck {

// ISO 8601, to the second, without a zone: Ant's schema of JUnit XML allows none, and SARIF wants a Z behind it.
inline std::string utc(std::time_t time) {
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[32] = {};
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return text;
}

}  // namespace spawncheck
