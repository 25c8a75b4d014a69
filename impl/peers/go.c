/* SPDX-License-Identifier: MIT
 *
 * The C side of the peer go. A Go runtime has threads from its start and does not survive a fork(2), so
 * prepare loads its object, support/go_runtime.so beside this one, in the arena. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "adapter.h"

static int (*go_spawn)(const struct spawncheck_request*, int* pid);

static int spawn(const struct spawncheck_request* r, struct spawncheck_result* result) {
  int pid = -1;
  if (go_spawn == NULL || !adapter_is_plain(r) || !adapter_sources_are_open(r) || r->keep_count < ADAPTER_STDIO ||
      !adapter_keeps_below(r, (int)r->keep_count))
    return adapter_decline(result);
  const int saved = errno, error = go_spawn(r, &pid);
  errno = saved;
  return error == 0 ? adapter_succeed(result, pid) : adapter_fail(result, error);
}

static int prepare(void) {
  Dl_info self;
  char path[PATH_MAX];
  if (dladdr((void*)(uintptr_t)prepare, &self) == 0) return ENOENT;
  const char* slash = strrchr(self.dli_fname, '/');
  const int folder = slash != NULL ? (int)(slash - self.dli_fname) : 1;
  snprintf(path, sizeof path, "%.*s/support/go_runtime.so", folder, slash != NULL ? self.dli_fname : ".");
  void* object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (object == NULL) return ENOENT;
  *(void**)&go_spawn = dlsym(object, "spawncheck_go_spawn");
  void (*start)(void);
  *(void**)&start = dlsym(object, "spawncheck_go_start");
  if (go_spawn == NULL || start == NULL) return ENOSYS;
  start(); /* returns when the runtime has started, which raises RLIMIT_NOFILE */
  return 0;
}

const struct spawncheck_implementation* spawncheck_implementation_v1(void) {
  static const struct spawncheck_implementation self = {
      .abi = SPAWNCHECK_ABI,
      .name = "go",
      .policies = 1u << SPAWNCHECK_FDS_INHERIT | 1u << SPAWNCHECK_FDS_DROP_CLOEXEC_EXCEPT,
      .sets = SPAWNCHECK_SET_CWD | SPAWNCHECK_NEW_SESSION | SPAWNCHECK_SET_PGROUP,
      .promises = "",
      .spawn = spawn};
  return &self;
}

const struct spawncheck_description* spawncheck_description_v1(void) {
  static const struct spawncheck_documented_limit limits[] = {
      ADAPTER_TAKES_NUMBERS("the error pipe takes two of the caller's numbers during the call",
                            "Go src/syscall/exec_unix.go forkExec"),
      {"proc.child", "string of the environment", "of entries with one name the last one is used",
       "https://pkg.go.dev/os/exec#Cmd: Env"},
      {"sig.none_lost", "URG was sent", "the runtime sends SIGURG to its threads, to preempt what runs there",
       "Go 1.14 release notes, Runtime; src/runtime/signal_unix.go sigPreempt"},
  };
  static const struct spawncheck_description self = {
      .size = sizeof self,
      .habits = SPAWNCHECK_STARTS_THREADS | SPAWNCHECK_HOLDS_DESCRIPTORS |
                SPAWNCHECK_RESETS_SIGNALS /* clearSignalHandlers of
                                             src/runtime/signal_unix.go */
      ,
      .version = SPAWNCHECK_GO_VERSION,
      .limits = limits,
      .limit_count = sizeof limits / sizeof *limits,
      .prepare = prepare};
  return &self;
}
