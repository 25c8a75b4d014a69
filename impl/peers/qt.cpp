// SPDX-License-Identifier: MIT
//
// Qt's QProcess with forwarded channels: the child has the caller's 0, 1 and 2, and everything else without
// close-on-exec. QProcess does not support other descriptors; its documentation gives setupChildProcess() for
// "last-minute setup" in the child, so the kept ones are put in place there, sources first. A destroyed QProcess
// kills its child: no QProcess is ever destroyed. Failures in setupChildProcess() cannot be reported, so the adapter
// checks the sources before.
#include <fcntl.h>
#include <unistd.h>

#include <QProcess>
#include <QProcessEnvironment>
#include <QStringList>
#include <cerrno>
#include <new>
#include <vector>

#include "adapter.h"

namespace {

class Process : public QProcess {
 public:
  Process(std::vector<spawncheck_keep> keep, bool is_session, bool sets_group, int group)
      : keep_(std::move(keep)), aside_(keep_.size()), is_session_(is_session), sets_group_(sets_group), group_(group) {}

 protected:
  void setupChildProcess() override {
    if (is_session_) ::setsid();
    if (sets_group_) ::setpgid(0, group_);
    for (std::size_t i = 0; i < keep_.size(); ++i) aside_[i] = duplicate(keep_[i].source);
    for (std::size_t i = 0; i < keep_.size(); ++i) ::dup2(aside_[i], keep_[i].target);
    for (const int number : aside_) ::close(number);
  }

 private:
  int duplicate(int number) const {
    int above = 0;
    for (const spawncheck_keep& k : keep_) above = k.target >= above ? k.target + 1 : above;
    return ::fcntl(number, F_DUPFD_CLOEXEC, above);
  }

  std::vector<spawncheck_keep> keep_;
  std::vector<int> aside_;
  bool is_session_, sets_group_;
  int group_;
};

// setupChildProcess() cannot report a failure, so requests that may fail there are declined. A target above 2 might be
// the pipe by which QProcess learns of a failed exec.
bool can_say(const spawncheck_request* r) {
  if (!adapter_is_plain(r) || r->argv[0] == nullptr) return false;
  for (std::uint32_t i = 0; i < r->keep_count; ++i)
    if (fcntl(r->keep[i].source, F_GETFD) < 0 || r->keep[i].target >= ADAPTER_STDIO) return false;
  return (r->set & SPAWNCHECK_SET_PGROUP) == 0 || (r->pgroup == 0 && (r->set & SPAWNCHECK_NEW_SESSION) == 0);
}

QProcessEnvironment environment_of(char* const* envp) {
  QProcessEnvironment environment;
  for (; *envp != nullptr; ++envp) {
    const QString entry = QString::fromLocal8Bit(*envp);
    environment.insert(entry.section('=', 0, 0), entry.section('=', 1));
  }
  return environment;
}

int spawn(const spawncheck_request* r, spawncheck_result* result) {
  const int saved = errno;
  const bool is_said = can_say(r);
  errno = saved;
  if (!is_said) return adapter_decline(result);
  auto* process = new (std::nothrow)
      Process(std::vector<spawncheck_keep>(r->keep, r->keep + r->keep_count), (r->set & SPAWNCHECK_NEW_SESSION) != 0,
              (r->set & SPAWNCHECK_SET_PGROUP) != 0, r->pgroup);
  if (process == nullptr) return adapter_fail(result, ENOMEM);
  QStringList args;
  for (char* const* arg = r->argv + 1; *arg != nullptr; ++arg) args << QString::fromLocal8Bit(*arg);
  process->setInputChannelMode(QProcess::ForwardedInputChannel);
  process->setProcessChannelMode(QProcess::ForwardedChannels);
  process->setProcessEnvironment(environment_of(r->envp));
  if ((r->set & SPAWNCHECK_SET_CWD) != 0) process->setWorkingDirectory(QString::fromLocal8Bit(r->cwd));
  process->start(QString::fromLocal8Bit(r->path), args);
  const int pid = process->waitForStarted(-1) ? static_cast<int>(process->processId()) : -1;
  if (pid <= 0) delete process;
  errno = saved;
  return pid > 0 ? adapter_succeed(result, pid) : adapter_fail(result, EAGAIN);
}

const spawncheck_documented_limit limits[] = {
    {"fd.untouched", "", "the start pipe, and for as long as the child runs a descriptor that stands for it",
     "Qt qtbase src/corelib/io/qprocess_unix.cpp startProcess, src/3rdparty/forkfd"},
    {"fd.kept", "", "setupChildProcess() cannot fail: a source that is closed meanwhile, or a full table, is not told",
     "https://doc.qt.io/qt-5/qprocess.html#setupChildProcess"},
    {"err.exact", " succeeded", "likewise", "https://doc.qt.io/qt-5/qprocess.html#setupChildProcess"},
    {"proc.child", "the child's process group is", "likewise: setpgid(2) that is refused there is not told",
     "https://doc.qt.io/qt-5/qprocess.html#setupChildProcess"},
    {"proc.child", "the child's session is", "likewise: setsid(2) that is refused there is not told",
     "https://doc.qt.io/qt-5/qprocess.html#setupChildProcess"},
    {"sig.parent_restored", "", "the process ignores SIGPIPE from its first child on",
     "Qt qtbase src/corelib/kernel/qcore_unix_p.h qt_ignore_sigpipe"},
    {"sig.none_lost", "", "the process ignores SIGPIPE and handles SIGCHLD from its first child on",
     "likewise, and src/3rdparty/forkfd"},
    {"live.returns", "had not returned",
     "the end of a child that could not start its program is told by SIGCHLD: a process that blocks it waits for ever",
     "Qt qtbase src/3rdparty/forkfd/forkfd.c"},
    {"proc.child", "argument 0", "the first argument is the program", "QProcess::start"},
    {"proc.child", "string of the environment", "the environment is a map", "QProcessEnvironment"},
    ADAPTER_FORKS_WITH_HANDLERS("Qt qtbase src/corelib/io/qprocess_unix.cpp execChild, which resets PIPE alone"),
};

}  // namespace

extern "C" const spawncheck_implementation* spawncheck_implementation_v1() {
  static const spawncheck_implementation self = {
      SPAWNCHECK_ABI,
      "qt",
      1u << SPAWNCHECK_FDS_INHERIT | 1u << SPAWNCHECK_FDS_DROP_CLOEXEC_EXCEPT,
      SPAWNCHECK_SET_CWD | SPAWNCHECK_NEW_SESSION | SPAWNCHECK_SET_PGROUP,
      "",
      spawn};
  return &self;
}

extern "C" const spawncheck_description* spawncheck_description_v1() {
  static const spawncheck_description self = {
      sizeof self,
      SPAWNCHECK_REAPS /* in its handler of SIGCHLD: forkfd.c */ | SPAWNCHECK_RESETS_SIGNALS |
          SPAWNCHECK_TELLS_NO_ERRNO | SPAWNCHECK_RUNS_SCRIPTS | SPAWNCHECK_HOLDS_DESCRIPTORS /* during a call */,
      qVersion(),
      limits,
      sizeof limits / sizeof *limits,
      nullptr};
  return &self;
}
