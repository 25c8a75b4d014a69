// SPDX-License-Identifier: MIT
#include "model/kernel/operation_call.h"

namespace spawncheck::model {

namespace {

Call make(CallKind kind, const sc_operation& op, const Resolved& r) {
  return make_call(kind, r.operand[0], r.operand[1], op.flags);
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

Call of_MEMFD(Op op, Res r) { return creation(op, r, SC_FILE_MEMFD, r.identity); }
Call of_NULL_DEVICE(Op op, Res r) { return creation(op, r, SC_FILE_NULL, 0); }
Call of_PIPE(Op op, Res r) { return pair(op, r, SC_FILE_PIPE_READ, SC_FILE_PIPE_WRITE); }
Call of_SOCKETPAIR(Op op, Res r) { return pair(op, r, SC_FILE_SOCKET, SC_FILE_SOCKET); }
Call of_EVENTFD(Op op, Res r) { return creation(op, r, SC_FILE_EVENTFD, r.identity); }
// ipc/mqueue.c do_mq_open: always close-on-exec.
Call of_MQUEUE(Op op, Res r) {
  Call call = creation(op, r, SC_FILE_MQUEUE, name_of(op));
  call.flags |= SC_FLAG_CLOEXEC;
  return call;
}
Call of_FILE(Op op, Res r) { return creation(op, r, SC_FILE_REGULAR, name_of(op)); }
Call of_PROGRAM(Op op, Res r) { return named(CallKind::open_program, op, r, SC_FILE_PROGRAM); }
Call of_FIFO(Op op, Res r) {
  Call call = named(CallKind::open_fifo, op, r, SC_FILE_NONE);
  call.direction = static_cast<std::uint8_t>(op.operand[1].value);
  return call;
}
Call of_LISTEN(Op op, Res r) { return named(CallKind::listen, op, r, SC_FILE_LISTENER); }
Call of_FLOCK(Op op, Res r) { return make(CallKind::flock, op, r); }
Call of_DUP(Op, Res r) { return make_call(CallKind::dup, r.operand[0]); }
Call of_DUP2(Op op, Res r) { return make(CallKind::dup3, op, r); }
Call of_DUP3(Op op, Res r) {
  Call call = make(CallKind::dup3, op, r);
  call.name = 1;
  return call;
}
Call of_DUPFD(Op op, Res r) { return make(CallKind::dupfd, op, r); }
Call of_GETFD(Op op, Res r) { return make(CallKind::getfd, op, r); }
Call of_SETFD(Op op, Res r) { return make(CallKind::setfd, op, r); }
Call of_CLOSE(Op op, Res r) { return make(CallKind::close, op, r); }
Call of_CLOSE_RANGE(Op op, Res r) { return make(CallKind::close_range, op, r); }
Call of_LIMIT(Op op, Res r) { return make(CallKind::limit, op, r); }
Call of_MASK(Op op, Res r) {
  Call call = make(CallKind::mask, op, r);
  call.bits = op.signals;
  return call;
}
Call of_DISPOSITION(Op op, Res r) { return make(CallKind::disposition, op, r); }
Call of_KILL(Op op, Res r) {
  Call call = make(CallKind::kill, op, r);
  call.a = 0;
  call.b = op.operand[0].value;
  return call;
}
Call of_KILL_GROUP(Op op, Res r) {
  Call call = make(CallKind::kill_group, op, r);
  call.b = op.operand[0].value;
  return call;
}
Call of_TGKILL(Op op, Res r) { return make(CallKind::tgkill, op, r); }
Call of_ALTSTACK(Op op, Res r) { return make(CallKind::altstack, op, r); }
Call of_STORE(Op op, Res r) { return make(CallKind::store, op, r); }
Call of_LOAD(Op op, Res r) { return make(CallKind::load, op, r); }

// These three depend on processes and on the implementation: the driver of the model executes them.
constexpr std::nullptr_t of_SPAWN = nullptr, of_WAIT = nullptr, of_KILL_CHILD = nullptr;

using Translate = Call (*)(Op, Res);
constexpr Translate translations[] = {
#define SPAWNCHECK_ROW(id, word, operands, flags, results, summary) of_##id,
    SC_OPERATIONS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

}  // namespace

std::optional<Call> call_of(const sc_operation& op, const Resolved& resolved) {
  const Translate translate = translations[op.kind];
  if (translate == nullptr) return std::nullopt;
  return translate(op, resolved);
}

bool changes_limits(const Scenario& scenario) {
  for (const Thread& thread : scenario.threads)
    for (const sc_operation& op : thread.operations)
      if (op.kind == SC_OP_LIMIT) return true;
  return false;
}

}  // namespace spawncheck::model
