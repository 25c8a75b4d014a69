/* SPDX-License-Identifier: MIT
 *
 * One function per operation, which makes raw system calls: so libc neither adds calls nor hides signals. The
 * dispatch table is made from THE table, so an operation without a function does not compile. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "impl/executor/arena/arena.h"
#include "model/scenario/visible.h"

int32_t cells[SC_CELLS_MAX];

struct context {
  const struct sc_operation* op;
  struct sc_op_record* record;
  uint32_t thread, index;
  int32_t operand[2];
};

/* Returns the value of the operand. A variable has the result of the thread's latest earlier operation that sets it; -1
 * if that operation failed, or there is none. */
int32_t operand_value(uint32_t thread, uint32_t index, struct sc_operand operand) {
  if (!operand.variable) return operand.value;
  for (uint32_t o = index; o-- > 0;)
    for (int i = 0; i < 2; ++i)
      if (shared->op[thread][o].result[i] == operand.value) {
        const struct sc_op_record* r = &shared->history.op[thread][o];
        return r->error == 0 ? r->value[i] : -1;
      }
  return -1;
}

/* Returns the call's value, or its negative errno. */
static long checked(long result) { return result < 0 ? -errno : result; }

static long create(struct context* c, long fd) {
  if (fd < 0) return -errno;
  c->record->value[0] = (int32_t)fd;
  return 0;
}

/* Ends the operation, then looks at the inodes. The operation's results are in the record before its end stamp is,
 * because a signal may end the process at any instant. */
static long identify_pair(struct context* c, const int fd[2]) {
  struct stat status;
  for (int i = 0; i < 2; ++i) c->record->value[i] = fd[i];
  __atomic_store_n(&c->record->end, next_stamp(), __ATOMIC_SEQ_CST);
  for (int i = 0; i < 2; ++i) {
    c->record->inode[i] = syscall(SYS_fstat, fd[i], &status) == 0 ? (uint64_t)status.st_ino : 0;
  }
  return 0;
}

static int cloexec_of(const struct context* c, int bit) { return c->op->flags & SC_FLAG_CLOEXEC ? bit : 0; }

#define OPERATION(id) static long run_##id(struct context* c)

OPERATION(MEMFD) {
  char name[32];
  snprintf(name, sizeof name, "sc-%llu", (unsigned long long)sc_identity_of_op(c->thread, c->index));
  return create(c, syscall(SYS_memfd_create, name, cloexec_of(c, MFD_CLOEXEC)));
}
OPERATION(NULL_DEVICE) {
  return create(c, syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | cloexec_of(c, O_CLOEXEC), 0));
}
OPERATION(PIPE) {
  int fd[2];
  if (syscall(SYS_pipe2, fd, cloexec_of(c, O_CLOEXEC)) != 0) return -errno;
  return identify_pair(c, fd);
}
OPERATION(SOCKETPAIR) {
  int fd[2];
  if (syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM | cloexec_of(c, SOCK_CLOEXEC), 0, fd) != 0) return -errno;
  return identify_pair(c, fd);
}
OPERATION(EVENTFD) {
  return create(c, syscall(SYS_eventfd2, (unsigned)sc_identity_of_op(c->thread, c->index), cloexec_of(c, EFD_CLOEXEC)));
}
/* mq_open(2) makes every descriptor close-on-exec (ipc/mqueue.c do_mq_open), with or without O_CLOEXEC. With
 * O_CLOEXEC, the bit also stays in the flags of the open file description, and /proc/PID/fdinfo shows it whatever the
 * descriptor's own flag is (observed on 6.18): so the flag is left out. */
