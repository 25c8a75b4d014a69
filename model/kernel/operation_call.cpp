// SPDX-License-Identifier: MIT
#include "model/kernel/operation_call.h"

namespace spawncheck::model {

namespace {

Call make(CallKind kind, const sc_operation& op, const Resolved& r) {
  Call call;
  call.kind = static_cast<std::uint8_t>(kind);
  call.flags = op.flags;
  call.a = r.operand[0];
  call.b = r.operand[1];
  return call;
}

Call creation(const sc_operation& op, const Resolved& r, sc_file_kind kind, std::uint64_t id) {
  Call call = make(CallKind::create, op, r);
  call.key[0].kind = static_cast<std::uint8_t>(kind);
  call.key[0].id = id;
  return call;
}

Call pair(const sc_operation& op, const Resolved& r, sc_file_kind first, sc_file_kind second) {
  Call call = make(CallKind::create_pair, op, r);
  call.key[0] = {static_cast<std::uint8_t>(first), r.inode[0]};
  call.key[1] = {static_cast<std::uint8_t>(second), r.inode[1]};
  return call;
}

std::uint64_t name_of(const sc_operation& op) { return static_cast<std::uint64_t>(op.operand[0].value); }

Call named(CallKind kind, const sc_operation& op, const Resolved& r, sc_file_kind file) {
  Call call = make(kind, op, r);
  call.name = static_cast<std::uint8_t>(op.operand[0].value);
  call.key[0].kind = static_cast<std::uint8_t>(file);
  call.key[0].id = name_of(op);
  return call;
}

using Op = const sc_operation&;
using Res = const Resolved&;

Call of_memfd(Op op, Res r) { return creation(op, r, SC_FILE_MEMFD, r.identity); }
Call of_null_device(Op op, Res r) { return creation(op, r, SC_FILE_NULL, 0); }
Call of_pipe(Op op, Res r) { return pair(op, r, SC_FILE_PIPE_READ, SC_FILE_PIPE_WRITE); }
Call of_socketpair(Op op, Res r) { return pair(op, r, SC_FILE_SOCKET, SC_FILE_SOCKET); }
Call of_eventfd(Op op, Res r) { return creation(op, r, SC_FILE_EVENTFD, r.identity); }
Call of_mqueue(Op op, Res r) { return creation(op, r, SC_FILE_MQUEUE, name_of(op)); }
Call of_file(Op op, Res r) { return creation(op, r, SC_FILE_REGULAR, name_of(op)); }
Call of_program(Op op, Res r) { return named(CallKind::open_program, op, r, SC_FILE_PROGRAM); }
Call of_fifo(Op op, Res r) {
  Call call = named(CallKind::open_fifo, op, r, SC_FILE_NONE);
  call.direction = static_cast<std::uint8_t>(op.operand[1].value);
  return call;
}
// Until bind(2) the socket belongs to no name.
Call of_listen(Op op, Res r) {
  Call call = named(CallKind::listen, op, r, SC_FILE_SOCKET);
  call.key[0].id = 0;
  return call;
}
Call of_flock(Op op, Res r) { return make(CallKind::flock, op, r); }
Call of_dup(Op op, Res r) { return make(CallKind::dup, op, r); }
Call of_dup2(Op op, Res r) { return make(CallKind::dup3, op, r); }
Call of_dup3(Op op, Res r) {
  Call call = make(CallKind::dup3, op, r);
  call.name = 1;
  return call;
}
Call of_dupfd(Op op, Res r) { return make(CallKind::dup, op, r); }
Call of_getfd(Op op, Res r) { return make(CallKind::getfd, op, r); }
Call of_setfd(Op op, Res r) { return make(CallKind::setfd, op, r); }
Call of_close(Op op, Res r) { return make(CallKind::close, op, r); }
Call of_close_range(Op op, Res r) { return make(CallKind::close_range, op, r); }
Call of_limit(Op op, Res r) { return make(CallKind::limit, op, r); }
Call of_mask(Op op, Res r) {
  Call call = make(CallKind::mask, op, r);
  call.bits = op.signals;
  return call;
}
Call of_disposition(Op op, Res r) { return make(CallKind::disposition, op, r); }
Call of_kill(Op op, Res r) {
  Call call = make(CallKind::kill, op, r);
  call.a = 0;
  call.b = op.operand[0].value;
  return call;
}
Call of_tgkill(Op op, Res r) { return make(CallKind::tgkill, op, r); }
Call of_altstack(Op op, Res r) { return make(CallKind::altstack, op, r); }
Call of_store(Op op, Res r) { return make(CallKind::store, op, r); }
Call of_load(Op op, Res r) { return make(CallKind::load, op, r); }

// These three depend on processes and on the implementation: whoever drives the model plays them.
constexpr std::nullptr_t of_spawn = nullptr, of_wait = nullptr, of_kill_child = nullptr;

// Lower-case names of the rows, in their order.
using Translate = Call (*)(Op, Res);
constexpr Translate translations[SC_OP_COUNT] = {
    of_memfd,  of_null_device, of_pipe, of_socketpair, of_eventfd,     of_mqueue, of_file,  of_program,
    of_fifo,   of_listen,      of_flock, of_dup,       of_dup2,        of_dup3,   of_dupfd, of_getfd,
    of_setfd,  of_close,       of_close_range, of_limit, of_mask,      of_disposition, of_kill, of_tgkill,
    of_altstack, of_store,     of_load, of_spawn,      of_wait,        of_kill_child};

}  // namespace

std::optional<Call> call_of(const sc_operation& op, const Resolved& resolved) {
  const Translate translate = translations[op.kind];
  if (translate == nullptr) return std::nullopt;
  return translate(op, resolved);
}

}  // namespace spawncheck::model
