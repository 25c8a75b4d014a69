/* SPDX-License-Identifier: MIT
 *
 * libuv's uv_spawn, as its guide shows it: a stdio container for each number from 0 on, UV_INHERIT_FD for those the
 * child gets. UV_IGNORE means /dev/null for 0, 1 and 2, so a request that does not keep all three is declined; so is a
 * request of a caller that has one of them closed, since uv_spawn asserts that its pipe is none of them. A loop belongs
 * to one thread ("the event loop is not thread-safe"), so `prepare` makes LOOPS of them, and a call takes
 * one that no other call uses. The handle is closed while the child runs, as a program does that no longer watches its
 * child; libuv then does not reap it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "adapter.h"

enum { STDIO_MAX = 1024, LOOPS = 8 };

static uv_loop_t loops[LOOPS];
static int is_taken[LOOPS], loop_count;

static int highest_target(const struct spawncheck_request* r) {
  int highest = 0;
  for (uint32_t i = 0; i < r->keep_count; ++i)
    if (r->keep[i].target > highest) highest = r->keep[i].target;
  return highest;
}

static int has_stdio(void) {
  for (int n = 0; n < ADAPTER_STDIO; ++n)
    if (fcntl(n, F_GETFD) < 0) return 0;
  return 1;
}

static int take_loop(void) {
  for (int i = 0; i < loop_count; ++i)
    if (!__atomic_exchange_n(&is_taken[i], 1, __ATOMIC_ACQUIRE)) return i;
  return -1;
}

static int run(const struct spawncheck_request* r, uv_loop_t* loop, uv_stdio_container_t* stdio, int count,
               struct spawncheck_result* result) {
  uv_process_t process;
  uv_process_options_t options = {.file = r->path,
                                  .args = (char**)r->argv,
                                  .env = (char**)r->envp,
                                  .cwd = r->set & SPAWNCHECK_SET_CWD ? r->cwd : NULL,
                                  .flags = r->set & SPAWNCHECK_NEW_SESSION ? UV_PROCESS_DETACHED : 0,
                                  .stdio = stdio,
                                  .stdio_count = count};
  for (int n = 0; n < count; ++n) {
    const int source = adapter_source_of(r, n);
    stdio[n].flags = source < 0 ? UV_IGNORE : UV_INHERIT_FD;
    stdio[n].data.fd = source;
  }
  const int error = -uv_spawn(loop, &process, &options);
  const int pid = error == 0 ? process.pid : -1;
  uv_close((uv_handle_t*)&process, NULL);
  uv_run(loop, UV_RUN_DEFAULT);
  return error == 0 ? adapter_succeed(result, pid) : adapter_fail(result, error);
}

static int spawn(const struct spawncheck_request* r, struct spawncheck_result* result) {
  const int count = highest_target(r) + 1, saved = errno;
  const int can_say =
      adapter_is_plain(r) && adapter_sources_are_open(r) && adapter_keeps_stdio(r) && count <= STDIO_MAX && has_stdio();
  errno = saved;
  const int loop = can_say ? take_loop() : -1;
  if (loop < 0) return adapter_decline(result); /* more threads than loops, or prepare made none */
  uv_stdio_container_t* stdio = calloc((size_t)count, sizeof *stdio);
  if (stdio == NULL)
    adapter_fail(result, ENOMEM);
  else
    run(r, &loops[loop], stdio, count, result);
  free(stdio);
  __atomic_store_n(&is_taken[loop], 0, __ATOMIC_RELEASE);
  errno = saved;
  return result->error;
}

/* libuv asserts that a loop's descriptors are not 0, 1 or 2. None is: the library declares that it holds descriptors
 * (SPAWNCHECK_HOLDS_DESCRIPTORS), and the arena puts those above the scenario's numbers. */
static int prepare(void) {
  int error = 0;
  while (loop_count < LOOPS && (error = -uv_loop_init(&loops[loop_count])) == 0) ++loop_count;
  return error;
}

