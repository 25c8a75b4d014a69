/* SPDX-License-Identifier: MIT
 *
 * The litmus server: small, single-threaded. For each test it forks a process that runs the test as often as the host
 * asks, and it kills a process that is stuck. The server ends when its host does (end of file on the socket).
 *
 *   spawncheck-litmus   with descriptors 3 (socket) and 4 (shared memory) */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "impl/peers/peers.h"
#include "litmus.h"

#define TICK_MS 100
#define STUCK_MS_MAX 10000 /* a test is stuck if no run of it has ended for so long */

struct sc_litmus_shared* litmus;

static _Noreturn void leave(int status) {
  places_remove();
  exit(status);
}

static void answer(void) {
  const char byte = 'a';
  if (send(SC_LITMUS_SOCKET_FD, &byte, 1, MSG_NOSIGNAL) != 1) leave(1);
}

/* Takes a network namespace of its own, if it may, so that no other process binds the tests' ports. */
static void take_own_network(void) {
  if (unshare(CLONE_NEWNET) != 0) return;
  struct ifreq request = {.ifr_name = "lo"};
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
    request.ifr_flags |= IFF_UP;
    ioctl(fd, SIOCSIFFLAGS, &request);
  }
  if (fd >= 0) close(fd);
}

static _Noreturn void test_main(pid_t server) {
  const uint64_t all = ~0ull;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != server) _exit(1); /* the server died before the line above */
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof all);
  setpgid(0, 0); /* kill_group reaches the test, no other process */
  shared->arena_pid = (int32_t)getpid();
  for (int signal_number = 1; signal_number <= SC_SIGNAL_MAX; ++signal_number) {
    const uint64_t bit = 1ull << (signal_number - 1);
    if ((litmus->test.world.ignored & bit) != 0) set_disposition(signal_number, SC_DISPOSITION_IGNORE);
    if ((litmus->test.world.handled & bit) != 0) set_disposition(signal_number, SC_DISPOSITION_HANDLER);
  }
  if ((litmus->test.looks & SC_LITMUS_FRESH) != 0) run_fresh();
  run_warm();
}

/* Waits until the test's process ends, or kills it if it is stuck. Which threads of a warm test wait for ever is found
 * out by running it with a process for each run. */
static void watch(pid_t test) {
  uint64_t last_done = ~0ull, since_ms = now_ms();
  const int pidfd = (int)syscall(SYS_pidfd_open, test, 0);
  for (;;) {
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};
    if (poll(&wait, 1, TICK_MS) > 0) break;
    const uint64_t done = __atomic_load_n(&litmus->runs_done, __ATOMIC_RELAXED);
    if (done != last_done) since_ms = now_ms();
    last_done = done;
    if (host_is_gone(SC_LITMUS_SOCKET_FD)) break;
    if (now_ms() - since_ms < STUCK_MS_MAX) continue;
    litmus->status = SC_LITMUS_STUCK;
    break;
  }
  if (pidfd >= 0) close(pidfd);
  kill(test, SIGKILL);
  int status = 0;
  while (waitpid(test, &status, 0) < 0 && errno == EINTR) continue;
  if (litmus->status == SC_LITMUS_BROKEN && litmus->where[0] == 0) {
    snprintf(litmus->where, sizeof litmus->where,
             WIFSIGNALED(status) ? "the test's process was ended by signal %d" : "the test's process exited with %d",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    litmus->error = (int32_t)shared->world_errno;
    if (shared->world_errno != 0) snprintf(litmus->where, sizeof litmus->where, "%s", shared->world_where);
  }
}

static void run(void) {
  histogram_clear();
  litmus->runs_done = 0;
  litmus->status = SC_LITMUS_BROKEN; /* until the test says otherwise */
  litmus->error = 0;
  litmus->where[0] = 0;
  memset(control, 0, sizeof *control);
  operations_prepare();
  const pid_t server = getpid(), test = fork();
  if (test == 0) test_main(server);
  if (test < 0)
    snprintf(litmus->where, sizeof litmus->where, "fork");
  else
    watch(test);
}

static void* map_shared(size_t size, int fd) {
  void* at = mmap(NULL, size, PROT_READ | PROT_WRITE, fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
  return at == MAP_FAILED ? NULL : at;
}

static void start_clean(void) {
  const uint64_t none = 0;
  for (int signal_number = 1; signal_number <= SC_SIGNAL_MAX; ++signal_number)
    set_disposition(signal_number, SC_DISPOSITION_DEFAULT);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
  setsid();
}

int main(void) {
  char text[SC_TEXT_MAX] = "", self[SC_PATH_MAX];
  start_clean();
  fcntl(SC_LITMUS_SOCKET_FD, F_SETFD, FD_CLOEXEC);
  fcntl(SC_LITMUS_MEMORY_FD, F_SETFD, FD_CLOEXEC);
  litmus = map_shared(sizeof *litmus, SC_LITMUS_MEMORY_FD);
  shared = map_shared(sizeof *shared, -1);
  control = map_shared(sizeof *control, -1);
  if (litmus == NULL || shared == NULL || control == NULL) {
    fprintf(stderr, "spawncheck-litmus: started by spawncheck litmus only\n");
    return 2;
  }
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  take_own_network();
  const ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
  self[size > 0 ? size : 0] = 0;
  const int error = places_make(dirname(self), text);
  litmus->status = error != 0 ? SC_LITMUS_BROKEN : SC_LITMUS_RAN;
  litmus->error = error;
  snprintf(litmus->where, sizeof litmus->where, "%.150s", text);
  if (error == 0) {
    look_prepare();
    if (!look_is_supported()) {
      litmus->status = SC_LITMUS_UNSUPPORTED;
      litmus->error = ENOSYS;
      snprintf(litmus->where, sizeof litmus->where, "kcmp(2)");
    }
  }
  answer();
  for (char request; recv(SC_LITMUS_SOCKET_FD, &request, 1, 0) == 1;) {
    run();
    answer();
  }
  leave(0);
}
