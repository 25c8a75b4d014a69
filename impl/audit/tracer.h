// SPDX-License-Identifier: MIT
//
// Follows a program, its threads and its children by ptrace(2), and makes the events that model/audit reads.
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "impl/audit/calls.h"
#include "impl/audit/launch.h"
#include "impl/audit/memory.h"
#include "impl/audit/unwinder.h"
#include "model/audit/follow.h"

namespace spawncheck::audit {

// Tells the tracer when to hold a task. Called between two stops, on the tracer's thread.
class Holder {
 public:
  virtual ~Holder() = default;
  // This event has just made a descriptor without close-on-exec; its task is at the exit of the call. Return true to
  // hold the task there until releases() returns true.
  virtual bool wants(const Follower&, const Event& event, std::uint32_t window) = 0;
  virtual void exec(const Follower&, const Exec&, pid_t child, const std::function<pid_t(TaskId)>& tid_of) = 0;
  virtual void cloned(const Follower&, const Copy&) = 0;
  // Called at each tick while a task is held, with every other live task; not at the first tick at which all of them
  // sleep for ever: that counts twice in a row only.
  struct Other {
    TaskId task;
    bool is_asleep, is_for_ever;  // in a call; without a timeout
    long call;
  };
  virtual bool releases(std::uint64_t held_ns, const std::vector<Other>&) = 0;
};

struct TraceOptions {
  std::vector<std::string> command;
  Streams streams = Streams::own;
  unsigned seconds = 0;                  // 0: no bound
  std::function<bool()> is_interrupted;  // true: every task that is followed is killed, within half a second
  Holder* holder = nullptr;
};

class Tracer {
 public:
  explicit Tracer(TraceOptions);
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  // Runs until the last task has ended. Returns false if nothing could be followed; `unsupported` says why.
  bool run();

  const Recording& recording() const { return recording_; }
  const Follower& follower() const { return follower_; }
  std::string unsupported;
  bool was_interrupted = false, was_too_long = false;

 private:
  struct Process {  // what the tasks of one memory share
    Mappings mappings;
  };
  struct Tracee {
    TaskId id = -1;
    pid_t tid = 0, group = 0;
    std::shared_ptr<Process> memory;
    bool has_thread_filter = false;
    bool shares_memory = false;    // a child that runs on its parent's memory until its exec
    bool has_left = false;         // its exit was recorded
    const CallRow* row = nullptr;  // of the call that the task is in
    std::uint64_t argument[6] = {};
    std::uint64_t instruction = 0, stack = 0, begin_ns = 0;
    std::uint32_t site = nothing, text = nothing;
    // Of a clone:
    std::uint64_t clone_flags = 0, child_tid_address = 0, pidfd_address = 0, own_tid_address = 0;
    std::vector<char> saved_registers;  // not empty: a filter is being installed
  };

  // tracer.cpp: the loop
  void dispatch(pid_t, int status);
  void stopped(Tracee&, int status);
  void resume(Tracee&, int request, int signal = 0);
  void born(Tracee& parent, int event);
  void executed(Tracee&);
  void leaves(Tracee&);
  void ended(pid_t, int status);
  void signalled(Tracee&, int signal);
  void tick();
  void end_all(int signal);
  void look_at_held();
  std::uint64_t now() const;
  Tracee& add(pid_t tid, pid_t group);
  void remark(Remark::Kind, TaskId, std::string);

  // record.cpp: calls become events
  void enters(Tracee&);
  void returns(Tracee&);
  bool enters_call(Tracee&);  // returns true if the task must stop at the call's exit
  bool enters_clone(Tracee&);
  void made(Tracee&, std::int64_t number, const std::uint64_t (&argument)[6]);
  void made_pair(Tracee&);
  void received(Tracee&);
  void record(Event);
  void flag(Tracee&, bool cloexec);  // of the call's first argument
  void create(Tracee&, std::int32_t number, bool cloexec, What, bool may_write, std::uint64_t channel);
  void order(Tracee&, EventKind, std::uint64_t object);
  std::uint64_t channel_of(const Tracee&, std::uint64_t number) const;
  void find_site(Tracee&);
  std::uint32_t intern(const std::string&);
  Event event(const Tracee&, EventKind) const;

  // inject.cpp: a task that is stopped at the entry of its clone calls seccomp(2) first
  bool begin_thread_filter(Tracee&);
  void end_thread_filter(Tracee&);
  void change_first_argument(const Tracee&, std::uint64_t);  // of the call at whose entry the task is stopped

  TraceOptions options_;
  Recording recording_;
  Follower follower_{recording_};
  std::unordered_map<pid_t, Tracee> tracees_;
  std::unordered_map<pid_t, int> early_;  // first stops of children that came before the parent's clone event
  std::map<pid_t, std::vector<pid_t>> dead_children_;
  std::unordered_map<pid_t, pid_t> parent_of_;
  std::unordered_map<std::string, std::uint32_t> texts_;
  std::map<Site, std::uint32_t> sites_;
  Unwinder unwinder_;
  std::vector<sock_filter> thread_filter_;
  std::uint64_t start_ns_ = 0, deadline_ns_ = 0, interrupted_ns_ = 0, held_ns_ = 0, channels_ = 16;
  pid_t root_ = -1, held_ = -1;
  bool has_begun_ = false, is_ending_ = false, is_full_ = false, has_no_new_privileges_ = false, looked_idle_ = false;
};

}  // namespace spawncheck::audit
