// SPDX-License-Identifier: MIT
//
// Makes events of calls. The effect of a call on a table is recorded at its exit. To save a stop it is recorded at its
// entry if the result is certain, or if other tasks can at most see more descriptors than the recording.
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>

#include "impl/audit/filter.h"
#include "impl/audit/proc.h"
#include "impl/audit/tracer.h"

namespace spawncheck::audit {

namespace {

constexpr std::size_t events_max = 8'000'000, texts_max = 500'000;
constexpr std::uint64_t network_channel =
    1;  // one for all sockets that socketpair(2) did not make: orders too much rather than too little
constexpr std::size_t control_bytes_max = 8192;

bool is_listing(const std::string& path) {
  return path == "/proc/self/fd" || path == "/proc/self/fd/" || path == "/dev/fd" || path == "/dev/fd/" ||
         (path.rfind("/proc/", 0) == 0 && path.size() > 9 && path.compare(path.size() - 3, 3, "/fd") == 0);
}

std::uint64_t futex_object(pid_t group, std::uint64_t address) {
  return object(ObjectKind::futex, address ^ static_cast<std::uint64_t>(group) << 32);
}

}  // namespace

std::uint32_t Tracer::intern(const std::string& text) {
  const auto at = texts_.find(text);
  if (at != texts_.end()) return at->second;
  if (recording_.texts.size() >= texts_max) return nothing;
  const auto index = static_cast<std::uint32_t>(recording_.texts.size());
  recording_.texts.push_back(text);
  texts_.emplace(text, index);
  return index;
}

Event Tracer::event(const Tracee& t, EventKind kind) const {
  Event out;
  out.kind = kind;
  out.task = t.id;
  out.site = t.site;
  out.begin_ns = t.begin_ns;
  out.end_ns = now();
  return out;
}

void Tracer::record(Event e) {
  if (recording_.events.size() >= events_max) {
    if (!is_full_) remark(Remark::Kind::full, e.task, "the recording is full: what came later is not reported");
    is_full_ = true;
    return;
  }
  follower_.apply(e);
}

void Tracer::order(Tracee& t, EventKind kind, std::uint64_t of) {
  Event e = event(t, kind);
  e.object = of;
  e.site = nothing;
  record(e);
}

// Finds where the call was made. If the mappings know each address, this mostly costs one read of the stack.
void Tracer::find_site(Tracee& t) {
  Site site;
  site.call = intern(t.row->name);
  const auto text = [this](const std::string& name) { return intern(name); };
  // The mappings may lack a library that was loaded later. Clones are few: each reads the mappings again.
  if (t.has_thread_filter && (t.row->act == Act::clone || t.row->act == Act::clone3)) t.memory->mappings.forget();
  if (const Mapping* at = t.memory->mappings.find(t.tid, t.instruction, text))
    site.at = {at->module, t.instruction - at->begin + at->offset};
  std::uint64_t caller = unwinder_.caller(
      t.tid, [&](std::uint64_t address) { return t.memory->mappings.find(t.tid, address, text); },
      [this](std::uint32_t module) { return recording_.texts[module]; });
  if (caller == 0) caller = caller_on_stack(t.tid, t.stack, t.memory->mappings);
  if (const Mapping* at = t.memory->mappings.look_up(caller))
    site.caller = {at->module, caller - at->begin + at->offset};
  const auto [found, is_new] = sites_.emplace(site, static_cast<std::uint32_t>(recording_.sites.size()));
  if (is_new) recording_.sites.push_back(site);
  t.site = found->second;
}

std::uint64_t Tracer::channel_of(const Tracee& t, std::uint64_t number) const {
  const Entry* entry = follower_.find(t.id, static_cast<std::int32_t>(number));
  return entry == nullptr ? 0 : entry->channel;
}

void Tracer::enters(Tracee& t) {
  __ptrace_syscall_info info{};
  if (ptrace(static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO), t.tid, sizeof info, &info) <= 0 ||
      info.op != PTRACE_SYSCALL_INFO_SECCOMP)
    return resume(t, PTRACE_CONT);
  const std::uint32_t row = info.seccomp.ret_data & SECCOMP_RET_DATA;
  if (row >= calls().size()) {
    remark(Remark::Kind::foreign_calls, t.id, "calls of another architecture (32 bit, x32) are not followed");
    return resume(t, PTRACE_CONT);
  }
  t.row = &calls()[row];
  std::copy(std::begin(info.seccomp.args), std::end(info.seccomp.args), t.argument);
  t.instruction = info.instruction_pointer;
  t.stack = info.stack_pointer;
  t.begin_ns = now();
  t.site = t.text = nothing;
  if (enters_call(t)) return resume(t, PTRACE_SYSCALL);
  if (!t.saved_registers.empty()) return;  // begin_thread_filter() has resumed the task
  t.row = nullptr;
  resume(t, PTRACE_CONT);
}

