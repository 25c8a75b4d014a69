// SPDX-License-Identifier: MIT
#include "impl/litmus/runner.h"

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

#include "impl/executor/executor.h"

extern char** environ;

namespace spawncheck::litmus {

namespace {

// How long the server may take beyond a test's own bound: it ends a test that is stuck, and its bound for that is
// shorter.
constexpr int grace_ms = 60'000;

std::string because(const std::string& what) { return what + ": " + std::strerror(errno); }

}  // namespace

struct Runner::Self {
  sc_litmus_shared* shared = nullptr;
  int memory = -1, socket = -1;
  pid_t server = -1;

  ~Self() {
    stop();
    if (shared != nullptr) munmap(shared, sizeof *shared);
    if (memory >= 0) close(memory);
  }

  bool start(std::string& error);
  bool launch(int server_end, std::string& error);
  bool receive(int timeout_ms);
  void stop();
};

bool Runner::Self::launch(int server_end, std::string& error) {
  const std::string path = directory_of_binaries() + "/spawncheck-litmus";
  const char* argv[] = {path.c_str(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // Both away from 3 and 4 first: the actions run one after the other.
  const int socket_aside = fcntl(server_end, F_DUPFD_CLOEXEC, 10), memory_aside = fcntl(memory, F_DUPFD_CLOEXEC, 10);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, socket_aside, SC_LITMUS_SOCKET_FD);
  posix_spawn_file_actions_adddup2(&actions, memory_aside, SC_LITMUS_MEMORY_FD);
  posix_spawn_file_actions_addclosefrom_np(&actions, SC_LITMUS_MEMORY_FD + 1);
  errno = posix_spawn(&server, path.c_str(), &actions, nullptr, const_cast<char**>(argv), environ);
  const bool is_started = errno == 0;
  if (!is_started) {
    server = -1;
    error = because("cannot start " + path);
  }
  posix_spawn_file_actions_destroy(&actions);
  close(socket_aside);
  close(memory_aside);
  return is_started;
}

bool Runner::Self::receive(int timeout_ms) {
  pollfd p{socket, POLLIN, 0};
  int ready;
  do ready = poll(&p, 1, timeout_ms);
  while (ready < 0 && errno == EINTR);
  char byte;
  return ready > 0 && recv(socket, &byte, 1, 0) == 1;
}

bool Runner::Self::start(std::string& error) {
  if (memory < 0) {
    memory = memfd_create("spawncheck-litmus", MFD_CLOEXEC);
    if (memory < 0 || ftruncate(memory, sizeof *shared) != 0) return error = because("memfd_create"), false;
    void* at = mmap(nullptr, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (at == MAP_FAILED) return error = because("mmap"), false;
    shared = static_cast<sc_litmus_shared*>(at);
  }
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return error = because("socketpair"), false;
  socket = ends[0];
  const bool is_launched = launch(ends[1], error);
  close(ends[1]);
  if (is_launched && !receive(grace_ms))
    error = "the litmus server does not answer";
  else if (is_launched && shared->status != SC_LITMUS_RAN)
    error = std::string(shared->where) + ": " + std::strerror(shared->error);
  else if (is_launched)
    return true;
  stop();
  return false;
}

// The end of file tells the server to go; it cleans up first. A server that does not is killed.
void Runner::Self::stop() {
  if (socket >= 0) close(socket);
  socket = -1;
  if (server <= 0) return;
  for (int waited_ms = 0; waited_ms < 10'000; waited_ms += 10) {
    const pid_t done = waitpid(server, nullptr, WNOHANG);
    if (done == server || (done < 0 && errno == ECHILD)) {
      server = -1;
      return;
    }
    poll(nullptr, 0, waited_ms < 100 ? 1 : 10);
  }
  kill(server, SIGKILL);
  while (waitpid(server, nullptr, 0) < 0 && errno == EINTR) continue;
  server = -1;
}

Runner::Runner(std::unique_ptr<Self> self) : self_(std::move(self)) {}
Runner::~Runner() = default;

std::unique_ptr<Runner> Runner::start(std::string& error, bool& is_unsupported) {
  auto self = std::make_unique<Self>();
  const bool is_started = self->start(error);
  is_unsupported = !is_started && self->shared != nullptr && self->shared->status == SC_LITMUS_UNSUPPORTED;
  if (!is_started) return nullptr;
  return std::unique_ptr<Runner>(new Runner(std::move(self)));
}

Histogram Runner::run(const Test& test, const RunBounds& bounds) {
  Histogram histogram;
  sc_litmus_shared& shared = *self_->shared;
  if (self_->socket < 0 && !self_->start(histogram.why)) return histogram;
  shared.test = test.data;
  shared.seed = bounds.seed;
  shared.runs = bounds.runs;
  shared.time_ms_max = bounds.time_ms_max;
  shared.placements = bounds.placements;
  shared.fault = bounds.fault;
  const char request = 'r';
  if (send(self_->socket, &request, 1, MSG_NOSIGNAL) != 1 ||
      !self_->receive(bounds.time_ms_max == 0 ? -1 : static_cast<int>(bounds.time_ms_max) + grace_ms)) {
    histogram.why = "the litmus server died or hangs";
    self_->stop();
    return histogram;
  }
  histogram.status = shared.status == SC_LITMUS_RAN     ? Histogram::Status::ran
                     : shared.status == SC_LITMUS_STUCK ? Histogram::Status::stuck
                                                        : Histogram::Status::broken;
  histogram.why = shared.where;
  if (shared.error != 0) histogram.why += std::string(": ") + std::strerror(shared.error);
  histogram.runs = shared.runs_done;
  histogram.lost = shared.lost;
  histogram.seen.assign(shared.seen, shared.seen + shared.seen_count);
  return histogram;
}

}  // namespace spawncheck::litmus
