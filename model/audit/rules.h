// SPDX-License-Identifier: MIT
//
// The findings of an audited run: a pure function of its facts. What must not be reported, and why, is in
// README.md.
#pragma once

#include <string>
#include <vector>

#include "model/audit/follow.h"

namespace spawncheck::audit {

enum class Certainty : std::uint8_t {
  confirmed,       // it happened in another run, with the creator held: there is a witness
  observed,        // it happened in this run
  predicted,       // no known order forbids it; it was not seen
  possible,        // only this run's futexes, file locks or ends of threads forbid it: tried by --confirm, not reported
  lock_protected,  // the other thread waited for the held creator in a futex
  ordered,         // the other thread waited for the held creator otherwise
  note             // a fact that is no error
};
const char* name(Certainty);

enum class Rule : std::uint8_t {
  inherited,         // a descriptor that another thread had not marked close-on-exec
  text_busy,         // an exec failed with ETXTBSY: a child held the file between its clone and its exec
  handler_in_child,  // a handler ran in a child on its parent's memory
  handler_may_run,   // a handler could run there
  late_end,          // an end of file came late: a child held the other end between its clone and its exec
  held_by_helper,    // an intermediate program held the descriptor, and closed it before the last exec
  zombie,
  pidfd_left,
  blocked_signals,
  ignored_signals,
  not_followed
};
const char* name(Rule);     // as in reports and suppressions: "fd.inherited"
const char* explain(Rule);  // one sentence, and the source
inline constexpr Rule last_rule = Rule::not_followed;

struct Finding {
  Rule rule = Rule::inherited;
  Certainty certainty = Certainty::note;
  std::uint32_t window = nothing, copy = nothing, exec = nothing;  // in the Follower; the first of `times`
  std::uint32_t create_site = nothing, clone_site = nothing;       // in the Recording
  std::int32_t number = -1;
  What what = What::unknown;
  std::string path;     // of the descriptor, as opened or as /proc names it
  std::string program;  // the program that got it
  TaskId creator = -1, cloner = -1, child = -1;
  std::uint64_t window_ns = 0;  // how long it lacked close-on-exec; 0: to the end
  std::uint32_t window_calls = 0;
  Window::End end = Window::End::open;
  std::uint32_t times = 1;
  std::string text;     // what happened, if the rule alone does not tell
  std::string witness;  // confirmed: the file that replays it
};

// The copy by which a program got a descriptor that another thread had not marked; nothing: it came another way, or
// was asked for.
std::uint32_t raced_copy(const Follower&, const Exec&, const Inherited&);

// The findings, the most serious first. Equal ones (rule, sites, certainty) are one finding with a count.
std::vector<Finding> judge(const Follower&);

// 1: an observed or confirmed finding other than a note; 3: at most predicted ones; 0: none.
int exit_status(const std::vector<Finding>&);

}  // namespace spawncheck::audit
