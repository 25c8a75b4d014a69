/* SPDX-License-Identifier: MIT
 *
 * Part of mutant.c: the caller copies, sorts and checks the request. */
#ifndef SPAWNCHECK_MUTANTS_REQUESTS_H
#define SPAWNCHECK_MUTANTS_REQUESTS_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "impl/mutants/mutant.h"

/* 0, or -1 with errno. */
static int read_limit(rlim_t* limit) {
  static rlim_t known; /* LIMIT_ONCE */
  struct rlimit now;
  if (HAS(LIMIT_ONCE) && known != 0)
    now.rlim_cur = known;
  else if (getrlimit(RLIMIT_NOFILE, &now) != 0)
    return -1;
  *limit = known = now.rlim_cur;
  return 0;
}

static int is_open(int number) { return fcntl(number, F_GETFD) >= 0; }

/* Deviations that lose an entry of the keep-list. */
static int is_lost(const struct spawncheck_request* r, uint32_t i) {
  const struct spawncheck_keep k = r->keep[i];
  if (HAS(KEEP_16)) return i >= 16;
  if (HAS(KEEP_64)) return i >= 64;
  if (HAS(KEEP_255)) return i >= (uint8_t)r->keep_count;
  if (HAS(NUMBER_1024)) return k.source >= 1024 || k.target >= 1024;
  if (HAS(TARGET_0)) return k.target == 0;
  if (HAS(SOURCE_0)) return k.source == 0;
  if (HAS(NEGATIVE_SKIPPED)) return k.source < 0 || k.target < 0;
  if (HAS(CLOSED_SKIPPED)) return k.source >= 0 && !is_open(k.source);
  if (HAS(CLOSED_HIGH_SKIPPED)) return k.source >= 64 && !is_open(k.source);
  rlim_t limit;
  if (HAS(LIMIT_SKIPPED)) return k.target >= 0 && read_limit(&limit) == 0 && (rlim_t)k.target >= limit;
  return 0;
}

/* Shellsort: no recursion, no memory. */
static void sort(int* numbers, uint32_t count) {
  for (uint32_t gap = count / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11)
    for (uint32_t i = gap; i < count; ++i) {
      const int number = numbers[i];
      uint32_t j = i;
      for (; j >= gap && numbers[j - gap] > number; j -= gap) numbers[j] = numbers[j - gap];
      numbers[j] = number;
    }
}

static int is_in(const int* sorted, uint32_t count, int number) {
  uint32_t begin = 0;
  while (begin < count) {
    const uint32_t middle = begin + (count - begin) / 2;
    if (sorted[middle] == number) return 1;
    if (sorted[middle] < number)
      begin = middle + 1;
    else
      count = middle;
  }
  return 0;
}

static int is_source(const struct job* job, int number) { return is_in(job->sources, job->source_count, number); }
static int is_target(const struct job* job, int number) { return is_in(job->targets, job->request.keep_count, number); }

static void sort_numbers(struct job* job) {
  const uint32_t count = job->request.keep_count;
  for (uint32_t i = 0; i < count; ++i) {
    job->sources[i] = job->keep[i].source;
    job->targets[i] = job->keep[i].target;
  }
  sort(job->targets, count);
  if (!HAS(NOT_SORTED)) sort(job->sources, count);
  job->source_count = 0;
  for (uint32_t i = 0; i < count; ++i)
    if (job->source_count == 0 || job->sources[job->source_count - 1] != job->sources[i])
      job->sources[job->source_count++] = job->sources[i];
}

static void copy_request(struct job* job, const struct spawncheck_request* request) {
  job->request = *request;
  job->request.keep = job->keep;
  job->request.keep_count = 0;
  for (uint32_t i = 0; i < request->keep_count; ++i) {
    struct spawncheck_keep k = request->keep[i];
    if (HAS(NUMBER_255) && k.target >= 0) k.target = (uint8_t)k.target;
    if (!is_lost(request, i)) job->keep[job->request.keep_count++] = k;
  }
  sort_numbers(job);
}

static int check(const struct job* job) {
  rlim_t limit;
  if (read_limit(&limit) != 0) return errno;
  for (uint32_t i = 0; i < job->request.keep_count; ++i) {
    const struct spawncheck_keep k = job->keep[i];
    if (k.source < 0 || k.target < 0 || (rlim_t)k.target >= limit) return EBADF;
    if (!HAS(PIDFD_AS_SOURCE) && !is_open(k.source)) return EBADF;
  }
  for (uint32_t i = 1; i < job->request.keep_count && !HAS(DUPLICATE_ACCEPTED); ++i)
    if (job->targets[i] == job->targets[i - 1]) return EINVAL;
  return 0;
}

static int by_source(const void* a, const void* b) {
  const int one = ((const struct spawncheck_keep*)a)->source, other = ((const struct spawncheck_keep*)b)->source;
  return (one > other) - (one < other);
}

/* Deviations that write to what the request points to. */
static void write_request(const struct spawncheck_request* r) {
  if (HAS(ENVIRONMENT_WRITTEN) && r->envp[0] != NULL) r->envp[0][0] ^= 1;
  if (HAS(ARGUMENT_WRITTEN) && r->argv[0] != NULL) r->argv[0][0] ^= 1;
  if (HAS(KEEP_SORTED) && r->keep_count > 1)
    qsort((void*)(uintptr_t)r->keep, r->keep_count, sizeof *r->keep, by_source);
  if (HAS(CWD_TRIMMED) && r->set & SPAWNCHECK_SET_CWD) {
    volatile char* last = (volatile char*)(uintptr_t)r->cwd + strlen(r->cwd) - 1;
    const char had = *last;
    *last = 0;
    *last = had;
  }
  if (HAS(ENVIRON_GROWN)) setenv("SPAWNED", "1", 1);
}

#endif
