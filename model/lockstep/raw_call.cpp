// SPDX-License-Identifier: MIT
#include "model/lockstep/raw_call.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "model/contract/describe.h"
#include "model/kernel/operation_call.h"
#include "model/scenario/visible.h"

namespace spawncheck::lockstep {

using model::Call;
using model::CallKind;

namespace {

sc_effect effect_of(const sc_step& s) { return static_cast<sc_effect>(sc_visible_calls[s.call].effect); }

std::int32_t number(const sc_step& s, unsigned i) { return static_cast<std::int32_t>(s.arg[i]); }
std::uint32_t bits(const sc_step& s, unsigned i) { return static_cast<std::uint32_t>(s.arg[i]); }

std::uint32_t cloexec(bool is_set) { return is_set ? static_cast<std::uint32_t>(SC_FLAG_CLOEXEC) : 0u; }

// Returns true if the new descriptor starts with close-on-exec (man pages); unlisted calls have no such flag.
bool is_born_cloexec(const sc_step& s) {
  switch (s.call) {
    case SC_VISIBLE_openat:
      return (bits(s, 2) & O_CLOEXEC) != 0;
    case SC_VISIBLE_memfd_create:
      return (bits(s, 1) & MFD_CLOEXEC) != 0;
    case SC_VISIBLE_socket:
    case SC_VISIBLE_socketpair:
    case SC_VISIBLE_pipe2:
    case SC_VISIBLE_eventfd2:
    case SC_VISIBLE_timerfd_create:
      return (bits(s, 1) & O_CLOEXEC) != 0;  // SOCK_CLOEXEC, EFD_CLOEXEC, TFD_CLOEXEC are the same bit
    case SC_VISIBLE_epoll_create1:
    case SC_VISIBLE_inotify_init1:
      return (bits(s, 0) & O_CLOEXEC) != 0;
    case SC_VISIBLE_signalfd4:
    case SC_VISIBLE_accept4:
      return (bits(s, 3) & O_CLOEXEC) != 0;
    case SC_VISIBLE_mq_open:
    case SC_VISIBLE_pidfd_open:
    case SC_VISIBLE_pidfd_getfd:
      return true;
#if defined(__x86_64__)
    case SC_VISIBLE_open:
      return (bits(s, 1) & O_CLOEXEC) != 0;
#endif
    default:
      return false;
  }
}

// The file that a scenario's operation opens is known by its kind and name.
RawCall of_operation(const sc_step& s, const sc_operation& op, std::uint64_t identity, const std::uint64_t inode[2]) {
  model::Resolved resolved;
  resolved.identity = identity;
  for (int i = 0; i < 2; ++i) {
    resolved.operand[i] = op.operand[i].value;
    resolved.inode[i] = inode[i];
  }
  RawCall raw;
  if (op.kind == SC_OP_LISTEN) {
    raw.call = make_call(CallKind::create, -1, -1, cloexec(is_born_cloexec(s)));
    raw.call.key[0] = {SC_FILE_LISTENER, model::unbound};
  } else {
    raw.call = *model::call_of(op, resolved);
  }
  raw.known = Known::call;
  return raw;
}

bool creates(std::uint8_t kind) {
  switch (kind) {
    case SC_OP_MEMFD:
    case SC_OP_NULL_DEVICE:
    case SC_OP_PIPE:
    case SC_OP_SOCKETPAIR:
    case SC_OP_EVENTFD:
    case SC_OP_MQUEUE:
    case SC_OP_FILE:
    case SC_OP_PROGRAM:
    case SC_OP_FIFO:
    case SC_OP_LISTEN:
      return true;
    default:
      return false;
  }
}

RawCall of_allocation(const sc_step& s, bool is_pair) {
  if (s.call == SC_VISIBLE_dup) return {Known::call, make_call(CallKind::dup, number(s, 0))};
  RawCall raw{Known::creation,
              make_call(is_pair ? CallKind::create_pair : CallKind::create, -1, -1, cloexec(is_born_cloexec(s)))};
  for (sc_key& key : raw.call.key) key.kind = SC_FILE_OTHER;
  return raw;
}

RawCall of_fcntl(const sc_step& s) {
  switch (bits(s, 1)) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC: {
      // do_fcntl: the bound is unsigned; a negative one is beyond every limit.
      const std::int32_t from = number(s, 2) < 0 ? INT32_MAX : number(s, 2);
      return {Known::call, make_call(CallKind::dupfd, number(s, 0), from, cloexec(bits(s, 1) == F_DUPFD_CLOEXEC))};
    }
    case F_GETFD:
      return {Known::call, make_call(CallKind::getfd, number(s, 0))};
    case F_SETFD:
      return {Known::call, make_call(CallKind::setfd, number(s, 0), -1, cloexec((bits(s, 2) & FD_CLOEXEC) != 0))};
    default:
      return {Known::file, make_call(CallKind::getfd, number(s, 0))};
  }
}

RawCall of_replacement(const sc_step& s) {
  Call call = make_call(CallKind::dup3, number(s, 0), number(s, 1));
  if (s.call == SC_VISIBLE_dup3) {
    call.name = 1;
    call.flags = cloexec((bits(s, 2) & O_CLOEXEC) != 0);
  }
  return {Known::call, call};
}

RawCall of_attribute(const sc_step& s) {
  switch (s.call) {
    case SC_VISIBLE_setsid:
      return {Known::call, make_call(CallKind::setsid)};
    case SC_VISIBLE_umask:
      return {Known::call, make_call(CallKind::umask, number(s, 0))};
    case SC_VISIBLE_setpgid:
      if (number(s, 0) == 0) return {Known::call, make_call(CallKind::setpgid, number(s, 1))};
      return {Known::unknown, {}};
    default:
      return {};
  }
}

RawCall of_mask(const sc_step& s) {
  if (s.call != SC_VISIBLE_rt_sigprocmask) return {Known::unknown, {}};
  Call call = make_call(CallKind::mask, s.arg[0] == SIG_BLOCK     ? SC_HOW_BLOCK
                                        : s.arg[0] == SIG_UNBLOCK ? SC_HOW_UNBLOCK
                                                                  : SC_HOW_SET);
  call.bits = s.pointee;
  return {Known::call, call};
}

RawCall of_disposition(const sc_step& s) {
  const std::int32_t how = s.pointee == 0   ? SC_DISPOSITION_DEFAULT
                           : s.pointee == 1 ? SC_DISPOSITION_IGNORE
                                            : SC_DISPOSITION_HANDLER;
  return {Known::call, make_call(CallKind::disposition, number(s, 0), how)};
}

RawCall of_limit(const sc_step& s) {
  const bool is_prlimit = s.call == SC_VISIBLE_prlimit64;
  if ((is_prlimit ? s.arg[2] : s.arg[1]) == 0) return {};  // a query
  if (bits(s, is_prlimit ? 1 : 0) != RLIMIT_NOFILE) return {};
  if (is_prlimit && s.arg[0] != 0) return {Known::unknown, {}};
  return {Known::call, make_call(CallKind::limit, static_cast<std::int32_t>(s.pointee))};
}

RawCall of_anything(const sc_step& s) {
  if (s.call == SC_VISIBLE_unshare && bits(s, 0) == CLONE_FILES)
    return {Known::call, make_call(CallKind::unshare_files)};
  if (s.call == SC_VISIBLE_sendmsg) return {Known::file, make_call(CallKind::getfd, number(s, 0))};
  return {Known::unknown, {}};
}

RawCall of_memory(const sc_step& s, const sc_operation* operation) {
  if (s.call != SC_VISIBLE_marker || operation == nullptr) return {};
  RawCall raw{Known::call,
              *model::call_of(*operation, {{operation->operand[0].value, operation->operand[1].value}, 0, {0, 0}})};
  return raw;
}

}  // namespace

