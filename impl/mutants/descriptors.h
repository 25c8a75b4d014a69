/* SPDX-License-Identifier: MIT
 *
 * Part of mutant.c: the child's table. Between clone and exec: no allocation, no locks. */
#ifndef SPAWNCHECK_MUTANTS_DESCRIPTORS_H
#define SPAWNCHECK_MUTANTS_DESCRIPTORS_H

#include <sched.h>
#include <stdio.h>

#include "impl/mutants/requests.h"

#define LOOP_MAX 4096 /* bound of loops over all numbers */

/* libc's close(3) is a cancellation point, which marks its thread: here the caller's thread, for good if the child is
 * killed inside the call. */
static int close_number(int number) { return HAS(CLOSE_CANCELLABLE) ? close(number) : (int)syscall(SYS_close, number); }

static int close_gap(unsigned first, unsigned last, unsigned flags) {
  if (HAS(RANGE_IGNORED) || HAS(NO_SWEEP) || LISTS_NUMBERS) return 0;
  if (HAS(LOOP_SHARED)) {
    for (unsigned n = first; n <= last && n < LOOP_MAX; ++n) close_number((int)n);
    return 0;
  }
  if (HAS(STDIO_KEPT) && first < 3) first = 3;
  if (first > last) return 0;
  if (HAS(NO_UNSHARE)) flags = 0;
  if (HAS(DROPPED_LATE)) flags |= CLOSE_RANGE_CLOEXEC;
  const int error = (int)syscall(SYS_close_range, first, last, flags);
  return HAS(RANGE_UNCHECKED) ? 0 : error;
}

/* Closes the numbers above all sources. */
static int close_rest(unsigned first, unsigned flags) {
  rlim_t limit = 0;
  if (HAS(SWEEP_TO_LIMIT) && read_limit(&limit) != 0) return -1;
  const unsigned end = HAS(SWEEP_TO_256) ? 256 : HAS(SWEEP_TO_1024) ? 1024 : (unsigned)limit;
  if (end == 0 && !HAS(SWEEP_TO_GAP)) return close_gap(first, ~0u, flags);
  if (unshare(CLONE_FILES) != 0) return -1;
  for (unsigned n = first; HAS(SWEEP_TO_GAP) && n < LOOP_MAX && close_number((int)n) == 0; ++n) continue;
  return end > first ? close_gap(first, end - 1, 0) : 0;
}

/* Closes all but the sources, the highest range first, since that range makes the table private. */
static int keep_sources(const struct job* job) {
  const int* sources = job->sources;
  const uint32_t count = job->source_count;
  if (HAS(SWEEP_FIRST)) return close_gap(3, ~0u, CLOSE_RANGE_UNSHARE);
  unsigned flags = HAS(UNSHARE_LAST) && count > 0 ? 0 : CLOSE_RANGE_UNSHARE;
  if (close_rest(count ? (unsigned)sources[count - 1] + 1 : 0, flags) != 0) return -1;
  int first = 0;
  for (uint32_t i = 0; i < count; ++i) {
    flags = HAS(UNSHARE_LAST) && i == count - 1 ? CLOSE_RANGE_UNSHARE : 0;
    const int last = HAS(GAP_INCLUSIVE) ? sources[i] : sources[i] - 1;
    if (first <= last && close_gap((unsigned)first, (unsigned)last, flags) != 0) return -1;
    first = sources[i] + 1;
  }
  return 0;
}

static int clear_cloexec(const struct job* job, int number) {
  if (HAS(IDENTITY_CLOEXEC) || (HAS(IDENTITY_INHERITED) && job->request.fd_policy == SPAWNCHECK_FDS_INHERIT)) return 0;
  return fcntl(number, F_SETFD, 0);
}

static int move_in_order(const struct spawncheck_request* r) {
  for (uint32_t n = 0; n < r->keep_count; ++n) {
    const struct spawncheck_keep* k = &r->keep[HAS(REVERSED) ? r->keep_count - 1 - n : n];
    if (k->source == k->target ? fcntl(k->source, F_SETFD, 0) : dup2(k->source, k->target) < 0) return -1;
  }
  return 0;
}

static int is_read_again(const struct job* job, uint32_t except, int number) {
  for (uint32_t i = 0; i < job->request.keep_count; ++i)
    if (i != except && job->aside[i] == 0 && job->keep[i].source == number) return 1;
  return 0;
}

