/* SPDX-License-Identifier: MIT
 *
 * Helpers that the adapters of third-party libraries share. An adapter serves the request as a user of the library
 * would; if the library cannot express the request, the adapter declines before it has done anything. */
#ifndef SPAWNCHECK_PEERS_ADAPTER_H
#define SPAWNCHECK_PEERS_ADAPTER_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#include "impl/peers/implementation.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ADAPTER_STDIO = 3 }; /* 0, 1 and 2: all that many libraries support */

static inline int adapter_fail(struct spawncheck_result* result, int error) {
  result->pid = result->pidfd = -1;
  return result->error = error;
}

static inline int adapter_decline(struct spawncheck_result* result) {
  return adapter_fail(result, SPAWNCHECK_DECLINED);
}

static inline int adapter_succeed(struct spawncheck_result* result, int pid) {
  result->pid = pid;
  result->pidfd = -1;
  return result->error = 0;
}

/* Returns the source that is kept at `target`, or -1. */
static inline int adapter_source_of(const struct spawncheck_request* r, int target) {
  for (uint32_t i = 0; i < r->keep_count; ++i)
    if (r->keep[i].target == target) return r->keep[i].source;
  return -1;
}

/* Libraries take -1 for "none", and cannot express a target that occurs twice. */
static inline int adapter_is_plain(const struct spawncheck_request* r) {
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    if (r->keep[i].source < 0 || r->keep[i].target < 0) return 0;
    for (uint32_t j = 0; j < i; ++j)
      if (r->keep[j].target == r->keep[i].target) return 0;
  }
  return 1;
}

static inline int adapter_keeps_below(const struct spawncheck_request* r, int bound) {
  for (uint32_t i = 0; i < r->keep_count; ++i)
    if (r->keep[i].target >= bound) return 0;
  return 1;
}

static inline int adapter_keeps_stdio(const struct spawncheck_request* r) {
  for (int n = 0; n < ADAPTER_STDIO; ++n)
    if (adapter_source_of(r, n) < 0) return 0;
  return 1;
}

/* The library's own pipe may get the number of a closed source, and then reach the child as that source. No real
 * program passes on a closed descriptor. errno is as before. */
static inline int adapter_sources_are_open(const struct spawncheck_request* r) {
  const int saved = errno;
  int are_open = 1;
  for (uint32_t i = 0; i < r->keep_count && are_open; ++i) are_open = fcntl(r->keep[i].source, F_GETFD) >= 0;
  errno = saved;
  return are_open;
}

/* The documented limit of a library that forks without blocking signals: fork(2) gives the child the caller's handlers,
 * and exec resets them. A signal in between, say to the process group, runs a handler on the child's memory copy. */
#define ADAPTER_FORKS_WITH_HANDLERS(source) \
  { "sig.no_handler_in_child", "", "between fork(2) and exec the child has the caller's handlers", "fork(3p); " source }

/* Documented limits of a library that uses numbers of the caller's table during the call: what other threads' calls
 * return, and what a child gets or lacks if they use the same numbers. Numbers left at the end are no such limit. */
#define ADAPTER_TAKES_NUMBERS(what, source)                                                  \
  {"fd.untouched", " gave ", what, source}, {"fd.untouched", "failed with", what, source}, { \
    "fd.untouched", "the child", what, source                                                \
  }

/* For libraries that make the moves one by one in the given order: finds an order in which each source is read before
 * it is written. Returns 0 if a cycle leaves none. `order` has room for keep_count indices. */
static inline int adapter_order(const struct spawncheck_request* r, uint32_t* order) {
  uint32_t count = 0;
  for (uint32_t round = 0; round < r->keep_count && count < r->keep_count; ++round)
    for (uint32_t i = 0; i < r->keep_count; ++i) {
      int is_placed = 0, is_needed = 0;
      for (uint32_t j = 0; j < count; ++j) is_placed |= order[j] == i;
      for (uint32_t j = 0; j < r->keep_count; ++j) {
        int is_read = j == i;
        for (uint32_t k = 0; k < count; ++k) is_read |= order[k] == j;
        is_needed |= !is_read && r->keep[j].source == r->keep[i].target;
      }
      if (!is_placed && !is_needed) order[count++] = i;
    }
  return count == r->keep_count;
}

#ifdef __cplusplus
}
#endif

#endif
