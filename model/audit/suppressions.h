// SPDX-License-Identifier: MIT
//
// Findings that a user has reviewed and does not want to see again, in a file like valgrind's.
//
//     {
//        a name of your choice
//        fd.inherited
//        created:libc.so.6!open64*
//        cloned:*!g_spawn_*
//        path:/tmp/cache-*
//        program:*/gzip
//     }
//
// Every line after the rule must match; * stands for any text, ? for a character. created and cloned match if one of
// their lines matches. # begins a comment.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "model/audit/described.h"

namespace spawncheck::audit {

struct Suppression {
  std::string name, rule;
  std::vector<std::pair<std::string, std::string>> patterns;  // field, pattern
};

struct SuppressionError {
  unsigned line = 0;
  std::string expected;
};

std::variant<std::vector<Suppression>, SuppressionError> parse_suppressions(const std::string& text);
bool matches(const Suppression&, const Described&);
bool matches_pattern(const std::string& pattern, const std::string& text);
// Returns a suppression for the finding. Offsets become *, so that it matches another build of the program too.
std::string suggest(const Described&, unsigned number);

}  // namespace spawncheck::audit
