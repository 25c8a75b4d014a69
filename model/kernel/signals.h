// SPDX-License-Identifier: MIT
//
// What becomes of a signal: who it is sent to, which one a task takes first, what that does. Rules from
// kernel/signal.c, read in 6.12.117. Who drives the model asks next_signal() before a task begins a call.
#pragma once

#include "model/kernel/state.h"

namespace spawncheck::model {

inline constexpr std::uint64_t bit(int signal) { return 1ull << (signal - 1); }

inline constexpr int signal_kill = 9, signal_chld = 17, signal_cont = 18, signal_stop = 19;
inline constexpr std::uint64_t unblockable = bit(signal_kill) | bit(signal_stop);
inline constexpr std::uint64_t libc_internal = bit(32) | bit(33);  // a libc may keep these for itself
// Their default is to be ignored: CHLD, CONT, URG, WINCH (sig_kernel_ignore); to stop: STOP, TSTP, TTIN, TTOU
// (sig_kernel_stop).
inline constexpr std::uint64_t ignored_by_default = bit(signal_chld) | bit(signal_cont) | bit(23) | bit(28);
inline constexpr std::uint64_t stops_by_default = bit(signal_stop) | bit(20) | bit(21) | bit(22);

// Sends it (prepare_signal): a stop signal takes a pending CONT away, CONT takes pending stop signals away and lets a
// stopped process go on, whatever becomes of it afterwards.
void send_to_process(State&, Index process, int signal);
void send_to_task(State&, Index task, int signal);

// What the task does not take now: its mask, and the signals of the handlers that it is in.
std::uint64_t blocked_signals(const State&, Index task);

// The signal that the task takes next, 0: none (get_signal, dequeue_signal): KILL before all; then its own before the
// process's, and of each the synchronous ones (SEGV, BUS, ...) before the lowest. Nobody takes anything but KILL who is
// stopped, or waits for a vfork child (kernel/fork.c wait_for_vfork_done).
int next_signal(const State&, Index task);

// Takes it: it is pending no more.
int take_signal(State&, Index task);

enum class Delivery : std::uint8_t {
  dropped,    // ignored, or a stop that an orphaned process group does not make
  handled,    // a handler runs: the task has a frame for it, and blocks it until that handler returns
  stopped,    // the whole process begins no call until CONT or KILL
  terminated  // the whole process ends: who drives the model makes the rest with begin_exit()
};

// What a signal that the task takes does, as its dispositions are.
Delivery effect_of(const State&, Index task, int signal);

// Does it to the state. Terminated: nothing yet.
Delivery deliver(State&, Index task, int signal);

// A task between two calls is either on its way out of the kernel, where it takes what is pending for it alone before
// its program goes on (arch_exit_to_user_mode_loop), or in user mode, where what somebody sends it reaches it before
// its next call or only after that has begun: the interrupt takes its time. A stop likewise.
bool may_begin_call(const State&, Index task);
// Its call has returned, or its signal has been taken: it leaves the kernel, where nothing keeps it.
void leave_kernel(State&, Index task);

// Handlers return, the last frame's first (arch/x86/kernel/signal.c: before a handler begins the next signal is looked
// for), as long as the task has nothing to take.
void return_from_handlers(State&, Index task);

}  // namespace spawncheck::model
