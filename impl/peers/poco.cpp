// SPDX-License-Identifier: MIT
//
// Poco's Process::launch. It redirects only to its own pipes, so it can serve only one kind of request for the caller's
// descriptors: the child has the caller's 0, 1 and 2 and nothing else. Poco cannot keep one that is close-on-exec:
// such a request is declined.
#include <Poco/Environment.h>
#include <Poco/Exception.h>
#include <Poco/Process.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <iterator>
#include <new>
#include <string>

#include "adapter.h"

namespace {

// A user of Poco knows this of the program's own standard streams.
bool is_inherited(int number) {
  const int flags = fcntl(number, F_GETFD);
  return flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

bool can_say(const spawncheck_request* r) {
  if (!adapter_is_plain(r) || r->keep_count != ADAPTER_STDIO || !adapter_keeps_stdio(r)) return false;
  for (int n = 0; n < ADAPTER_STDIO; ++n)
    if (adapter_source_of(r, n) != n || !is_inherited(n)) return false;
  return r->argv[0] != nullptr;
}

Poco::Process::Env environment_of(char* const* envp) {
  Poco::Process::Env env;
  for (; *envp != nullptr; ++envp) {
    const std::string entry = *envp;
    const auto at = entry.find('=');
    env[entry.substr(0, at)] = at == std::string::npos ? "" : entry.substr(at + 1);
  }
  return env;
}

int spawn(const spawncheck_request* r, spawncheck_result* result) {
  const int saved = errno;
  if (!can_say(r)) {
    errno = saved;
    return adapter_decline(result);
  }
  Poco::Process::Args args;
  for (char* const* arg = r->argv + 1; *arg != nullptr; ++arg) args.emplace_back(*arg);
  int error = 0, pid = -1;
  try {
    const std::string directory = (r->set & SPAWNCHECK_SET_CWD) != 0 ? r->cwd : "";
    Poco::ProcessHandle handle =
        Poco::Process::launch(r->path, args, directory, nullptr, nullptr, nullptr, environment_of(r->envp));
    pid = handle.id();
  } catch (const Poco::Exception&) {
    error = EAGAIN;  // "Cannot fork process": the only failure it reports
  } catch (const std::bad_alloc&) {
    error = ENOMEM;
  }
  errno = saved;
  return error == 0 ? adapter_succeed(result, pid) : adapter_fail(result, error);
}

const spawncheck_documented_limit limits[] = {
    {"err.exact", " succeeded", "a failure in the child is told by its exit status, 72",
     "Poco Foundation/src/Process_UNIX.cpp launchByForkExecImpl"},
    {"proc.child", "had ended", "a child whose exec failed exits with 72 and is reported as started", "likewise"},
    {"proc.child", "gave 72", "likewise: it is what a wait for that child gives", "likewise"},
    {"proc.child", "does not run the program", "the call returns after fork(2), before the child's exec", "likewise"},
    {"proc.child", "argument 0", "the first argument is the command", "Poco/Process.h launch"},
    {"proc.child", "string of the environment", "the given variables are added to the caller's",
     "Poco/Process.h launch"},
    {"fd.kept", "is closed", "0, 1 and 2 are inherited as exec leaves them: no argument clears close-on-exec",
     "Poco/Process.h launch"},
    ADAPTER_FORKS_WITH_HANDLERS("Poco Foundation/src/Process_UNIX.cpp launchByForkExecImpl"),
};

}  // namespace

extern "C" const spawncheck_implementation* spawncheck_implementation_v1() {
  static const spawncheck_implementation self = {SPAWNCHECK_ABI,     "poco", 1u << SPAWNCHECK_FDS_ONLY,
                                                 SPAWNCHECK_SET_CWD, "",     spawn};
  return &self;
}

extern "C" const spawncheck_description* spawncheck_description_v1() {
  static char version[32];
  const auto v = Poco::Environment::libraryVersion();
  snprintf(version, sizeof version, "%u.%u.%u", v >> 24, v >> 16 & 255, v >> 8 & 255);
  static const spawncheck_description self = {sizeof self, SPAWNCHECK_RUNS_SCRIPTS,        version,
                                              limits,      sizeof limits / sizeof *limits, nullptr};
  return &self;
}
