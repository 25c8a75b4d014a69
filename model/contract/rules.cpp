// SPDX-License-Identifier: MIT
#include "model/contract/rules.h"

namespace spawncheck {

namespace {

constexpr RuleRow rule_rows[] = {
#define SPAWNCHECK_ROW(id, clause, identifier, obligation, source) {Clause::clause, identifier, obligation, source},
    SPAWNCHECK_RULES(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

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

std::span<const RuleRow> rules() { return rule_rows; }
std::span<const AllowedErrorRow> allowed_errors() { return error_rows; }
std::span<const ExampleRow> examples() { return example_rows; }
const RuleRow& row(Rule r) { return rule_rows[static_cast<std::size_t>(r)]; }

std::string rule(Rule r) { return "contract " + std::string(row(r).identifier) + "; " + std::string(row(r).source); }

}  // namespace spawncheck
