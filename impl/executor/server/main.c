/* SPDX-License-Identifier: MIT
 *
 * The arena server: small, single-threaded, warm. For each run it forks the arena, answers the requests of the arena's
 * threads, reads the state of each process from outside when nothing moves any more, and leaves no process: it is the
 * subreaper of all that a run starts. It ends when its host does (end of file on the socket).
 *
 *   spawncheck-arena IMPLEMENTATION [STRATEGY]   with descriptors 3 (socket) and 4 (shared memory) */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "impl/executor/arena/arena.h"
#include "impl/executor/observe/proc.h"
#include "impl/executor/observe/still.h"
#include "impl/executor/server/server.h"
#include "impl/executor/tracer/tracer.h"
#include "impl/peers/peers.h"

#define SILENT_TICKS_MAX 5
#define TICK_MS_MAX 10 /* a silent run is looked at after 1 ms; the tick then doubles until it is this long or more */

/* The next run's arena, forked while the host is busy with the last one's history: it waits for `go`. */
static pid_t ahead = -1;

static void fork_ahead(void) {
  const pid_t server = getpid();
  __atomic_store_n(&shared->go, 0, __ATOMIC_SEQ_CST);
  ahead = fork();
  if (ahead != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != server) _exit(1); /* the server died before the line above: `go` never opens */
  while (__atomic_load_n(&shared->go, __ATOMIC_SEQ_CST) == 0) futex_wait(&shared->go, 0, 0);
  arena_main();
}

static _Noreturn void leave(int status) {
  if (ahead > 0) {
    kill(ahead, SIGKILL);
    waitpid(ahead, NULL, 0);
  }
  places_remove();
  exit(status);
}

static void say(const void* message, size_t size) {
  if (send(SC_SOCKET_FD, message, size, MSG_NOSIGNAL) != (ssize_t)size) leave(1);
}

static void answer(uint32_t is_failure, const char* text) {
  struct sc_answer a = {.layout = sc_layout(), .failed = is_failure};
  snprintf(a.text, sizeof a.text, "%s", text);
  say(&a, sizeof a);
}

/* Returns 0 if the text is too long. */
static int take_text(char* to, size_t size, const char* from) {
  const int length = snprintf(to, size, "%s", from != NULL ? from : "");
  return length >= 0 && (size_t)length < size;
}

/* The first answer: the implementation's description of itself. An implementation whose texts or limits are beyond the
 * bounds is refused: half a documented limit is none. Returns 0 if it is refused. */
static int introduce_implementation(void) {
  struct sc_answer a = {.layout = sc_layout(),
                        .policies = implementation->policies,
                        .sets = implementation->sets,
                        .habits = implementation_says.habits,
                        .limit_count = implementation_says.limit_count};
  static struct sc_limit limits[SC_LIMITS_MAX];
  char why[SC_TEXT_MAX];
  int fits = take_text(a.name, sizeof a.name, implementation->name) &&
             take_text(a.promises, sizeof a.promises, implementation->promises) &&
             take_text(a.version, sizeof a.version, implementation_says.version);
  for (uint32_t i = 0; i < implementation_says.limit_count && i < SC_LIMITS_MAX; ++i) {
    const struct spawncheck_documented_limit* from = &implementation_says.limits[i];
    fits = fits && take_text(limits[i].clause, sizeof limits[i].clause, from->clause) &&
           take_text(limits[i].says, sizeof limits[i].says, from->says) &&
           take_text(limits[i].what, sizeof limits[i].what, from->what) &&
           take_text(limits[i].source, sizeof limits[i].source, from->source);
  }
  snprintf(why, sizeof why, "implementation %.90s: it has %u documented limits, of which %d are taken", a.name,
           implementation_says.limit_count, SC_LIMITS_MAX);
  if (!fits) snprintf(why, sizeof why, "implementation %.90s: a text of its description is too long", a.name);
  if (!fits || implementation_says.limit_count > SC_LIMITS_MAX) {
    answer(1, why);
    return 0;
  }
  say(&a, sizeof a);
  for (uint32_t i = 0; i < implementation_says.limit_count; ++i) say(&limits[i], sizeof limits[i]);
  return 1;
}

static void grant_wishes(void) {
  for (uint32_t t = 0; t < shared->thread_count; ++t) {
    int32_t* wish = &shared->thread[t].sharer;
    const pid_t sharer = __atomic_load_n(wish, __ATOMIC_SEQ_CST);
    if (sharer != 0) {
      shared->thread[t].is_sharer =
          (uint32_t)runs_on_memory_of(shared->arena_pid, sharer, (int)shared->thread[t].had_table);
      __atomic_store_n(wish, 0, __ATOMIC_SEQ_CST);
      futex_wake((uint32_t*)wish);
    }
    wish = &shared->thread[t].observe;
    const int32_t child = __atomic_load_n(wish, __ATOMIC_SEQ_CST);
    if (child == 0) continue;
    observe_child((int16_t)(child - 1));
    __atomic_store_n(wish, 0, __ATOMIC_SEQ_CST);
    futex_wake((uint32_t*)wish);
  }
}

