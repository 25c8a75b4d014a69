// SPDX-License-Identifier: MIT
//
// The seccomp filters that stop an audited task at the calls of calls.h and nowhere else.
#pragma once

#include <linux/filter.h>

#include <vector>

namespace spawncheck::audit {

inline constexpr unsigned foreign_call = 0xffff;  // SECCOMP_RET_DATA of a call of another architecture (int 0x80, x32)

// Stops with SECCOMP_RET_TRACE and the call's row as data. for_threads false: what changes tables; an open(2) for
// reading with close-on-exec is let through, as are the commands of fcntl and ioctl that make or mark no descriptor.
// True: what orders threads, and each open; it is added to the first in a process that makes a thread.
std::vector<sock_filter> make_filter(bool for_threads);

}  // namespace spawncheck::audit
