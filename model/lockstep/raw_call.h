// SPDX-License-Identifier: MIT
//
// Translates a recorded system call into a call of the model.
#pragma once

#include <string>

#include "model/kernel/call.h"
#include "model/scenario/history.h"
#include "model/scenario/scenario.h"
#include "model/scenario/trace.h"

namespace spawncheck::lockstep {

// What the model can predict of the call.
enum class Known : std::uint8_t {
  call,      // `call` predicts the result and the effect
  creation,  // likewise, but of a file unknown to the model: any error but EMFILE may come instead
  file,      // a call on a descriptor that changes no table: only EBADF is predicted
  nothing,   // the call has no effect in the model
  special,   // not of a table: clone, exec, exit, wait, signals sent, bind; see walk.cpp and walk_signals.cpp
  unknown    // may change the model's state in a way unknown to the model
};

struct RawCall {
  Known known = Known::nothing;
  model::Call call;
};

// `operation`: the scenario's operation that makes the call; null for a call of a spawn. `identity`, `inode`: of
// the files that the call creates (sc_identity_of_op; of a pair's two ends).
RawCall translate(const sc_step&, const sc_operation* operation, std::uint64_t identity, const std::uint64_t inode[2]);

// The flags and the exit signal, as in clone(2), of any call that starts a process.
std::uint64_t clone_flags(const sc_step&);

// The result of a successful call, in the model's form.
model::Result result_of(const sc_step&);

// A result in words: the error, else the value if has_value.
std::string text(const model::Result&, bool has_value);

}  // namespace spawncheck::lockstep
