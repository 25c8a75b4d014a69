// SPDX-License-Identifier: MIT
#include "impl/reproducer/spawn_text.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <csignal>

#include "impl/peers/implementation.h"
#include "impl/reproducer/calls.h"
#include "model/scenario/kept.h"
#include "model/scenario/visible.h"
#include "model/scenario/words.h"

namespace spawncheck {

namespace {

constexpr std::uint64_t clear_sighand = 0x100000000ull;

bool is_clone(const sc_step& s) {
#if defined(__x86_64__)
  if (s.call == SC_VISIBLE_fork || s.call == SC_VISIBLE_vfork) return true;
#endif
  return s.call == SC_VISIBLE_clone || s.call == SC_VISIBLE_clone3;
}

bool is_exec(const sc_step& s) { return s.call == SC_VISIBLE_execve || s.call == SC_VISIBLE_execveat; }
bool is_exit(const sc_step& s) { return s.call == SC_VISIBLE_exit || s.call == SC_VISIBLE_exit_group; }

bool gives_pid(const sc_step& s) { return s.call == SC_VISIBLE_wait4 || s.call == SC_VISIBLE_setsid; }

std::uint64_t clone_flags(const sc_step& s) {
#if defined(__x86_64__)
  if (s.call == SC_VISIBLE_fork) return SIGCHLD;
  if (s.call == SC_VISIBLE_vfork) return CLONE_VM | CLONE_VFORK | SIGCHLD;
#endif
  return s.call == SC_VISIBLE_clone3 ? s.pointee : static_cast<std::uint64_t>(s.arg[0]);
}

std::string errno_text(long result) { return "-" + errno_name(static_cast<int>(-result)); }

// Returns the recorded result, a value or -errno. A call that slept has it in its WAKES step.
long result_of(const Recorded& r, const sc_step& s) {
  if (s.outcome != SC_OUTCOME_SLEEPS && s.outcome != SC_OUTCOME_SUSPENDED) return s.result;
  for (const sc_step* w = &s + 1; w < r.trace->step + r.trace->step_count; ++w)
    if (w->task == s.task && w->kind == SC_STEP_WAKES) return w->result;
  return 0;
}

class Writer {
 public:
  Writer(const Recorded& r, const std::vector<RecordedEvent>& events, const SpawnPlace& place, bool has_turns,
         std::string& why)
      : r_(r),
        events_(events),
        place_(place),
        has_turns_(has_turns),
        why_(why),
        record_(r.history->op[place.thread][place.operation]) {}

  std::string write() {
    find_failing_step();
    std::string caller, children;
    std::vector<unsigned> tasks;
    for (const RecordedEvent& e : events_)
      if (is_ours(e) && r_.trace->task[e.task].child >= 0 &&
          std::find(tasks.begin(), tasks.end(), e.task) == tasks.end())
        tasks.push_back(e.task);
    for (const unsigned task : tasks) {
      if (r_.trace->task[task].parent != static_cast<int>(place_.thread)) {
        why_ = "a process of the spawn starts another one";
        return {};
      }
      children += child_text(task);
    }
    caller = body(place_.thread);
    if (!why_.empty()) return {};
    return children +
           fmt::format(
               "static void spawn_{}_{}(void) {{\n  struct spawned* s = &shared->spawned[{}];\n"
               "  s->mask_before = mask_now();\n",
               place_.thread, place_.operation, place_.index) +
           caller + result_text() + "  s->mask_after = mask_now();\n  s->has_returned = 1;\n}\n";
  }

 private:
  bool is_ours(const RecordedEvent& e) const {
    return e.kind == RecordedKind::call && e.thread == place_.thread && e.operation == place_.operation;
  }

  // Finds the last call that failed with the errno that the spawn reports.
  void find_failing_step() {
    for (const RecordedEvent& e : events_)
      if (is_ours(e) && record_.error != 0 && e.step->result == -record_.error &&
          e.step->outcome == SC_OUTCOME_RETURNED)
        failing_ = e.step;
    if (record_.error == 0 || failing_ != nullptr) return;
    if (r_.verdict.status == Status::violated && r_.verdict.violates(Clause::err_exact))
      why_ = "the error that it reports is not that of a call";
  }