bool Tracer::enters_call(Tracee& t) {
  const std::uint64_t(&a)[6] = t.argument;
  switch (t.row->act) {
    case Act::open:
      t.text = intern(read_string(t.tid, a[t.row->argument]));
      find_site(t);
      return true;
    case Act::exec:
      t.text = intern(read_string(t.tid, a[t.row->argument]));
      return true;
    case Act::create:
      if (t.row->what == What::io_uring)
        remark(Remark::Kind::io_uring, t.id, "io_uring is used: what its operations open and close is not followed");
      find_site(t);
      return true;
    case Act::pair:
    case Act::duplicate:
    case Act::duplicate_to:
      find_site(t);
      return true;
    case Act::fcntl:
      if (a[1] == F_SETFD) {
        find_site(t);
        if ((a[2] & FD_CLOEXEC) == 0) return true;
        flag(t, true);
        return false;
      }
      if (a[1] == F_DUPFD || a[1] == F_DUPFD_CLOEXEC) {
        find_site(t);
        return true;
      }
      {
        short type = F_UNLCK;
        read_memory(t.tid, a[2], &type, sizeof type);
        if (type != F_UNLCK) return true;
        order(t, EventKind::release, object(ObjectKind::lock, 0));
      }
      return false;
    case Act::ioctl:
      find_site(t);
      if (a[1] != FIOCLEX) return true;
      flag(t, true);
      return false;
    case Act::close: {
      if (t.has_thread_filter)
        if (const std::uint64_t channel = channel_of(t, a[0]))
          order(t, EventKind::release, object(ObjectKind::channel, channel));
      Event e = event(t, EventKind::close);
      e.number = static_cast<std::int32_t>(a[0]);
      record(e);
      return false;
    }
    case Act::close_range: {
      constexpr std::uint64_t known = CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC;
      const auto first = static_cast<std::uint32_t>(a[0]), last = static_cast<std::uint32_t>(a[1]);
      if (first > last || (a[2] & ~known) != 0) return false;
      Event e = event(t, EventKind::close_range);
      e.number = static_cast<std::int32_t>(std::min<std::uint32_t>(first, INT32_MAX));
      e.last = last;
      e.flags = static_cast<std::uint32_t>(a[2]);
      record(e);
      return false;
    }
    case Act::unshare:
      return true;
    case Act::clone:
    case Act::clone3:
      return enters_clone(t);
    case Act::receive: {
      std::uint64_t control = 0;
      const bool has_control =
          read_memory(t.tid, a[1] + offsetof(msghdr, msg_controllen), &control, sizeof control) && control != 0;
      if (has_control) find_site(t);
      return has_control || (t.has_thread_filter && channel_of(t, a[0]) != 0);
    }
    case Act::futex: {
      const int operation = static_cast<int>(a[1]) & FUTEX_CMD_MASK;
      if (operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET || operation == FUTEX_LOCK_PI ||
          operation == FUTEX_LOCK_PI2 || operation == FUTEX_WAIT_REQUEUE_PI)
        return true;
      order(t, EventKind::release, futex_object(t.group, a[0]));
      if (operation == FUTEX_WAKE_OP || operation == FUTEX_CMP_REQUEUE || operation == FUTEX_REQUEUE)
        order(t, EventKind::release, futex_object(t.group, a[4]));
      return false;
    }
    case Act::read:
      return channel_of(t, a[0]) != 0;
    case Act::write:
      if (const std::uint64_t channel = channel_of(t, a[0]))
        order(t, EventKind::release, object(ObjectKind::channel, channel));
      return false;
    case Act::wait:
    case Act::take_signal:
      return true;
    case Act::kill: {
      const auto target = t.row->argument < 0 ? 0 : static_cast<pid_t>(a[t.row->argument]);
      order(t, EventKind::release,
            object(ObjectKind::signal, target > 0 ? static_cast<std::uint64_t>(group_of(target)) : 0));
      return false;
    }
    case Act::lock:
      if ((a[1] & LOCK_UN) == 0) return true;
      order(t, EventKind::release, object(ObjectKind::lock, 0));
      return false;
  }
  return false;
}

