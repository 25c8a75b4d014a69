// SPDX-License-Identifier: MIT
//
// All litmus tests: small worlds times the operations of THE table, with a few operands for each letter of their
// signatures. A new operation is in by itself, as long as its letters are known here; those that need a child (R, k)
// are not.
//
//   pair    one operation on each of two threads
//   chain   two operations, the second on what the first gave, against one
//   triple  one operation on each of three threads
//
// Threads can be told apart by nothing but their operations, so tests that differ in the order of threads only are made
// once.
#pragma once

#include <vector>

#include "model/litmus/test.h"

namespace spawncheck::litmus {

std::vector<Test> all_tests();

// The test's name matches when it contains the pattern, or, where that has a '*' or '?', when it is like it as a whole
// (fnmatch(3)).
bool matches(const Test&, const std::string& pattern);

}  // namespace spawncheck::litmus
