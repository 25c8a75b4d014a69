/* SPDX-License-Identifier: MIT
 *
 * Processes seen from outside: proc(5) and kcmp(2), nothing else.
 *
 * Evidence is a fact or absent. A process that ends loses its memory first, then its table, then its directory, its
 * session and dispositions last (kernel/exit.c do_exit: exit_mm, exit_files, exit_fs; release_task). So what was read
 * of it counts if /proc/PID/exe, which needs the memory, could be read afterwards: until then it had lost nothing. A
 * child that has ended is reported as dead only if at an instant afterwards no thread of the arena had begun to end:
 * the project's programs end with the thread that started them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/executor/observe/proc.h"

#define NUMBERS_MAX 20001
/* The kernel's O_LARGEFILE: glibc defines it as 0 on a 64-bit machine. */
#if defined(__aarch64__)
#define LARGE_FILE 0400000
#else
#define LARGE_FILE 0100000
#endif
#define SETTLE_ROUNDS_MAX 10000
#define ROUNDS_PER_BELIEF 20

static const char* field(const char* text, const char* name) {
  const char* at = strstr(text, name);
  return at != NULL ? at + strlen(name) : NULL;
}

static uint64_t number_field(const char* text, const char* name, int base) {
  const char* at = field(text, name);
  return at != NULL ? strtoull(at, NULL, base) : 0;
}

static int name_index(const char* link, char paths[SC_NAMES_MAX][SC_PATH_MAX]) {
  for (int i = 0; i < SC_NAMES_MAX; ++i)
    if (strcmp(link, paths[i]) == 0) return i;
  return -1;
}

static struct sc_key key_of(const char* link, const char* info) {
  const unsigned long flags = number_field(info, "flags:", 8);
  const int writes = (flags & O_ACCMODE) == O_WRONLY;
  struct sc_key key = {SC_FILE_OTHER, 0};
  const char* at;
  int name;
  if ((at = field(link, "/memfd:sc-")) != NULL) {
    key = (struct sc_key){SC_FILE_MEMFD, strtoull(at, NULL, 10)};
  } else if (strcmp(link, "/dev/null") == 0) {
    key.kind = SC_FILE_NULL;
  } else if (strncmp(link, "pipe:[", 6) == 0) {
    key = (struct sc_key){writes ? SC_FILE_PIPE_WRITE : SC_FILE_PIPE_READ, strtoull(link + 6, NULL, 10)};
  } else if (strncmp(link, "socket:[", 8) == 0) {
    key = (struct sc_key){SC_FILE_SOCKET, strtoull(link + 8, NULL, 10)};
  } else if (strstr(link, "eventfd") != NULL) {
    key = (struct sc_key){SC_FILE_EVENTFD, number_field(info, "eventfd-count:", 16)};
  } else if (strstr(link, "pidfd") != NULL) {
    key.kind = SC_FILE_PIDFD;
  } else if ((name = name_index(link, places.file)) >= 0) {
    key = (struct sc_key){SC_FILE_REGULAR, (uint64_t)name};
  } else if ((name = name_index(link, places.program)) >= 0) {
    key = (struct sc_key){SC_FILE_PROGRAM, (uint64_t)name};
  } else if ((name = name_index(link, places.fifo)) >= 0) {
    key = (struct sc_key){writes ? SC_FILE_FIFO_WRITE : SC_FILE_FIFO_READ, (uint64_t)name};
  } else {
    for (int i = 0; i < SC_NAMES_MAX; ++i)
      if (link[0] == '/' && strcmp(link + 1, places.queue[i]) == 0) key = (struct sc_key){SC_FILE_MQUEUE, (uint64_t)i};
  }
  return key;
}

static int is_same_run(const struct sc_entry* a, const struct sc_entry* b) {
  /* Only entries of /dev/null come in long runs that are worth joining, and equal ones cannot be told apart. */
  return a->last + 1 == b->number && a->key.kind == SC_FILE_NULL && b->key.kind == SC_FILE_NULL &&
         a->cloexec == b->cloexec && a->status_flags == b->status_flags && a->position == b->position;
}

uint32_t observed_numbers;

/* A descriptor that the implementation holds is not the scenario's. It is left out of the caller's table, and of the
 * table of a child that inherits it because it has no close-on-exec. In any other child it counts. */
static int is_left_out(int number, const char* link, const struct sc_request* request) {
  const struct sc_held* held = shared->held_count != 0 ? held_at(number, link) : NULL;
  if (held == NULL || request == NULL) return held != NULL;
  return !held->cloexec && request->policy != SPAWNCHECK_FDS_ONLY;
}