// Takes CLONE_UNTRACED away: with it the child has the filter and no tracer, and each call that the filter stops would
// fail with ENOSYS (seccomp(2), SECCOMP_RET_TRACE).
bool Tracer::enters_clone(Tracee& t) {
  const std::uint64_t(&a)[6] = t.argument;
  t.child_tid_address = t.pidfd_address = 0;
  t.clone_flags = 0;
  if (t.row->act == Act::clone3) {
    clone_args arguments{};
    read_memory(t.tid, a[0], &arguments, std::min<std::size_t>(a[1], sizeof arguments));
    t.clone_flags = arguments.flags;
    t.child_tid_address = arguments.child_tid;
    t.pidfd_address = arguments.pidfd;
    if ((arguments.flags & CLONE_UNTRACED) != 0) {
      arguments.flags &= ~static_cast<std::uint64_t>(CLONE_UNTRACED);
      write_memory(t.tid, a[0], &arguments.flags, sizeof arguments.flags);
    }
  } else if (t.row->number == SYS_clone) {
    t.clone_flags = a[0] & ~static_cast<std::uint64_t>(CSIGNAL);
    if ((a[0] & CLONE_UNTRACED) != 0) change_first_argument(t, a[0] & ~static_cast<std::uint64_t>(CLONE_UNTRACED));
    t.pidfd_address = a[2];
#if defined(__x86_64__)
    t.child_tid_address = a[3];
#else
    t.child_tid_address = a[4];
#endif
#ifdef SYS_vfork
  } else if (t.row->number == SYS_vfork) {
    t.clone_flags = CLONE_VM | CLONE_VFORK;
#endif
  }
  const bool shares = (t.clone_flags & (CLONE_THREAD | CLONE_FILES)) != 0 && (t.clone_flags & CLONE_VFORK) == 0;
  if (shares && !t.has_thread_filter && begin_thread_filter(t)) return false;
  find_site(t);
  return false;
}

void Tracer::flag(Tracee& t, bool cloexec) {
  Event e = event(t, EventKind::flag);
  e.number = static_cast<std::int32_t>(t.argument[0]);
  e.cloexec = cloexec;
  record(e);
}

void Tracer::create(Tracee& t, std::int32_t number, bool cloexec, What what, bool may_write, std::uint64_t channel) {
  Event e = event(t, EventKind::create);
  e.number = number;
  e.cloexec = cloexec;
  e.what = what;
  e.may_write = may_write;
  e.object = channel;
  e.text = t.text;
  record(e);
}

void Tracer::made(Tracee& t, std::int64_t result, const std::uint64_t (&a)[6]) {
  const CallRow& row = *t.row;
  const auto number = static_cast<std::int32_t>(result);
  bool cloexec = asks_cloexec(row, a), may_write = true;
  What what = row.what;
  std::uint64_t channel = 0;
  if (row.act == Act::open) {
    std::uint64_t flags = row.flags_argument < 0 ? O_WRONLY : a[row.flags_argument];
    if (row.number == SYS_openat2) {
      open_how how{};
      if (read_memory(t.tid, a[2], &how, sizeof how)) flags = how.flags;
      cloexec = (flags & O_CLOEXEC) != 0;
    }
    may_write = (flags & O_ACCMODE) != O_RDONLY;
    if (t.text != nothing && is_listing(recording_.texts[t.text])) record(event(t, EventKind::list));
    if (t.has_thread_filter)
      if (const std::uint64_t inode = fifo_inode(t.tid, number)) {
        what = What::pipe;
        channel = 1ull << 40 | inode;
      }
  }
  if (what == What::eventfd) channel = ++channels_;
  if (what == What::socket) channel = network_channel;
  create(t, number, cloexec, what, may_write, channel);
}

void Tracer::made_pair(Tracee& t) {
  std::int32_t numbers[2] = {-1, -1};
  if (!read_memory(t.tid, t.argument[t.row->argument], numbers, sizeof numbers)) return;
  const bool cloexec = asks_cloexec(*t.row, t.argument);
  const std::uint64_t channel = ++channels_;
  create(t, numbers[0], cloexec, t.row->what, t.row->what == What::socket, channel);
  create(t, numbers[1], cloexec, t.row->what, true, channel);
}

void Tracer::received(Tracee& t) {
  msghdr header{};
  if (!read_memory(t.tid, t.argument[1], &header, sizeof header) || header.msg_controllen == 0) return;
  std::vector<char> control(std::min<std::size_t>(header.msg_controllen, control_bytes_max));
  if (!read_memory(t.tid, reinterpret_cast<std::uint64_t>(header.msg_control), control.data(), control.size())) return;
  for (std::size_t at = 0; at + sizeof(cmsghdr) <= control.size();) {
    cmsghdr part{};
    std::memcpy(&part, control.data() + at, sizeof part);
    if (part.cmsg_len < sizeof part || part.cmsg_len > control.size() - at) break;
    if (part.cmsg_level == SOL_SOCKET && part.cmsg_type == SCM_RIGHTS)
      for (std::size_t n = at + CMSG_LEN(0); n + sizeof(int) <= at + part.cmsg_len; n += sizeof(int)) {
        std::int32_t number = -1;
        std::memcpy(&number, control.data() + n, sizeof number);
        t.text = intern("(received: SCM_RIGHTS)");
        create(t, number, asks_cloexec(*t.row, t.argument), What::other, true, 0);
      }
    at += CMSG_ALIGN(part.cmsg_len);
  }
}

