// SPDX-License-Identifier: MIT
//
// How a signal is sent, which signal a task takes first, and what the signal does. Rules from kernel/signal.c,
// read in 6.12.117. The driver of the model must ask next_signal() before a task begins a call.
#pragma once

#include "model/kernel/state.h"

namespace spawncheck::model {

inline constexpr std::uint64_t bit(int signal) { return 1ull << (signal - 1); }

inline constexpr int signal_kill = 9, signal_chld = 17, signal_cont = 18, signal_stop = 19;
inline constexpr std::uint64_t unblockable = bit(signal_kill) | bit(signal_stop);
inline constexpr std::uint64_t libc_internal = bit(32) | bit(33);  // a libc may reserve these
// Signals ignored by default: CHLD, CONT, URG, WINCH (sig_kernel_ignore). Signals that stop by default: STOP,
// TSTP, TTIN, TTOU (sig_kernel_stop).
inline constexpr std::uint64_t ignored_by_default = bit(signal_chld) | bit(signal_cont) | bit(23) | bit(28);
inline constexpr std::uint64_t stops_by_default = bit(signal_stop) | bit(20) | bit(21) | bit(22);

// Sends the signal (prepare_signal): a stop signal discards a pending CONT; CONT discards pending stop signals and
// resumes a stopped process, even if CONT itself is blocked or ignored.
void send_to_process(State&, Index process, int signal);
void send_to_task(State&, Index task, int signal);

// The signals that the task does not take now: its mask, and those whose handlers it is running.
std::uint64_t blocked_signals(const State&, Index task);

// The signal that the task takes next, 0: none (get_signal, dequeue_signal). KILL comes first; then the task's own
// before the process's, and of each the synchronous ones (SEGV, BUS, ...) before the lowest. A task that is stopped, or
// waits for a vfork child (kernel/fork.c wait_for_vfork_done), takes only KILL.
int next_signal(const State&, Index task);

// Takes next_signal() from the pending set and returns it.
int take_signal(State&, Index task);

enum class Delivery : std::uint8_t {
  dropped,    // ignored, or a stop signal in an orphaned process group
  handled,    // a handler runs: the task has a frame for the signal, which is blocked until the handler returns
  stopped,    // no task of the process begins a call until CONT or KILL
  terminated  // the whole process ends: the driver of the model must call begin_exit()
};

// What a signal that the task takes will do, by its current dispositions. Changes nothing.
Delivery effect_of(const State&, Index task, int signal);

// Applies effect_of() to the state. For `terminated` the state is unchanged.
Delivery deliver(State&, Index task, int signal);

// A task between two calls is either on its way out of the kernel, where it takes the signals that only it can take
// before its program continues (arch_exit_to_user_mode_loop), or in user mode, where a signal sent to it may arrive
// before its next call begins or only after: the interrupt takes time. The same holds for a stop.
bool may_begin_call(const State&, Index task);
// The task's call has returned, or it has taken a signal: it enters user mode unless a stop or a signal keeps it.
void leave_kernel(State&, Index task);

// Handlers return, the last frame first, while the task has no signal to take (arch/x86/kernel/signal.c: the kernel
// looks for the next signal before a handler begins).
void return_from_handlers(State&, Index task);

}  // namespace spawncheck::model