/* request: of the spawn that started the process; null: the arena, or a task of a snapshot. */
static void observe_table(struct sc_process* out, int directory, const struct sc_request* request) {
  static int numbers[NUMBERS_MAX];
  const int count = proc_list(directory, "fd", numbers, NUMBERS_MAX);
  if (count > 0) observed_numbers += (uint32_t)count;
  for (int i = 0; i < count; ++i) {
    char name[32], link[SC_PATH_MAX], info[1024];
    snprintf(name, sizeof name, "fd/%d", numbers[i]);
    if (proc_link(directory, name, link) < 0 || is_left_out(numbers[i], link, request)) continue;
    snprintf(name, sizeof name, "fdinfo/%d", numbers[i]);
    if (proc_read(directory, name, info, sizeof info) < 0) continue;
    struct sc_entry entry = {.number = numbers[i], .last = numbers[i], .key = key_of(link, info), .same_as_parent = -1};
    const uint32_t flags = (uint32_t)number_field(info, "flags:", 8);
    entry.cloexec = (flags & O_CLOEXEC) != 0;
    entry.status_flags = flags & ~(uint32_t)(O_ACCMODE | O_CLOEXEC | LARGE_FILE);
    entry.position = number_field(info, "pos:", 10);
    if (entry.key.kind == SC_FILE_PIDFD)
      entry.pidfd_of = (int32_t)strtol(field(info, "\nPid:") ? field(info, "\nPid:") : "0", NULL, 10);
    if (out->entry_count > 0 && is_same_run(&out->entry[out->entry_count - 1], &entry)) {
      out->entry[out->entry_count - 1].last = entry.last;
    } else if (out->entry_count < SC_ENTRIES_MAX) {
      out->entry[out->entry_count++] = entry;
    } else {
      out->truncated = 1;
      return;
    }
  }
}

/* Returns false if the process is a zombie or is being released: then it has no session and no dispositions any more,
 * and reads as one with 0 threads (kernel/exit.c __exit_signal; fs/proc/array.c task_sig). */
static int observe_status(struct sc_process* out, int directory, int reads_attributes) {
  struct proc_status s;
  char text[PROC_STATUS_MAX];
  if (!proc_read_status_text(directory, text, &s)) return 0;
  if (reads_attributes) attributes_of_status(text, &out->attributes);
  out->ppid = s.ppid;
  out->pgid = s.pgid;
  out->sid = s.sid;
  out->pending = s.pending;
  out->shared_pending = s.shared_pending;
  out->mask = s.mask;
  out->ignored = s.ignored;
  out->caught = s.caught;
  return s.state != 'Z' && s.state != 'X' && s.threads != 0;
}

static void forget(struct sc_process* out, pid_t pid) {
  out->pid = pid;
  out->observed = out->is_dead = out->knows_end_status = out->has_execed = out->truncated = 0;
  out->entry_count = out->argument_count = 0;
  out->attributes.known = 0;
  out->argument.is_known = out->environment.is_known = 0;
}

int observe_error;

/* request: of the spawn that started the process, whose attributes are read as well; null: the arena, or a task of a
 * snapshot. Returns true if all of it counts, provided that the process did nothing meanwhile. */
static int observe_all_of(struct sc_process* out, int directory, const struct sc_request* request) {
  const int reads_attributes = request != NULL;
  char link[SC_PATH_MAX];
  proc_link(directory, "cwd", link);
  out->cwd = name_index(link, places.directory);
  observe_table(out, directory, request);
  if (reads_attributes) attributes_read(directory, out->pid, attributes_are_thorough(), &out->attributes);
  return observe_status(out, directory, reads_attributes) && proc_link(directory, "exe", link) > 0;
}

void observe_held(struct sc_process* out, pid_t pid) {
  forget(out, pid);
  const int directory = proc_open(pid);
  if (directory < 0 && errno != ENOENT && errno != ESRCH) observe_error = errno;
  if (directory < 0) return;
  out->observed = (uint8_t)observe_all_of(out, directory, NULL);
  close(directory);
}

/* ---- a spawn's child ---------------------------------------------------------------------------- */

enum found { FOUND_NOTHING, FOUND_PROGRAM, FOUND_ANOTHER, FOUND_ENDED };

/* exec changes the program in its middle (fs/exec.c begin_new_exec), a moment after it wakes a vfork parent
 * (exec_mmap). So a program other than the requested one counts only if the task sleeps outside of exec: the program
 * that the task has afterwards, it had then. In a scheduled run no task is in the middle of a call. */
static int sleeps_outside_exec(int directory) {
  struct proc_call call;
  return proc_read_call(directory, &call) && proc_is_outside_exec(&call);
}

int proc_is_settled(int directory) { return shared->policy.is_scheduled || sleeps_outside_exec(directory); }

/* The argument list appears at the very end of exec (fs/binfmt_elf.c create_elf_tables), after exec has closed
 * descriptors and reset handlers: only then is the child in the state that the program sees. believes_another: another
 * program than the expected one may be an answer; to make sure takes longer than most children need to exec. */
static enum found look_for_program(int directory, const char* expected, int believes_another, uint32_t* arguments) {
  char link[SC_PATH_MAX];
  const int was_outside = believes_another && proc_is_settled(directory);
  if (proc_link(directory, "exe", link) <= 0) {
    if (errno == EACCES) return FOUND_NOTHING;
    const char state = proc_state(directory);
    return state == 0 || state == 'Z' || state == 'X' ? FOUND_ENDED : FOUND_NOTHING;
  }
  if (strcmp(link, expected) != 0) return was_outside ? FOUND_ANOTHER : FOUND_NOTHING;
  *arguments = proc_count_arguments(directory);
  return *arguments != 0 ? FOUND_PROGRAM : FOUND_NOTHING;
}

