/* SPDX-License-Identifier: MIT
 *
 * Part of mutant.c: the child between clone and exec, on the caller's memory: no allocation, no locks, _exit. */
#ifndef SPAWNCHECK_MUTANTS_CHILD_H
#define SPAWNCHECK_MUTANTS_CHILD_H

#include <grp.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "impl/mutants/descriptors.h"
#include "impl/mutants/signals.h"

#define STRINGS_MAX 4200

extern char** environ;

static int set_group(const struct spawncheck_request* r) {
  if (HAS(GROUP_ALWAYS))
    return setpgid(0, r->set & SPAWNCHECK_SET_PGROUP ? r->pgroup : 0) != 0 && r->set & SPAWNCHECK_SET_PGROUP ? -1 : 0;
  if ((r->set & SPAWNCHECK_SET_PGROUP) == 0 || HAS(GROUP_IGNORED) || (HAS(GROUP_0_ONLY) && r->pgroup != 0)) return 0;
  const int error = setpgid(0, HAS(GROUP_OWN) ? 0 : r->pgroup);
  return HAS(GROUP_UNCHECKED) ? 0 : error;
}

static int set_session(const struct spawncheck_request* r) {
  const int is_asked = (r->set & SPAWNCHECK_NEW_SESSION) != 0;
  if (HAS(SESSION_IGNORED) || (!is_asked && !HAS(SESSION_ALWAYS))) return 0;
  return setsid() < 0 ? -1 : 0;
}

static void change_limit(int resource, int is_raised) {
  struct rlimit limit;
  if (getrlimit(resource, &limit) != 0) return;
  limit.rlim_cur = is_raised ? limit.rlim_max : 0;
  if (!is_raised && limit.rlim_max > 0) limit.rlim_max = 0;
  setrlimit(resource, &limit);
}

/* Deviations that give the child an attribute that its caller does not have. */
static void change_attributes(void) {
  const struct sched_param none = {0};
  if (HAS(NICE_CHANGED)) setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 1);
  if (HAS(SCHEDULING_CHANGED)) sched_setscheduler(0, SCHED_BATCH, &none);
  if (HAS(IO_PRIORITY_CHANGED)) syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
  if (HAS(LIMIT_RAISED)) change_limit(RLIMIT_NOFILE, 1);
  if (HAS(CORE_LIMITED)) change_limit(RLIMIT_CORE, 0);
  if (HAS(UMASK_CLEARED)) umask(0);
  if (HAS(GROUPS_DROPPED)) syscall(SYS_setgroups, 0, NULL);
  if (HAS(DEATH_SIGNAL)) prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (HAS(NO_NEW_PRIVS)) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (HAS(PERSONALITY_CHANGED)) personality(ADDR_NO_RANDOMIZE);
  if (HAS(AFFINITY_RESET)) {
    cpu_set_t all;
    memset(&all, 0xff, sizeof all);
    sched_setaffinity(0, sizeof all, &all);
  }
}

/* FORKED_TWICE: the process that the caller knows exits, and its child continues. */
static void go_on_in_another(void) {
  if (syscall(SYS_fork) > 0) _exit(0);
}

static void copy_to_small_stack(const struct spawncheck_request* r) {
  char page[32];
  uint32_t count = 0;
  while (r->argv[count]) ++count;
  char** copy = __builtin_alloca((count + 1) * sizeof *copy);
  memcpy(copy, r->argv, (count + 1) * sizeof *copy);
  page[0] = copy[0] ? copy[0][0] : 0;
  __asm__ volatile("" : : "r"(copy), "r"(page) : "memory");
}

/* Returns true if an earlier string has the same variable name. */
static int is_named_before(char* const* strings, uint32_t count, const char* string) {
  const size_t length = strcspn(string, "=") + 1;
  for (uint32_t i = 0; i < count; ++i)
    if (strncmp(strings[i], string, length) == 0) return 1;
  return 0;
}

