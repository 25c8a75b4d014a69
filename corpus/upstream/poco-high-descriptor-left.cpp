// SPDX-License-Identifier: MIT
//
// Poco: a descriptor above a limit that was lowered is left open in the child.
//
// What happens: Process::launch closes the numbers from 3 up to sysconf(_SC_OPEN_MAX), 100000 at most. That is the soft
// limit,
//   which bounds new descriptors only: what was opened above it before is not closed.
// What should:  the child has 0, 1 and 2 only.
// Rule:         Foundation/src/Process_UNIX.cpp: "close all open file descriptors other than stdin, stdout, stderr".
// Where:        launchByForkExecImpl. Seen with 1.11.0.
// Upstream:     Poco issue 3182, whose change bounded the loop.
//
//   c++ poco-high-descriptor-left.cpp -o poco-high-descriptor-left -lPocoFoundation
#include <Poco/Environment.h>
#include <Poco/Process.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>

int main() {
  rlimit limit{};
  const int secret = open("/dev/null", O_RDONLY);
  if (secret < 0 || dup2(secret, 60) != 60 || getrlimit(RLIMIT_NOFILE, &limit) != 0) return 77;
  limit.rlim_cur = 50;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 77;
  const Poco::Process::Args args{"-c", "[ -e /proc/self/fd/60 ]"};
  const int status = Poco::Process::launch("/bin/sh", args).wait();
  if (status != 0 && status != 1) return 77;
  const auto v = Poco::Environment::libraryVersion();
  std::printf("%s: Poco %u.%u.%u, a descriptor 60 and a limit of 50: the child's 60 is %s\n",
              status == 0 ? "BUG" : "FIXED", v >> 24, v >> 16 & 255, v >> 8 & 255, status == 0 ? "open" : "closed");
  return status == 0;
}