  bool is_not_made(const sc_step& s) const {
    if (s.fault != 0 && r_.scenario.fault.kind == SC_FAULT_ERROR) return true;
    for (std::uint32_t i = 0; i < r_.scenario.world.refusal_count; ++i)
      if (r_.scenario.world.refusal[i].call == s.call && s.result == -r_.scenario.world.refusal[i].error) return true;
    return false;
  }

  std::string clone_text(const RecordedEvent& e) {
    const sc_step& s = *e.step;
    const int child = child_of(s);
    std::uint64_t flags = clone_flags(s);
    if (child < 0) {
      why_ = "a process that could not be started";
      return {};
    }
    const bool is_fork = (flags & CLONE_VM) == 0;
    if (is_fork ? (flags & CLONE_FILES) != 0 : (flags & CLONE_VFORK) == 0) {
      why_ = "a child that shares its caller's table or memory while both run";
      return {};
    }
    const std::string name = fmt::format("{}_{}", place_.thread, static_cast<int>(r_.trace->task[child].child));
    if (is_fork)
      return fmt::format("  if ((pid_{0} = {1}) == 0) child_{0}(NULL);\n", name,
                         (flags & CLONE_VFORK) != 0 ? "fork() /* with CLONE_VFORK */" : "fork()");
    std::string text;
    for (const auto& [bit, word] : {std::pair{static_cast<std::uint64_t>(CLONE_VM), "CLONE_VM"},
                                    {static_cast<std::uint64_t>(CLONE_VFORK), "CLONE_VFORK"},
                                    {static_cast<std::uint64_t>(CLONE_FILES), "CLONE_FILES"},
                                    {0x1000ull, "CLONE_PIDFD"}})
      if ((flags & bit) != 0) text += (text.empty() ? "" : " | ") + std::string(word);
    if ((flags & 0xff) == SIGCHLD) text += " | SIGCHLD";
    return fmt::format("  pid_{0} = clone(child_{0}, stack_{0} + sizeof stack_{0}, {1}, NULL, &s->pidfd);\n", name,
                       text);
  }

  // Returns the task that a clone started, -1 if there is none: a thread's children are numbered in the order of
  // clones.
  int child_of(const sc_step& s) const {
    unsigned before = 0;
    for (const RecordedEvent& e : events_)
      if (e.kind == RecordedKind::call && e.thread == place_.thread && is_clone(*e.step) && e.step < &s &&
          result_of(r_, *e.step) > 0)
        ++before;
    for (unsigned i = 0; i < r_.trace->task_count; ++i) {
      const sc_task& t = r_.trace->task[i];
      if (t.thread == place_.thread && t.child == static_cast<int>(before)) return static_cast<int>(i);
    }
    return -1;
  }

  std::string statement(const RecordedEvent& e) {
    const sc_step& s = *e.step;
    const bool is_child = r_.trace->task[e.task].child >= 0;
    if (is_not_made(s)) {
      const std::string error = errno_name(static_cast<int>(-s.result));
      return fmt::format("  errno = {}; /* {}(2) is refused here, and not made */\n", error,
                         sc_visible_calls[s.call].name) +
             failing_text(s);
    }
    if (is_clone(s)) return is_child ? (why_ = "a process of the spawn starts another one", "") : clone_text(e);
    if (is_exit(s)) return fmt::format("  _exit({});\n", static_cast<int>(s.arg[0]));
    if (is_exec(s)) return exec_text(s);
    const std::string call = call_text(r_, s, why_);
    const long result = result_of(r_, s);
    if (gives_pid(s) && result > 0) return "  " + call + ";\n";
    if (s.call == SC_VISIBLE_waitid && result == 0) return "  " + call + ";\n";
    return fmt::format("  SAME({}, {});\n", call, result < 0 ? errno_text(result) : std::to_string(result)) +
           failing_text(s);
  }