RawCall translate(const sc_step& s, const sc_operation* operation, std::uint64_t identity,
                  const std::uint64_t inode[2]) {
  const sc_effect effect = effect_of(s);
  switch (effect) {
    case SC_EFFECT_ALLOCATE:
    case SC_EFFECT_ALLOCATE2:
      if (operation != nullptr && creates(operation->kind)) return of_operation(s, *operation, identity, inode);
      return of_allocation(s, effect == SC_EFFECT_ALLOCATE2);
    case SC_EFFECT_NUMBER:
      return {Known::call, make_call(CallKind::close, number(s, 0))};
    case SC_EFFECT_REPLACE:
      return of_replacement(s);
    case SC_EFFECT_FCNTL:
      return of_fcntl(s);
    case SC_EFFECT_RANGE:
      return {Known::call, make_call(CallKind::close_range, number(s, 0), number(s, 1), bits(s, 2))};
    case SC_EFFECT_FILE:
      if (s.call == SC_VISIBLE_bind) return {Known::special, {}};
      if (s.call == SC_VISIBLE_flock && bits(s, 1) == 6)
        return {Known::call, make_call(CallKind::flock, number(s, 0))};  // LOCK_EX|LOCK_NB
      if (s.call == SC_VISIBLE_ppoll) return {};
#if defined(__x86_64__)
      if (s.call == SC_VISIBLE_poll) return {};
#endif
      return {Known::file, make_call(CallKind::getfd, number(s, 0))};
    case SC_EFFECT_ATTRIBUTE:
      return of_attribute(s);
    case SC_EFFECT_MASK:
      return of_mask(s);
    case SC_EFFECT_DISPOSITION:
      return of_disposition(s);
    case SC_EFFECT_LIMIT:
      return of_limit(s);
    case SC_EFFECT_ANYTHING:
      return of_anything(s);
    case SC_EFFECT_MEMORY:
      return of_memory(s, operation);
    case SC_EFFECT_SEND:
    case SC_EFFECT_CLONE:
    case SC_EFFECT_EXEC:
    case SC_EFFECT_EXIT:
    case SC_EFFECT_WAIT:
      return {Known::special, {}};
  }
  return {};
}

std::uint64_t clone_flags(const sc_step& s) {
  switch (s.call) {
    case SC_VISIBLE_clone:
      return static_cast<std::uint64_t>(s.arg[0]);
    case SC_VISIBLE_clone3:
      return s.pointee;
#if defined(__x86_64__)
    case SC_VISIBLE_vfork:
      return CLONE_VM | CLONE_VFORK | SIGCHLD;
#endif
    default:
      return SIGCHLD;  // fork(2)
  }
}

model::Result result_of(const sc_step& s) {
  model::Result r;
  if (s.call == SC_VISIBLE_marker) return r;  // not a kernel call: ENOSYS
  if (s.result < 0 && s.result > -4096) {
    r.error = static_cast<std::int32_t>(-s.result);
    return r;
  }
  if (effect_of(s) == SC_EFFECT_ALLOCATE2) {
    r.value[0] = static_cast<std::int32_t>(s.pointee);
    r.value[1] = static_cast<std::int32_t>(s.pointee >> 32);
  } else {
    r.value[0] = static_cast<std::int32_t>(s.result);
  }
  return r;
}

std::string text(const model::Result& r, bool has_value) {
  if (r.error != 0) return describe_error(r.error);
  return has_value ? std::to_string(r.value[0]) + (r.value[1] >= 0 ? ", " + std::to_string(r.value[1]) : "")
                   : "success";
}

}  // namespace spawncheck::lockstep
