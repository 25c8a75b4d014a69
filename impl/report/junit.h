// SPDX-License-Identifier: MIT
//
// JUnit XML, as build servers read it. There is no one schema for it: what is written here is valid by Ant's (whose
// rules are the stricter ones: every attribute, system-out and system-err of the suite, one child of a case at most)
// and by Jenkins'.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace spawncheck {

enum class CaseOutcome : std::uint8_t { passed, failed, skipped, broken };

struct JUnitCase {
  std::string name;
  CaseOutcome outcome = CaseOutcome::passed;
  std::string message, text;  // a line, and the whole text; empty if it passed
  double seconds = 0;
};

struct JUnitSuite {
  std::string name;     // "spawncheck.check.canary.free": also the class of its cases
  std::string package;  // "spawncheck.check"
  std::vector<std::pair<std::string, std::string>> properties;
  std::vector<JUnitCase> cases;
  std::string output;  // text of the suite, beside its cases
  std::time_t start = 0;
  double seconds = 0;
};

std::string to_junit(const JUnitSuite&);

// Returns the text as the content of an element or of a quoted attribute. A control character that XML 1.0 excludes is
// written as in \x1b; a byte that is no UTF-8, U+FFFE and U+FFFF are written as U+FFFD.
std::string xml_escaped(std::string_view);

}  // namespace spawncheck