  std::string failing_text(const sc_step& s) const {
    return &s == failing_ ? fmt::format("  shared->spawned[{}].error = errno;\n", place_.index) : "";
  }

  std::string exec_text(const sc_step& s) const {
    const sc_request& request = r_.scenario.threads[place_.thread].operations[place_.operation].request;
    const std::string program = program_text(request);
    std::string out = fmt::format("  execve({0}, (char*[]){{{0}, \"{1}\", NULL}}, environment);\n", program,
                                  request.program == SC_PROGRAM_EXIT ? "exit" : "hold");
    if (s.outcome == SC_OUTCOME_EXECED)
      return out + fmt::format("  shared->spawned[{}].error = errno;\n", place_.index) +
             (has_turns_ ? "  exec_failed();\n" : "");
    return out + failing_text(s);
  }

  // Writes three or more rt_sigaction(2) calls for consecutive signals as a loop, if they are in one block.
  std::string body(unsigned task) {
    std::string out;
    for (std::size_t i = 0; i < events_.size() && why_.empty(); ++i) {
      const RecordedEvent& e = events_[i];
      if (!is_ours(e) || e.task != task) continue;
      out += begin_turn(e, has_turns_);
      std::size_t last = i;
      while (continues_run(events_[last], last + 1 < events_.size() ? events_[last + 1] : e)) ++last;
      const sc_step& s = *e.step;
      const bool hands_over = has_turns_ && events_[last].is_last;
      const bool has_execed = is_exec(s) && s.outcome == SC_OUTCOME_EXECED;
      if (hands_over && s.outcome == SC_OUTCOME_SLEEPS) out += "  done_asleep();\n";
      if (hands_over && has_execed) out += "  done_by_exec();\n";
      if (last > i + 1) {
        const long end = static_cast<std::int32_t>(events_[last].step->arg[0]);
        out += fmt::format("  for (int n = {}; n <= {}; ++n) set_disposition(n, {});\n",
                           static_cast<std::int32_t>(s.arg[0]), end, s.pointee == 1 ? "SIG_IGN" : "SIG_DFL");
      } else {
        last = i;
        out += statement(e);
      }
      const bool is_vfork = is_clone(s) && (clone_flags(s) & CLONE_VFORK) != 0 && (clone_flags(s) & CLONE_VM) != 0;
      if (s.outcome != SC_OUTCOME_SLEEPS && !has_execed && !is_vfork && !is_exit(s))
        out += end_turn(events_[last], has_turns_);
      if (is_exit(s) && hands_over) out.insert(out.rfind("  _exit("), "  done();\n");
      i = last;
    }
    return out;
  }

  bool continues_run(const RecordedEvent& a, const RecordedEvent& b) const {
    if (&a == &b || b.kind != RecordedKind::call || a.task != b.task || a.block != b.block || !is_ours(b)) return false;
    return a.step->call == SC_VISIBLE_rt_sigaction && b.step->call == SC_VISIBLE_rt_sigaction &&
           b.step->arg[0] == a.step->arg[0] + 1 && a.step->pointee == b.step->pointee && a.step->pointee <= 1 &&
           a.step->fault == 0 && b.step->fault == 0 && b.step->result == a.step->result;
  }

  std::string child_text(unsigned task) {
    const std::string name = fmt::format("{}_{}", place_.thread, static_cast<int>(r_.trace->task[task].child));
    std::string out = fmt::format(
        "static int pid_{0};\nstatic char stack_{0}[65536] __attribute__((aligned(16)));\nstatic int child_{0}(void* "
        "unused) {{\n  (void)unused;\n",
        name);
    for (const RecordedEvent& e : events_)
      if (is_ours(e) && is_clone(*e.step) && child_of(*e.step) == static_cast<int>(task)) {
        const std::uint64_t flags = clone_flags(*e.step);
        if (has_turns_ && e.is_last && (flags & CLONE_VFORK) != 0 && (flags & CLONE_VM) != 0)
          out += "  done(); /* the caller is suspended */\n";
        if ((flags & clear_sighand) != 0) out += "  clear_handlers(); /* clone3(2) did it: CLONE_CLEAR_SIGHAND */\n";
      }
    return out + body(task) + "  _exit(127);\n}\n";
  }

