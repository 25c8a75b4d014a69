#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY 1027
#endif

/* ---- what the process under test and the one that looks at it share ------------------------------------------------
 */

enum { PAIRS_MAX = 128, SECONDS_MAX = 20 };
enum { NOT_MADE = -1000000, ANY = -1000001 }; /* results; else a value, or a negative errno */

struct spawned {
  int pid, pidfd, error, has_returned, errno_changed, is_gone;
  uint64_t mask_before, mask_after;
};

static struct shared {
  unsigned now;                 /* the turn that comes next */
  int sleeper, sleeper_is_exec; /* a task about to sleep in a call or to exec: once it does, the next turn comes */
  int look;                     /* a child to be looked at before it may end, as its place + 1 */
  int process, ready, gate, finished; /* the process under test; its threads at the gate, and at the end */
  int handler_ran_in_child;
  int deviates, deviates_errno; /* the line of this file whose call gave another result than in the recorded run */
  long deviates_result;
  int broken, broken_errno; /* the line at which the world could not be made */
  long result[OPERATIONS + 1][2];
  struct spawned spawned[SPAWNS + 1];
  int pair_count;
  struct {
    unsigned long inode;
    const char* name;
  } pair[PAIRS_MAX];
} * shared;

static void give_up(int line) {
  shared->broken_errno = errno;
  shared->broken = line;
  _exit(1);
}

/* The order of the calls of different tasks: a block between turn(N) and done() is the N-th of the run. */
static inline void turn(unsigned n) {
  while (__atomic_load_n(&shared->now, __ATOMIC_SEQ_CST) != n) sched_yield();
}
static inline void done(void) { __atomic_add_fetch(&shared->now, 1, __ATOMIC_SEQ_CST); }
/* In place of done(), where the call sleeps, or replaces this program: the next turn comes once it does. */
static inline void done_asleep(void) {
  shared->sleeper_is_exec = 0;
  __atomic_store_n(&shared->sleeper, (int)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
}
static inline void done_by_exec(void) {
  shared->sleeper_is_exec = 1;
  __atomic_store_n(&shared->sleeper, (int)syscall(SYS_getpid), __ATOMIC_SEQ_CST);
}
static inline void exec_failed(void) {
  __atomic_store_n(&shared->sleeper, 0, __ATOMIC_SEQ_CST);
  done();
}
/* A child is looked at from outside before the next call may end it. */
static inline void have_looked_at(int spawn) {
  __atomic_store_n(&shared->look, spawn + 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&shared->look, __ATOMIC_SEQ_CST) != 0) sched_yield();
}

/* What an operation gave: a value, or -1 and errno. */
static inline long gave(int operation, long result) {
  shared->result[operation][0] = result < 0 ? -errno : result;
  return result;
}
static inline void gave_pair(int operation, long result, const int pair[2], const char* name) {
  struct stat status;
  shared->result[operation][0] = result < 0 ? -errno : pair[0];
  shared->result[operation][1] = result < 0 ? -errno : pair[1];
  for (int i = 0; result == 0 && i < 2 && shared->pair_count < PAIRS_MAX; ++i)
    if (fstat(pair[i], &status) == 0) {
      shared->pair[shared->pair_count].inode = (unsigned long)status.st_ino;
      shared->pair[shared->pair_count++].name = name;
    }
}
/* A call of the spawn, whose result was another one in the recorded run: then this program tells nothing. */
static inline long same(int line, long result, long recorded) {
  if ((result < 0 ? -errno : result) != recorded && shared->deviates == 0) {
    shared->deviates_result = result;
    shared->deviates_errno = errno;
    shared->deviates = line;
  }
  return result;
}
#define SAME(call, recorded) same(__LINE__, (long)(call), (recorded))

/* ---- signals by raw calls: libc keeps 32 and 33 for itself ---------------------------------------------------------
 */

struct kernel_action {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)(void);
  uint64_t mask;
};

