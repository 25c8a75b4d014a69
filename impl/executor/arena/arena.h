/* SPDX-License-Identifier: MIT
 *
 * The parts of the arena server and of the arena it forks for each run. */
#ifndef SPAWNCHECK_EXECUTOR_ARENA_H
#define SPAWNCHECK_EXECUTOR_ARENA_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "impl/executor/program.h"
#include "impl/peers/implementation.h"

#define SC_PATH_MAX 512
#define SC_PAGE 4096

/* Names of what a scenario may open or run, made once by the server. */
struct sc_places {
  char scratch[SC_PATH_MAX]; /* a directory of our own */
  int scratch_is_private;    /* it lives in a mount namespace and goes with it */
  char file[SC_NAMES_MAX][SC_PATH_MAX], program[SC_NAMES_MAX][SC_PATH_MAX], fifo[SC_NAMES_MAX][SC_PATH_MAX],
      directory[SC_NAMES_MAX][SC_PATH_MAX];
  char queue[SC_NAMES_MAX][64]; /* for mq_open(2): without a slash */
  uint16_t port[SC_NAMES_MAX];
  char executable[SC_PROGRAM_COUNT][SC_PATH_MAX]; /* what each program word names; written: unused */
  char rest[SC_PAGE];                             /* of the last page: all above is made read-only */
};

extern struct sc_shared* shared;
extern struct sc_places places;
/* The smallest queue: all queues of a user share RLIMIT_MSGQUEUE bytes, and the default takes a tenth. */
struct sc_queue_attributes {
  long flags, messages_max, message_bytes_max, messages, reserved[4];
};
extern const struct sc_queue_attributes queue_attributes;
extern const struct spawncheck_implementation* implementation;
extern struct spawncheck_description implementation_says; /* of the implementation */
static inline int has_habit(uint32_t habit) { return (implementation_says.habits & habit) != 0; }

/* places.c: 0, or an errno with `where` saying what failed. */
int places_make(const char* bin_directory, char where[SC_TEXT_MAX]);
void places_remove(void);

/* world.c, in the arena: closes everything and opens what the world says. Ends the process on failure. */
void world_make(void);

/* prepare.c, in the arena, which has no descriptor yet: lets the implementation start what it needs, and notes what it
 * holds from then on. 0, or an errno with `where` saying what failed. */
int implementation_prepare(char where[SC_WHERE_MAX]);
const struct sc_held* held_at(int number, const char* link); /* in the server; null: it holds no such file there */

/* operations.c: runs one operation and fills its record. */
void operation_run(uint32_t thread, uint32_t index);
/* As rt_sigaction(2) has it. */
struct kernel_action {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)(void);
  uint64_t mask;
};
long set_disposition(int signal, int disposition); /* rt_sigaction(2); the raw result */
extern int32_t cells[SC_CELLS_MAX];

/* lists.c: argv and envp of every request; `count` arguments beside the first. Prepared once, in the server. */
void lists_prepare(void);
char* const* list_of_arguments(uint32_t count);
char* const* list_of_environment(void);
uint64_t lists_sum(uint32_t count, uint64_t sum); /* of their vectors and strings */
uint64_t memory_sum(uint64_t sum, const void* from, size_t size);
int lists_are_within(uint64_t start, uint64_t end);

/* ending.c: an exit handler and a stream that tell. Once, in the server. */
void ending_prepare(void);

/* caller.c: what the calling thread can tell of itself at once, before and after a spawn; what differs, as bits of
 * SC_DISTURBED. */
struct caller {
  uint64_t mask, pending;
  stack_t altstack;
  int cancel_state, cancel_type;
};
void caller_ask(struct caller* c);
uint32_t caller_differs(const struct caller* then, const struct caller* now);
void caller_begin(void);                   /* once all dispositions are set, the last thing before the race */
void caller_begin_thread(uint32_t thread); /* in the thread, before the race */
void caller_look(uint32_t thread, struct sc_op_record* record); /* what is asked later */

/* attributes.c, in the arena too: what a thread may run on; 0 is the caller. */
uint64_t attributes_processors(pid_t pid);

/* spawning.c */
int requests_are_within(uint64_t start, uint64_t end);
void spawn_look_later(uint32_t thread,
                      uint32_t index); /* after each operation: at the caller, where that can hide nothing any more */
void spawn_run_operation(const struct sc_operation* op, uint32_t thread, uint32_t index, struct sc_op_record* record);

/* threads.c: the arena process. Does not return. */
_Noreturn void arena_main(void);
void attract_attention(void);
uint32_t next_stamp(void);
uint64_t draw(uint64_t* state); /* splitmix64; the host's Random draws the same numbers from the same seed */
int32_t operand_value(uint32_t thread, uint32_t index, struct sc_operand operand);

/* main.c, in the server */
int host_is_gone(void);
int host_chooses(uint32_t enabled); /* which task of the set goes next; the lowest when the host is gone */
uint64_t now_ms(void);
void observe_child(int16_t index); /* unless it has been tried before */

/* filter.c: what stops the tasks of a scheduled run. Prepared once, in the server; installed in the arena: 0 or an
 * errno. */
void filter_prepare(void);
int filter_install(void);

/* refuse.c, in the arena: what the world refuses is refused from here on, to every thread and all that they start. 0 or
 * an errno. */
int refusals_install(void);

/* watch.c, in the arena: has its memory watched. */
void watch_offer(void);

/* observe.c, in the server */
extern uint32_t observed_numbers; /* how many open numbers have been looked at; wraps */
extern int observe_error; /* why a process that may be there could not be looked at: a run with that says nothing */
/* A process or thread that nobody lets go on meanwhile: it is stopped, or sleeps and nobody is left to wake it. */
void observe_held(struct sc_process* out, pid_t pid);
/* A spawn's child, which should run the program `expected`: waits, within bounds, until it does, or is known not to. */
void observe_spawned(struct sc_process* out, pid_t pid, const struct sc_request* request, pid_t arena);
void compare_descriptions(struct sc_process* child, const struct sc_process* parent);

/* memory.c, in the server: is it certain that the child ran on the arena's memory, alive and outside of exec, at an
 * instant after its spawn had returned? had_its_table: after the return its descriptor table was still the arena's. */
int runs_on_memory_of(pid_t arena, pid_t child, int had_its_table);

/* A futex on shared memory; timeout_ms 0: none. Returns 0 or an errno. */
int futex_wait(uint32_t* word, uint32_t value, uint32_t timeout_ms);
void futex_wake(uint32_t* word);

#endif
