// SPDX-License-Identifier: MIT
#include "impl/audit/tracer.h"

#include <linux/sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "impl/audit/proc.h"

namespace spawncheck::audit {

namespace {

constexpr long tick_us = 20'000;
constexpr std::uint64_t ms = 1'000'000, second = 1'000 * ms;
constexpr std::uint64_t grace_ns = 300 * ms;  // between SIGTERM and SIGKILL
constexpr std::size_t remarks_max = 10'000;

volatile sig_atomic_t ticked;
void note_tick(int) { ticked = 1; }

std::uint64_t clock_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * second + static_cast<std::uint64_t>(t.tv_nsec);
}

void set_ticks(long us) {
  struct sigaction action {};
  action.sa_handler = us != 0 ? note_tick : SIG_DFL;  // without SA_RESTART: a wait is interrupted
  const itimerval every{{0, us}, {0, us}};
  if (us != 0) sigaction(SIGALRM, &action, nullptr);
  setitimer(ITIMER_REAL, &every, nullptr);
  if (us == 0) sigaction(SIGALRM, &action, nullptr);
}

bool is_stop_signal(int signal) {
  return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

}  // namespace

Tracer::Tracer(TraceOptions options) : options_(std::move(options)) {}

Tracer::~Tracer() { set_ticks(0); }

std::uint64_t Tracer::now() const { return clock_ns() - start_ns_; }

void Tracer::remark(Remark::Kind kind, TaskId task, std::string text) {
  if (recording_.remarks.size() < remarks_max) recording_.remarks.push_back({kind, task, std::move(text)});
}

void Tracer::resume(Tracee& t, int request, int signal) {
  ptrace(static_cast<__ptrace_request>(request), t.tid, 0, static_cast<long>(signal));
}

Tracer::Tracee& Tracer::add(pid_t tid, pid_t group) {
  Tracee& t = tracees_[tid];
  t = Tracee{};
  t.tid = tid;
  t.group = group;
  t.id = static_cast<TaskId>(recording_.tasks.size());
  TaskFacts facts;
  facts.pid = group;
  facts.tid = tid;
  recording_.tasks.push_back(std::move(facts));
  return t;
}

bool Tracer::run() {
  start_ns_ = clock_ns();
  if (options_.seconds != 0) deadline_ns_ = options_.seconds * second;
  const Launched launched = launch(options_.command, options_.streams);
  if (launched.pid < 0) {
    unsupported = launched.unsupported;
    return false;
  }
  root_ = launched.pid;
  has_no_new_privileges_ = launched.has_no_new_privileges;
  add(root_, root_).memory = std::make_shared<Process>();
  set_ticks(tick_us);
  while (true) {
    int status = 0;
    const pid_t got = waitpid(-1, &status, __WALL);
    if (got < 0 && errno != EINTR) break;
    if (got > 0) dispatch(got, status);
    if (ticked != 0) tick();
  }
  set_ticks(0);
  recording_.duration_ns = now();
  recording_.is_complete = !was_interrupted && !was_too_long && !is_full_;
  return true;
}

void Tracer::dispatch(pid_t tid, int status) {
  const auto at = tracees_.find(tid);
  if (!WIFSTOPPED(status)) return ended(tid, status);
  if (at != tracees_.end()) return stopped(at->second, status);
  if (status >> 16 != PTRACE_EVENT_EXIT) {
    early_[tid] = status;
    return;
  }
  // Killed before its parent's clone event, which is lost if the parent was killed too.
  early_.erase(tid);
  ptrace(PTRACE_CONT, tid, 0, 0);
}

void Tracer::stopped(Tracee& t, int status) {
  const int signal = WSTOPSIG(status), event = status >> 16;
  if (is_ending_) kill(t.group, SIGKILL);
  switch (event) {
    case PTRACE_EVENT_SECCOMP:
      return enters(t);
    case PTRACE_EVENT_CLONE:
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
      return born(t, event);
    case PTRACE_EVENT_EXEC:
      return executed(t);
    case PTRACE_EVENT_EXIT:
      leaves(t);
      return resume(t, PTRACE_CONT);
    case PTRACE_EVENT_STOP:
      return resume(t, is_stop_signal(signal) ? PTRACE_LISTEN : PTRACE_CONT);
    default:
      break;
  }
  if (signal == (SIGTRAP | 0x80)) return returns(t);
  signalled(t, signal);
}

void Tracer::signalled(Tracee& t, int signal) {
  if (t.shares_memory && signal <= 64) {
    const SignalSets sets = read_signals(t.tid);
    if ((sets.caught >> (signal - 1) & 1) != 0) {
      Event e = event(t, EventKind::handler);
      e.number = signal;
      e.begin_ns = e.end_ns;
      e.site = nothing;
      record(e);
    }
  }
  if (t.has_thread_filter) {
    order(t, EventKind::acquire, object(ObjectKind::signal, static_cast<std::uint64_t>(t.group)));
    order(t, EventKind::acquire, object(ObjectKind::signal, 0));
  }
  resume(t, PTRACE_CONT, signal);
}

namespace {

// Returns the id of the task that the clone event tells of. Returns -1 if the parent was killed in the meantime: it is
// at its exit event then, or not stopped, and the message is its exit status (kernel/exit.c do_exit). A stop that is
// left is not entered again, so the question which stop it is comes after the message.
pid_t task_of_event(pid_t parent, int event) {
  unsigned long message = 0;
  siginfo_t info{};
  if (ptrace(PTRACE_GETEVENTMSG, parent, 0, &message) != 0) return -1;
  if (ptrace(PTRACE_GETSIGINFO, parent, 0, &info) != 0 || info.si_code >> 8 != event) return -1;
  return static_cast<pid_t>(message);
}

}  // namespace

void Tracer::born(Tracee& parent, int event_number) {
  const pid_t tid = task_of_event(parent.tid, event_number);
  if (tid <= 0) return;  // its exit event is reported by itself
  const pid_t parent_tid = parent.tid;
  const bool is_thread = (parent.clone_flags & CLONE_THREAD) != 0;
  // add() leaves `parent` valid: insertion into an unordered_map invalidates iterators, not references.
  Tracee& child = add(tid, is_thread ? parent.group : tid);
  child.memory = (parent.clone_flags & CLONE_VM) != 0 ? parent.memory : std::make_shared<Process>(*parent.memory);
  child.has_thread_filter = parent.has_thread_filter;
  child.shares_memory = (parent.clone_flags & CLONE_VM) != 0 && !is_thread;
  if ((parent.clone_flags & CLONE_CHILD_CLEARTID) != 0) child.own_tid_address = parent.child_tid_address;
  Event e = event(parent, EventKind::clone);
  e.child = child.id;
  e.flags = static_cast<std::uint32_t>(parent.clone_flags);
  record(e);
  if (!is_thread) parent_of_[tid] = parent.group;
  if ((parent.clone_flags & CLONE_PIDFD) != 0) {
    std::int32_t number = -1;
    if (read_memory(parent.tid, parent.pidfd_address, &number, sizeof number) && number >= 0) {
      parent.text = nothing;
      create(parent, number, true, What::pidfd, false, 0);
    }
  }
  const std::uint32_t copy =
      follower_.copies().empty() ? nothing : static_cast<std::uint32_t>(follower_.copies().size() - 1);
  if (options_.holder != nullptr && (parent.clone_flags & CLONE_FILES) == 0 && copy != nothing &&
      follower_.copies()[copy].child == child.id)
    options_.holder->cloned(follower_, follower_.copies()[copy]);
  const auto early = early_.find(tid);
  if (!is_thread) {
    TaskFacts& facts = recording_.tasks[static_cast<std::size_t>(child.id)];
    const SignalSets sets = read_signals(tid);
    facts.blocked_at_birth = sets.blocked;
    facts.caught_at_birth = sets.caught;
    facts.ignored_at_birth = sets.ignored;
  }
  resume(tracees_[parent_tid], PTRACE_CONT);
  int status = 0;
  if (early == early_.end()) {
    const pid_t got = waitpid(tid, &status, __WALL | WNOHANG);
    if (got > 0) dispatch(tid, status);
    if (got < 0) ended(tid, 0);  // it has died, and its number may be given to another process
    return;
  }
  status = early->second;
  early_.erase(early);
  stopped(tracees_[tid], status);
}

void Tracer::executed(Tracee& caller) {
  unsigned long message = 0;
  const pid_t group = caller.tid;  // the leader's tid, which the caller has now, whichever thread it was (ptrace(2))
  ptrace(PTRACE_GETEVENTMSG, group, 0, &message);
  const auto former = static_cast<pid_t>(message);
  if (former != group && tracees_.count(former) != 0) {
    leaves(tracees_[group]);
    Tracee moved = tracees_[former];
    tracees_.erase(former);
    moved.tid = group;
    tracees_[group] = std::move(moved);
  }
  for (auto& [tid, other] : tracees_)
    if (other.group == group && tid != group) leaves(other);
  Tracee& t = tracees_[group];
  t.memory = std::make_shared<Process>();
  t.shares_memory = false;
  t.own_tid_address = 0;
  ExecFacts facts = read_exec(group);
  recording_.tasks[static_cast<std::size_t>(t.id)].name = read_name(group);
  if (!has_begun_) {
    has_begun_ = true;
    recording_.passed_through = facts.open;
    recording_.blocked_at_start = facts.blocked;
    recording_.ignored_at_start = facts.ignored;
    follower_.begin(t.id, facts.open);
  }
  if (facts.is_set_id && has_no_new_privileges_)
    remark(Remark::Kind::set_id, t.id, "set-user-ID program ran without its rights (no_new_privs): " + facts.program);
  Event e = event(t, EventKind::exec);
  e.begin_ns = t.begin_ns;
  e.facts = static_cast<std::uint32_t>(recording_.execs.size());
  e.text = t.text;
  recording_.execs.push_back(std::move(facts));
  t.row = nullptr;
  record(e);
  if (options_.holder != nullptr && !follower_.execs().empty())
    options_.holder->exec(follower_, follower_.execs().back(), group, [this](TaskId id) {
      for (const auto& [tid, other] : tracees_)
        if (other.id == id && !other.has_left) return tid;
      return static_cast<pid_t>(0);
    });
  resume(t, PTRACE_CONT);
}

void Tracer::leaves(Tracee& t) {
  if (t.has_left) return;
  t.has_left = true;
  t.begin_ns = now();
  t.site = nothing;
  const pid_t group = t.group;
  const bool is_last = std::none_of(tracees_.begin(), tracees_.end(), [&](const auto& other) {
    return other.second.group == group && !other.second.has_left;
  });
  // SIGKILL may have ended the task, and that signal has no stop of its own.
  order(t, EventKind::acquire, object(ObjectKind::signal, static_cast<std::uint64_t>(group)));
  if (t.own_tid_address != 0)
    order(t, EventKind::release,
          object(ObjectKind::futex, t.own_tid_address ^ static_cast<std::uint64_t>(group) << 32));
  order(t, EventKind::release,
        object(is_last ? ObjectKind::process : ObjectKind::exited, static_cast<std::uint64_t>(group)));
  if (recording_.tasks[static_cast<std::size_t>(t.id)].name.empty())
    recording_.tasks[static_cast<std::size_t>(t.id)].name = read_name(t.tid);
  if (is_last) {
    for (const Entry& entry : follower_.entries(t.id))
      if (entry.what == What::pidfd)
        remark(Remark::Kind::pidfd_left, t.id,
               recording_.tasks[static_cast<std::size_t>(t.id)].name + " ended with a pidfd that it had not closed");
    for (const pid_t child : dead_children_[group])
      if (is_zombie_of(child, group))
        remark(Remark::Kind::zombie, t.id,
               recording_.tasks[static_cast<std::size_t>(t.id)].name +
                   " ended without waiting for a child that had ended");
    dead_children_.erase(group);
  }
  record(event(t, EventKind::exit));
}

void Tracer::ended(pid_t tid, int status) {
  early_.erase(tid);
  const auto at = tracees_.find(tid);
  if (at == tracees_.end()) return;
  leaves(at->second);
  if (held_ == tid) held_ = -1;
  if (tid == root_) recording_.status = status;
  const auto parent = parent_of_.find(tid);
  if (parent != parent_of_.end()) {
    dead_children_[parent->second].push_back(tid);
    parent_of_.erase(parent);
  }
  tracees_.erase(at);
}

void Tracer::end_all(int signal) {
  std::set<pid_t> groups;
  for (const auto& [tid, t] : tracees_) groups.insert(t.group);
  for (const auto& [tid, status] : early_) groups.insert(tid);
  for (const pid_t group : groups) kill(group, signal);
}

void Tracer::tick() {
  ticked = 0;
  const std::uint64_t at = now();
  if (interrupted_ns_ == 0 && options_.is_interrupted && options_.is_interrupted()) {
    interrupted_ns_ = at;
    was_interrupted = true;
    end_all(SIGTERM);
  }
  if (deadline_ns_ != 0 && at >= deadline_ns_ && interrupted_ns_ == 0) {
    interrupted_ns_ = at;
    was_too_long = true;
    end_all(SIGTERM);
  }
  if (interrupted_ns_ != 0) {
    if (held_ > 0 && tracees_.count(held_) != 0) resume(tracees_[held_], PTRACE_CONT);
    held_ = -1;
    if (at - interrupted_ns_ >= grace_ns) {
      is_ending_ = true;
      end_all(SIGKILL);
    }
    return;
  }
  if (held_ > 0) look_at_held();
}

// Looks at every other task. That all of them sleep for ever counts only at the second look in a row.
void Tracer::look_at_held() {
  std::vector<Holder::Other> others;
  for (const auto& [tid, t] : tracees_) {
    if (tid == held_ || t.has_left) continue;
    const Waiting waiting = read_waiting(tid);
    others.push_back({t.id, waiting.is_asleep, waiting.is_asleep && waiting.is_for_ever, waiting.call});
  }
  const bool is_idle = std::all_of(others.begin(), others.end(), [](const auto& o) { return o.is_for_ever; });
  if (is_idle && !looked_idle_) {
    looked_idle_ = true;
    return;
  }
  looked_idle_ = is_idle;
  if (!options_.holder->releases(now() - held_ns_, others)) return;
  Tracee& t = tracees_[held_];
  held_ = -1;
  resume(t, PTRACE_CONT);
}

}  // namespace spawncheck::audit
