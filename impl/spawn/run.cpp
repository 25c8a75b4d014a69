// SPDX-License-Identifier: MIT
//
// The parent's side: checks, plans, starts the child, learns the outcome and releases everything.
//
// Hazards, and what is done:
//
// - A handler of the parent could run in the child, on the parent's memory. Every signal is blocked before
//   clone, 32 and 33 included (libc's sigfillset leaves them out), and the child unblocks last.
// - A child that failed could be reaped by another thread's wait-any, announce itself by SIGCHLD, or be
//   reaped by the kernel where SIGCHLD is ignored. So it is started with exit_signal 0: no such wait sees
//   it, and it is reaped here with __WALL (kernel/exit.c eligible_child). A
//   successful exec sets its exit_signal to SIGCHLD (fs/exec.c de_thread), so that from then on it is an
//   ordinary child.
// - A child that is killed before exec reports no error and would look like success. After the wake
//   the parent waits for it with __WCLONE, which matches only a child that has not exec'd: no match means that
//   exec happened; a match means that the child is dead or dying.
// - No call here may be a cancellation point or touch errno: all calls are raw.
//
// - A change of credentials makes the process's memory undumpable for good, also for every process that
//   shares it (kernel/cred.c commit_creds). Restoring it afterwards would race: with the caller's own threads,
//   and, worse, with the next child that runs under another user's id on this memory, which that user could then
//   trace. So such a child starts on a copy of the memory (a plan without SPAWN_START_VM), and reports in a shared
//   mapping.
// - Staged descriptors are in the caller's table until the child has its
//   copy, and must be undone when the spawn
//   returns, on every path: the destructor of Stage does it, with every signal still blocked, so that no handler
//   leaves by siglongjmp in between.
//
// Rejected: an error pipe (two descriptors visible in the parent's table, and in concurrent children);
// SIGCHLD as exit_signal (above).
#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "abilities.h"
#include "area.h"
#include "child.h"
#include "emulated.h"
#include "strategy.h"
#include "system.h"
#include "window.h"

