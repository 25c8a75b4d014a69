// SPDX-License-Identifier: MIT
//
// All litmus tests: small worlds times the operations of THE table, with a few operands for each letter of their
// signatures. A new operation is included without further code if its letters are known here; operations that need a
// child (R, k) are excluded.
//
//   pair    one operation on each of two threads
//   chain   two operations, the second on what the first gave, against one
//   triple  one operation on each of three threads
//
// Threads differ only in their operations, so of tests that differ only in the order of threads one is
// made.
#pragma once

#include <vector>

#include "model/litmus/test.h"

namespace spawncheck::litmus {

std::vector<Test> all_tests();

// Returns true if the test's name contains the pattern; a pattern with '*' or '?' must match the whole name
// (fnmatch(3)).
bool matches(const Test&, const std::string& pattern);

}  // namespace spawncheck::litmus