static enum found find_program(int directory, const char* expected, uint32_t* arguments) {
  enum found found = FOUND_NOTHING;
  for (int round = 0; round < SETTLE_ROUNDS_MAX && found == FOUND_NOTHING; ++round) {
    if (round > 100)
      usleep(100); /* a second and more: on a busy machine a child may not have run yet */
    else if (round > 0)
      sched_yield();
    found = look_for_program(directory, expected, round % ROUNDS_PER_BELIEF == ROUNDS_PER_BELIEF - 1, arguments);
  }
  return found;
}

int proc_waits_in_program(int directory, const char* program) {
  uint32_t arguments;
  if (find_program(directory, program, &arguments) != FOUND_PROGRAM) return 0;
  for (int round = 0; round < SETTLE_ROUNDS_MAX; ++round) {
    if (sleeps_outside_exec(directory)) return 1;
    usleep(100);
  }
  return 0;
}

/* directory -1: the child has been reaped. */
static void observe_end(struct sc_process* out, int directory, pid_t arena) {
  const int knows = directory >= 0 && proc_end_status(directory, &out->end_status);
  if (proc_life_of_pid(arena) != PROC_LIVES) return;
  out->is_dead = 1;
  out->knows_end_status = (uint8_t)knows;
}

void observe_spawned(struct sc_process* out, pid_t pid, const struct sc_request* request, pid_t arena) {
  const char* expected =
      request->program == SC_PROGRAM_WRITTEN ? places.program[request->name] : places.executable[request->program];
  forget(out, pid);
  const int directory = proc_open(pid);
  if (directory < 0) {
    if (errno == ENOENT || errno == ESRCH)
      observe_end(out, -1, arena);
    else
      observe_error = errno;
    return;
  }
  enum found found = find_program(directory, expected, &out->argument_count);
  if (found == FOUND_PROGRAM || found == FOUND_ANOTHER) {
    out->has_execed = found == FOUND_PROGRAM;
    if (out->has_execed) lists_compare(directory, request->argument_count, &out->argument, &out->environment);
    out->observed = (uint8_t)observe_all_of(out, directory, request);
    /* A child whose arena has died meanwhile has another parent, and soon ends. */
    if (out->observed && out->ppid != arena && proc_life_of_pid(arena) != PROC_LIVES) out->observed = 0;
    if (!out->observed) found = find_program(directory, "", &out->argument_count);
  }
  if (found == FOUND_ENDED) observe_end(out, directory, arena);
  close(directory);
}

static int is_like(const struct sc_key* a, const struct sc_key* b) { return a->kind == b->kind && a->id == b->id; }

void compare_descriptions(struct sc_process* child, const struct sc_process* parent) {
  for (uint32_t i = 0; i < child->entry_count; ++i) {
    struct sc_entry* mine = &child->entry[i];
    if (mine->number != mine->last) continue;
    int tries = 0;
    mine->compared = 1;
    for (uint32_t j = 0; j < parent->entry_count; ++j) {
      const struct sc_entry* theirs = &parent->entry[j];
      if (!is_like(&mine->key, &theirs->key)) continue;
      if (theirs->number != theirs->last || ++tries > 16) {
        mine->compared = 0;
        break;
      }
      const long order = syscall(SYS_kcmp, child->pid, parent->pid, KCMP_FILE, mine->number, theirs->number);
      if (order < 0) mine->compared = 0;
      if (order == 0) mine->same_as_parent = theirs->number;
      if (order <= 0) break;
    }
  }
}

/* The operation that started a child. */
static const struct sc_operation* starter(int16_t child) {
  for (uint32_t t = 0; t < shared->thread_count; ++t)
    for (uint32_t o = 0; o < shared->op_count[t]; ++o)
      if (shared->op[t][o].kind == SC_OP_SPAWN && shared->history.op[t][o].child == child) return &shared->op[t][o];
  return NULL;
}

/* The children that have been looked at, a bit each. Each is looked at once: a thread asks for that before it waits for
 * its child or signals it, and a later look would say nothing of the spawn. */
static uint32_t looked_at;

void observe_begin(void) { looked_at = 0; }
uint32_t children_looked_at(void) { return looked_at; }

void observe_child(int16_t index) {
  struct sc_process* child = &shared->history.child[index];
  const struct sc_operation* op = starter(index);
  if ((looked_at >> index & 1) != 0 || op == NULL) return;
  looked_at |= 1u << index;
  observe_spawned(child, child->pid, &op->request, shared->arena_pid);
}

uint64_t sum_of_link(const char* link) { return memory_sum(1, link, strlen(link)); }

const struct sc_held* held_at(int number, const char* link) {
  for (uint32_t i = 0; i < shared->held_count; ++i)
    if (shared->held[i].number == number) return shared->held[i].file == sum_of_link(link) ? &shared->held[i] : NULL;
  return NULL;
}
