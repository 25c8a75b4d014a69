/* SPDX-License-Identifier: MIT
 *
 * THE reader of what proc(5) says of a process or a task: no other code in the server opens files below /proc/PID.
 *
 * A process is named by a descriptor of its directory, opened once. Whatever is read through it is of that process
 * or fails, even if its pid is reused later (fs/proc/base.c: the inode refers to the struct pid). Each function reads
 * once: what a reading proves, and what must be read before and after it, is said where it is used. */
#ifndef SPAWNCHECK_EXECUTOR_PROC_H
#define SPAWNCHECK_EXECUTOR_PROC_H

#include "impl/executor/observe/observe.h"

#define PROC_ARGUMENTS 6

int proc_is_ours(void);                          /* is proc(5) mounted, and that of our own PID namespace? */
int proc_open(pid_t pid);                        /* its directory; -1 with errno, ENOENT if the process is gone */
int proc_open_task(pid_t pid, pid_t tid);        /* of one thread */
int proc_open_file(pid_t pid, const char* name); /* to be kept by the caller, for reading */

/* Reads a file, null-terminated. Returns its length, or -1 with errno. `size` must hold all of it. */
int proc_read(int process, const char* name, char* buffer, size_t size);
/* Reads a link. Returns its length, or -1 with errno. A process that is ending has no memory, so no `exe`: ENOENT. */
ssize_t proc_link(int process, const char* name, char link[SC_PATH_MAX]);
/* Lists the numbers in a directory, ascending, at most `max`. Returns -1 with errno on failure. */
int proc_list(int process, const char* name, int* numbers, int max);
/* Null bytes of its arguments. 0 from within exec until its very end (fs/binfmt_elf.c create_elf_tables), and for
 * one that is ending. */
uint32_t proc_count_arguments(int process);

/* The state as in proc(5): R, S, D, t, T, Z, X, I; 0: it is gone. */
char proc_state(int process);
char proc_state_again(int stat); /* the same from a kept descriptor of its `stat` */

struct proc_status {
  char state;
  int32_t ppid, pgid, sid;
  uint32_t threads; /* 0: it is being released, and has neither session nor dispositions any more */
  uint64_t pending, shared_pending, mask, ignored, caught;
  uint64_t switches; /* how often it has left the processor: the same number twice means the same sleep */
};
int proc_read_status(int process, struct proc_status* status); /* 0: it is gone */
#define PROC_STATUS_MAX 8192
int proc_read_status_text(int process, char text[PROC_STATUS_MAX], struct proc_status* status); /* and keeps the text */

/* The end status of a zombie, as in sc_op_record.value of wait. 0: no zombie, or it may not be read. */
int proc_end_status(int process, int32_t* status);

/* Where a task is in the kernel. Counts only when the task was off the run queue while it was read (lib/syscall.c
 * task_current_syscall waits for that: wait_task_inactive). */
struct proc_call {
  long number; /* -1: in none, stopped or preempted in user mode */
  uint64_t argument[PROC_ARGUMENTS];
  uint64_t stack, instruction;
};
int proc_read_call(int process, struct proc_call* call); /* 0: it runs, is gone, or may not be read */

/* Off the run queue, in a call that ends only when another task does something: no timeout. */
int proc_waits_for_ever(const struct proc_call* call);
/* ... and which is not exec. */
int proc_is_outside_exec(const struct proc_call* call);

/* attributes.c: THE reader of attributes. What /proc/PID/status says of them is in its text; is_thorough: also what
 * costs a file each. */
void attributes_of_status(const char* text, struct sc_attributes* out);
void attributes_read(int process, pid_t pid, int is_thorough, struct sc_attributes* out);
int attributes_are_thorough(void);          /* true in runs without a seed, and in some others, drawn from the seed */
void attributes_begin(const char* program); /* once, in the server: `program` waits */
void attributes_of_threads(
    void); /* of those that spawn, which must not run meanwhile: fills history.made, and left in thorough runs */

/* lists.c: what the program has, against what every request asks for. */
void lists_compare(int process, uint32_t count, struct sc_difference* argument, struct sc_difference* in_environment);

/* observe.c: in a scheduled run, or asleep outside of exec. */
int proc_is_settled(int process);
int proc_waits_in_program(int process, const char* program); /* waits, within bounds, until it does */

/* LIVES: there was an instant during this call at which no thread of the process had begun to end. Asked of a
 * process whose main thread sleeps or is stopped. */
enum proc_life { PROC_ENDS, PROC_LIVES, PROC_UNKNOWN };
enum proc_life proc_life_of(int process);
enum proc_life proc_life_of_pid(pid_t pid);

#endif