/* SECOND_CYCLE: first the moves that overwrite no pending source; then a temporary, but only once. */
static int move_with_one_temporary(const struct job* job) {
  const uint32_t count = job->request.keep_count;
  int is_used = 0;
  for (uint32_t i = 0; i < count; ++i) job->aside[i] = 0; /* 1: done */
  for (uint32_t done = 0, stuck = 0; done < count;) {
    stuck = 1;
    for (uint32_t i = 0; i < count; ++i) {
      const struct spawncheck_keep k = job->keep[i];
      if (job->aside[i] || (k.source != k.target && is_read_again(job, i, k.target))) continue;
      if (k.source == k.target ? fcntl(k.source, F_SETFD, 0) : dup2(k.source, k.target) < 0) return -1;
      job->aside[i] = 1;
      ++done;
      stuck = 0;
    }
    if (!stuck) continue;
    for (uint32_t i = 0; i < count; ++i) {
      const struct spawncheck_keep k = job->keep[i];
      if (job->aside[i]) continue;
      const int temporary = is_used++ ? -1 : fcntl(k.target, F_DUPFD_CLOEXEC, 0);
      for (uint32_t j = 0; temporary >= 0 && j < count; ++j)
        if (!job->aside[j] && j != i && job->keep[j].source == k.target) job->keep[j].source = temporary;
      if (dup2(k.source, k.target) < 0) return -1;
      job->aside[i] = 1;
      ++done;
      break;
    }
  }
  return 0;
}

static int reopen(int number, int target) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", number);
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return dup2(number, target);
  if (fd != target && (dup2(fd, target) < 0 || close_number(fd) != 0)) return -1;
  return fd == target ? fcntl(fd, F_SETFD, 0) : target;
}

/* Where temporaries begin: above all numbers of the request, or at 0 if the limit or open numbers leave no room
 * there. */
struct room {
  int from, is_low;
};

static struct room first_room(const struct job* job) {
  const struct spawncheck_request* r = &job->request;
  struct room room = {0, HAS(TEMPORARY_ON_TARGET) || r->keep_count == 0};
  if (room.is_low) return room;
  room.from = job->targets[r->keep_count - 1] + 1;
  for (uint32_t i = 0; i < job->source_count; ++i)
    if (job->sources[i] >= room.from) room.from = job->sources[i] + 1;
  return room;
}

/* Returns a duplicate at a number that is no target. */
static int put_aside(const struct job* job, int number, struct room* room) {
  for (;;) {
    const int fd = fcntl(number, HAS(TEMPORARY_LEFT) ? F_DUPFD : F_DUPFD_CLOEXEC, room->from);
    if (fd < 0 && errno == EINVAL) errno = EMFILE; /* `from` has reached RLIMIT_NOFILE: no number is free */
    if (fd < 0 && errno == EMFILE && !room->is_low) {
      *room = (struct room){0, 1};
      continue;
    }
    if (fd < 0 || HAS(TEMPORARY_ON_TARGET) || !is_target(job, fd)) return fd;
    room->from = fd + 1;
    close_number(fd);
  }
}

static int put_in_place(int number, int target) {
  if (HAS(CLOEXEC_KEPT)) return dup3(number, target, O_CLOEXEC);
  return HAS(REOPENED) || (HAS(REOPENED_HIGH) && target >= 3) ? reopen(number, target) : dup2(number, target);
}

/* Duplicates all sources out of the way, then puts them at their targets. */
static int move_all(const struct job* job) {
  const struct spawncheck_request* r = &job->request;
  int* aside = job->aside;
  struct room room = first_room(job);
  if (HAS(SEQUENTIAL) || HAS(REVERSED)) return move_in_order(r);
  if (HAS(SECOND_CYCLE)) return move_with_one_temporary(job);
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    const struct spawncheck_keep* k = &r->keep[i];
    aside[i] = -1;
    if (k->source == k->target) {
      if (clear_cloexec(job, k->source) != 0) return -1;
      continue;
    }
    aside[i] = put_aside(job, k->source, &room);
    if (aside[i] < 0 && HAS(ASIDE_UNCHECKED)) return move_in_order(r);
    if (aside[i] < 0) return -1;
  }
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    if (aside[i] < 0) continue;
    if (put_in_place(aside[i], r->keep[i].target) < 0 && !HAS(MOVE_UNCHECKED)) return -1;
    if (!HAS(TEMPORARY_LEFT) && !(HAS(TEMPORARY_ON_TARGET) && is_target(job, aside[i]))) close_number(aside[i]);
  }
  return 0;
}