const struct spawncheck_implementation* spawncheck_implementation_v1(void) {
  static const struct spawncheck_implementation self = {
      .abi = SPAWNCHECK_ABI,
      .name = "libuv",
      .policies = 1u << SPAWNCHECK_FDS_INHERIT | 1u << SPAWNCHECK_FDS_DROP_CLOEXEC_EXCEPT,
      .sets = SPAWNCHECK_SET_CWD | SPAWNCHECK_NEW_SESSION,
      .promises = "",
      .spawn = spawn};
  return &self;
}

const struct spawncheck_description* spawncheck_description_v1(void) {
  static const struct spawncheck_documented_limit limits[] = {
      ADAPTER_TAKES_NUMBERS("the error pipe takes two of the caller's numbers during the call",
                            "libuv src/unix/process.c uv__spawn_and_init_child"),
      {"sig.parent_restored", "",
       "SIGCHLD is libuv's while it has a child to wait for, and gets its default afterwards",
       "libuv src/unix/process.c uv_spawn, src/unix/signal.c uv__signal_unregister_handler"},
      {"fd.untouched", "04000 and the position 0", "the pipes of the loops are non-blocking",
       "libuv src/unix/signal.c uv__signal_loop_once_init"},
      {"live.returns", "signal 6",
       "uv__close aborts a process that has closed 0, 1 or 2, where a pipe gets that number",
       "libuv src/unix/core.c uv__close: assert(fd > STDERR_FILENO)"},
      {"mm.unwritten", "signal 6", "likewise", "libuv src/unix/core.c uv__close"},
#define NEEDS_ROOM_ABOVE(error)                                                           \
  {"err.exact", "failed with " error,                                                     \
   "sources below their targets are set aside above the last number: there must be room", \
   "libuv src/unix/process.c uv__process_child_init: F_DUPFD_CLOEXEC, stdio_count"}
      NEEDS_ROOM_ABOVE("EINVAL"),
      NEEDS_ROOM_ABOVE("EMFILE"),
#define RESETS_NO_REALTIME_SIGNAL(digit)                                             \
  {"sig.no_handler_in_child", "handler of " digit,                                   \
   "handlers of 32 to 64 are not reset, and exec comes with every signal unblocked", \
   "libuv src/unix/process.c uv__process_child_init: \"not allowed to touch RT signal handlers\""}
      RESETS_NO_REALTIME_SIGNAL("3"),
      RESETS_NO_REALTIME_SIGNAL("4"),
      RESETS_NO_REALTIME_SIGNAL("5"),
      RESETS_NO_REALTIME_SIGNAL("6"),
#define LEAVES_OPEN(signal)                                                                              \
  {"sig.no_handler_in_child", "handler of " signal, "what a fault raises is not blocked around fork(2)", \
   "libuv src/unix/process.c uv__spawn_and_init_child_fork: \"allow program failures to exit\""}
      LEAVES_OPEN("TRAP"),
      LEAVES_OPEN("SEGV"),
      LEAVES_OPEN("BUS"),
      LEAVES_OPEN("ILL"),
      LEAVES_OPEN("SYS"),
      LEAVES_OPEN("ABRT"),
      {"sig.none_lost", "CHLD", "SIGCHLD is libuv's while it has a child to wait for",
       "libuv src/unix/process.c uv_spawn"},
  };
  static struct spawncheck_description self = {.size = sizeof self,
                                               .habits = SPAWNCHECK_RESETS_MASK | SPAWNCHECK_RESETS_SIGNALS |
                                                         SPAWNCHECK_RUNS_SCRIPTS | SPAWNCHECK_HOLDS_DESCRIPTORS,
                                               .limits = limits,
                                               .limit_count = sizeof limits / sizeof *limits,
                                               .prepare = prepare};
  self.version = uv_version_string();
  return &self;
}
