// SPDX-License-Identifier: MIT
//
// Which calls a scenario may refuse or fail by injection: only those that an implementation can do without, or whose
// failure it can report. A correct spawn must have a way out.
#include <algorithm>
#include <cerrno>
#include <iterator>

#include "model/scenario/scenario.h"
#include "model/scenario/validate.h"
#include "model/scenario/visible.h"
#include "model/scenario/words.h"

namespace spawncheck {

namespace {

// The system calls that each operation makes (impl/executor/arena/operations.c), in the order of THE table.
constexpr std::string_view calls_of_operation[] = {"memfd_create",
                                                   "openat",
                                                   "pipe2",
                                                   "socketpair",
                                                   "eventfd2",
                                                   "mq_open",
                                                   "openat",
                                                   "openat",
                                                   "openat",
                                                   "socket bind listen close",
                                                   "flock",
                                                   "dup",
                                                   "dup3 fcntl",
                                                   "dup3",
                                                   "fcntl",
                                                   "fcntl",
                                                   "fcntl",
                                                   "close",
                                                   "close_range",
                                                   "prlimit64",
                                                   "rt_sigprocmask",
                                                   "rt_sigaction",
                                                   "kill",
                                                   "kill",
                                                   "tgkill",
                                                   "sigaltstack",
                                                   "",
                                                   "",
                                                   "",
                                                   "waitid",
                                                   "kill"};
static_assert(std::size(calls_of_operation) == SC_OP_COUNT);

bool is_among(std::string_view words, std::string_view word) {
  for (std::size_t at = 0; at < words.size();) {
    const std::size_t end = std::min(words.find(' ', at), words.size());
    if (words.substr(at, end - at) == word) return true;
    at = end + 1;
  }
  return false;
}

bool needs(const sc_operation& op, std::string_view call) {
  if (call == "fcntl" && op.kind != SC_OP_DUPFD) return false;  // only F_DUPFD and F_DUPFD_CLOEXEC are refused
  return is_among(calls_of_operation[op.kind], call);
}

// Returns false for calls that cannot fail for lack of permission or resources, that the arena or the spawned program
// needs itself, or without which no task can end, wait or undo anything.
bool may_be_refused(std::uint8_t call) {
  switch (sc_visible_calls[call].effect) {
    case SC_EFFECT_ALLOCATE:
    case SC_EFFECT_ALLOCATE2:
    case SC_EFFECT_FCNTL:
    case SC_EFFECT_REPLACE:
    case SC_EFFECT_RANGE:
    case SC_EFFECT_CLONE:
    case SC_EFFECT_EXEC:
    case SC_EFFECT_LIMIT:
      return true;
    case SC_EFFECT_ATTRIBUTE:
      return call != SC_VISIBLE_sigaltstack && call != SC_VISIBLE_umask && call != SC_VISIBLE_prctl;
    case SC_EFFECT_ANYTHING:
      return call == SC_VISIBLE_unshare;
    default:
      return false;
  }
}

// Returns true for errors of an old kernel, a sandbox or a full machine. Others would blame the arguments, wrongly.
bool says_nothing_of_arguments(int error) {
  constexpr int errors[] = {ENOSYS, EPERM, EACCES, EMFILE, ENFILE, ENOMEM, EAGAIN, EINTR, EBUSY, ENOSPC};
  return std::find(std::begin(errors), std::end(errors), error) != std::end(errors);
}

// Returns true for a "try again" error of a call that a correct caller retries without bound.
bool is_tried_for_ever(const sc_refusal& r) {
  const bool says_again = r.error == EINTR || r.error == EAGAIN || r.error == EBUSY;
  return says_again && (sc_visible_calls[r.call].sleeps != 0 || sc_visible_calls[r.call].effect == SC_EFFECT_REPLACE);
}

}  // namespace

const char* refusal_breach(const Scenario& s, const sc_refusal& r) {
  if (r.call >= SC_VISIBLE_COUNT || !may_be_refused(r.call))
    return "a call that a spawn can do without, or whose failure it can report";
  if (!says_nothing_of_arguments(r.error))
    return "ENOSYS, EPERM, EACCES, EMFILE, ENFILE, ENOMEM, EAGAIN, EINTR, EBUSY or ENOSPC";
  if (is_tried_for_ever(r)) return "an error after which the call is not tried for ever";
  for (const Thread& t : s.threads)
    for (const sc_operation& op : t.operations)
      if (needs(op, sc_visible_calls[r.call].name)) return "a call that no operation of the scenario makes";
  return nullptr;
}

const char* fault_breach(const Scenario& s, const sc_fault& f) {
  const bool is_spawn = f.thread < s.threads.size() && f.operation < s.threads[f.thread].operations.size() &&
                        s.threads[f.thread].operations[f.operation].kind == SC_OP_SPAWN;
  if (!is_spawn) return "WHAT@THREAD.OPERATION.CALL, where the operation is a spawn";
  if (f.kind == SC_FAULT_ERROR && errno_name(f.value).empty()) return "the name of an errno";
  const bool takes_signal = f.kind == SC_FAULT_SIGNAL || f.kind == SC_FAULT_SIGNAL_CHILD;
  if (takes_signal && (f.value < 1 || f.value > SC_SIGNAL_MAX)) return "a signal";
  return nullptr;
}

}  // namespace spawncheck
