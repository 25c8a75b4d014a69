// SPDX-License-Identifier: MIT
//
// Each probe that opens, closes or notifies runs in a forked process. That process takes no lock of libc, since another
// thread may have held the lock at the fork. Its exit status says what it found.
#include "impl/session/kernel_probes.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <mqueue.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

#include "impl/executor/executor.h"

namespace spawncheck::probes {

namespace {

constexpr unsigned unshare_flag = model::close_range_unshare;

// Exit statuses of a probing process; above them, an errno.
constexpr int said_no = 0, said_yes = 1, errno_base = 2;

int error_as_status(int error) { return std::min(errno_base + error, 255); }

std::string error_text(int error) {
  const char* name = strerrorname_np(error);
  return name != nullptr ? name : "errno " + std::to_string(error);
}

// Runs `probe` in a process of its own. Returns its exit status, or -1 if the process could not start or did not exit.
template <typename Probe>
int in_process(Probe probe) {
  const pid_t pid = fork();
  if (pid == 0) _exit(probe());
  int status = 0;
  while (pid > 0 && waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// A call that is refused with ENOSYS, EPERM, EINVAL, ENOTTY or EACCES is not available.
Probed by_call(int status) {
  if (status == said_yes) return {Answer::yes, "it works"};
  if (status == said_no) return {Answer::no, "it says no"};
  if (status < 0) return {Answer::unknown, "no process to ask in"};
  const int error = status - errno_base;
  const bool is_refused = error == ENOSYS || error == EPERM || error == EINVAL || error == ENOTTY || error == EACCES;
  return {is_refused ? Answer::no : Answer::unknown, error_text(error)};
}

Probed exists(long result, int expected) {
  if (result < 0 && errno == expected) return {Answer::yes, error_text(expected)};
  if (result < 0 && (errno == ENOSYS || errno == EPERM)) return {Answer::no, error_text(errno)};
  return {Answer::unknown, result < 0 ? error_text(errno) : "no error"};
}

// Makes a name from the clock and the pid. That is unique enough, since open_queue() unlinks the queue at once.
void queue_name(char (&name)[40]) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  std::uint64_t word = static_cast<std::uint64_t>(now.tv_nsec) << 24 ^ static_cast<std::uint64_t>(getpid());
  std::strcpy(name, "spawncheck-probe-");
  char* at = name + std::strlen(name);
  for (; word != 0; word >>= 4) *at++ = "0123456789abcdef"[word & 15];
  *at = 0;
}

int open_queue() {
  char name[40];
  queue_name(name);
  mq_attr attributes{};
  attributes.mq_maxmsg = 1;
  attributes.mq_msgsize = 8;
  const long fd = syscall(SYS_mq_open, name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attributes);
  if (fd >= 0) syscall(SYS_mq_unlink, name);
  return static_cast<int>(fd);
}

// Returns said_yes if the queue at `number`, the highest open one, is in the copy that close_range(2) makes with
// UNSHARE of first..last. The caller registers on the queue. A second process shares the caller's table, so that the
// call copies it. Closing the queue in the copy calls ipc/mqueue.c mqueue_flush_file, which removes the caller's
// registration. Then the second process, which still has the queue open, registers too: it succeeds if the queue was in
// the copy, and fails with EBUSY if not.
int is_in_copy(int number, unsigned first, unsigned last) {
  const int queue = open_queue();
  if (queue < 0) return error_as_status(errno);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur <= static_cast<rlim_t>(number)) {
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, static_cast<rlim_t>(number) + 1);
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  int ends[2];
  if (dup2(queue, number) != number || pipe(ends) != 0) return error_as_status(errno);
  const int from = fcntl(ends[0], F_DUPFD, 3), to = fcntl(ends[1], F_DUPFD, 3);
  if (from < 0 || to < 0 || dup2(from, 0) != 0 || dup2(to, 1) != 1) return error_as_status(errno);
  for (int n = 3; n < number; ++n) close(n);
  if (syscall(SYS_close_range, static_cast<unsigned>(number) + 1, ~0u, 0u) != 0) return error_as_status(errno);
  sigevent nothing{};
  nothing.sigev_notify = SIGEV_NONE;
  const pid_t second =
      static_cast<pid_t>(syscall(SYS_clone, CLONE_FILES | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (second < 0) return error_as_status(errno);
  if (second == 0) {
    char byte;
    if (read(0, &byte, 1) != 1) _exit(error_as_status(EPIPE));
    _exit(syscall(SYS_mq_notify, number, &nothing) == 0 ? said_yes : errno == EBUSY ? said_no : error_as_status(errno));
  }
  int error = syscall(SYS_mq_notify, number, &nothing) == 0 ? 0 : errno;
  if (error == 0 && syscall(SYS_close_range, first, last, unshare_flag) != 0) error = errno;
  if (error != 0)
    kill(second, SIGKILL);
  else if (write(1, "", 1) != 1)
    error = errno;
  int status = 0;
  while (waitpid(second, &status, 0) < 0 && errno == EINTR) continue;
  if (error != 0) return error_as_status(error);
  return WIFEXITED(status) ? WEXITSTATUS(status) : error_as_status(ECHILD);
}

constexpr int tries_max = 12, open_count = 600, lock_count = 600;

// Returns a file whose close takes some microseconds: each close searches the file's record locks, which this process
// holds, for those of the child (fs/locks.c locks_remove_posix). With many such descriptors the last close comes long
// after the wake, so that a parent that the machine's load delays still sees the last descriptor open.
int file_slow_to_close() {
  const int file = static_cast<int>(syscall(SYS_memfd_create, "probe", MFD_CLOEXEC));
  for (int i = 0; i < lock_count && file >= 0; ++i) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_start = 2 * i;  // apart, or they become one
    lock.l_len = 1;
    if (fcntl(file, F_SETLK, &lock) != 0) break;
  }
  return file;
}

// A vfork(2) child registers on the queue at `top`, which exec closes after all the slow files, and execs. Returns 1 if
// the parent finds the registration still there when vfork(2) returns, 0 if not; -1 if the child did not exec; -2 if
// there was no child or mq_notify(2) could not tell. mq_notify(2) waits for nothing, while /proc/PID/fd, kcmp(2) and
// pidfd_getfd(2) wait for the end of the exec.
int is_open_at_wake(const char* program, int top) {
  sigevent nothing{};
  nothing.sigev_notify = SIGEV_NONE;
  char* const argv[] = {const_cast<char*>(program), nullptr};
  char* const none[] = {nullptr};
  const pid_t child = vfork();
  if (child == 0) {
    if (syscall(SYS_mq_notify, top, &nothing) == 0) execve(program, argv, none);
    _exit(127);
  }
  if (child < 0) return -2;
  const bool is_free = syscall(SYS_mq_notify, top, &nothing) == 0;
  const bool is_busy = !is_free && errno == EBUSY;
  if (is_free) syscall(SYS_mq_notify, top, nullptr);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) return -1;  // without exec its descriptors stay open to the end
  return is_busy ? 1 : is_free ? 0 : -2;
}

// Returns the number of the first try (from 0) that saw the last descriptor open, tries_max if none did, or an errno
// plus 128.
int look_at_exec(const char* program) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, open_count + 64));
  setrlimit(RLIMIT_NOFILE, &limit);
  const int file = file_slow_to_close(), queue = open_queue();
  if (queue < 0) return 128 + errno;
  int last = file;
  for (int i = 0, n = file; i < open_count && n >= 0; ++i) {
    n = fcntl(file, F_DUPFD_CLOEXEC, file);
    last = std::max(last, n);
  }
  const int top = fcntl(queue, F_DUPFD_CLOEXEC, last);
  close(queue);
  if (file < 0 || top < 0 || top - file < open_count / 4) return 128 + EMFILE;
  for (int i = 0; i < tries_max; ++i) {
    const int seen = is_open_at_wake(program, top);
    if (seen < 0) return 128 + (seen == -1 ? ENOENT : EAGAIN);
    if (seen == 1) return i;
  }
  return tries_max;
}

}  // namespace

