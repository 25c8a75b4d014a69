/* SPDX-License-Identifier: MIT
 *
 * An implementation that declines and has habits, for peers_interface_test: the correct control of impl/mutants. The
 * environment selects one thing that it does besides, and what its description says.
 *
 *   SPAWNCHECK_DOES=WORD   what it does: a word that does() is called with, below
 *   SPAWNCHECK_SAYS=NUMBER the habits of its description
 *   SPAWNCHECK_LIMITS=CLAUSE|SAYS  a documented limit of its description
 *   SPAWNCHECK_LIMIT_COUNT=NUMBER  how often its description lists that limit; default: once */
#define SPAWNCHECK_FAULT 0
#define spawncheck_implementation_v1 control_v1
#include "impl/mutants/mutant.c"
#undef spawncheck_implementation_v1

#include <mqueue.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

static int does(const char* word) {
  const char* what = getenv("SPAWNCHECK_DOES");
  return what != NULL && strcmp(what, word) == 0;
}

static int decline(struct spawncheck_result* result) { return result->error = SPAWNCHECK_DECLINED; }

/* Returns the request that the control gets instead of this one. */
static struct spawncheck_request with_habits(const struct spawncheck_request* request) {
  struct spawncheck_request r = *request;
  if (does("resets-mask") && (r.set & SPAWNCHECK_SET_MASK) == 0) {
    r.set |= SPAWNCHECK_SET_MASK;
    r.mask = 0;
  }
  if (does("resets-signals")) {
    const uint64_t asked = (r.set & SPAWNCHECK_SET_IGNORE) != 0 ? r.ignore : 0;
    const uint64_t unblockable = 1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1) | 7ull << 31;
    r.dflt = ((r.set & SPAWNCHECK_SET_DEFAULT) != 0 ? r.dflt : 0) | (~asked & ~unblockable);
    r.set |= SPAWNCHECK_SET_DEFAULT;
  }
  return r;
}

static int by_shell(const struct spawncheck_request* request, struct spawncheck_result* result) {
  struct spawncheck_request r = *request;
  char* argv[] = {(char*)"sh", (char*)(uintptr_t)request->path, NULL};
  r.path = "/bin/sh";
  r.argv = argv;
  return mutant_spawn(&r, result);
}

/* Opens a descriptor by each of several calls that can set close-on-exec from birth, and closes them again. */
static void open_and_close(void) {
  sigset_t none;
  sigemptyset(&none);
  struct mq_attr one = {.mq_maxmsg = 1, .mq_msgsize = 1};
  char name[32];
  snprintf(name, sizeof name, "/habits-%d", (int)getpid());
  const int opened[] = {memfd_create("habits", MFD_CLOEXEC),
                        eventfd(0, EFD_CLOEXEC),
                        epoll_create1(EPOLL_CLOEXEC),
                        inotify_init1(IN_CLOEXEC),
                        signalfd(-1, &none, SFD_CLOEXEC),
                        timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC),
                        accept4(-1, NULL, NULL, SOCK_CLOEXEC),
                        mq_open(name, O_RDONLY | O_CREAT | O_CLOEXEC, 0600, &one),
                        socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  const struct msghdr nothing = {0};
  mq_unlink(name);
  sendmsg(-1, &nothing, 0);
  for (size_t i = 0; i < sizeof opened / sizeof *opened; ++i)
    if (opened[i] >= 0) close(opened[i]);
}

/* Marks a descriptor close-on-exec for the time of the spawn, by a call that nothing here follows: FIOCLEX. */
static int spawn_beside_a_mark(const struct spawncheck_request* request, struct spawncheck_result* result) {
  const int fd = fcntl(0, F_DUPFD, 32);
  if (fd >= 0) ioctl(fd, FIOCLEX);
  const int error = mutant_spawn(request, result);
  if (fd >= 0) close(fd);
  return error;
}

