// SPDX-License-Identifier: MIT
//
// The clauses by name, and the verdict.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/scenario/scenario.h"

namespace spawncheck {

// Columns: enumerator, name, promised (1: owed only if promised), what must hold.
#define SPAWNCHECK_CLAUSES(X)                                                                                         \
  X(fd_exact, "fd.exact", 0,                                                                                          \
    "the child's table is exactly what the policy says, each entry as the parent's table was at some instant of the " \
    "call")                                                                                                           \
  X(fd_snapshot, "fd.snapshot", 1, "all entries are taken at the same instant")                                       \
  X(fd_kept, "fd.kept", 0, "each kept source is the same open file description at its target, close-on-exec clear")   \
  X(fd_untouched, "fd.untouched", 0, "the parent's table is as its other threads left it")                            \
  X(fd_released, "fd.released", 1, "when spawn returns, the child holds nothing that was dropped")                    \
  X(fd_untransient, "fd.untransient", 1, "the child never references what is dropped")                                \
  X(sig_mask, "sig.mask", 0, "the child's mask is as requested, else the caller's")                                   \
  X(sig_disposition, "sig.disposition", 0, "caught becomes default, ignored stays, then as requested")                \
  X(sig_no_handler_in_child, "sig.no_handler_in_child", 0, "no handler of the parent ever runs in the child")         \
  X(sig_parent_restored, "sig.parent_restored", 0,                                                                    \
    "the caller is as before: its mask, dispositions, alternate stack, cancel state and attributes")                  \
  X(sig_none_lost, "sig.none_lost", 0, "every signal sent to the parent is delivered, once, in the parent")           \
  X(mm_unwritten, "mm.unwritten", 0, "nothing of the parent's memory changes but the call's frame and result")        \
  X(mm_released, "mm.released", 0, "spawn does not return while the child runs on the parent's memory")               \
  X(proc_child, "proc.child", 0,                                                                                      \
    "pid and pidfd name the child, it runs the program, its group, session and directory are as asked")               \
  X(proc_unzombied, "proc.unzombied", 0, "after a failure there is no child, no zombie, no descriptor left")          \
  X(err_exact, "err.exact", 0, "the errno is that of the first failing step, as the model predicts")                  \
  X(live_returns, "live.returns", 0, "spawn returns")

enum class Clause : std::uint8_t {
#define SPAWNCHECK_ROW(id, name, promised, meaning) id,
  SPAWNCHECK_CLAUSES(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

#define SPAWNCHECK_ROW(id, name, promised, meaning) +1
inline constexpr int clause_count = 0 SPAWNCHECK_CLAUSES(SPAWNCHECK_ROW);
#undef SPAWNCHECK_ROW

std::string_view name(Clause);
std::string_view meaning(Clause);
bool is_promised(Clause);  // owed only by an implementation that promises it
std::optional<Clause> clause_named(std::string_view);

// A set of clauses, one bit each.
class Clauses {
 public:
  constexpr Clauses() = default;
  static Clauses basic();  // those that every implementation owes
  // The basic clauses and those named, separated by spaces, as in spawncheck_implementation.promises.
  // Unknown names are ignored here; `spawncheck list implementations` shows them.
  static Clauses promised_by(std::string_view promises);
  constexpr bool has(Clause c) const { return bits_ >> static_cast<int>(c) & 1; }
  constexpr Clauses with(Clause c) const { return Clauses(bits_ | 1u << static_cast<int>(c)); }
  constexpr Clauses without(Clause c) const { return Clauses(bits_ & ~(1u << static_cast<int>(c))); }
  constexpr bool operator==(const Clauses&) const = default;

 private:
  constexpr explicit Clauses(std::uint32_t bits) : bits_(bits) {}
  std::uint32_t bits_ = 0;
};

// A clause that a run violated.
struct Breach {
  Clause clause;
  std::string observed, allowed;
  std::string rule;  // the rule's source: man page, POSIX, kernel function
};

// An exception from a clause that the implementation documents (impl/peers/implementation.h).
struct DocumentedLimit {
  Clause clause;
  std::string what, source;
};

// A violation is named by one clause; the other clauses that the run violated are in `also`, each once.
struct Verdict {
  Status status = Status::holds;
  std::optional<Clause> clause;  // of a violation
  std::string observed;          // of a violation; otherwise the reason
  std::string allowed;
  std::string rule;
  std::vector<Breach> also;
  std::vector<DocumentedLimit> limits;  // documented limits that explain other violations of the run
  std::uint64_t work = 0;               // states the judge visited

  bool violates(Clause) const;  // by `clause` or in `also`
  void name_by(Clause);         // names it by one of its clauses; the others go to `also`
  // *unsupported* because all violations are within documented limits.
  bool is_limited() const { return status == Status::unsupported && !limits.empty(); }
  bool is_within_limit(Clause) const;
};

std::vector<Breach> breaches_of(const Verdict&);  // all breaches of a violation, that of `clause` first
// A violation of these breaches, at least one. It is named by the cause, not by the consequence: a child that does
// not run its program (proc.child) is a consequence of an unreported error (err.exact); a spawn that finds its source
// closed (err.exact) is one of another spawn that closed it (fd.untouched).
Verdict named(std::vector<Breach>);

}  // namespace spawncheck
