// SPDX-License-Identifier: MIT
//
// The seccomp filters that stop an audited task at the calls of calls.h and nowhere else.
#pragma once

#include <linux/filter.h>

#include <vector>

namespace spawncheck::audit {

inline constexpr unsigned foreign_call = 0xffff;  // SECCOMP_RET_DATA of a call of another architecture (int 0x80, x32)

// Returns the filter. It stops a call with SECCOMP_RET_TRACE, and the call's row in calls() is SECCOMP_RET_DATA.
// for_threads false, the first filter: stops the calls that change a table. It allows an open(2) for reading with
// close-on-exec, and the commands of fcntl(2) and ioctl(2) that neither make nor mark a descriptor.
// for_threads true, the second filter, installed before a process makes its first thread: stops the calls that order
// threads, and each open.
std::vector<sock_filter> make_filter(bool for_threads);

}  // namespace spawncheck::audit