OPERATION(MQUEUE) {
  return create(c, syscall(SYS_mq_open, places.queue[c->operand[0]], O_RDWR | O_CREAT, 0600, &queue_attributes));
}
OPERATION(FILE) {
  return create(
      c, syscall(SYS_openat, AT_FDCWD, places.file[c->operand[0]], O_RDWR | O_CREAT | cloexec_of(c, O_CLOEXEC), 0600));
}
OPERATION(PROGRAM) {
  return create(c,
                syscall(SYS_openat, AT_FDCWD, places.program[c->operand[0]], O_WRONLY | cloexec_of(c, O_CLOEXEC), 0));
}
OPERATION(FIFO) {
  const int how = c->operand[1] == SC_DIRECTION_READ ? O_RDONLY : O_WRONLY;
  long fd;
  do fd = syscall(SYS_openat, AT_FDCWD, places.fifo[c->operand[0]], how | cloexec_of(c, O_CLOEXEC), 0);
  while (fd < 0 && errno == EINTR);
  return create(c, fd);
}
OPERATION(LISTEN) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(places.port[c->operand[0]])};
  const long fd = syscall(SYS_socket, AF_INET, SOCK_STREAM | cloexec_of(c, SOCK_CLOEXEC), 0);
  if (fd < 0) return -errno;
  long error = checked(syscall(SYS_bind, fd, &address, sizeof address));
  if (error == 0) error = checked(syscall(SYS_listen, fd, 1));
  if (error == 0) return create(c, fd);
  syscall(SYS_close, fd);
  return error;
}
OPERATION(FLOCK) { return checked(syscall(SYS_flock, c->operand[0], LOCK_EX | LOCK_NB)); }
OPERATION(DUP) { return create(c, syscall(SYS_dup, c->operand[0])); }
OPERATION(DUP2) {
  /* aarch64 has no dup2(2): calls dup3(2), and for equal numbers makes the check that dup2(2) makes. */
  if (c->operand[0] == c->operand[1]) {
    const long flags = checked(syscall(SYS_fcntl, c->operand[0], F_GETFD, 0));
    c->record->value[0] = flags < 0 ? -1 : c->operand[0];
    return flags < 0 ? flags : 0;
  }
  return create(c, syscall(SYS_dup3, c->operand[0], c->operand[1], 0));
}
OPERATION(DUP3) { return create(c, syscall(SYS_dup3, c->operand[0], c->operand[1], cloexec_of(c, O_CLOEXEC))); }
OPERATION(DUPFD) {
  const int command = c->op->flags & SC_FLAG_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD;
  return create(c, syscall(SYS_fcntl, c->operand[0], command, c->operand[1]));
}
OPERATION(GETFD) { return create(c, syscall(SYS_fcntl, c->operand[0], F_GETFD, 0)); }
OPERATION(SETFD) { return checked(syscall(SYS_fcntl, c->operand[0], F_SETFD, cloexec_of(c, FD_CLOEXEC))); }
OPERATION(CLOSE) { return checked(syscall(SYS_close, c->operand[0])); }
OPERATION(CLOSE_RANGE) {
  return checked(syscall(SYS_close_range, (unsigned)c->operand[0], (unsigned)c->operand[1], c->op->flags));
}
OPERATION(LIMIT) {
  struct rlimit limit;
  if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) != 0) return -errno;
  limit.rlim_cur = (rlim_t)c->operand[0];
  return checked(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, NULL));
}
OPERATION(MASK) {
  static const int how[] = {SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK};
  return checked(syscall(SYS_rt_sigprocmask, how[c->operand[0]], &c->op->signals, NULL, sizeof c->op->signals));
}

/* A handler of the scenario. It may run in a child on the arena's memory: it writes only to the shared mapping, and
 * to errno, which it restores. */
static void handler(int signal) {
  struct sc_history* h = &shared->history;
  const uint32_t at = __atomic_fetch_add(&h->handled_count, 1, __ATOMIC_SEQ_CST);
  if (at >= SC_HANDLED_MAX) {
    __atomic_fetch_sub(&h->handled_count, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&h->handled_lost, 1, __ATOMIC_SEQ_CST);
    return;
  }
  const int saved = errno; /* the calls below may change it */
  const int32_t tid = (int32_t)syscall(SYS_gettid);
  struct sc_handled run = {
      .signal = (uint8_t)signal, .in_child = syscall(SYS_getpid) != shared->arena_pid, .thread = 255};
  for (uint32_t t = 0; t < shared->thread_count; ++t)
    if (shared->thread[t].tid == tid) run.thread = (uint8_t)t;
  h->handled[at] = run;
  errno = saved;
}

#if defined(__x86_64__)
void restore_from_handler(void);
__asm__(
    ".text\n.globl restore_from_handler\n.type restore_from_handler,@function\nrestore_from_handler:\n\tmov $15, "
    "%rax\n\tsyscall\n");
#define RESTORER restore_from_handler
#define RESTORER_FLAG 0x04000000ul
#else
#define RESTORER NULL
#define RESTORER_FLAG 0ul
#endif

/* musl's posix_spawn(3) resets only handlers that were set through musl's sigaction(3). That function accepts every
 * signal but 32 to 34, and makes one call, the same as set_disposition(). Returns true if libc has set the action. */
static int set_by_libc(int signal, int disposition) {
#if defined(__GLIBC__)
  return signal == 0 && disposition == 0;
#else
  struct sigaction action = {.sa_handler = disposition == SC_DISPOSITION_IGNORE ? SIG_IGN : SIG_DFL};
  if (disposition == SC_DISPOSITION_HANDLER) {
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART | SA_ONSTACK;
  }
  return sigaction(signal, &action, NULL) == 0;
#endif
}

long set_disposition(int signal, int disposition) {
  if (set_by_libc(signal, disposition)) return 0;
  struct kernel_action action = {.handler = disposition == SC_DISPOSITION_IGNORE ? SIG_IGN : SIG_DFL};
  if (disposition == SC_DISPOSITION_HANDLER) {
    action.handler = handler;
    action.flags = SA_RESTART | SA_ONSTACK | RESTORER_FLAG;
    action.restorer = RESTORER;
  }
  return syscall(SYS_rt_sigaction, signal, &action, NULL, sizeof action.mask);
}

