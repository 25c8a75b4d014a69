// SPDX-License-Identifier: MIT
#include "fuzz/request_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "fuzz/request_child.h"

namespace spawncheck::fuzz {

struct RequestServer::Shared {
  std::uint32_t size;
  std::uint8_t input[512];
  int error, failed;
  char field[128], wrong[512];
};

namespace {

constexpr int answer_ms_max = 20'000;
constexpr int commands_number = 100, answers_number = 101, master_number = 102, numbers_limit = 64;
constexpr int slave_number = 7;
constexpr int unlikely_errno = 4321;

void place(int fd, int number, int flags) {
  if (fd != number) {
    dup3(fd, number, flags);
    close(fd);
  } else {
    fcntl(fd, F_SETFD, (flags & O_CLOEXEC) != 0 ? FD_CLOEXEC : 0);
  }
}

// The open numbers of a caller: 3 and 4 two files, one without close-on-exec; 5 a directory; 6 the program, and
// 8 the program without close-on-exec; 7 a terminal. SIGUSR2 is ignored, SIGUSR1 caught.
class Server {
 public:
  Server(const Places& places, const char* planted) : places_(places), planted_(planted) {
    setsid();
    signal(SIGUSR2, SIG_IGN);
    signal(SIGUSR1, [](int) {});
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    const rlimit no_core{0, 0}, few{numbers_limit, 4096};
    place(open("/dev/null", O_RDONLY), 0, 0);
    close_range_above();
    place(memfd_create("a", 0), 3, O_CLOEXEC);
    place(memfd_create("b", 0), 4, 0);
    place(open("/", O_RDONLY | O_DIRECTORY), 5, O_CLOEXEC);
    place(open(places.program.c_str(), O_PATH), 6, O_CLOEXEC);
    place(open(places.program.c_str(), O_RDONLY), 8, 0);
    place(posix_openpt(O_RDWR | O_NOCTTY), master_number, O_CLOEXEC);
    open_terminal();
    setrlimit(RLIMIT_CORE, &no_core);
    setrlimit(RLIMIT_NOFILE, &few);
    if (chdir("/") != 0) std::_Exit(2);
  }

  // Runs one request. Returns what is wrong; empty: nothing.
  std::string run(const std::uint8_t* data, std::size_t size, spawn_result& result) {
    const RequestInput input(data, size, places_);
    const spawn_request& r = input.request();
    const std::string before = caller_state();
    errno = unlikely_errno;
    const int error = planted_ != nullptr ? run_without_step(r, result) : spawn_run(&r, &result);
    std::string wrong;
    if (errno != unlikely_errno) wrong = "errno was changed";
    if (wrong.empty()) wrong = judge(r, result, error);
    if (result.pid > 0) {
      if (wrong.empty()) wrong = child_is_wrong(r, result);
      kill(result.pid, SIGKILL);
      while (waitpid(result.pid, nullptr, 0) < 0 && errno == EINTR) continue;
    }
    if (result.pidfd >= 0) close(result.pidfd);
    if ((r.set & SPAWN_SET_TERMINAL) != 0 && result.error == 0) open_terminal();  // the end of its session hung it up
    if ((r.set & SPAWN_ALLOW_UNDUMPABLE) != 0) prctl(PR_SET_DUMPABLE, 1);
    if (wrong.empty() && (waitpid(-1, nullptr, WNOHANG | __WALL) >= 0 || errno != ECHILD)) wrong = "a child is left";
    const std::string after = caller_state();
    if (wrong.empty() && after != before)
      wrong = "the caller is not as it was\n" + before + "\nbefore, and after:\n" + after;
    return wrong;
  }

 private:
  static void close_range_above() {
    for (int n = 3; n < 1024; ++n)
      if (n != commands_number && n != answers_number) close(n);
  }

  void open_terminal() {
    char name[64];
    close(slave_number);
    if (grantpt(master_number) != 0 || unlockpt(master_number) != 0 || ptsname_r(master_number, name, sizeof name) != 0)
      return;
    place(open(name, O_RDWR | O_NOCTTY), slave_number, O_CLOEXEC);
  }

