// SPDX-License-Identifier: MIT
//
// Poco: where the caller's 0 is closed, the child of a launch with an input pipe has no stdin.
//
// What happens: the read end of Poco::Pipe gets the number 0. In the child dup2 onto itself does nothing, and then the
// pipe is
//   closed, and with it stdin.
// What should:  the child reads what is written to the pipe.
// Rule:         Poco/Process.h, launch: "If inPipe [...] is non-null, the corresponding standard input [...] stream of
// the launched
//   process is redirected to the Pipe".
// Where:        Foundation/src/Process_UNIX.cpp launchByForkExecImpl. Seen with 1.11.0.
// Upstream:     no report found.
//
//   c++ poco-stdin-lost.cpp -o poco-stdin-lost -lPocoFoundation
#include <Poco/Environment.h>
#include <Poco/Pipe.h>
#include <Poco/Process.h>
#include <unistd.h>

#include <cstdio>

int main() {
  close(0);  // as a daemon has it
  Poco::Pipe in;
  const Poco::Process::Args args{"-c", "[ -e /proc/self/fd/0 ]"};
  const int status = Poco::Process::launch("/bin/sh", args, &in, nullptr, nullptr).wait();
  if (status != 0 && status != 1) return 77;
  const auto v = Poco::Environment::libraryVersion();
  std::printf("%s: Poco %u.%u.%u, an input pipe whose read end is 0: the child's 0 is %s\n",
              status == 1 ? "BUG" : "FIXED", v >> 24, v >> 16 & 255, v >> 8 & 255, status == 0 ? "open" : "closed");
  return status == 1;
}
