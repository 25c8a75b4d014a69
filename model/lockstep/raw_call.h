// SPDX-License-Identifier: MIT
//
// From a system call as it was made to a call of the model.
#pragma once

#include <string>

#include "model/kernel/call.h"
#include "model/scenario/history.h"
#include "model/scenario/scenario.h"
#include "model/scenario/trace.h"

namespace spawncheck::lockstep {

// What the model says about it.
enum class Known : std::uint8_t {
  call,      // `call` foretells the result and the effect
  creation,  // likewise, but the file is one the model cannot know: any error but EMFILE may come instead
  file,      // a call on a descriptor that changes no table: EBADF is foretold, nothing else
  nothing,   // no effect that the model has
  special,   // not of a table: clone, exec, exit, wait, signals sent, bind; see walk.cpp and walk_signals.cpp
  unknown    // it may change what the model has, in a way the model does not know
};

struct RawCall {
  Known known = Known::nothing;
  model::Call call;
};

// `operation`: the scenario's, when the call is its own and not that of a spawn; else null. `identity`, `inode`: of
// what it creates (sc_identity_of_op; of a pair's two ends).
RawCall translate(const sc_step&, const sc_operation* operation, std::uint64_t identity, const std::uint64_t inode[2]);

// Of a call that starts a process, whichever: the flags and the exit signal, as clone(2) has them.
std::uint64_t clone_flags(const sc_step&);

// What a call that succeeded gave, as the model would say it.
model::Result result_of(const sc_step&);

// A result in words: the error, else the value where the call gives one that means anything.
std::string text(const model::Result&, bool has_value);

}  // namespace spawncheck::lockstep
