/* SPDX-License-Identifier: MIT
 *
 * A small, correct spawn (clone with CLONE_VM, CLONE_VFORK and CLONE_FILES, then close_range UNSHARE), and
 * every planted bug as one deviation from it. The build sets SPAWNCHECK_FAULT, a number of the table in
 * faults.h, so that each shared object contains exactly one bug.
 *
 * It shares no code with the reference on purpose: the suite must accept a second implementation, and
 * planted bugs must not be tuned to the reference.
 *
 * Its parts are headers, each of which uses the ones after it: start.h (the caller), child.h, descriptors.h,
 * signals.h, requests.h; caller.h has the code that only deviations use. */
#define _GNU_SOURCE
#include <stddef.h>

#include "impl/mutants/caller.h"
#include "impl/mutants/start.h"

static size_t job_size(uint32_t keep_count) {
  return sizeof(struct job) + keep_count * (sizeof(struct spawncheck_keep) + 4 * sizeof(int));
}

static struct job* make_job(const struct spawncheck_request* request) {
  static _Alignas(64) char shared[HAS(ONE_JOB) ? 262144 : 64];
  const uint32_t count = request->keep_count;
  const int flags = (HAS(EXIT_IN_COPY) ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS;
  struct job* job = (struct job*)(void*)shared;
  if (!HAS(ONE_JOB)) job = mmap(NULL, job_size(count), PROT_READ | PROT_WRITE, flags, -1, 0);
  if (job == MAP_FAILED) return NULL;
  job->error = 0;
  job->pidfd = -1;
  job->listed_count = 0;
  job->keep = (struct spawncheck_keep*)(job + 1);
  job->sources = (int*)(job->keep + count);
  job->targets = job->sources + count;
  job->aside = job->targets + count;
  job->cleared = job->aside + count;
  copy_request(job, request);
  return job;
}

static void end_job(struct job* job, uint32_t keep_count) {
  if (!HAS(ONE_JOB) && !IS_NOT_SUSPENDED) munmap(job, job_size(keep_count));
}

/* Makes the temporaries that some deviations have in the caller. */
static int start_with_temporaries(struct job* job, struct spawncheck_result* result) {
  uint32_t count = 0;
  if (HAS(VISIBLE_TEMPORARY)) job->temporary = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (HAS(CAPTURED_TWICE) || HAS(CAPTURED_PLAIN)) count = capture(job);
  const int error = start(job, result);
  for (uint32_t i = 0; i < count; ++i) close(job->keep[i].source);
  if (HAS(VISIBLE_TEMPORARY)) close(job->temporary);
  return error;
}

static int run(const struct spawncheck_request* request, struct spawncheck_result* result) {
  if (request->keep_count > KEEP_MAX) return EINVAL;
  struct job* job = make_job(request);
  if (job == NULL) return ENOMEM;
  int error = check(job);
  if (LISTS_NUMBERS) list_open(job);
  if (error == 0) {
    change_caller(job);
    error = start_with_temporaries(job, result);
    change_caller_after(job);
  }
  end_job(job, request->keep_count);
  return error;
}

static int run_alone(const struct spawncheck_request* request, struct spawncheck_result* result) {
  static int is_under_way;
  if (__atomic_exchange_n(&is_under_way, 1, __ATOMIC_SEQ_CST)) return EAGAIN;
  const int error = run(request, result);
  __atomic_store_n(&is_under_way, 0, __ATOMIC_SEQ_CST);
  return error;
}

static int mutant_spawn(const struct spawncheck_request* request, struct spawncheck_result* result) {
  const int saved = errno;
  result->pid = result->pidfd = -1;
  write_request(request);
  int error = HAS(AGAIN_WHEN_BUSY) ? run_alone(request, result) : run(request, result);
  if (HAS(ERRNO_NEGATIVE)) error = -error;
  result->error = HAS(ERROR_STALE) && error == 0 ? EAGAIN : HAS(ERROR_UNSET) ? 0 : error;
  errno = HAS(ERRNO_WRITTEN) || (HAS(ERRNO_ON_SUCCESS) && error == 0) ? ENXIO : saved;
  return error;
}

static const char* const words[] = {
#define SPAWNCHECK_ROW(id, word, class_, shows, clauses, what) word,
    SPAWNCHECK_FAULTS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

__attribute__((visibility("default"))) const struct spawncheck_implementation* spawncheck_implementation_v1(void) {
  static struct spawncheck_implementation self = {
      .abi = SPAWNCHECK_ABI,
      .policies = 7,
      .sets = 127,
      .promises = HAS(CAPTURED_TWICE) ? "fd.snapshot"
                  : HAS(DROPPED_LATE) ? "fd.released"
                                      : "",
      .spawn = mutant_spawn,
  };
  self.name = words[SPAWNCHECK_FAULT];
  return &self;
}
