/* SPDX-License-Identifier: MIT
 *
 * Which pages of the arena's memory are written while its child runs on it: userfaultfd(2) write protection,
 * asynchronous, so that nothing stops (Documentation/admin-guide/mm/pagemap.rst, PAGEMAP_SCAN; Linux 6.7).
 *
 * The arena registers every private writable mapping. The server takes over the descriptor: it must stay open, or the
 * protection ends, and no scenario may meet it in its table. From the instant at which a vfork(2) parent is suspended
 * until it goes on, only the child writes pages, unless another thread runs in between. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/executor/arena/arena.h"
#include "impl/executor/observe/proc.h"
#include "impl/executor/tracer/tracer.h"

#define REGIONS_MAX 256

/* From headers newer than Debian 12's: include/uapi/linux/userfaultfd.h and fs.h. */
#define SCAN_WP_MATCHING 1u
#define IS_WPALLOWED 1u
#define IS_WRITTEN 2u
struct region {
  uint64_t start, end, categories;
};
struct scan {
  uint64_t size, flags, start, end, walk_end, regions, region_count, max_pages, category_inverted, category_mask,
      category_anyof_mask, return_mask;
};
#define SCAN _IOWR('f', 16, struct scan)

static int descriptor = -1, pagemap = -1;
static uint64_t stack_pointer, thread_pointer;
static struct region written[REGIONS_MAX];

void watch_end(void) {
  if (descriptor >= 0) close(descriptor);
  if (pagemap >= 0) close(pagemap);
  descriptor = pagemap = -1;
}

void watch_take(pid_t arena) {
  watch_end();
  const int process = (int)syscall(SYS_pidfd_open, arena, 0);
  if (process >= 0) {
    descriptor = (int)syscall(SYS_pidfd_getfd, process, shared->watch - 1, 0);
    close(process);
  }
  shared->watch = 0; /* the arena goes on */
  pagemap = proc_open_file(arena, "pagemap");
  shared->trace.watches = descriptor >= 0 && pagemap >= 0;
}

/* Lists the regions written since the last scan, and protects them anew. Returns -1 if the kernel has no such scan. */
static long scan(void) {
  struct scan what = {.size = sizeof what,
                      .flags = SCAN_WP_MATCHING,
                      .end = (1ull << 47) - 4096,
                      .regions = (uint64_t)(uintptr_t)written,
                      .region_count = REGIONS_MAX,
                      .category_mask = IS_WPALLOWED | IS_WRITTEN,
                      .return_mask = IS_WRITTEN};
  return ioctl(pagemap, SCAN, &what);
}

/* Records the name of the mapping that contains the region's start. */
static void name_mapping(struct sc_written* w) {
  char line[512];
  const int fd = proc_open_file(shared->arena_pid, "maps");
  FILE* maps = fd >= 0 ? fdopen(fd, "r") : NULL;
  if (maps == NULL) {
    if (fd >= 0) close(fd);
    return;
  }
  while (fgets(line, sizeof line, maps) != NULL) {
    unsigned long start, end;
    int at = 0;
    if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &start, &end, &at) != 2 || w->start < start || w->start >= end)
      continue;
    line[strcspn(line, "\n")] = 0;
    const char *name = at > 0 ? line + at : "", *slash = strrchr(name, '/');
    snprintf(w->mapping, sizeof w->mapping, "%s", slash != NULL ? slash + 1 : name);
    break;
  }
  fclose(maps);
}

void watch_suspended(uint64_t stack, uint64_t thread) {
  if (!shared->trace.watches) return;
  stack_pointer = stack;
  thread_pointer = thread;
  if (scan() < 0) shared->trace.watches = 0;
}

/* The server forked the arena, so both have their data at the same addresses. */
static uint8_t whose(const struct sc_written* w) {
  if (requests_are_within(w->start, w->end) || lists_are_within(w->start, w->end)) return SC_WRITTEN_REQUEST;
  if (strcmp(w->mapping, "[stack]") == 0) return SC_WRITTEN_OTHER_THREAD;
  return strncmp(w->mapping, "libc.so", 7) == 0 || strncmp(w->mapping, "libc-", 5) == 0 ? SC_WRITTEN_LIBC
                                                                                        : SC_WRITTEN_UNKNOWN;
}

void watch_resumed(int task) {
  struct sc_trace* trace = &shared->trace;
  if (!trace->watches) return;
  const long count = scan();
  for (long i = 0; i < count; ++i) {
    if (trace->written_count >= SC_WRITTEN_MAX) return;
    trace->written[trace->written_count] = (struct sc_written){.after_step = trace->step_count - 1,
                                                               .task = (uint8_t)task,
                                                               .operation = shared->trace.task[task].operation,
                                                               .start = written[i].start,
                                                               .end = written[i].end,
                                                               .stack_pointer = stack_pointer,
                                                               .thread_pointer = thread_pointer,
                                                               .frame = shared->thread[trace->task[task].thread].frame};
    name_mapping(&trace->written[trace->written_count]);
    trace->written[trace->written_count].whose = whose(&trace->written[trace->written_count]);
    ++trace->written_count;
  }
}
