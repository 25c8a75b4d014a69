// SPDX-License-Identifier: MIT
#include "model/contract/rules.h"

namespace spawncheck {

namespace {

constexpr AllowedErrorRow error_rows[] = {
#define SPAWNCHECK_ROW(id, reason, errors, owed, source) {#id, reason, errors, owed, source},
    SPAWNCHECK_ALLOWED_ERRORS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

constexpr ExampleRow example_rows[] = {
#define SPAWNCHECK_ROW(clause, scenario, kept_by, broken_by, how) {Clause::clause, scenario, kept_by, broken_by, how},
    SPAWNCHECK_EXAMPLES(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

}  // namespace

std::span<const AllowedErrorRow> allowed_errors() { return error_rows; }
std::span<const ExampleRow> examples() { return example_rows; }

}  // namespace spawncheck