  int run_without_step(const spawn_request& r, spawn_result& result) const {
    const spawn_abilities can = spawn_abilities_probed();
    spawn_plan plan{};
    if (spawn_request_check(&r, nullptr) != 0) return spawn_run(&r, &result);
    std::vector<spawn_step> steps(spawn_plan_steps_max(&r));
    plan.step = steps.data();
    plan.step_capacity = static_cast<std::uint32_t>(steps.size());
    if (spawn_plan_build(&r, &can, &plan) != 0) return spawn_run(&r, &result);
    std::uint32_t left = 0;
    for (std::uint32_t i = 0; i < plan.step_count; ++i)
      if (std::strcmp(spawn_step_word(steps[i].kind), planted_) != 0) steps[left++] = steps[i];
    plan.step_count = left;
    return spawn_run_plan(&plan, &result);
  }

  static std::string judge(const spawn_request& r, const spawn_result& result, int error) {
    if (error != result.error) return "two errors";
    if (error == 0) return result.pid <= 0 || result.failed != SPAWN_FAILED_NOWHERE ? "success without a child" : "";
    if (result.pid != -1 || result.pidfd != -1) return "a child in spite of an error";
    switch (result.failed) {
      case SPAWN_FAILED_REQUEST:
        return result.field == nullptr ? "a refusal without a field" : "";
      case SPAWN_FAILED_CLONE:
        return (r.set & SPAWN_SET_CGROUP) != 0 ? "" : "clone failed";
      case SPAWN_FAILED_NOWHERE:
      case SPAWN_FAILED_MEMORY:
      case SPAWN_FAILED_KILLED:
        return "failed without reason";
      default:
        return result.step < 0 || result.failed >= SPAWN_STEP_COUNT ? "failed at no step" : "";
    }
  }

  const Places& places_;
  const char* planted_;
};

}  // namespace

RequestServer::RequestServer(const Places& places, const char* planted) {
  int commands[2], answers[2];
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || pipe2(commands, O_CLOEXEC) != 0 || pipe2(answers, O_CLOEXEC) != 0) std::abort();
  shared_ = static_cast<Shared*>(memory);
  pid_ = fork();
  if (pid_ < 0) std::abort();
  if (pid_ != 0) {
    close(commands[0]);
    close(answers[1]);
    to_ = commands[1];
    from_ = answers[0];
    return;
  }
  place(commands[0], commands_number, O_CLOEXEC);
  place(answers[1], answers_number, O_CLOEXEC);
  Server self(places, planted);
  char byte;
  while (read(commands_number, &byte, 1) == 1) {  // until the other end is closed, for whatever reason
    spawn_result result{};
    const std::string wrong = self.run(shared_->input, shared_->size, result);
    shared_->error = result.error;
    shared_->failed = result.failed;
    std::snprintf(shared_->field, sizeof shared_->field, "%s",
                  result.failed == SPAWN_FAILED_REQUEST && result.field != nullptr ? result.field : "");
    std::snprintf(shared_->wrong, sizeof shared_->wrong, "%s", wrong.c_str());
    if (write(answers_number, &byte, 1) != 1) break;
  }
  std::error_code ignored;
  std::filesystem::remove_all(places.directory, ignored);
  std::_Exit(0);
}

RequestServer::~RequestServer() {
  close(to_);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
  close(from_);
  munmap(shared_, sizeof *shared_);
}

// libFuzzer's timer interrupts the wait, which is retried a bounded number of times.
bool RequestServer::answers() const {
  pollfd answer{from_, POLLIN, 0};
  for (int interruptions = 0; interruptions < 100; ++interruptions) {
    const int ready = poll(&answer, 1, answer_ms_max);
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
  return false;
}

RequestReport RequestServer::run(const std::uint8_t* data, std::size_t size) {
  RequestReport report;
  shared_->size = static_cast<std::uint32_t>(size < sizeof shared_->input ? size : sizeof shared_->input);
  std::memcpy(shared_->input, data, shared_->size);
  char byte = 0;
  if (write(to_, &byte, 1) != 1) {
    report.wrong = "the caller is gone";
  } else if (!answers()) {
    kill(pid_, SIGKILL);
    report.wrong = "spawn does not return";
  } else if (read(from_, &byte, 1) != 1) {
    report.wrong = "the caller died";
  } else {
    report = {shared_->wrong, shared_->error, shared_->failed, shared_->field};
  }
  return report;
}

}  // namespace spawncheck::fuzz