Probed exec_closes_before_wake() {
  const std::string program = directory_of_binaries() + "/spawncheck-exit";
  const int status = in_process([&] { return look_at_exec(program.c_str()); });
  if (status < 0 || status > tries_max)
    return {Answer::unknown, status < 0 ? "no process to ask in" : error_text(status - 128)};
  if (status < tries_max)
    return {Answer::no, "the last one was open when vfork(2) returned, in try " + std::to_string(status + 1)};
  return {Answer::yes,
          "the last one was never open when vfork(2) returned, in " + std::to_string(tries_max) + " tries"};
}

Probed copy_leaves_dropped() {
  const int status = in_process([] { return is_in_copy(10, 3, ~0u); });
  if (status == said_yes) return {Answer::no, "queue 10 was in the copy of UNSHARE 3..~0"};
  if (status == said_no) return {Answer::yes, "queue 10 was not in the copy of UNSHARE 3..~0"};
  return {Answer::unknown, status < 0 ? "no process to ask in" : error_text(status - errno_base)};
}

Probed copy_sized_by_capacity() {
  const int status = in_process([] { return is_in_copy(200, 70, 230); });
  if (status == said_yes) return {Answer::yes, "queue 200, the last open number, was in the copy of UNSHARE 70..230"};
  if (status == said_no) return {Answer::no, "queue 200, the last open number, was not in the copy of UNSHARE 70..230"};
  return {Answer::unknown, status < 0 ? "no process to ask in" : error_text(status - errno_base)};
}

