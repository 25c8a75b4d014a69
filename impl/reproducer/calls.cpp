// SPDX-License-Identifier: MIT
#include "impl/reproducer/calls.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/socket.h>

#include <cstring>
#include <iterator>

#include "impl/session/scheduled.h"
#include "model/scenario/visible.h"
#include "model/scenario/words.h"

namespace spawncheck {

namespace {

long number(const sc_step& step, unsigned i) { return static_cast<std::int32_t>(step.arg[i]); }

// Returns the expression for a pid: of a child of the scenario's threads, of one of the threads, or of the process.
std::string process_expression(const Recorded& r, long pid, std::string& why) {
  if (pid <= 0) return std::to_string(pid);
  for (unsigned i = 0; i < r.trace->task_count; ++i) {
    const sc_task& task = r.trace->task[i];
    if (task.pid != pid) continue;
    return task.child < 0 ? fmt::format("tid_{}", task.thread) : fmt::format("pid_{}_{}", task.thread, task.child);
  }
  if (r.history->parent.pid == pid) return "shared->process";
  why = fmt::format("it names process {}, which is none of the scenario's", pid);
  return {};
}

std::string fcntl_text(const sc_step& step) {
  struct Command {
    long value;
    const char* name;
  };
  constexpr Command commands[] = {{F_DUPFD, "F_DUPFD"},   {F_GETFD, "F_GETFD"}, {F_SETFD, "F_SETFD"},
                                  {F_GETFL, "F_GETFL"},   {F_SETFL, "F_SETFL"}, {F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC"},
                                  {1027, "F_DUPFD_QUERY"}};
  for (const Command& c : commands)
    if (c.value == number(step, 1)) {
      const bool is_flag = c.value == F_SETFD && number(step, 2) == FD_CLOEXEC;
      return fmt::format("fcntl({}, {}, {})", number(step, 0), c.name,
                         is_flag ? "FD_CLOEXEC" : std::to_string(number(step, 2)));
    }
  return fmt::format("fcntl({}, {}, {})", number(step, 0), number(step, 1), number(step, 2));
}

std::string range_end(long value) { return value < 0 ? "~0u" : std::to_string(value); }

std::string range_flags(long flags) {
  std::string out;
  for (const auto& [bit, name] : {std::pair{2L, "CLOSE_RANGE_UNSHARE"}, {4L, "CLOSE_RANGE_CLOEXEC"}})
    if ((flags & bit) != 0) out += (out.empty() ? "" : " | ") + std::string(name), flags &= ~bit;
  if (out.empty() || flags != 0) out += (out.empty() ? "" : " | ") + std::to_string(flags);
  return out;
}

std::string open_flags(long flags) {
  std::string out = (flags & O_ACCMODE) == O_RDWR     ? "O_RDWR"
                    : (flags & O_ACCMODE) == O_WRONLY ? "O_WRONLY"
                                                      : "O_RDONLY";
  long rest = flags & ~static_cast<long>(O_ACCMODE);
  for (const auto& [bit, name] :
       {std::pair{static_cast<long>(O_CLOEXEC), "O_CLOEXEC"}, {static_cast<long>(O_DIRECTORY), "O_DIRECTORY"}})
    if ((rest & bit) != 0) out += " | " + std::string(name), rest &= ~bit;
  rest &= ~0100000L;  // O_LARGEFILE
  return rest == 0 ? out : out + fmt::format(" | {:#o}", rest);
}

// For pipe2(2) and dup3(2).
std::string descriptor_flags(long flags) {
  return flags == 0 ? "0" : flags == O_CLOEXEC ? "O_CLOEXEC" : fmt::format("{:#o}", flags);
}

// The trace has only the first eight bytes of a path: only these two paths can be written. What is opened as a
// directory below /proc/self is taken for the list of descriptors.
std::string open_text(const sc_step& step, std::string& why) {
  char start[9] = {};
  std::memcpy(start, &step.pointee, 8);
  const bool is_directory = (number(step, 2) & O_DIRECTORY) != 0;
  const char* path = is_directory && std::strcmp(start, "/proc/se") == 0 ? "/proc/self/fd"
                     : std::strcmp(start, "/dev/nul") == 0               ? "/dev/null"
                                                                         : nullptr;
  if (path == nullptr) why = fmt::format("it opens a file whose name begins with '{}'", start);
  return path == nullptr ? "" : fmt::format("open(\"{}\", {})", path, open_flags(number(step, 2)));
}

std::string waitid_text(const Recorded& r, const sc_step& s, std::string& why) {
  constexpr const char* kinds[] = {"P_ALL", "P_PID", "P_PGID"};
  const long kind = number(s, 0);
  const bool is_known = kind >= 0 && kind < static_cast<long>(std::size(kinds));
  if (!is_known) why = kind == 3 ? "it waits by pidfd" : fmt::format("it waits for kind {}", kind);
  return fmt::format("waitid({}, (id_t){}, &(siginfo_t){{.si_pid = 0}}, {:#x})", is_known ? kinds[kind] : "?",
                     process_expression(r, number(s, 1), why), static_cast<std::uint32_t>(number(s, 3)));
}

const char* how_text(long how) {
  constexpr const char* names[] = {"SIG_BLOCK", "SIG_UNBLOCK", "SIG_SETMASK"};
  return how >= 0 && how < 3 ? names[how] : "-1";
}

}  // namespace

std::string hex(std::uint64_t bits) {
  return bits == 0 ? "0" : bits == ~0ull ? "~0ull" : fmt::format("{:#x}ull", bits);
}

std::string signal_text(int signal) {
  const std::string name = signal_name(signal);
  return !name.empty() && name[0] >= 'A' ? "SIG" + name : std::to_string(signal);
}

bool only_asks(const sc_step& step) {
  switch (step.call) {
    case SC_VISIBLE_prlimit64:
      return step.arg[2] == 0;
    case SC_VISIBLE_rt_sigprocmask:
    case SC_VISIBLE_rt_sigaction:
      return step.arg[1] == 0;
    case SC_VISIBLE_fcntl:
      return number(step, 1) == F_GETFD && step.result >= 0;
    default:
      return false;
  }
}

std::string call_text(const Recorded& r, const sc_step& s, std::string& why) {
  if (s.is_unread != 0) {
    why = "the arguments of a call could not be read";
    return {};
  }
  switch (s.call) {
    case SC_VISIBLE_close:
      return fmt::format("close({})", number(s, 0));
    case SC_VISIBLE_dup:
      return fmt::format("dup({})", number(s, 0));
    case SC_VISIBLE_dup3:
      return fmt::format("dup3({}, {}, {})", number(s, 0), number(s, 1), descriptor_flags(number(s, 2)));
#if defined(__x86_64__)
    case SC_VISIBLE_dup2:
      return fmt::format("dup2({}, {})", number(s, 0), number(s, 1));
#endif
    case SC_VISIBLE_fcntl:
      return fcntl_text(s);
    case SC_VISIBLE_pipe2:
      return fmt::format("pipe2((int[2]){{0, 0}}, {})", descriptor_flags(number(s, 1)));
    case SC_VISIBLE_close_range:
      return fmt::format("close_range({}, {}, {})", static_cast<std::uint32_t>(number(s, 0)), range_end(number(s, 1)),
                         range_flags(number(s, 2)));
    case SC_VISIBLE_unshare:
      return number(s, 0) == CLONE_FILES ? "unshare(CLONE_FILES)" : fmt::format("unshare({:#x})", number(s, 0));
    case SC_VISIBLE_rt_sigprocmask:
      return fmt::format("set_mask({}, {})", how_text(number(s, 0)), hex(s.pointee));
    case SC_VISIBLE_rt_sigaction:
      if (s.pointee > 1) why = "it sets a handler of its own";
      return fmt::format("set_disposition({}, {})", number(s, 0), s.pointee == 1 ? "SIG_IGN" : "SIG_DFL");
    case SC_VISIBLE_openat:
      return open_text(s, why);
    case SC_VISIBLE_read:
      if (number(s, 2) > 8) why = "it reads more than a word";
      return fmt::format("read({}, &(long){{0}}, {})", number(s, 0), number(s, 2));
    case SC_VISIBLE_write:
      if (number(s, 2) > 8) why = "it writes more than a word";
      return fmt::format("write({}, &(long){{0}}, {})", number(s, 0), number(s, 2));
    case SC_VISIBLE_wait4:
      return fmt::format("waitpid({}, NULL, {:#x})", process_expression(r, number(s, 0), why), number(s, 2));
    case SC_VISIBLE_waitid:
      return waitid_text(r, s, why);
    case SC_VISIBLE_kill:
      return fmt::format("kill({}, {})", process_expression(r, number(s, 0), why),
                         signal_text(static_cast<int>(number(s, 1))));
    case SC_VISIBLE_setpgid:
      return fmt::format("setpgid({}, {})", process_expression(r, number(s, 0), why),
                         process_expression(r, number(s, 1), why));
    case SC_VISIBLE_setsid:
      return "setsid()";
    case SC_VISIBLE_pidfd_open:
      return fmt::format("syscall(SYS_pidfd_open, {}, {}u)", process_expression(r, number(s, 0), why),
                         static_cast<std::uint32_t>(number(s, 1)));
    case SC_VISIBLE_pidfd_getfd:
      return fmt::format("syscall(SYS_pidfd_getfd, {}, {}, {}u)", number(s, 0), number(s, 1), number(s, 2));
    default:
      why = fmt::format("it makes a call of {}(2)", sc_visible_calls[s.call].name);
      return {};
  }
}

std::string operand_text(const sc_operand& operand, unsigned thread) {
  return operand.variable != 0 ? fmt::format("v{}[{}]", thread, operand.value) : std::to_string(operand.value);
}

std::string program_text(const sc_request& request) {
  switch (request.program) {
    case SC_PROGRAM_WRITTEN:
      return fmt::format("program[{}]", request.name);
    case SC_PROGRAM_MISSING:
      return "missing";
    case SC_PROGRAM_DIRECTORY:
      return "directory[0]";
    case SC_PROGRAM_NOT_EXECUTABLE:
      return "plain";
    case SC_PROGRAM_NO_FORMAT:
      return "garbage";
    case SC_PROGRAM_NOT_DIRECTORY:
      return "below_a_file";
    case SC_PROGRAM_TOO_LONG:
      return "too_long";
    case SC_PROGRAM_LOOP:
      return "loop";
    default:
      return "self";
  }
}

namespace {

std::string expression_of(const Recorded& r, const sc_operation& op, unsigned t, unsigned o) {
  const auto is_cloexec = (op.flags & SC_FLAG_CLOEXEC) != 0;
  const auto flag = [&](const char* name) { return is_cloexec ? name : "0"; };
  const auto with = [&](const char* base, const char* name) {
    return is_cloexec ? fmt::format("{} | {}", base, name) : std::string(base);
  };
  const std::string a = operand_text(op.operand[0], t), b = operand_text(op.operand[1], t);
  const std::uint64_t identity = sc_identity_of_op(t, o);
  constexpr const char* hows[] = {"SIG_BLOCK", "SIG_UNBLOCK", "SIG_SETMASK"};
  switch (op.kind) {
    case SC_OP_MEMFD:
      return fmt::format("memfd_create(\"{}\", {})", identity, flag("MFD_CLOEXEC"));
    case SC_OP_NULL_DEVICE:
      return fmt::format("open(\"/dev/null\", {})", with("O_RDWR", "O_CLOEXEC"));
    case SC_OP_EVENTFD:
      return fmt::format("eventfd({}, {})", identity, flag("EFD_CLOEXEC"));
    case SC_OP_FILE:
      return fmt::format("open(file[{}], {}, 0600)", a, with("O_RDWR | O_CREAT", "O_CLOEXEC"));
    case SC_OP_PROGRAM:
      return fmt::format("open(program[{}], {})", a, with("O_WRONLY", "O_CLOEXEC"));
    case SC_OP_FIFO:
      return fmt::format("open_fifo({}, {})", a,
                         with(op.operand[1].value == SC_DIRECTION_READ ? "O_RDONLY" : "O_WRONLY", "O_CLOEXEC"));
    case SC_OP_LISTEN:
      return fmt::format("listen_at({}, {})", a, flag("SOCK_CLOEXEC"));
    case SC_OP_FLOCK:
      return fmt::format("flock({}, LOCK_EX | LOCK_NB)", a);
    case SC_OP_DUP:
      return fmt::format("dup({})", a);
    case SC_OP_DUP2:
      return fmt::format("dup2({}, {})", a, b);
    case SC_OP_DUP3:
      return fmt::format("dup3({}, {}, {})", a, b, flag("O_CLOEXEC"));
    case SC_OP_DUPFD:
      return fmt::format("fcntl({}, {}, {})", a, is_cloexec ? "F_DUPFD_CLOEXEC" : "F_DUPFD", b);
    case SC_OP_GETFD:
      return fmt::format("fcntl({}, F_GETFD)", a);
    case SC_OP_SETFD:
      return fmt::format("fcntl({}, F_SETFD, {})", a, flag("FD_CLOEXEC"));
    case SC_OP_CLOSE:
      return fmt::format("close({})", a);
    case SC_OP_CLOSE_RANGE:
      return fmt::format("close_range({}, {}, {})", a, range_end(op.operand[1].value), range_flags(op.flags));
    case SC_OP_LIMIT:
      return fmt::format("set_limit({})", a);
    case SC_OP_MASK:
      return fmt::format("set_mask({}, {})", hows[op.operand[0].value], hex(op.signals));
    case SC_OP_DISPOSITION: {
      const std::string signal = signal_text(op.operand[0].value);
      if (op.operand[1].value == SC_DISPOSITION_HANDLER) return fmt::format("set_handler({})", signal);
      return fmt::format("set_disposition({}, {})", signal,
                         op.operand[1].value == SC_DISPOSITION_IGNORE ? "SIG_IGN" : "SIG_DFL");
    }
    case SC_OP_KILL:
      return fmt::format("kill(shared->process, {})", signal_text(op.operand[0].value));
    case SC_OP_KILL_GROUP:
      return fmt::format("kill(0, {})", signal_text(op.operand[0].value));
    case SC_OP_TGKILL:
      return fmt::format("syscall(SYS_tgkill, shared->process, tid_{}, {})", op.operand[0].value,
                         signal_text(op.operand[1].value));
    case SC_OP_ALTSTACK:
      return fmt::format("set_alternate_stack({}, {})", t, op.operand[0].value);
    case SC_OP_STORE:
      return fmt::format("(__atomic_store_n(&cell[{}], {}, __ATOMIC_SEQ_CST), 0)", a, b);
    case SC_OP_LOAD:
      return fmt::format("__atomic_load_n(&cell[{}], __ATOMIC_SEQ_CST)", a);
    case SC_OP_WAIT:
      return fmt::format("wait_for({})", a);
    case SC_OP_KILL_CHILD:
      return fmt::format("kill({}, {})", a, signal_text(op.operand[1].value));
    default:
      return r.scenario.threads.empty() ? "0" : "-1";
  }
}

}  // namespace

std::string operation_text(const Recorded& r, unsigned t, unsigned o, unsigned id) {
  const sc_operation& op = r.scenario.threads[t].operations[o];
  const auto variable = [&](int i) { return fmt::format("v{}[{}]", t, static_cast<int>(op.result[i])); };
  if (op.kind == SC_OP_PIPE || op.kind == SC_OP_SOCKETPAIR) {
    const bool is_cloexec = (op.flags & SC_FLAG_CLOEXEC) != 0;
    const std::string made = op.kind == SC_OP_PIPE ? fmt::format("pipe2(pair, {})", is_cloexec ? "O_CLOEXEC" : "0")
                                                   : fmt::format("socketpair(AF_UNIX, SOCK_STREAM{}, 0, pair)",
                                                                 is_cloexec ? " | SOCK_CLOEXEC" : "");
    std::string out = fmt::format("  pair[0] = pair[1] = -1;\n  gave_pair({}, {}, pair, \"{} {}\");\n", id, made,
                                  op.kind == SC_OP_PIPE ? "pipe" : "socketpair", sc_identity_of_op(t, o));
    for (int i = 0; i < 2; ++i)
      if (op.result[i] >= 0) out += fmt::format("  {} = pair[{}];\n", variable(i), i);
    return out;
  }
  const std::string call = fmt::format("gave({}, {})", id, expression_of(r, op, t, o));
  return op.result[0] >= 0 ? fmt::format("  {} = (int){};\n", variable(0), call) : fmt::format("  {};\n", call);
}

std::string world_text(const sc_world& world) {
  std::string out;
  const auto put = [&](int number, bool cloexec, const std::string& made) {
    out += fmt::format("  put(__LINE__, {}, {}, {});\n", number, cloexec ? 1 : 0, made);
  };
  for (std::uint32_t i = 0; i < world.line_count; ++i) {
    const sc_world_line& l = world.line[i];
    const std::uint64_t identity = sc_identity_of_world(i);
    const bool is_cloexec = l.cloexec != 0;
    const char* flag = is_cloexec ? "O_CLOEXEC" : "0";
    switch (l.kind) {
      case SC_WORLD_MEMFD:
        put(l.number, is_cloexec, fmt::format("memory_file({})", identity));
        break;
      case SC_WORLD_NULL:
        put(l.number, is_cloexec, "open(\"/dev/null\", O_RDWR | O_CLOEXEC)");
        break;
      case SC_WORLD_EVENTFD:
        put(l.number, is_cloexec, fmt::format("eventfd({}, EFD_CLOEXEC)", identity));
        break;
      case SC_WORLD_FILE:
        put(l.number, is_cloexec, fmt::format("open(file[{}], O_RDWR | O_CREAT | O_CLOEXEC, 0600)", l.name));
        break;
      case SC_WORLD_PIPE:
      case SC_WORLD_SOCKETPAIR:
        out += fmt::format("  put_pair(__LINE__, {}, {}, {}, {}, pair, \"{} {}\");\n", l.number, l.second,
                           is_cloexec ? 1 : 0,
                           l.kind == SC_WORLD_PIPE ? "pipe2(pair, O_CLOEXEC)"
                                                   : "socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)",
                           l.kind == SC_WORLD_PIPE ? "pipe" : "socketpair", identity);
        break;
      case SC_WORLD_ALIAS:
        out += fmt::format("  if (dup3({}, {}, {}) < 0) give_up(__LINE__);\n", l.second, l.number, flag);
        break;
      case SC_WORLD_MEMFDS:
        out +=
            fmt::format("  for (int n = {}; n <= {}; ++n) put(__LINE__, n, {}, memory_file(100000ul + (unsigned)n));\n",
                        l.number, l.second, is_cloexec ? 1 : 0);
        break;
      case SC_WORLD_WINDOW:
      default:
        put(l.number, is_cloexec || l.kind == SC_WORLD_WINDOW,
            l.kind == SC_WORLD_WINDOW ? fmt::format("memory_file({})", identity)
                                      : "open(\"/dev/null\", O_RDWR | O_CLOEXEC)");
        out += fmt::format("  for (int n = {}; n <= {}; ++n)\n    if (dup3({}, n, {}) < 0) give_up(__LINE__);\n",
                           l.number + 1, l.second, l.number, l.kind == SC_WORLD_WINDOW ? "O_CLOEXEC" : flag);
    }
  }
  return out;
}

}  // namespace spawncheck