namespace spawncheck_spawn {

namespace {

constexpr int retries_max = 8;  // each retry has one ability fewer

int fail(spawn_result* result, int error, int failed, const char* field = nullptr) {
  result->pid = result->pidfd = -1;
  result->error = error;
  result->failed = failed;
  result->field = field;
  return error;
}

void child_entry(void* shared) { run_child(static_cast<Shared*>(shared)); }

long start_child(const spawn_plan& plan, char* stack, Shared& shared) {
  if (is_emulated()) return start_emulated(plan, shared, child_entry);
  uint64_t flags = CLONE_VFORK;
  if (plan.start & SPAWN_START_VM) flags |= CLONE_VM;
  if (plan.start & SPAWN_START_FILES) flags |= CLONE_FILES;
  if (plan.start & SPAWN_START_PIDFD) flags |= CLONE_PIDFD;
  if ((plan.start & SPAWN_START_CLONE3) == 0)
    return clone_old(flags, stack + Area::stack_size, &shared.pidfd, child_entry, &shared);
  if (plan.start & SPAWN_START_CLEAR_SIGHAND) flags |= CLONE_CLEAR_SIGHAND;
  struct clone_args args = {};
  args.flags = flags;
  args.pidfd = reinterpret_cast<uint64_t>(&shared.pidfd);
  if (plan.start & SPAWN_START_INTO_CGROUP) {
    args.flags |= clone_into_cgroup;
    args.cgroup = static_cast<uint64_t>(plan.cgroup_fd);
  }
  args.stack = reinterpret_cast<uint64_t>(stack);
  args.stack_size = Area::stack_size;
  return clone_calling(SYS_clone3, word(&args), sizeof args, 0, 0, 0, child_entry, &shared);
}

long wait_for(int pid, int* status) {
  long got;
  do got = call(SYS_wait4, pid, status, __WALL, nullptr);
  while (got == -EINTR);
  return got;
}

// Returns the signal that killed the child before exec, or 0 if the child runs its program.
int died_before_exec(int pid, int* status) {
  siginfo_t info;
  info.si_pid = 0;
  const long seen = call(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT | __WCLONE, nullptr);
  if (seen == -ECHILD) return 0;
  *status = 0;
  wait_for(pid, status);
  return WIFSIGNALED(*status) ? WTERMSIG(*status) : SIGKILL;
}

int learn(const spawn_plan& plan, Shared& shared, int pid, spawn_result* result) {
  int status = 0;
  if (shared.error != 0) {
    wait_for(pid, &status);
    result->step = shared.step;
    const bool is_step = static_cast<uint32_t>(shared.step) < plan.step_count;
    fail(result, shared.error, is_step ? int{plan.step[shared.step].kind} : int{SPAWN_FAILED_CLONE});
  } else if (const int signal = died_before_exec(pid, &status)) {
    result->signal = signal;
    fail(result, ECANCELED, SPAWN_FAILED_KILLED);
  } else {
    result->pid = pid;
    result->pidfd = shared.pidfd;
    return 0;
  }
  if (shared.pidfd >= 0) close_fd(shared.pidfd);
  return result->error;
}

void reset(spawn_result* result) {
  *result = spawn_result{};
  result->pid = result->pidfd = -1;
  result->failed = SPAWN_FAILED_NOWHERE;
  result->step = -1;
}

// Returns true if the caller has a pid in the child's pid namespace. The first child in a new pid namespace is its
// init: if it failed on finding no such pid, the namespace would end (pid_namespaces(7)). Without /proc: true, and the
// child checks.
bool has_number_for_caller() {
  char own[32], of_children[32];
  const long own_size = call(SYS_readlinkat, AT_FDCWD, "/proc/thread-self/ns/pid", own, sizeof own);
  if (own_size <= 0) return true;
  const long size =
      call(SYS_readlinkat, AT_FDCWD, "/proc/thread-self/ns/pid_for_children", of_children, sizeof of_children);
  if (size != own_size) return false;  // ENOENT: the new namespace has no process yet
  for (long i = 0; i < size; ++i)
    if (own[i] != of_children[i]) return false;
  return true;
}

bool has_step(const spawn_plan& plan, uint16_t kind) {
  for (uint32_t i = 0; i < plan.step_count; ++i)
    if (plan.step[i].kind == kind) return true;
  return false;
}

// Runs the plan's first steps, those in the caller's table; the destructor undoes what was staged.
class Stage {
 public:
  // Returns 0, or a negative errno with *failing the step that lost its placeholder or whose source is closed.
  long make(const spawn_plan& plan, uint64_t slots, int* failing) {
    long error = 0;
    for (uint32_t i = 0; i < plan.step_count && plan.step[i].kind == SPAWN_STEP_STAGE; ++i) {
      const spawn_step& s = plan.step[i];
      const uint64_t own = 1ull << s.b | 1ull << s.first;
      slots &= ~own;
      if (error == 0)
        error = window_stage(s.a, s.b, static_cast<int>(s.first), &staged_[count_]);
      else
        window_give_back(own);
      if (error == 0)
        ++count_;
      else if (*failing < 0)
        *failing = static_cast<int>(i);
    }
    window_give_back(slots);  // those that the plan does not use
    return error;
  }
  ~Stage() {
    for (unsigned i = count_; i-- > 0;) window_unstage(staged_[i]);
  }
  const Staged* staged() const { return staged_; }
  unsigned count() const { return count_; }