static int habit_spawn(const struct spawncheck_request* request, struct spawncheck_result* result) {
  const struct spawncheck_request r = with_habits(request);
  const int before = errno;
  if (does("opens")) open_and_close();
  errno = before;
  if (does("marks")) return spawn_beside_a_mark(&r, result);
  if (does("declines") && r.keep_count != 0) return decline(result);
  if (does("declines-and-opens") && r.keep_count != 0) {
    open("/dev/null", O_RDONLY | O_CLOEXEC);
    return decline(result);
  }
  if (does("declines-and-forks") && r.keep_count != 0) {
    const int saved = errno;
    if (fork() == 0) _exit(0);
    errno = saved;
    return decline(result);
  }
  const int error = mutant_spawn(&r, result);
  if (does("writes-errno")) errno = EDOM;
  if (does("runs-scripts") && error == ENOEXEC) return by_shell(&r, result);
  if (does("tells-no-errno") && error != 0) return result->error = EIO;
  if (does("fails-always") && error == 0) {
    kill(result->pid, SIGKILL);
    waitpid(result->pid, NULL, 0);
    if (result->pidfd >= 0) close(result->pidfd);
    result->pid = result->pidfd = -1;
    return result->error = EIO;
  }
  return error;
}

__attribute__((visibility("default"))) const struct spawncheck_implementation* spawncheck_implementation_v1(void);
const struct spawncheck_implementation* spawncheck_implementation_v1(void) {
  static struct spawncheck_implementation self;
  self = *control_v1();
  self.name = "habits";
  self.spawn = habit_spawn;
  return &self;
}

static void* rest(void* argument) {
  for (;;) syscall(SYS_futex, argument, 0 /* FUTEX_WAIT */, 0, NULL, NULL, 0);
  return NULL;
}

/* Waits for every child, as libraries with a watch of their own do. */
static void* reap_all(void* argument) {
  for (;;) {
    if (waitpid(-1, NULL, 0) < 0) usleep(200);
  }
  return argument;
}

static int start_thread(void* (*body)(void*)) {
  static uint32_t word;
  pthread_t thread;
  return pthread_create(&thread, NULL, body, &word);
}

static int prepare(void) {
  int ends[2];
  if (does("cannot-prepare")) return EPROTO;
  if (does("starts-threads")) return start_thread(rest);
  if (does("reaps")) return start_thread(reap_all);
  if (does("holds-high-descriptors"))
    return fcntl(0, F_DUPFD, 1500) >= 0 && fcntl(0, F_DUPFD_CLOEXEC, 9000) >= 0 ? 0 : errno;
  if (!does("holds-descriptors")) return 0;
  return pipe2(ends, O_CLOEXEC) == 0 && eventfd(0, 0) > 0 ? 0 : errno;
}

static uint32_t number_of(const char* variable) {
  const char* text = getenv(variable);
  return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

__attribute__((visibility("default"))) const struct spawncheck_description* spawncheck_description_v1(void);
const struct spawncheck_description* spawncheck_description_v1(void) {
  static struct spawncheck_documented_limit limits[128];
  static struct spawncheck_description self = {.size = sizeof self, .version = "1.2.3", .prepare = prepare};
  static char clause[64];
  const char* limit = getenv("SPAWNCHECK_LIMITS");
  self.habits = number_of("SPAWNCHECK_SAYS");
  if (does("is-old")) self.size = offsetof(struct spawncheck_description, version);
  if (limit == NULL) return &self;
  snprintf(clause, sizeof clause, "%s", limit);
  char* says = strchr(clause, '|');
  if (says != NULL) *says++ = 0;
  self.limit_count = number_of("SPAWNCHECK_LIMIT_COUNT") != 0 ? number_of("SPAWNCHECK_LIMIT_COUNT") : 1;
  for (uint32_t i = 0; i < self.limit_count && i < sizeof limits / sizeof *limits; ++i)
    limits[i] = (struct spawncheck_documented_limit){clause, says != NULL ? says : "", "it may", "habits(7)"};
  self.limits = limits;
  return &self;
}