static uint64_t deadline_ms;

/* Returns SC_RUN_COMPLETE if the arena has not ended. */
static enum sc_run_end killed(pid_t arena) {
  siginfo_t info;
  info.si_pid = 0;
  if (waitid(P_PID, (id_t)arena, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return SC_RUN_COMPLETE;
  if (shared->world_errno != 0) return SC_RUN_BROKEN;
  shared->history.end_signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
  return SC_RUN_KILLED;
}

static int all_done(void) { return __atomic_load_n(&shared->done_count, __ATOMIC_SEQ_CST) == shared->thread_count; }

/* Returns true if each thread is done, or in an operation that may wait. */
static int all_may_wait(void) {
  for (uint32_t t = 0; t < shared->thread_count; ++t) {
    const struct sc_thread_state* s = &shared->thread[t];
    if (__atomic_load_n(&s->is_done, __ATOMIC_SEQ_CST)) continue;
    const uint32_t o = __atomic_load_n(&s->position, __ATOMIC_SEQ_CST);
    const uint8_t kind = shared->op[t][o].kind;
    if (shared->history.op[t][o].begin == 0 || shared->history.op[t][o].end != 0) return 0;
    if (kind != SC_OP_FIFO && kind != SC_OP_WAIT && kind != SC_OP_SPAWN) return 0;
  }
  return 1;
}

/* To look costs more than most runs, so the server waits for a few ticks, unless something suggests that the run is
 * over. */
static enum stillness look_if_worth_it(pid_t arena, int silent_ticks) {
  siginfo_t info = {.si_pid = 0};
  if (silent_ticks == 0 || __atomic_load_n(&shared->gate, __ATOMIC_SEQ_CST) == 0) return STILL_NOT;
  const int is_stopped = waitid(P_PID, (id_t)arena, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
  return is_stopped || silent_ticks >= SILENT_TICKS_MAX || all_may_wait() ? look_whether_still(arena) : STILL_NOT;
}

/* Watches a run until each operation has returned, or nothing moves any more. */
static enum sc_run_end watch(pid_t arena) {
  uint32_t last_stamp = 0, tick_ms = 1;
  int silent_ticks = 0;
  for (;;) {
    const uint32_t attention = __atomic_load_n(&shared->attention, __ATOMIC_SEQ_CST);
    grant_wishes();
    if (all_done() && (shared->thread_count != 0 || attention != 0)) return SC_RUN_COMPLETE;
    if (futex_wait(&shared->attention, attention, tick_ms) != ETIMEDOUT) continue;
    const enum sc_run_end end = killed(arena);
    if (end != SC_RUN_COMPLETE) return end;
    if (host_is_gone(SC_SOCKET_FD)) return SC_RUN_TIMEOUT;
    const uint32_t stamp = __atomic_load_n(&shared->stamp, __ATOMIC_SEQ_CST);
    silent_ticks = stamp == last_stamp ? silent_ticks + 1 : 0;
    last_stamp = stamp;
    const enum stillness still = look_if_worth_it(arena, silent_ticks);
    if (still == STILL_STOPPED) return SC_RUN_STOPPED;
    if (still == STILL_WAITING) return all_done() ? SC_RUN_COMPLETE : SC_RUN_BLOCKED;
    if (tick_ms < TICK_MS_MAX) tick_ms *= 2;
    if (now_ms() >= deadline_ms) return SC_RUN_TIMEOUT;
  }
}

static int sends_signals(void) {
  for (uint32_t t = 0; t < shared->thread_count; ++t)
    for (uint32_t o = 0; o < shared->op_count[t]; ++o) {
      const uint8_t kind = shared->op[t][o].kind;
      if (kind == SC_OP_KILL || kind == SC_OP_KILL_GROUP || kind == SC_OP_TGKILL) return 1;
      if (kind == SC_OP_WAIT && (shared->world.handled >> (SIGCHLD - 1) & 1) != 0)
        return 1; /* the child's end has sent SIGCHLD */
    }
  return 0;
}

/* Each operation has returned, but a thread other than the sender may still have to take a signal, which may run a
 * handler, stop the process or end it. kill(2) wakes the thread that takes the signal before kill(2) returns, so all
 * signals have been taken once every thread sleeps. */
static enum sc_run_end let_signals_be_taken(pid_t arena) {
  while (now_ms() < deadline_ms) {
    const enum sc_run_end end = killed(arena);
    if (end != SC_RUN_COMPLETE) return end;
    const enum stillness still = look_whether_signals_are_taken(arena);
    if (still != STILL_NOT) return still == STILL_STOPPED ? SC_RUN_STOPPED : SC_RUN_COMPLETE;
    usleep(50);
  }
  return SC_RUN_TIMEOUT;
}

/* The arena has begun to end. */
static enum sc_run_end wait_for_end(pid_t arena) {
  enum sc_run_end end = SC_RUN_COMPLETE;
  while ((end = killed(arena)) == SC_RUN_COMPLETE && now_ms() < deadline_ms) usleep(50);
  return end == SC_RUN_COMPLETE ? SC_RUN_TIMEOUT : end;
}

/* Records the signal that has stopped the arena; a run may also end STOPPED because another process is stopped. */
static void find_stop_signal(pid_t arena) {
  siginfo_t info = {.si_pid = 0};
  if (waitid(P_PID, (id_t)arena, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0)
    shared->history.end_signal = info.si_status;
}

/* Handlers that were there before the world's dispositions are libc's or the implementation's, not the scenario's. */
static void leave_out_handlers_before_world(struct sc_process* parent) {
  uint64_t set = shared->history.caught_by_libc & ~shared->world.handled;
  for (uint32_t t = 0; t < shared->thread_count; ++t)
    for (uint32_t o = 0; o < shared->op_count[t]; ++o)
      if (shared->op[t][o].kind == SC_OP_DISPOSITION) set &= ~(1ull << (shared->op[t][o].operand[0].value - 1));
  parent->caught &= ~set;
}

/* What is read of the arena counts only if the arena is still alive afterwards. The same holds for what is read here of
 * its children, which the arena's end would have changed. */
static void observe_all(pid_t arena) {
  struct sc_history* h = &shared->history;
  const uint32_t seen_before = children_looked_at();
  if (h->end != SC_RUN_TIMEOUT) observe_held(&h->parent, arena);
  leave_out_handlers_before_world(&h->parent);
  if (h->end == SC_RUN_COMPLETE) attributes_of_threads();
  for (uint32_t i = 0; i < h->child_count; ++i) {
    if ((seen_before >> i & 1) != 0) continue;
    observe_child((int16_t)i);
    if (h->child[i].observed && h->parent.observed) compare_descriptions(&h->child[i], &h->parent);
  }
  const enum proc_life life = proc_life_of_pid(arena);
  if (life == PROC_LIVES) return;
  h->parent.observed = 0;
  for (uint32_t t = 0; t < shared->thread_count; ++t) h->left[t].known = 0;
  for (uint32_t i = 0; i < h->child_count; ++i)
    if ((seen_before >> i & 1) == 0) h->child[i].observed = h->child[i].is_dead = 0;
  if (life == PROC_ENDS && h->end != SC_RUN_TIMEOUT) h->end = (uint8_t)wait_for_end(arena);
}

static void reset(void) {
  struct sc_history* h = &shared->history;
  shared->attention = shared->gate = shared->ready = shared->release = shared->done_count = shared->stamp = 0;
  shared->world_errno = 0;
  shared->arena_pid = 0;
  shared->held_count = 0;
  helpers_begin();
  memset(shared->thread, 0, sizeof shared->thread);
  for (uint32_t t = 0; t < SC_THREADS_MAX; ++t) h->made[t].known = h->left[t].known = 0;
  h->ran_in_child = 0;
  h->thread_count = shared->thread_count;
  h->tells_chld = 1;
  for (uint32_t t = 0; t < shared->thread_count; ++t)
    for (uint32_t o = 0; o < shared->op_count[t]; ++o)
      h->op[t][o] = (struct sc_op_record){.value = {-1, -1}, .child = -1};
  for (uint32_t i = 0; i < SC_CHILDREN_MAX; ++i) h->child[i].observed = h->child[i].is_dead = 0;
  h->parent.observed = h->parent.is_dead = 0;
  observe_begin();
  h->child_count = h->handled_count = h->handled_lost = h->stray_count = 0;
  h->end_signal = h->broken_errno = 0;
  h->fault = (struct sc_fault){.kind = SC_FAULT_NONE};
  memset(h->world_inode, 0, sizeof h->world_inode);
  struct sc_trace* trace = &shared->trace;
  observe_error = 0;
  trace->watches = 0;
  trace->written_count = 0;
  shared->watch = 0;
  trace->task_count = trace->step_count = trace->snapshot_count = trace->entry_count = 0;
  trace->is_begun = trace->is_cut = 0;
  trace->bad_turn = -1;
}

static void fail_run(enum sc_run_end end, int error, const char* where) {
  struct sc_history* h = &shared->history;
  h->end = (uint8_t)end;
  h->broken_errno = error;
  snprintf(h->broken_where, sizeof h->broken_where, "%s", where);
}

static void run(void) {
  struct sc_history* h = &shared->history;
  reset();
  if (ahead < 0) fork_ahead();
  const pid_t arena = ahead;
  ahead = -1;
  if (arena < 0) {
    fail_run(SC_RUN_BROKEN, errno, "fork of the arena");
    return;
  }
  const int refused = shared->policy.is_scheduled ? tracer_seize(arena) : 0;
  if (refused != 0) {
    fail_run(SC_RUN_REFUSED, refused, "ptrace(PTRACE_SEIZE) of the arena");
    end_run(arena, 0);
    return;
  }
  deadline_ms = now_ms() + shared->timeout_ms;
  __atomic_store_n(&shared->go, 1, __ATOMIC_SEQ_CST);
  futex_wake(&shared->go);
  h->end = (uint8_t)(shared->policy.is_scheduled ? tracer_run(arena) : watch(arena));
  if (h->end == SC_RUN_COMPLETE && !shared->policy.is_scheduled && sends_signals())
    h->end = (uint8_t)let_signals_be_taken(arena);
  if (h->end == SC_RUN_STOPPED && !shared->policy.is_scheduled) find_stop_signal(arena);
  if (h->end == SC_RUN_BROKEN || (h->end == SC_RUN_KILLED && shared->policy.is_scheduled && shared->world_errno != 0))
    fail_run(SC_RUN_BROKEN, shared->world_errno != 0 ? (int)shared->world_errno : ECHILD,
             shared->world_errno != 0 ? shared->world_where : "the arena exited");
  if (h->end == SC_RUN_COMPLETE || h->end == SC_RUN_BLOCKED || h->end == SC_RUN_STOPPED || h->end == SC_RUN_TIMEOUT)
    observe_all(arena);
  if (observe_error != 0) fail_run(SC_RUN_BROKEN, observe_error, "open of /proc/PID");
  end_run(arena, h->end == SC_RUN_COMPLETE || h->end == SC_RUN_BLOCKED);
}

/* Takes supplementary groups, if the server may: else a child that has lost its groups would not be noticed. */
static void take_groups(void) {
  const gid_t groups[] = {1, 2};
  if (geteuid() == 0 && getgroups(0, NULL) == 0) (void)!setgroups(2, groups);
}

/* Takes a core limit of one byte: with 0, a child whose core limit became 0 would not be noticed. The kernel writes no
 * core of one byte (fs/coredump.c, RLIMIT_CORE of 1). */
static void take_limits(void) {
  struct rlimit core;
  if (getrlimit(RLIMIT_CORE, &core) != 0) return;
  core.rlim_cur = 1;
  if (core.rlim_max < 1) core.rlim_max = 1;
  (void)setrlimit(RLIMIT_CORE, &core);
}

/* Resets what the server has from its host, and every arena has from the server: dispositions, mask and session. */
static void start_clean(void) {
  const uint64_t none = 0;
  for (int signal_number = 1; signal_number <= SC_SIGNAL_MAX; ++signal_number)
    set_disposition(signal_number, SC_DISPOSITION_DEFAULT);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
  setsid();
  take_groups();
  take_limits();
}

int main(int argc, char** argv) {
  char text[SC_TEXT_MAX] = "", self[SC_PATH_MAX];
  start_clean();
  fcntl(SC_SOCKET_FD, F_SETFD, FD_CLOEXEC);
  fcntl(SC_MEMORY_FD, F_SETFD, FD_CLOEXEC);
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, SC_MEMORY_FD, 0);
  if (argc < 2 || shared == MAP_FAILED) {
    fprintf(stderr, "spawncheck-arena: started by spawncheck's executor only\n");
    return 2;
  }
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (!proc_is_ours()) { /* every child would look as if it were gone */
    answer(1, "/proc is not mounted, or is that of another PID namespace: nothing could be seen of a run");
    return 1;
  }
  tracer_prepare();
  filter_prepare();
  implementation = peer_load(argv[1], argc > 2 ? argv[2] : "", &implementation_says, text);
  if (implementation == NULL) {
    answer(1, text);
    return 1;
  }
  const ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
  self[size > 0 ? size : 0] = 0;
  const int error = places_make(dirname(self), text);
  if (error != 0) {
    char why[SC_TEXT_MAX];
    snprintf(why, sizeof why, "%.200s: %s", text, strerror(error));
    answer(1, why);
    leave(1);
  }
  lists_prepare();
  attributes_begin(places.executable[SC_PROGRAM_HOLD]);
  ending_prepare();
  if (!introduce_implementation()) leave(1);
  for (char request; recv(SC_SOCKET_FD, &request, 1, 0) == 1;) {
    if (request != SC_SAY_RUN) continue; /* a reply to host_chooses() that came too late */
    run();
    answer(0, "");
    fork_ahead();
  }
  leave(0);
}