// First tries an unknown flag on a range without descriptors. A kernel that ignores unknown flags would ignore EXCEPT
// too and close every descriptor, so it is not asked.
Probed close_range_except() {
  return by_call(in_process([] {
    constexpr unsigned nobody_has = 0x7ffffff0u, unknown_flag = 1u << 30;
    if (syscall(SYS_close_range, nobody_has, nobody_has, unknown_flag) == 0) return said_no;
    if (errno != EINVAL) return error_as_status(errno);
    return syscall(SYS_close_range, 0u, ~0u, model::close_range_except) == 0 ? said_yes : error_as_status(errno);
  }));
}

// Likewise not asked of a kernel that ignores unknown flags. The call fails with EFAULT before it closes anything.
Probed close_range_array() {
  constexpr unsigned array = 1u << 15, unknown_flag = 1u << 30, nobody_has = 0x7ffffff0u;
  return by_call(in_process([] {
    if (syscall(SYS_close_range, nobody_has, nobody_has, unknown_flag) == 0) return said_no;
    if (errno != EINVAL) return error_as_status(errno);
    syscall(SYS_close_range, nobody_has, nobody_has, array, ~0ul, 1u);
    return errno == EFAULT ? said_yes : error_as_status(errno);
  }));
}

Probed close_range() { return exists(syscall(SYS_close_range, 1u, 0u, 0u), EINVAL); }

Probed clone3() { return exists(syscall(SYS_clone3, nullptr, 0), EINVAL); }

// Clones in a forked process, so that this process gets no SIGCHLD of the clone and none of its threads can reap it.
Probed clear_sighand() {
  return by_call(in_process([] {
    clone_args args{};
    args.flags = CLONE_CLEAR_SIGHAND;
    args.exit_signal = SIGCHLD;
    const long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) _exit(0);
    if (pid < 0) return error_as_status(errno);
    while (waitpid(static_cast<pid_t>(pid), nullptr, 0) < 0 && errno == EINTR) continue;
    return said_yes;
  }));
}

// A child fetches from its parent, as the child of a spawn does from the caller.
Probed pidfd_getfd() {
  return by_call(in_process([] {
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child == 0) {
      const long pidfd = syscall(SYS_pidfd_open, parent, 0);
      if (pidfd < 0) _exit(error_as_status(errno));
      _exit(syscall(SYS_pidfd_getfd, pidfd, static_cast<int>(0x7ffffff0), 0u) >= 0 || errno == EBADF
                ? said_yes
                : error_as_status(errno));
    }
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : error_as_status(EAGAIN);
  }));
}

Probed pidfd_thread() {
  return by_call(in_process(
      [] { return syscall(SYS_pidfd_open, syscall(SYS_gettid), O_EXCL) >= 0 ? said_yes : error_as_status(errno); }));
}

Probed dupfd_query() {
  constexpr int f_dupfd_query = 1027;
  return by_call(in_process([] {
    const int fd = static_cast<int>(syscall(SYS_memfd_create, "probe", 0));
    if (fd < 0) return error_as_status(EMFILE);
    const int same = fcntl(fd, f_dupfd_query, fd);
    return same == 1 ? said_yes : same == 0 ? said_no : error_as_status(errno);
  }));
}

Probed memfd_exec() {
  constexpr unsigned mfd_exec = 0x10;
  return by_call(
      in_process([] { return syscall(SYS_memfd_create, "probe", mfd_exec) >= 0 ? said_yes : error_as_status(errno); }));
}

Probed pagemap_scan() {
  return by_call(in_process([] {
    constexpr unsigned long scan = 0xc0606610;  // _IOWR('f', 16, struct pm_scan_arg), include/uapi/linux/fs.h
    const int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return error_as_status(errno);
    return ioctl(fd, scan, nullptr) == 0 || errno == EFAULT ? said_yes : error_as_status(errno);
  }));
}

}  // namespace spawncheck::probes