static void close_leftover_sources(const struct job* job) {
  for (uint32_t i = 0; i < job->source_count && !HAS(SOURCES_LEFT); ++i)
    if (!is_target(job, job->sources[i])) close_number(job->sources[i]);
}

static void close_listed(const struct job* job) {
  for (uint32_t i = 0; i < job->listed_count; ++i)
    if (!is_source(job, job->listed[i])) close_number(job->listed[i]);
}

/* For the policies other than `only`: exec drops close-on-exec descriptors. */
static int make_private(const struct job* job) {
  const uint32_t policy = job->request.fd_policy;
  if (unshare(CLONE_FILES) != 0 && !HAS(UNSHARE_UNCHECKED)) return -1;
  for (int n = 0; HAS(INHERIT_ALL) && policy == SPAWNCHECK_FDS_INHERIT && n < LOOP_MAX; ++n)
    if (n != job->pidfd) fcntl(n, F_SETFD, 0);
  return 0;
}

static int drop(const struct job* job) {
  const int is_only = job->request.fd_policy == SPAWNCHECK_FDS_ONLY ||
                      (HAS(INHERIT_NOTHING) && job->request.fd_policy == SPAWNCHECK_FDS_INHERIT);
  if (!is_only) return make_private(job);
  if (keep_sources(job) != 0) return -1;
  if ((HAS(NO_SWEEP) || HAS(RANGE_IGNORED) || LISTS_NUMBERS) && unshare(CLONE_FILES) != 0) return -1;
  if (LISTS_NUMBERS) close_listed(job);
  return 0;
}

/* DROPPED_BY_OLD_FLAGS: drops, after the moves, the numbers that were close-on-exec before them. */
static int move_and_drop(const struct job* job) {
  uint64_t old[LOOP_MAX / 64] = {0};
  for (int n = 0; n < LOOP_MAX; ++n)
    if (fcntl(n, F_GETFD) == FD_CLOEXEC) old[n / 64] |= 1ull << n % 64;
  if (move_all(job) != 0) return -1;
  for (int n = 0; n < LOOP_MAX; ++n)
    if (old[n / 64] >> n % 64 & 1) close_number(n);
  return 0;
}

/* Deviations that change the open file description, which the caller shares. */
static void change_descriptions(const struct spawncheck_request* r) {
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    if (HAS(NONBLOCK_SET)) fcntl(r->keep[i].target, F_SETFL, fcntl(r->keep[i].target, F_GETFL) | O_NONBLOCK);
    if (HAS(POSITION_MOVED)) lseek(r->keep[i].target, 1, SEEK_CUR);
  }
}

static void open_stdio(void) {
  for (int n = 0; n <= 2; ++n)
    if (!is_open(n)) open("/dev/null", O_RDWR);
}

static int set_descriptors(const struct job* job) {
  const struct spawncheck_request* r = &job->request;
  if (HAS(DUP_FIRST) && move_all(job) != 0) return -1;
  if (HAS(CLEAR_FIRST))
    for (uint32_t i = 0; i < r->keep_count; ++i)
      if (fcntl(r->keep[i].source, F_SETFD, 0) != 0) return -1;
  if (drop(job) != 0) return -1;
  if (SHARES_TABLE && !HAS(PIDFD_PASSED) && !HAS(PIDFD_AS_SOURCE) && job->pidfd >= 0) close_number(job->pidfd);
  if (HAS(PIDFD_PASSED) && job->pidfd >= 0) fcntl(job->pidfd, F_SETFD, 0);
  if (HAS(DROPPED_BY_OLD_FLAGS) && r->fd_policy == SPAWNCHECK_FDS_DROP_CLOEXEC_EXCEPT) return move_and_drop(job);
  if (!HAS(DUP_FIRST) && move_all(job) != 0) return -1;
  if (r->fd_policy == SPAWNCHECK_FDS_ONLY) close_leftover_sources(job);
  if (HAS(NONBLOCK_SET) || HAS(POSITION_MOVED)) change_descriptions(r);
  if (HAS(STDIO_OPENED)) open_stdio();
  return 0;
}

#endif