  std::string result_text() {
    if (record_.error != 0)
      return failing_ != nullptr
                 ? ""
                 : fmt::format("  s->error = {}; /* it says so without a call */\n", errno_name(record_.error));
    for (unsigned i = 0; i < r_.trace->task_count; ++i)
      if (r_.trace->task[i].pid == record_.value[0] && r_.trace->task[i].thread == place_.thread)
        return fmt::format("  s->pid = pid_{}_{};\n", place_.thread, static_cast<int>(r_.trace->task[i].child));
    why_ = "the pid that it reports is that of no child";
    return {};
  }

  const Recorded& r_;
  const std::vector<RecordedEvent>& events_;
  const SpawnPlace place_;
  const bool has_turns_;
  std::string& why_;
  const sc_op_record& record_;
  const sc_step* failing_ = nullptr;
};

std::string kept_table(const Recorded& r, const SpawnPlace& place, const char* type) {
  const sc_request& request = r.scenario.threads[place.thread].operations[place.operation].request;
  std::string out;
  for (const sc_keep& k : kept(request))
    out += fmt::format("{}{{{}, {}}}", out.empty() ? "" : ", ", operand_text(k.source, place.thread), k.target);
  return out.empty() ? fmt::format("  const {} keep[1] = {{{{0, 0}}}};\n", type)
                     : fmt::format("  const {} keep[] = {{{}}};\n", type, out);
}

std::string library_begin(const std::vector<RecordedEvent>& events, const SpawnPlace& place, bool has_turns) {
  for (const RecordedEvent& e : events)
    if (e.kind == RecordedKind::library_call && e.thread == place.thread && e.operation == place.operation)
      return begin_turn(e, has_turns) + (e.is_open && has_turns ? "  done(); /* others go beside it */\n" : "");
  return {};
}

std::string library_end(const std::vector<RecordedEvent>& events, const SpawnPlace& place, bool has_turns) {
  std::string out;
  for (const RecordedEvent& e : events) {
    if (e.thread != place.thread || e.operation != place.operation) continue;
    if (e.kind == RecordedKind::library_call && !e.is_open) out += end_turn(e, has_turns);
    if (e.kind == RecordedKind::library_return) out += begin_turn(e, has_turns) + end_turn(e, has_turns);
  }
  return out;
}

std::string posix_spawn_text(const Recorded& r, const std::vector<RecordedEvent>& events, const SpawnPlace& place,
                             bool has_turns) {
  const sc_request& q = r.scenario.threads[place.thread].operations[place.operation].request;
  std::string out = fmt::format("static void spawn_{}_{}(void) {{\n", place.thread, place.operation);
  out += kept_table(r, place, "struct keep") + fmt::format("  const int count = {};\n", sc_kept_count(&q));
  out += fmt::format(
      "  struct spawned* s = &shared->spawned[{}];\n  posix_spawn_file_actions_t actions;\n  posix_spawnattr_t "
      "attributes;\n"
      "  short flags = 0;\n  sigset_t set;\n  int pid = -1;\n  posix_spawn_file_actions_init(&actions);\n  "
      "posix_spawnattr_init(&attributes);\n",
      place.index);
  const auto set = [&](std::uint64_t bits, const char* function, const char* flag) {
    out += fmt::format("  set = set_of({});\n  {}(&attributes, &set);\n  flags |= {};\n", hex(bits), function, flag);
  };
  if ((q.set & SPAWNCHECK_SET_MASK) != 0) set(q.mask, "posix_spawnattr_setsigmask", "POSIX_SPAWN_SETSIGMASK");
  if ((q.set & SPAWNCHECK_SET_DEFAULT) != 0) set(q.dflt, "posix_spawnattr_setsigdefault", "POSIX_SPAWN_SETSIGDEF");
  if ((q.set & SPAWNCHECK_SET_PGROUP) != 0)
    out += "  posix_spawnattr_setpgroup(&attributes, 0);\n  flags |= POSIX_SPAWN_SETPGROUP;\n";
  if ((q.set & SPAWNCHECK_NEW_SESSION) != 0) out += "  flags |= POSIX_SPAWN_SETSID;\n";
  out += "  posix_spawnattr_setflags(&attributes, flags);\n";
  if ((q.set & SPAWNCHECK_SET_CWD) != 0)
    out += fmt::format("  posix_spawn_file_actions_addchdir_np(&actions, directory[{}]);\n", static_cast<int>(q.cwd));
  const std::string program = program_text(q);
  out += "  s->mask_before = mask_now();\n" + library_begin(events, place, has_turns);
  out += fmt::format(
      "  s->error = add_kept(&actions, keep, count);\n  if (s->error == 0)\n    s->error = posix_spawn(&pid, {0}, "
      "&actions, &attributes, (char*[]){{{0}, \"{1}\", NULL}}, environment);\n",
      program, q.program == SC_PROGRAM_EXIT ? "exit" : "hold");
  out += library_end(events, place, has_turns);
  return out +
         "  s->mask_after = mask_now();\n  s->pid = s->error == 0 ? pid : 0;\n  s->has_returned = 1;\n  "
         "posix_spawnattr_destroy(&attributes);\n  posix_spawn_file_actions_destroy(&actions);\n}\n";
}

std::string object_text(const Recorded& r, const std::vector<RecordedEvent>& events, const SpawnPlace& place,
                        bool has_turns) {
  const sc_request& q = r.scenario.threads[place.thread].operations[place.operation].request;
  const std::string program = program_text(q);
  std::string out = fmt::format("static void spawn_{}_{}(void) {{\n", place.thread, place.operation) +
                    kept_table(r, place, "struct spawncheck_keep");
  out += fmt::format(
      "  struct spawned* s = &shared->spawned[{}];\n  struct spawncheck_result result = {{-1, -1, 0}};\n", place.index);
  out += fmt::format(
      "  const struct spawncheck_request request = {{.size = sizeof request, .fd_policy = {}, .path = {}, .argv = "
      "(char*[]){{{}, \"{}\", NULL}}, .envp = environment,\n"
      "      .keep = keep, .keep_count = {}, .set = {}, .mask = {}, .dflt = {}, .ignore = {}, .pgroup = 0, .cwd = "
      "directory[{}]}};\n",
      static_cast<int>(q.policy), program, program, q.program == SC_PROGRAM_EXIT ? "exit" : "hold", sc_kept_count(&q),
      q.set, hex(q.mask), hex(q.dflt), hex(q.ignore), static_cast<int>(q.cwd));
  out += "  s->mask_before = mask_now();\n" + library_begin(events, place, has_turns);
  out +=
      "  errno = 12321;\n  s->error = implementation->spawn(&request, &result);\n  s->errno_changed = errno != "
      "12321;\n" +
      library_end(events, place, has_turns);
  return out +
         "  s->mask_after = mask_now();\n  s->pid = s->error == 0 ? result.pid : 0;\n  s->pidfd = s->error == 0 ? "
         "result.pidfd : -1;\n"
         "  s->has_returned = s->error != 0x7fffffff; /* declined: it has no way to do it */\n}\n";
}

}  // namespace

std::string begin_turn(const RecordedEvent& e, bool has_turns) {
  return has_turns && e.is_first ? fmt::format("  turn({});\n", e.block) : "";
}
std::string end_turn(const RecordedEvent& e, bool has_turns) { return has_turns && e.is_last ? "  done();\n" : ""; }

std::string form_text(Form form, const std::string& implementation) {
  if (form == Form::posix_spawn)
    return R"(struct keep {
  int source, target;
};
static sigset_t set_of(uint64_t bits) {
  sigset_t set;
  sigemptyset(&set);
  memcpy(&set, &bits, sizeof bits);
  return set;
}
/* All sources are read before any target is written: each goes aside first, to a number that is not in use. */
static int add_kept(posix_spawn_file_actions_t* actions, const struct keep* keep, int count) {
  int aside[1024], found = 0, error = 0;
  struct rlimit limit;
  if (count > 1024 || getrlimit(RLIMIT_NOFILE, &limit) != 0) return EINVAL;
  for (int i = 0; i < count; ++i)
    if (keep[i].source < 0 || keep[i].target < 0) return EBADF;
  for (int n = (int)limit.rlim_cur - 1; n >= 0 && found < count; --n) {
    int is_used = fcntl(n, F_GETFD) >= 0;
    for (int i = 0; i < count; ++i) is_used |= keep[i].target == n || keep[i].source == n;
    if (!is_used) aside[found++] = n;
  }
  if (found < count) return EMFILE;
  for (int i = 0; i < count && error == 0; ++i) error = posix_spawn_file_actions_adddup2(actions, keep[i].source, aside[i]);
  for (int i = 0; i < count && error == 0; ++i) error = posix_spawn_file_actions_adddup2(actions, aside[i], keep[i].target);
  for (int i = 0; i < count && error == 0; ++i) error = posix_spawn_file_actions_addclose(actions, aside[i]);
  return error;
}

)";
  if (form != Form::object) return {};
  return R"(/* The interface that the library was tried through; an adapter to the library's own functions exports it. */
