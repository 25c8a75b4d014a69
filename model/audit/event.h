// SPDX-License-Identifier: MIT
//
// The events of an audited run, as plain data: recorded by impl/audit/tracer or written by a test.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace spawncheck::audit {

using TaskId = std::int32_t;  // counts from 0 in the order of births; never reused, unlike kernel thread ids
inline constexpr std::uint32_t nothing = std::numeric_limits<std::uint32_t>::max();

enum class What : std::uint8_t {
  unknown,
  file,
  pipe,
  socket,
  eventfd,
  epoll,
  signalfd,
  timerfd,
  inotify,
  memfd,
  pidfd,
  terminal,
  io_uring,
  other
};
const char* name(What);

enum class EventKind : std::uint8_t {
  clone,        // a task was born: child, flags (CLONE_*)
  exec,         // the task runs another program: facts
  exec_failed,  // `number` is the errno
  exit,
  create,       // number, cloexec, what, may_write, object (its channel, 0: none)
  duplicate,    // from -> number, cloexec
  flag,         // F_SETFD: number, cloexec
  close,        // number
  close_range,  // number..last, flags (CLOSE_RANGE_*)
  unshare,      // the task gets a private table (CLONE_FILES)
  list,         // the task lists /proc/self/fd or /dev/fd, and is taken to close what it finds
  release,      // object: other tasks may wait for what happened before this
  acquire,      // object: everything before a release of it has happened
  handler       // a handler of signal `number` runs in this task
};

struct Event {
  EventKind kind = EventKind::exit;
  What what = What::unknown;
  bool cloexec = false;
  bool may_write = false;
  TaskId task = 0, child = -1;
  std::int32_t number = -1, from = -1;
  std::int64_t last = -1;
  std::uint32_t flags = 0;
  std::uint32_t site = nothing;   // Recording::sites
  std::uint32_t text = nothing;   // Recording::texts: a path
  std::uint32_t facts = nothing;  // exec: Recording::execs
  std::uint64_t object = 0;
  std::uint64_t begin_ns = 0,
                end_ns = 0;  // since the start of the run: at the call's entry; when its effect was known
};

// Objects of release and acquire have their kind in the upper 16 bits, so that objects of two kinds differ.
enum class ObjectKind : std::uint16_t { channel = 1, futex, process, signal, lock, exited };
constexpr std::uint64_t object(ObjectKind kind, std::uint64_t id) {
  return static_cast<std::uint64_t>(kind) << 48 | (id & 0xffff'ffff'ffffull);
}

// One frame of a call: the instruction after the call, or the first caller outside the C library.
struct Place {
  std::uint32_t module = nothing;  // Recording::texts: a file, or [name] of a mapping without one
  std::uint64_t offset = 0;        // in the file
  bool operator==(const Place&) const = default;
  auto operator<=>(const Place&) const = default;
};
struct Site {
  std::uint32_t call = nothing;  // Recording::texts: the system call's name
  Place at, caller;
  bool operator==(const Site&) const = default;
  auto operator<=>(const Site&) const = default;
};

// A program's descriptors as the kernel lists them right after exec (/proc/PID/fd).
struct OpenNumber {
  std::int32_t number = -1;
  std::string link;  // proc(5)
};
struct ExecFacts {
  std::string program;
  std::vector<std::string> arguments;      // the first of them, bounded
  std::vector<OpenNumber> open;            // ascending
  std::vector<std::int32_t> named;         // numbers named by arguments and environment (LISTEN_FDS, /dev/fd/N, ...)
  std::uint64_t blocked = 0, ignored = 0;  // bit n-1 is signal n
  bool is_set_id = false;                  // the file has a set-user-ID or set-group-ID bit
};

struct TaskFacts {
  std::int32_t pid = 0, tid = 0;
  std::string name;  // comm
  std::uint64_t blocked_at_birth = 0, caught_at_birth = 0, ignored_at_birth = 0;
};

// An observation that is not about inherited descriptors.
struct Remark {
  enum class Kind : std::uint8_t {
    zombie,
    pidfd_left,
    not_followed,
    io_uring,
    set_id,
    traced,
    foreign_calls,
    full
  } kind;
  TaskId task = -1;
  std::string text;
};

struct Recording {
  std::vector<Event> events;
  std::vector<std::string> texts;
  std::vector<Site> sites;
  std::vector<ExecFacts> execs;
  std::vector<TaskFacts> tasks;  // indexed by TaskId
  std::vector<Remark> remarks;
  std::vector<OpenNumber> passed_through;  // what the program's own parent left open for it
  std::uint64_t blocked_at_start = 0, ignored_at_start = 0;
  std::uint64_t duration_ns = 0;
  std::int32_t status = 0;   // of the audited program, as from waitpid(2)
  bool is_complete = false;  // every task was followed to its end
};

}  // namespace spawncheck::audit
