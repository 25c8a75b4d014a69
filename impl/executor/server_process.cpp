// SPDX-License-Identifier: MIT
#include "impl/executor/server_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

extern char** environ;

namespace spawncheck {

namespace {

constexpr int stop_grace_ms = 10'000;

}  // namespace

std::string because(const std::string& what) { return what + ": " + std::strerror(errno); }

ServerProcess::~ServerProcess() {
  stop(stop_grace_ms);
  if (shared_ != nullptr) munmap(shared_, bytes_);
  if (memory_ >= 0) close(memory_);
}

bool ServerProcess::share(std::size_t bytes, std::string& error) {
  if (shared_ != nullptr) return true;
  if (memory_ < 0) memory_ = memfd_create("spawncheck-shared", MFD_CLOEXEC);
  if (memory_ < 0 || ftruncate(memory_, static_cast<off_t>(bytes)) != 0) return error = because("memfd_create"), false;
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory_, 0);
  if (at == MAP_FAILED) return error = because("mmap"), false;
  shared_ = at;
  bytes_ = bytes;
  return true;
}

bool ServerProcess::launch(const std::string& path, const std::vector<const char*>& arguments, int server_end,
                           std::string& error) {
  std::vector<char*> argv{const_cast<char*>(path.c_str())};
  for (const char* argument : arguments) argv.push_back(const_cast<char*>(argument));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // Moves both away from 3 and 4 first: the file actions run in order, so the first could replace the second's source.
  const int socket_aside = fcntl(server_end, F_DUPFD_CLOEXEC, 10), memory_aside = fcntl(memory_, F_DUPFD_CLOEXEC, 10);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, socket_aside, socket_number);
  posix_spawn_file_actions_adddup2(&actions, memory_aside, memory_number);
  posix_spawn_file_actions_addclosefrom_np(&actions, memory_number + 1);
  const int failed = posix_spawn(&pid_, path.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(socket_aside);
  close(memory_aside);
  if (failed == 0) return true;
  pid_ = -1;
  errno = failed;
  error = because("cannot start " + path);
  return false;
}

bool ServerProcess::start(const std::string& path, const std::vector<const char*>& arguments, std::size_t shared_bytes,
                          std::string& error) {
  if (!share(shared_bytes, error)) return false;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return error = because("socketpair"), false;
  const bool is_launched = launch(path, arguments, ends[1], error);
  close(ends[1]);
  if (is_launched)
    socket_ = ends[0];
  else
    close(ends[0]);
  return is_launched;
}

// End of file tells the server to exit; it cleans up first.
void ServerProcess::stop(int grace_ms) {
  if (socket_ >= 0) close(socket_);
  socket_ = -1;
  if (pid_ <= 0) return;
  for (int waited_ms = 0; waited_ms < grace_ms; waited_ms += 10) {
    const pid_t done = waitpid(pid_, nullptr, WNOHANG);
    if (done == pid_ || (done < 0 && errno == ECHILD)) {
      pid_ = -1;
      return;
    }
    poll(nullptr, 0, waited_ms < 100 ? 1 : 10);
  }
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
  pid_ = -1;
}

bool ServerProcess::send(const void* message, std::size_t size) const {
  return socket_ >= 0 && ::send(socket_, message, size, MSG_NOSIGNAL) == static_cast<ssize_t>(size);
}

bool ServerProcess::wait(int timeout_ms) const {
  pollfd p{socket_, POLLIN, 0};
  int ready;
  do ready = poll(&p, 1, timeout_ms);
  while (ready < 0 && errno == EINTR);
  if (ready == 0) errno = ETIMEDOUT;
  return ready > 0;
}

bool ServerProcess::receive(void* message, std::size_t size, int timeout_ms) const {
  if (!wait(timeout_ms)) return false;
  const ssize_t got = recv(socket_, message, size, 0);
  if (got == 0) errno = EPIPE;
  return got == static_cast<ssize_t>(size);
}

ssize_t ServerProcess::peek(void* message, std::size_t size, int timeout_ms) const {
  return wait(timeout_ms) ? recv(socket_, message, size, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT) : -1;
}

}  // namespace spawncheck