static inline long set_mask(int how, uint64_t bits) {
  return syscall(SYS_rt_sigprocmask, how, &bits, NULL, sizeof bits);
}
static inline uint64_t mask_now(void) {
  uint64_t bits = 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &bits, sizeof bits);
  return bits;
}
static inline long set_disposition(int number, void (*to)(int)) {
  struct kernel_action action = {.handler = to};
  return syscall(SYS_rt_sigaction, number, &action, NULL, sizeof action.mask);
}
/* Each caught signal gets its default disposition, as CLONE_CLEAR_SIGHAND does. */
static inline void clear_handlers(void) {
  for (int s = 1; s <= 64; ++s) {
    struct kernel_action now;
    if (syscall(SYS_rt_sigaction, s, NULL, &now, sizeof now.mask) == 0 && now.handler != SIG_IGN &&
        now.handler != SIG_DFL)
      set_disposition(s, SIG_DFL);
  }
}
static inline void handler(int number) {
  (void)number;
  if (syscall(SYS_getpid) != shared->process) shared->handler_ran_in_child = 1;
}
static inline long set_handler(int number) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK};
  return sigaction(number, &action, NULL);
}
static inline long set_limit(rlim_t soft) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
  limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit);
}

/* ---- files and programs --------------------------------------------------------------------------------------------
 */

static char scratch[] = "/tmp/spawn-reproducer-XXXXXX";
static char self[4096]; /* this program: as a child it waits until it is ended, or exits with status 7 */
static char file[4][64], program[4][64], fifo[4][64], directory[4][64], plain[64], garbage[64], loop[64], missing[64],
    below_a_file[64], too_long[320];
static unsigned short port[4];
static char* const environment[] = {"A=1", NULL};

static inline long listen_at(int which, int type) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port[which])};
  const int fd = socket(AF_INET, SOCK_STREAM | type, 0);
  if (fd < 0) return -1;
  if (bind(fd, (struct sockaddr*)&address, sizeof address) == 0 && listen(fd, 1) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}
static inline long open_fifo(int which, int flags) {
  long fd;
  do fd = open(fifo[which], flags);
  while (fd < 0 && errno == EINTR);
  return fd;
}
static inline long wait_for(int pid) {
  siginfo_t info;
  long result;
  do result = waitid(P_PID, (id_t)pid, &info, WEXITED);
  while (result < 0 && errno == EINTR);
  return result;
}

/* ---- the world: a table with these descriptors and no others -------------------------------------------------------
 */

static inline void put(int line, int number, int close_on_exec, int fd) {
  if (fd < 0) give_up(line);
  if (fd == number) {
    if (fcntl(fd, F_SETFD, close_on_exec ? FD_CLOEXEC : 0) != 0) give_up(line);
    return;
  }
  if (dup3(fd, number, close_on_exec ? O_CLOEXEC : 0) < 0) give_up(line);
  close(fd);
}
static inline void put_pair(int line, int first, int second, int close_on_exec, int made, const int pair[2],
                            const char* name) {
  if (made != 0) give_up(line);
  const int above = first > second ? first : second;
  const int aside = fcntl(pair[1], F_DUPFD_CLOEXEC, above + 1 > pair[0] + 1 ? above + 1 : pair[0] + 1);
  struct stat status;
  for (int i = 0; i < 2 && shared->pair_count < PAIRS_MAX; ++i)
    if (fstat(pair[i], &status) == 0) {
      shared->pair[shared->pair_count].inode = (unsigned long)status.st_ino;
      shared->pair[shared->pair_count++].name = name;
    }
  close(pair[1]);
  put(line, first, close_on_exec, pair[0]);
  put(line, second, close_on_exec, aside);
}
static inline int memory_file(unsigned long identity) {
  char name[32];
  snprintf(name, sizeof name, "%lu", identity);
  return memfd_create(name, MFD_CLOEXEC);
}
static inline void pass_the_gate(void) {
  __atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&shared->gate, __ATOMIC_SEQ_CST) == 0) sched_yield();
}
static inline void* finish(void) {
  __atomic_add_fetch(&shared->finished, 1, __ATOMIC_SEQ_CST);
  for (;;) pause();
  return NULL;
}

/* ---- what is owed --------------------------------------------------------------------------------------------------
 */

struct owed_result {
  int operation, which;
  long value;
  const char* text; /* the operation */
};
struct owed_entry {
  int instant, number; /* instant: of the call; -1: the caller's own table, at the end */
  int close_on_exec;
  const char* file;
};
struct owed_spawn {
  const char* text;
  int may_succeed, error[6]; /* the errnos it may fail with; the first is ANY: with whatever */
  int instants, is_of_one_instant;
  const struct owed_entry* entry;
  int kept_count;
  const int* kept;
  uint64_t mask, ignored_always, ignored_maybe; /* bit n-1 is signal n */
  int leads_group, leads_session, must_run, must_be_seen;
  const char* directory;
};
