/* SPDX-License-Identifier: MIT
 *
 * What the server, its tracer and the arena it forks share. All of them include this; this includes none of
 * them. */
#ifndef SPAWNCHECK_EXECUTOR_SHARED_H
#define SPAWNCHECK_EXECUTOR_SHARED_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "impl/executor/program.h"
#include "impl/peers/implementation.h"

#define SC_PATH_MAX 512
#define SC_PAGE 4096

/* Names of the files that a scenario may open or run, made once by the server. */
struct sc_places {
  char scratch[SC_PATH_MAX]; /* the server's own directory */
  int scratch_is_private;    /* it is in a mount namespace of the server's own and ends with it */
  char file[SC_NAMES_MAX][SC_PATH_MAX], program[SC_NAMES_MAX][SC_PATH_MAX], fifo[SC_NAMES_MAX][SC_PATH_MAX],
      directory[SC_NAMES_MAX][SC_PATH_MAX];
  char queue[SC_NAMES_MAX][64]; /* for mq_open(2): without a slash */
  uint16_t port[SC_NAMES_MAX];
  char executable[SC_PROGRAM_COUNT][SC_PATH_MAX]; /* what each program word names; for `written`: unused */
  char rest[SC_PAGE];                             /* fills the last page: all members above become read-only */
};

/* One mapping that host, server and arena share, for all runs. Only main() sets the pointer. */
extern struct sc_shared* shared;
extern struct sc_places places;
/* The smallest queue: all queues of a user share RLIMIT_MSGQUEUE bytes, and the default takes a tenth. */
struct sc_queue_attributes {
  long flags, messages_max, message_bytes_max, messages, reserved[4];
};
extern const struct sc_queue_attributes queue_attributes;
extern const struct spawncheck_implementation* implementation;
extern struct spawncheck_description implementation_says; /* the implementation's description of itself */
static inline int has_habit(uint32_t habit) { return (implementation_says.habits & habit) != 0; }

uint64_t draw(uint64_t* state); /* splitmix64; the host's Random draws the same numbers from the same seed */
uint64_t now_ms(void);          /* CLOCK_MONOTONIC */
int host_is_gone(int socket);   /* true at end of file on the socket */
int is_stop_signal(int signal);

/* A futex on shared memory; timeout_ms 0: none. Returns 0 or an errno. */
int futex_wait(uint32_t* word, uint32_t value, uint32_t timeout_ms);
void futex_wake(uint32_t* word);

#endif