static void exec_with_other_strings(const struct spawncheck_request* r) {
  char *argv[STRINGS_MAX], *envp[STRINGS_MAX];
  uint32_t arguments = 0, variables = 0;
  for (uint32_t i = 0; r->argv[i] != NULL && arguments < STRINGS_MAX - 1; ++i) {
    if ((HAS(ARGUMENT_EMPTY) && r->argv[i][0] == 0) || (HAS(ARGUMENTS_1024) && i >= 1024)) continue;
    argv[arguments++] = HAS(ARGUMENT_0_PATH) && i == 0 ? (char*)(uintptr_t)r->path : r->argv[i];
  }
  for (uint32_t i = 0; r->envp[i] != NULL && variables < STRINGS_MAX - 2; ++i) {
    if (HAS(ENVIRONMENT_CUT) && strchr(r->envp[i], '=') == NULL) break;
    if (HAS(ENVIRONMENT_UNIQUE) && is_named_before(envp, variables, r->envp[i])) continue;
    envp[variables++] = r->envp[i];
  }
  if (HAS(ENVIRONMENT_LONGER)) envp[variables++] = (char*)(uintptr_t) "_=";
  argv[arguments] = envp[variables] = NULL;
  execve(r->path, argv, HAS(ENVIRON_PASSED) ? environ : envp);
}

#define HAS_OTHER_STRINGS                                                                               \
  (HAS(ENVIRON_PASSED) || HAS(ENVIRONMENT_CUT) || HAS(ENVIRONMENT_UNIQUE) || HAS(ENVIRONMENT_LONGER) || \
   HAS(ARGUMENT_0_PATH) || HAS(ARGUMENTS_1024) || HAS(ARGUMENT_EMPTY))

static void exec_program(const struct spawncheck_request* r) {
  if (HAS_OTHER_STRINGS) return exec_with_other_strings(r);
  execve(r->path, r->argv, r->envp);
  if (HAS(SHELL_TRIED) && errno == ENOEXEC) {
    char* const shell[] = {(char*)(uintptr_t) "sh", (char*)(uintptr_t)r->path, NULL};
    execve("/bin/sh", shell, r->envp);
  }
}

static int error_to_report(int error) {
  if (HAS(FAILURE_HIDDEN) || (HAS(MISSING_HIDDEN) && error == ENOENT) || (HAS(BUSY_HIDDEN) && error == ETXTBSY))
    return 0;
  if (HAS(ERRNO_LOST) || (HAS(ACCESS_AS_MISSING) && error == EACCES)) return ENOENT;
  return HAS(ERRNO_IO) ? EIO : error;
}

static _Noreturn void fail(struct job* job) {
  const int error = error_to_report(errno);
  if (HAS(PIPE_OVERWRITTEN) && job->request.fd_policy != SPAWNCHECK_FDS_ONLY)
    (void)!write(job->channel[1], &error, sizeof error);
  else
    job->error = error;
  if (HAS(EXIT_IN_CHILD) || HAS(EXIT_IN_COPY)) exit(127);
  _exit(127);
}

static int child_main(void* argument) {
  struct job* job = argument;
  const struct spawncheck_request* r = &job->request;
  if (HAS(STILLBORN)) { /* by a call that no scheduled run stops at: the child never seems to wait */
    siginfo_t info = {.si_code = SI_QUEUE};
    syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGKILL, &info);
  }
  if (HAS(SMALL_STACK)) copy_to_small_stack(r);
  if (HAS(UNBLOCK_EARLY)) set_mask(SIG_SETMASK, &job->caller_mask, NULL);
  set_dispositions(job);
  if (set_session(r) != 0 || set_group(r) != 0) fail(job);
  if (r->set & SPAWNCHECK_SET_CWD && !HAS(CWD_IGNORED) && !HAS(CWD_LEFT) && chdir(r->cwd) != 0) fail(job);
  if (set_descriptors(job) != 0) fail(job);
  change_attributes();
  if (HAS(FORKED_TWICE)) go_on_in_another();
  set_mask_of_child(job);
  exec_program(r);
  fail(job);
}

#endif