void Tracer::returns(Tracee& t) {
  if (!t.saved_registers.empty()) {
    end_thread_filter(t);
    return resume(t, PTRACE_CONT);
  }
  if (t.row == nullptr) return resume(t, PTRACE_CONT);
  __ptrace_syscall_info info{};
  const bool is_known = ptrace(static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO), t.tid, sizeof info, &info) > 0 &&
                        info.op == PTRACE_SYSCALL_INFO_EXIT;
  const std::int64_t result = is_known ? info.exit.rval : -1;
  const std::size_t windows = follower_.windows().size();
  const std::uint64_t(&a)[6] = t.argument;
  switch (t.row->act) {
    case Act::open:
    case Act::create:
      if (result >= 0) made(t, result, a);
      break;
    case Act::ioctl:
      if (a[1] == FIONCLEX) {
        if (result == 0) flag(t, false);
      } else if (result >= 0)
        create(t, static_cast<std::int32_t>(result), (a[2] & O_CLOEXEC) != 0, What::terminal, true, 0);
      break;
    case Act::pair:
      if (result == 0) made_pair(t);
      break;
    case Act::duplicate:
    case Act::duplicate_to:
    case Act::fcntl:
      if (t.row->act == Act::fcntl && a[1] == F_SETFD) {
        if (result == 0) flag(t, false);
      } else if (result >= 0 && t.row->act == Act::fcntl && a[1] != F_DUPFD && a[1] != F_DUPFD_CLOEXEC) {
        order(t, EventKind::acquire, object(ObjectKind::lock, 0));
      } else if (result >= 0) {
        Event e = event(t, EventKind::duplicate);
        e.from = static_cast<std::int32_t>(a[0]);
        e.number = static_cast<std::int32_t>(result);
        e.cloexec = t.row->act == Act::fcntl ? a[1] == F_DUPFD_CLOEXEC : asks_cloexec(*t.row, a);
        if (const Entry* from = follower_.find(t.id, e.from)) {
          e.what = from->what;
          if (from->create_event != nothing) e.text = recording_.events[from->create_event].text;
        }
        record(e);
      }
      break;
    case Act::receive:
      if (result >= 0) {
        received(t);
        if (const std::uint64_t channel = channel_of(t, a[0]))
          order(t, EventKind::acquire, object(ObjectKind::channel, channel));
      }
      break;
    case Act::exec:
      if (is_known && result < 0) {
        Event e = event(t, EventKind::exec_failed);
        e.number = static_cast<std::int32_t>(-result);
        e.text = t.text;
        record(e);
      }
      break;
    case Act::unshare:
      if (result == 0) record(event(t, EventKind::unshare));
      break;
    case Act::futex:
      order(t, EventKind::acquire, futex_object(t.group, a[0]));
      break;
    case Act::read:
      if (const std::uint64_t channel = channel_of(t, a[0]); channel != 0 && result >= 0)
        order(t, EventKind::acquire, object(ObjectKind::channel, channel));
      break;
    case Act::wait:
      if (result > 0)
        order(t, EventKind::acquire, object(ObjectKind::process, static_cast<std::uint64_t>(result)));
      else if (result == 0 && t.row->number == SYS_waitid && a[0] == 1 /* P_PID */)
        order(t, EventKind::acquire, object(ObjectKind::process, a[1]));
      break;
    case Act::take_signal:
      if (result > 0) {
        order(t, EventKind::acquire, object(ObjectKind::signal, static_cast<std::uint64_t>(t.group)));
        order(t, EventKind::acquire, object(ObjectKind::signal, 0));
      }
      break;
    case Act::lock:
      if (result == 0) order(t, EventKind::acquire, object(ObjectKind::lock, 0));
      break;
    default:
      break;
  }
  t.row = nullptr;
  if (options_.holder != nullptr && held_ < 0)
    for (std::size_t w = windows; w < follower_.windows().size(); ++w) {
      const Event& e = recording_.events[follower_.windows()[w].create_event];
      if (!options_.holder->wants(follower_, e, static_cast<std::uint32_t>(w))) continue;
      held_ = t.tid;
      held_ns_ = now();
      looked_idle_ = false;
      return;
    }
  resume(t, PTRACE_CONT);
}

}  // namespace spawncheck::audit
