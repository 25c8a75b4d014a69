// SPDX-License-Identifier: MIT
//
// What of an audited run is reported: a pure function of its facts. What must not be reported, and why, is in
// README.md.
#pragma once

#include <string>
#include <vector>

#include "model/audit/follow.h"

namespace spawncheck::audit {

enum class Certainty : std::uint8_t {
  confirmed,       // another run of the program, with the creator held, made it happen: there is a witness
  observed,        // it happened in this run
  predicted,       // no known order forbids it; nobody has seen it
  possible,        // only this run's futexes, file locks or ends of threads forbid it: worth a trial, not a report
  lock_protected,  // the other thread waited for the held creator in a futex
  ordered,         // the other thread waited for the held creator otherwise
  note             // a fact that accuses nobody
};
const char* name(Certainty);

enum class Rule : std::uint8_t {
  inherited,         // a descriptor that another thread had not yet marked, or would not
  text_busy,         // an exec failed with ETXTBSY: a child held the file between its clone and its exec
  handler_in_child,  // a handler ran in a child on its parent's memory
  handler_may_run,   // it could have
  late_end,          // an end of file came late: a child held the other end between its clone and its exec
  held_by_helper,    // an intermediate program held it and closed it before the last exec
  zombie,
  pidfd_left,
  blocked_signals,
  ignored_signals,
  not_followed
};
const char* name(Rule);     // as in reports and suppressions: fd.inherited
const char* explain(Rule);  // one sentence, and the source
inline constexpr Rule last_rule = Rule::not_followed;

struct Finding {
  Rule rule = Rule::inherited;
  Certainty certainty = Certainty::note;
  std::uint32_t window = nothing, copy = nothing, exec = nothing;  // of the Follower; the first of `times`
  std::uint32_t create_site = nothing, clone_site = nothing;       // of the Recording
  std::int32_t number = -1;
  What what = What::unknown;
  std::string path;     // of the descriptor, as opened, or as /proc names it
  std::string program;  // that got it
  TaskId creator = -1, cloner = -1, child = -1;
  std::uint64_t window_ns = 0;  // how long it lacked close-on-exec; 0: for good
  std::uint32_t window_calls = 0;
  Window::End end = Window::End::open;
  std::uint32_t times = 1;
  std::string text;     // what happened, where the rule alone does not say it
  std::string witness;  // confirmed: the file that replays it
};

// The copy by which a program got a descriptor that another thread had not marked; nothing: it did not come that way,
// or somebody asked for it.
std::uint32_t raced_copy(const Follower&, const Exec&, const Inherited&);

// Ordered: the gravest first. Equal ones (rule, sites, certainty) are one finding with a count.
std::vector<Finding> judge(const Follower&);

// 0 nothing, 1 an observed or confirmed finding that is no note, 3 one that is only predicted.
int exit_status(const std::vector<Finding>&);

}  // namespace spawncheck::audit