struct spawncheck_keep {
  int source, target;
};
struct spawncheck_request {
  uint32_t size, fd_policy; /* 0: inherit, 1: drop close-on-exec ones but the kept, 2: only the kept */
  const char* path;
  char *const *argv, *const *envp;
  const struct spawncheck_keep* keep;
  uint32_t keep_count, set; /* 1 mask, 2 default, 4 ignore, 8 process group, 16 session, 32 directory, 64 pidfd */
  uint64_t mask, dflt, ignore;
  int32_t pgroup;
  const char* cwd;
};
struct spawncheck_result {
  int32_t pid, pidfd, error;
};
struct spawncheck_implementation {
  uint32_t abi;
  const char* name;
  uint32_t policies, sets;
  const char* promises;
  int (*spawn)(const struct spawncheck_request*, struct spawncheck_result*);
};
struct spawncheck_description {
  uint32_t size, habits;
  const char* version;
  const void* limits;
  uint32_t limit_count;
  int (*prepare)(void);
};
static const struct spawncheck_implementation* implementation;
static void load(void) {
  const struct spawncheck_implementation* (*get)(void);
  const struct spawncheck_description* (*describe)(void);
  void* object = dlopen()" +
         fmt::format("\"{}\"", implementation) + R"(, RTLD_NOW | RTLD_LOCAL);
  if (object == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    give_up(__LINE__);
  }
  *(void**)&get = dlsym(object, "spawncheck_implementation_v1");
  if (get == NULL) give_up(__LINE__);
  implementation = get();
  *(void**)&describe = dlsym(object, "spawncheck_description_v1");
  const struct spawncheck_description* d = describe == NULL ? NULL : describe();
  if (d != NULL && d->size >= sizeof *d && d->prepare != NULL && d->prepare() != 0) give_up(__LINE__);
}

)";
}

std::string spawn_text(const Recorded& r, const std::vector<RecordedEvent>& events, const SpawnPlace& place, Form form,
                       bool has_turns, std::string& why) {
  if (form == Form::posix_spawn) return posix_spawn_text(r, events, place, has_turns);
  if (form == Form::object) return object_text(r, events, place, has_turns);
  return Writer(r, events, place, has_turns, why).write();
}

}  // namespace spawncheck
