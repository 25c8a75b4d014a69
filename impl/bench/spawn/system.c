/* SPDX-License-Identifier: MIT
 *
 * The system's own spawns: the bare calls, which are the lowest possible cost with a shared table, and
 * libc's posix_spawn(3), vfork(2) and fork(2). A real program would also have to protect the child from the
 * parent's handlers and the parent from the child; bare, vfork and fork here do not. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peer.h"

enum { stack_size = 65536, unshare_flag = 2 /* CLOSE_RANGE_UNSHARE */, exec_failed = 127 };

static int wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return -errno;
  return status;
}

/* --- bare: blocks no signal, reports no error */

struct bare {
  const struct bench_job* job;
  unsigned above_sources; /* no source is at or above it */
  _Alignas(16) char stack[stack_size];
};

static int bare_child(void* prepared) {
  const struct bare* b = prepared;
  const struct bench_job* job = b->job;
  close_range(b->above_sources, ~0u, unshare_flag);
  for (unsigned i = 0; i < job->keep_count; ++i) dup2(job->source[i], (int)i);
  if (job->keep_count != 0) close_range(job->keep_count, ~0u, 0);
  execve(job->program, job->argv, job->envp);
  _exit(exec_failed);
}

static void* bare_prepare(const struct bench_job* job) {
  struct bare* b = malloc(sizeof *b);
  if (b == NULL) return NULL;
  b->job = job;
  b->above_sources = 0;
  for (unsigned i = 0; i < job->keep_count; ++i)
    if ((unsigned)job->source[i] >= b->above_sources) b->above_sources = (unsigned)job->source[i] + 1;
  return b;
}

static int bare_run(void* prepared) {
  struct bare* b = prepared;
  const pid_t pid = clone(bare_child, b->stack + stack_size, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, b);
  return pid < 0 ? -errno : wait_for(pid);
}

/* --- posix_spawn; the file actions are made once */

struct posix {
  const struct bench_job* job;
  posix_spawn_file_actions_t actions;
};

static void posix_release(void* prepared) {
  struct posix* p = prepared;
  posix_spawn_file_actions_destroy(&p->actions);
  free(p);
}

static void* posix_prepare(const struct bench_job* job) {
  struct posix* p = malloc(sizeof *p);
  if (p == NULL) return NULL;
  p->job = job;
  posix_spawn_file_actions_init(&p->actions);
  for (unsigned i = 0; i < job->keep_count; ++i) posix_spawn_file_actions_adddup2(&p->actions, job->source[i], (int)i);
  return p;
}

static void* posix_prepare_closing(const struct bench_job* job) {
  struct posix* p = posix_prepare(job);
  if (p != NULL && posix_spawn_file_actions_addclosefrom_np(&p->actions, (int)job->keep_count) != 0) {
    posix_release(p);
    return NULL;
  }
  return p;
}

static int posix_run(void* prepared) {
  struct posix* p = prepared;
  pid_t pid;
  const int error = posix_spawn(&pid, p->job->program, &p->actions, NULL, p->job->argv, p->job->envp);
  return error != 0 ? -error : wait_for(pid);
}

/* --- vfork, fork */

static void* job_prepare(const struct bench_job* job) { return (void*)job; }
static void job_release(void* prepared) { (void)prepared; }

static void become(const struct bench_job* job) {
  for (unsigned i = 0; i < job->keep_count; ++i) dup2(job->source[i], (int)i);
  close_range(job->keep_count, ~0u, 0);
  execve(job->program, job->argv, job->envp);
  _exit(exec_failed);
}

static int vfork_run(void* prepared) {
  const struct bench_job* const job = prepared;
  const pid_t pid = vfork();
  if (pid == 0) become(job);
  return pid < 0 ? -errno : wait_for(pid);
}

static int fork_run(void* prepared) {
  const struct bench_job* const job = prepared;
  const pid_t pid = fork();
  if (pid == 0) become(job);
  return pid < 0 ? -errno : wait_for(pid);
}

const struct bench_peer bench_peers_system[] = {
    {"bare",
     "clone(VM, VFORK, FILES), close_range(UNSHARE) above the sources, dup2, close_range, execve; no signal is "
     "blocked, no error comes back",
     bare_prepare, bare_run, free, NULL, NULL, 0},
    {"posix_spawn", "dup2 actions; what is not kept goes by close-on-exec", posix_prepare, posix_run, posix_release,
     NULL, NULL, 0},
    {"posix_spawn/closefrom", "dup2 actions and closefrom_np", posix_prepare_closing, posix_run, posix_release, NULL,
     NULL, 0},
    {"vfork", "vfork, dup2, close_range, execve; no signal is blocked, no error comes back", job_prepare, vfork_run,
     job_release, NULL, NULL, 0},
    {"fork", "fork, dup2, close_range, execve; no error comes back", job_prepare, fork_run, job_release, NULL, NULL, 0},
    {0}};