 private:
  Staged staged_[SPAWN_WINDOW_MAX];
  unsigned count_ = 0;
};

// `slots`: numbers of the window that were taken for this plan.
int run_on(const spawn_plan& plan, uint64_t slots, const Area& area, spawn_result* result) {
  result->strategy = plan.strategy;
  result->reason = plan.reason;
  Shared own;
  Shared& shared = area.shared() != nullptr ? *area.shared() : own;
  shared = {&plan, 0, -1, 0, -1, -1, -1, nullptr, 0};
  const uint64_t all = ~0ull;
  set_mask(&all, &shared.caller_mask);
  const uint64_t caller_mask = shared.caller_mask;
  if (has_step(plan, SPAWN_STEP_DEATH_SIGNAL)) shared.parent = static_cast<int>(call(SYS_getpid));
  if (has_step(plan, SPAWN_STEP_CALLER)) shared.caller = static_cast<int>(call(SYS_gettid));
  {
    Stage stage;
    const long error = stage.make(plan, slots, &result->step);
    shared.staged = stage.staged();
    shared.staged_count = stage.count();
    const long pid = error != 0 ? 0 : start_child(plan, area.stack(), shared);
    // A kernel before 5.7 refuses the unknown flag with EINVAL, or the larger struct with E2BIG.
    const bool is_old = (plan.start & SPAWN_START_INTO_CGROUP) != 0 && (pid == -EINVAL || pid == -E2BIG);
    if (error != 0)
      fail(result, static_cast<int>(-error), SPAWN_STEP_STAGE);
    else if (pid < 0)
      fail(result, is_old ? ENOTSUP : static_cast<int>(-pid), SPAWN_FAILED_CLONE);
    else
      learn(plan, shared, static_cast<int>(pid), result);
  }
  set_mask(&caller_mask, nullptr);
  return result->error;
}

// For kernels without CLONE_PIDFD. The child runs already, but its pid cannot be reused before it
// is waited for.
int open_pidfd(spawn_result* result) {
  const long fd = call(SYS_pidfd_open, result->pid, 0);
  if (fd >= 0) {
    result->pidfd = static_cast<int>(fd);
    return 0;
  }
  int status = 0;
  call(SYS_kill, result->pid, SIGKILL);
  wait_for(result->pid, &status);
  return fail(result, static_cast<int>(-fd), SPAWN_FAILED_CLONE);
}

// Checks what only the kernel knows: the targets against RLIMIT_NOFILE, and that each source is open.
int check_table(const spawn_request* r, const char** field) {
  struct rlimit limit = {};
  if (const long error = call(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit)) return static_cast<int>(-error);
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    if (static_cast<rlim_t>(r->keep[i].target) >= limit.rlim_cur) {
      *field = "keep: a target at or over RLIMIT_NOFILE";
      return EBADF;
    }
    if (get_fd_flags(r->keep[i].source) < 0) {
      *field = "keep: a closed source";
      return EBADF;
    }
  }
  for (uint32_t i = 0; i < r->open_count; ++i)
    if (static_cast<rlim_t>(r->open[i].target) >= limit.rlim_cur) {
      *field = "open: a target at or over RLIMIT_NOFILE";
      return EBADF;
    }
  const struct {
    uint32_t bit;
    int number;
    const char* closed;
  } numbers[] = {{SPAWN_PROGRAM_FD, r->program_fd, "program_fd: closed"},
                 {SPAWN_SET_CWD_FD, r->cwd_fd, "cwd_fd: closed"},
                 {SPAWN_SET_CGROUP, r->cgroup_fd, "cgroup_fd: closed"}};
  for (const auto& n : numbers)
    if ((r->set & n.bit) != 0 && get_fd_flags(n.number) < 0) {
      *field = n.closed;
      return EBADF;
    }
  return 0;
}

// Returns the field that the planner cannot serve with these abilities, and why; null: it can serve all.
const char* unavailable(const spawn_request& r, const spawn_abilities& can) {
  if ((r.set & SPAWN_SET_CGROUP) != 0 && !can.clone3) return "cgroup_fd: needs clone3(2)";
  if ((r.set & SPAWN_WANT_PIDFD) != 0 && !can.pidfd && !can.pidfd_open)
    return "set: SPAWN_WANT_PIDFD, of which there is none here";
  return "strategy: not available here";
}

// While it lives, the window's numbers that the request names are reserved for reading, whatever the strategy.
class ReadOfWindow {
 public:
  explicit ReadOfWindow(const spawn_request& request) : read_(window_read(numbers_read(request))) {}
  ~ReadOfWindow() { window_give_back(read_.taken); }
  ReadOfWindow(const ReadOfWindow&) = delete;
  ReadOfWindow& operator=(const ReadOfWindow&) = delete;
  const Read& get() const { return read_; }

