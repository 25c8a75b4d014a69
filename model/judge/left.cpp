// SPDX-License-Identifier: MIT
//
// Clauses of what no operation changes: the attributes of the caller, which its programs inherit, and the status flags
// and positions of open file descriptions.
#include <algorithm>
#include <span>
#include <sstream>

#include "impl/peers/implementation.h"
#include "model/contract/describe.h"
#include "model/contract/rules.h"
#include "model/judge/facts.h"

namespace spawncheck::judging {

using explore::SpawnCase;

namespace {

struct AttributeRow {
  const char* text;
  char shown;
};
constexpr AttributeRow attribute_rows[] = {
#define SPAWNCHECK_ROW(id, text, where, name, at, shown, source) {text, shown},
    SC_ATTRIBUTES(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

std::string in_base(std::ios_base& (*base)(std::ios_base&), std::uint64_t value) {
  std::ostringstream out;
  out << std::showbase << base << value;
  return out.str();
}

std::string shown(const AttributeRow& row, std::uint64_t value) {
  switch (row.shown) {
    case 'o':
      return in_base(std::oct, value);
    case 'x':
      return in_base(std::hex, value);
    case '#':
      return "another";
    default:
      return value == ~0ull ? "unlimited" : std::to_string(static_cast<std::int64_t>(value));
  }
}

bool changes_limit(const Scenario& scenario) {
  for (const Thread& thread : scenario.threads)
    for (const sc_operation& op : thread.operations)
      if (op.kind == SC_OP_LIMIT) return true;
  return false;
}

constexpr std::uint64_t attribute(sc_attribute a) { return 1ull << a; }

// The first attribute of `among` that is known on both sides and differs; -1: none.
int first_difference(const sc_attributes& a, const sc_attributes& b, std::uint64_t among) {
  among &= a.known & b.known;
  for (int i = 0; i < SC_ATTRIBUTE_COUNT; ++i)
    if ((among >> i & 1) != 0 && a.value[i] != b.value[i]) return i;
  return -1;
}

std::uint64_t unchanged_by(const Scenario& scenario) {
  return changes_limit(scenario) ? ~attribute(SC_ATTRIBUTE_SOFT_NOFILE) : ~0ull;
}

}  // namespace

Violation attributes_at_end(const Facts& f) {
  if (f.history.end != SC_RUN_COMPLETE) return {};
  for (std::size_t t = 0; t < f.scenario.threads.size(); ++t) {
    const sc_attributes &made = f.history.made[t], &left = f.history.left[t];
    const int i = first_difference(made, left, unchanged_by(f.scenario));
    if (i < 0) continue;
    const AttributeRow& row = attribute_rows[i];
    return violated(Clause::sig_parent_restored,
                    "at the end thread " + std::to_string(t) + " has the " + row.text + " " + shown(row, left.value[i]),
                    row.shown == '#' ? "the one it was made with" : shown(row, made.value[i]),
                    rule(Rule::attributes_as_before));
  }
  return {};
}

Violation proc_attributes(const Facts& f) {
  for (const SpawnCase& s : f.spawns) {
    if (!s.succeeded || s.record->child < 0 || explore::runs_by_shell(s)) continue;
    const sc_process& child = f.history.child[s.record->child];
    if (!child.observed || !child.has_execed) continue;
    std::uint64_t among = unchanged_by(f.scenario) & f.history.inherited;
    if ((s.request->set & SPAWNCHECK_SET_CWD) != 0) among &= ~attribute(SC_ATTRIBUTE_DIRECTORY);
    const sc_attributes& made = f.history.made[s.thread];
    const int i = first_difference(made, child.attributes, among);
    if (i < 0) continue;
    const AttributeRow& row = attribute_rows[i];
    return violated(Clause::proc_child,
                    where(s) + ": the child's " + row.text + " is " + shown(row, child.attributes.value[i]),
                    row.shown == '#' ? "the caller's" : "the caller's, " + shown(row, made.value[i]),
                    rule(Rule::attributes_inherited));
  }
  return {};
}

namespace {

// Returns true for files that are known to be opened without any status flag, at position 0; no operation changes that.
bool is_known(const sc_entry& e) {
  return e.key.kind != SC_FILE_NONE && e.key.kind != SC_FILE_PIDFD && e.key.kind != SC_FILE_OTHER;
}

// True if a shell may have been given a file that is no script: it writes an error to its 2, which may be any file.
bool may_have_written(const Facts& f) {
  return std::any_of(f.spawns.begin(), f.spawns.end(),
                     [](const SpawnCase& s) { return s.succeeded && explore::runs_by_shell(s); });
}

const sc_entry* altered(const Facts& f, const sc_process& process) {
  const bool looks_at_position = !may_have_written(f);
  for (const sc_entry& e : std::span(process.entry, process.entry_count))
    if (is_known(e) && (e.status_flags != 0 || (looks_at_position && e.position != 0))) return &e;
  return nullptr;
}

std::string altered_text(const sc_entry& e) {
  return std::to_string(e.number) + " (" + describe(e) + ") has the status flags " + in_base(std::oct, e.status_flags) +
         " and the position " + std::to_string(e.position);
}

}  // namespace

Violation descriptions_of_caller(const Facts& f) {
  if (f.history.end != SC_RUN_COMPLETE || !f.history.parent.observed) return {};
  if (const sc_entry* e = altered(f, f.history.parent))
    return violated(Clause::fd_untouched, "at the end the caller's " + altered_text(*e), "none, and 0",
                    rule(Rule::descriptions_at_end));
  return {};
}

Violation descriptions_of_children(const Facts& f) {
  for (const SpawnCase& s : f.spawns) {
    if (s.child == nullptr) continue;
    if (const sc_entry* e = altered(f, *s.child))
      return violated(Clause::fd_kept, where(s) + ": the child's " + altered_text(*e), "none, and 0",
                      rule(Rule::kept_unchanged));
  }
  return {};
}

}  // namespace spawncheck::judging