OPERATION(DISPOSITION) { return checked(set_disposition(c->operand[0], c->operand[1])); }
OPERATION(KILL) { return checked(syscall(SYS_kill, shared->arena_pid, c->operand[0])); }
OPERATION(KILL_GROUP) { return checked(syscall(SYS_kill, 0, c->operand[0])); }
OPERATION(TGKILL) {
  const uint32_t thread = (uint32_t)c->operand[0];
  if (thread >= shared->thread_count) return -ESRCH;
  return checked(syscall(SYS_tgkill, shared->arena_pid, shared->thread[thread].tid, c->operand[1]));
}
/* Room for a frame of every signal at once: handlers nest if many signals are unblocked together, and a frame takes
 * some 3 KiB. */
#define ALTSTACK_SIZE (64 * 8192)

OPERATION(ALTSTACK) {
  static char stacks[SC_THREADS_MAX][ALTSTACK_SIZE];
  stack_t stack = {.ss_sp = stacks[c->thread], .ss_size = sizeof stacks[0], .ss_flags = c->operand[0] ? 0 : SS_DISABLE};
  return checked(syscall(SYS_sigaltstack, &stack, NULL));
}
/* In a scheduled run an operation that needs no system call makes this one, so that it has a turn. */
static void say_cell(const struct context* c) {
  if (shared->policy.is_scheduled) syscall(SC_MARKER_NUMBER, c->operand[0]);
}

OPERATION(STORE) {
  say_cell(c);
  __atomic_store_n(&cells[c->operand[0]], c->operand[1], __ATOMIC_SEQ_CST);
  return 0;
}
OPERATION(LOAD) {
  say_cell(c);
  c->record->value[0] = __atomic_load_n(&cells[c->operand[0]], __ATOMIC_SEQ_CST);
  return 0;
}
OPERATION(SPAWN) {
  spawn_run_operation(c->op, c->thread, c->index, c->record);
  return -c->record->error;
}

/* Returns true if the operand is the pid of a child that this thread has spawned and not reaped yet. Any other number
 * could be the pid of a process outside the run. */
static int is_own_child(const struct context* c) {
  int is_own = 0;
  for (uint32_t i = 0; i < c->index; ++i) {
    const struct sc_operation* op = &shared->op[c->thread][i];
    const struct sc_op_record* r = &shared->history.op[c->thread][i];
    if (op->kind == SC_OP_SPAWN && r->error == 0 && r->value[0] == c->operand[0]) is_own = c->operand[0] > 0;
    if (op->kind == SC_OP_WAIT && r->error == 0 && operand_value(c->thread, i, op->operand[0]) == c->operand[0])
      is_own = 0;
  }
  return is_own;
}

/* A child must be looked at before it is reaped or signalled: asks the server to do so, and waits for its answer. */
static void have_observed(struct context* c) {
  struct sc_thread_state* state = &shared->thread[c->thread];
  for (uint32_t i = 0; i < c->index; ++i) {
    const struct sc_op_record* r = &shared->history.op[c->thread][i];
    if (shared->op[c->thread][i].kind != SC_OP_SPAWN || r->child < 0 || r->value[0] != c->operand[0]) continue;
    __atomic_store_n(&state->observe, r->child + 1, __ATOMIC_SEQ_CST);
    attract_attention();
    for (int32_t wanted; (wanted = __atomic_load_n(&state->observe, __ATOMIC_SEQ_CST)) != 0;)
      futex_wait((uint32_t*)&state->observe, (uint32_t)wanted, 1000);
    return;
  }
}

OPERATION(WAIT) {
  siginfo_t info = {0};
  if (!is_own_child(c)) return -ECHILD;
  have_observed(c);
  long result;
  do result = syscall(SYS_waitid, P_PID, c->operand[0], &info, WEXITED, NULL);
  while (result < 0 && errno == EINTR);
  if (result < 0) return -errno;
  c->record->value[0] = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
  return 0;
}
OPERATION(KILL_CHILD) {
  if (!is_own_child(c)) return -ESRCH;
  have_observed(c);
  return checked(syscall(SYS_kill, c->operand[0], c->operand[1]));
}

static long (*const functions[])(struct context*) = {
#define SC_ROW(id, word, operands, flags, results, summary) run_##id,
    SC_OPERATIONS(SC_ROW)
#undef SC_ROW
};

void operation_run(uint32_t thread, uint32_t index) {
  struct sc_op_record* record = &shared->history.op[thread][index];
  struct context c = {.op = &shared->op[thread][index], .record = record, .thread = thread, .index = index};
  for (int i = 0; i < 2; ++i) c.operand[i] = operand_value(thread, index, c.op->operand[i]);
  record->begin = next_stamp();
  const long result = functions[c.op->kind](&c);
  const uint32_t now = next_stamp();
  record->error = result < 0 ? (int32_t)-result : 0;
  if (record->end != 0) record->identified = now;
  __atomic_store_n(&record->end, record->end != 0 ? record->end : now, __ATOMIC_SEQ_CST);
  spawn_look_later(thread, index);
}