 private:
  const Read read_;
};

// Slots are taken only for a plan that will use them, and the plan uses exactly those. They are taken from the slots
// that are free now, not from those that were free at the probe: other spawns may have taken and returned slots
// since.
int build(const spawn_request* request, spawn_abilities abilities, uint64_t allowed_slots, spawn_plan* plan,
          uint64_t* slots) {
  Choice choice;
  const bool is_staged = choose_strategy(*request, abilities, &choice) && choice.strategy == SPAWN_STRATEGY_STAGED;
  if (is_staged)
    abilities.window = *slots = window_take(SPAWN_NUMBERS_STAGED * sources_to_stage(*request), allowed_slots);
  const int error = spawn_plan_build(request, &abilities, plan);
  if (error != 0) window_give_back(*slots);
  return error;
}

int run_with(const spawn_request* request, spawn_abilities abilities, uint64_t allowed_slots, spawn_result* result) {
  reset(result);
  const char* field = nullptr;
  int error = spawn_request_check(request, &field);
  if (error == 0) error = check_table(request, &field);
  if (error != 0) return fail(result, error, SPAWN_FAILED_REQUEST, field);
  const ReadOfWindow window(*request);
  abilities.window_in_use = window.get().in_use;
  abilities.placeholder = window.get().placeholder;
  if (abilities.window_in_use != 0 && abilities.placeholder < 0)
    return fail(result, EBUSY, SPAWN_FAILED_REQUEST, "a number of the window, which has no placeholder left");
  const uint32_t steps_max = spawn_plan_steps_max(request);
  const Area area(steps_max * sizeof(spawn_step), copies_memory(*request));
  if (area.error() != 0) return fail(result, area.error(), SPAWN_FAILED_MEMORY);
  spawn_plan plan = {};
  plan.step = area.steps();
  plan.step_capacity = steps_max;
  uint64_t slots = 0;
  error = build(request, abilities, allowed_slots, &plan, &slots);
  if (error != 0) return fail(result, error, SPAWN_FAILED_REQUEST, unavailable(*request, abilities));
  if (has_step(plan, SPAWN_STEP_CALLER) && !has_number_for_caller()) return fail(result, ESRCH, SPAWN_STEP_CALLER);
  if (run_on(plan, slots, area, result) != 0) return result->error;
  const bool pidfd_missing = (request->set & SPAWN_WANT_PIDFD) != 0 && result->pidfd < 0;
  return pidfd_missing ? open_pidfd(result) : 0;
}

// Returns the abilities that may have caused the refusal, 0: none.
unsigned blamed(const spawn_result& result, const spawn_abilities& a, bool wants_pidfd) {
  const bool is_refused = result.error == ENOSYS || result.error == EPERM || result.error == EACCES;
  const bool is_unknown = is_refused || result.error == EINVAL;
  switch (result.failed) {
    case SPAWN_FAILED_CLONE:
      if (a.clone3 && is_unknown) return a.clear_sighand && result.error == EINVAL ? can_clear_sighand : can_clone3;
      return wants_pidfd && a.pidfd && is_unknown ? can_pidfd : 0u;
    case SPAWN_STEP_CLOSE_RANGE:
      return !is_unknown                                ? 0u
             : result.strategy == SPAWN_STRATEGY_EXCEPT ? can_except | can_cloexec_only
                                                        : can_close_range;
    case SPAWN_STEP_CALLER:
    case SPAWN_STEP_FETCH:
      return is_unknown ? can_fetch : 0u;
    case SPAWN_STEP_UNSHARE:
      return is_refused ? can_unshare_files : 0u;
    default:
      return 0;
  }
}

// Returns true if the failure comes from the strategy itself: other code closed a slot, or no number was free for a
// pidfd. Other slots get one retry; then this request avoids the strategy.
bool is_worth_another(const spawn_request& request, const spawn_result& result, int tries, spawn_abilities* avoided) {
  switch (result.failed) {
    case SPAWN_STEP_STAGE:
    case SPAWN_STEP_CHECK_STAGED:
      if (result.failed == SPAWN_STEP_STAGE && result.error == EBADF)
        return false;  // a source was closed after the check
      if (tries > 0) avoided->window = ~0ull;
      return true;
    case SPAWN_STEP_CALLER:
    case SPAWN_STEP_FETCH:
      if (result.error == ESRCH) return (avoided->fetch ^= 1) != 0;  // another pid namespace
      if (request.strategy != SPAWN_STRATEGY_AUTOMATIC || result.error == EBADF || avoided->fetch != 0) return false;
      avoided->fetch = 1;
      return true;
    default:
      return false;
  }
}

}  // namespace

}  // namespace spawncheck_spawn

using namespace spawncheck_spawn;

int spawn_run_with(const spawn_request* request, const spawn_abilities* abilities, spawn_result* result) {
  return run_with(request, *abilities, abilities->window, result);
}

int spawn_run(const spawn_request* request, spawn_result* result) {
  spawn_abilities avoided = {};  // for this request only
  for (int tries = 0;; ++tries) {
    const unsigned known = abilities_known();
    spawn_abilities abilities = abilities_of(known);
    abilities.fetch &= static_cast<uint8_t>(~avoided.fetch);
    abilities.window = window_free() & ~avoided.window;
    if (run_with(request, abilities, ~avoided.window, result) == 0 || tries >= retries_max) return result->error;
    const unsigned refused = blamed(*result, abilities, (request->set & SPAWN_WANT_PIDFD) != 0) & known;
    if (refused != 0)
      abilities_forget(refused);
    else if (!is_worth_another(*request, *result, tries, &avoided))
      return result->error;
  }
}

int spawn_run_plan(const spawn_plan* plan, spawn_result* result) {
  reset(result);
  if ((plan->start & SPAWN_START_VFORK) == 0) return fail(result, EINVAL, SPAWN_FAILED_REQUEST, "start: without VFORK");
  if (plan->step_count != 0 && plan->step[0].kind == SPAWN_STEP_STAGE)
    return fail(result, EINVAL, SPAWN_FAILED_REQUEST, "step: STAGE, with slots that were not taken");
  const Area area(0, (plan->start & SPAWN_START_VM) == 0);
  if (area.error() != 0) return fail(result, area.error(), SPAWN_FAILED_MEMORY);
  return run_on(*plan, 0, area, result);
}
