/* SPDX-License-Identifier: MIT
 *
 * The world of a test, made once and restored after each run. Duplicates of its descriptions are at 44 to 59: at no
 * number that a test uses, and within the first word of the table, so that a copy of the table is as large as without
 * them. A close_range(2) up to the end closes them too, and in a test with flock(2) nothing else may keep a
 * description. Then each run makes its world, and marks identify the descriptions: O_NONBLOCK, which belongs to the
 * description and which no operation sets, and the inode. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "litmus.h"

#define DEFAULT_LIMIT 1024

uint8_t wanted[SC_LITMUS_NUMBERS_MAX];
int saved_count;
static int number_of[SC_LITMUS_WORLD_MAX]; /* a number of each description */
static struct {
  dev_t device;
  ino_t inode;
  int access;
} mark[SC_LITMUS_WORLD_MAX];

int saved_number(int description) { return SC_LITMUS_SAVED_FIRST + description; }

int world_is_marked(void) {
  const uint32_t looks = litmus->test.looks;
  return (looks & SC_LITMUS_UNSAVED) != 0 || ((looks & SC_LITMUS_LOSSY) != 0 && (looks & SC_LITMUS_FRESH) == 0);
}

static int access_of(int number) { return (int)syscall(SYS_fcntl, number, F_GETFL, 0) & (O_ACCMODE | O_NONBLOCK); }

static void set_mark(int description) {
  struct stat status;
  const int number = number_of[description];
  if (fcntl(number, F_SETFL, O_NONBLOCK) != 0 || fstat(number, &status) != 0)
    fail("fcntl(F_SETFL) of the world", errno, SC_LITMUS_BROKEN);
  mark[description].device = status.st_dev;
  mark[description].inode = status.st_ino;
  mark[description].access = access_of(number);
}

int world_marked(int number) {
  struct stat status;
  const int access = access_of(number);
  if ((access & O_NONBLOCK) == 0 || fstat(number, &status) != 0) return -1;
  for (int d = 0; d < saved_count; ++d)
    if (mark[d].device == status.st_dev && mark[d].inode == status.st_ino && mark[d].access == access) return d;
  return -1;
}

static int place_of(int32_t number) {
  for (uint32_t i = 0; i < litmus->test.number_count; ++i)
    if (litmus->test.number[i] == number) return (int)i;
  fail("a number of the world that is not looked at", EINVAL, SC_LITMUS_BROKEN);
}

static void want(int32_t number, int description, int cloexec) {
  wanted[place_of(number)] = (uint8_t)((1 + description) | (cloexec ? SC_LITMUS_CLOEXEC : 0));
}

static void list_wanted(void) {
  const struct sc_world* world = &litmus->test.world;
  memset(wanted, 0, sizeof wanted);
  saved_count = 0;
  for (uint32_t i = 0; i < world->line_count; ++i) {
    const struct sc_world_line* line = &world->line[i];
    if (line->kind == SC_WORLD_ALIAS) {
      want(line->number, (wanted[place_of(line->second)] & ~SC_LITMUS_CLOEXEC) - 1, line->cloexec);
      continue;
    }
    const int ends = line->kind == SC_WORLD_PIPE || line->kind == SC_WORLD_SOCKETPAIR ? 2 : 1;
    for (int end = 0; end < ends; ++end) {
      const int32_t number = end == 0 ? line->number : line->second;
      want(number, saved_count, line->cloexec);
      number_of[saved_count++] = number;
    }
  }
}

static void set_limit(rlim_t soft) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("getrlimit", errno, SC_LITMUS_BROKEN);
  limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) fail("setrlimit", errno, SC_LITMUS_BROKEN);
}

void limit_raise(void) { set_limit(DEFAULT_LIMIT); }
void limit_restore(void) {
  set_limit(litmus->test.world.limit != 0 ? (rlim_t)litmus->test.world.limit : DEFAULT_LIMIT);
}

void world_build(void) {
  list_wanted();
  world_make();
  limit_raise();
  for (int d = 0; d < saved_count; ++d) {
    if (world_is_marked())
      set_mark(d);
    else if (fcntl(number_of[d], F_DUPFD_CLOEXEC, saved_number(d)) != saved_number(d))
      fail("fcntl(F_DUPFD_CLOEXEC) of the world", errno, SC_LITMUS_BROKEN);
  }
  limit_restore();
}

static int has_lost_saved(void) {
  return saved_count > 0 && (syscall(SYS_fcntl, saved_number(0), F_GETFD, 0) < 0 ||
                             syscall(SYS_fcntl, saved_number(saved_count - 1), F_GETFD, 0) < 0);
}

void world_restore(const uint8_t* slots) {
  if ((litmus->test.looks & SC_LITMUS_LIMIT) != 0) limit_restore();
  if (world_is_marked() || has_lost_saved()) {
    world_build();
    return;
  }
  for (uint32_t i = 0; i < litmus->test.number_count; ++i) {
    if (slots[i] == wanted[i]) continue;
    const int number = litmus->test.number[i];
    if (wanted[i] == 0)
      syscall(SYS_close, number);
    else if (syscall(SYS_dup3, saved_number((wanted[i] & ~SC_LITMUS_CLOEXEC) - 1), number,
                     (wanted[i] & SC_LITMUS_CLOEXEC) != 0 ? O_CLOEXEC : 0) < 0)
      fail("dup3 of the world", errno, SC_LITMUS_BROKEN);
  }
}

/* To ignore a signal discards its pending instances in every thread (kernel/signal.c do_sigaction). */
void signals_restore(void) {
  const struct sc_litmus_test* test = &litmus->test;
  for (uint32_t i = 0; i < test->signal_count; ++i) {
    const uint64_t bit = 1ull << (test->signal[i] - 1);
    set_disposition(test->signal[i], SC_DISPOSITION_IGNORE);
    set_disposition(test->signal[i], (test->world.ignored & bit) != 0   ? SC_DISPOSITION_IGNORE
                                     : (test->world.handled & bit) != 0 ? SC_DISPOSITION_HANDLER
                                                                        : SC_DISPOSITION_DEFAULT);
  }
}
