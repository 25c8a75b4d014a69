/* SPDX-License-Identifier: MIT
 *
 * THE reader of what proc(5) says of a process or a task: no other code in the server opens files below /proc/PID.
 *
 * A process is named by a descriptor of its directory, opened once. A read through it is of that process or fails, even
 * if the pid is reused later (fs/proc/base.c: the inode refers to the struct pid). Each function reads once: its caller
 * states what the reading proves, and what must be read before and after it. */
#ifndef SPAWNCHECK_EXECUTOR_PROC_H
#define SPAWNCHECK_EXECUTOR_PROC_H

#include "impl/executor/observe/observe.h"

#define PROC_ARGUMENTS 6

int proc_is_ours(void);                          /* true if proc(5) is mounted, and is that of our PID namespace */
int proc_open(pid_t pid);                        /* its directory; -1 with errno, ENOENT if the process is gone */
int proc_open_task(pid_t pid, pid_t tid);        /* of one thread */
int proc_open_file(pid_t pid, const char* name); /* for reading; the caller keeps it, and must close it */

/* Reads a file, null-terminated. Returns its length, or -1 with errno. `size` must hold all of it. */
int proc_read(int process, const char* name, char* buffer, size_t size);
/* Reads a link. Returns its length, or -1 with errno. A process that is ending has no memory, so no `exe`: ENOENT. */
ssize_t proc_link(int process, const char* name, char link[SC_PATH_MAX]);
/* Lists the numbers in a directory, ascending, at most `max`. Returns -1 with errno on failure. */
int proc_list(int process, const char* name, int* numbers, int max);
/* Counts the null bytes of the process's arguments. Returns 0 while exec has switched the memory and has not reached
 * its very end (fs/binfmt_elf.c create_elf_tables), and for a process that is ending. */
uint32_t proc_count_arguments(int process);

/* The state as in proc(5): R, S, D, t, T, Z, X, I; 0: the process is gone. */
char proc_state(int process);
char proc_state_again(int stat); /* the same from a kept descriptor of its `stat` */

struct proc_status {
  char state;
  int32_t ppid, pgid, sid;
  uint32_t threads; /* 0: the process is being released, and has neither session nor dispositions any more */
  uint64_t pending, shared_pending, mask, ignored, caught;
  uint64_t switches; /* how often it has left the processor: the same number twice means the same sleep */
};
int proc_read_status(int process, struct proc_status* status); /* returns 0 if the process is gone */
#define PROC_STATUS_MAX 8192
int proc_read_status_text(int process, char text[PROC_STATUS_MAX], struct proc_status* status); /* and keeps the text */

/* The end status of a zombie, as in sc_op_record.value of wait. Returns 0 if there is none, or it may not be read. */
int proc_end_status(int process, int32_t* status);

/* The system call that a task is in. The kernel shows it only if the task was off the run queue all the while
 * (lib/syscall.c task_current_syscall: wait_task_inactive). */
struct proc_call {
  long number; /* -1: none: the task was stopped in user mode, or waits in a fault or an exception */
  uint64_t argument[PROC_ARGUMENTS];
  uint64_t stack, instruction;
};
int proc_read_call(int process, struct proc_call* call); /* returns 0 if the task runs, is gone, or is unreadable */

/* Returns true if a task that sleeps in the call is woken only by another task: the call has no timeout. */
int proc_waits_for_ever(const struct proc_call* call);
/* Returns true if the call is not execve(2) or execveat(2). */
int proc_is_outside_exec(const struct proc_call* call);

/* attributes.c: THE reader of attributes. attributes_of_status reads those in the text of /proc/PID/status,
 * attributes_read the others; is_thorough: also those that cost a file each. */
void attributes_of_status(const char* text, struct sc_attributes* out);
void attributes_read(int process, pid_t pid, int is_thorough, struct sc_attributes* out);
int attributes_are_thorough(void);          /* true in runs without a seed, and in some others, drawn from the seed */
void attributes_begin(const char* program); /* once, in the server: `program` must wait for ever */
void attributes_of_threads(
    void); /* of threads that spawned, which must not run meanwhile: fills history.made; left too in thorough runs */

/* lists.c: compares the lists that the program has with those that every request asks for. */
void lists_compare(int process, uint32_t count, struct sc_difference* argument, struct sc_difference* in_environment);

/* observe.c: returns true in a scheduled run, or if the process sleeps outside of exec. */
int proc_is_settled(int process);
int proc_waits_in_program(int process, const char* program); /* waits, within bounds, until it sleeps in `program` */

/* PROC_LIVES: there was an instant during this call at which no thread of the process had begun to end. The main thread
 * of the process must sleep or be stopped, else the answer may be PROC_UNKNOWN. */
enum proc_life { PROC_ENDS, PROC_LIVES, PROC_UNKNOWN };
enum proc_life proc_life_of(int process);
enum proc_life proc_life_of_pid(pid_t pid);

#endif
