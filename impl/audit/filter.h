// SPDX-License-Identifier: MIT
//
// The seccomp filters that stop an audited task at the calls of calls.h and nowhere else.
#pragma once

#include <linux/filter.h>

#include <vector>

namespace spawncheck::audit {

inline constexpr unsigned foreign_call = 0xffff;  // SECCOMP_RET_DATA of a call of another architecture (int 0x80, x32)

// Stops with SECCOMP_RET_TRACE and the call's row as data. for_threads false: calls that change tables; an open(2) for
// reading with close-on-exec is allowed, as are the commands of fcntl and ioctl that make or mark no descriptor.
// True: calls that order threads, and each open; added to the first filter when a process makes a thread.
std::vector<sock_filter> make_filter(bool for_threads);

}  // namespace spawncheck::audit
