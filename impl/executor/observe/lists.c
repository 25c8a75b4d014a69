/* SPDX-License-Identifier: MIT
 *
 * The argument lists and the environment of every request: built once, in the server, read by its arenas, and compared
 * by the server with what a program has (proc(5) cmdline, environ).
 *
 * The list for a count n is the end of one vector, and its strings are the end of one text. Argument 0 is not the
 * program's name, each argument has a number of its own, and the last is empty. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "impl/executor/observe/proc.h"

#define ARGUMENT_BYTES 32
#define READ_ROUNDS_MAX 2000

/* On pages of its own: see watch.c. */
static struct {
  _Alignas(SC_PAGE) char text[SC_ARGUMENTS_MAX][ARGUMENT_BYTES];
  char* vector[SC_ARGUMENTS_MAX + 2];
  char* vector_of_one[2];
  char* environment[8];
  char empty[8], alone[ARGUMENT_BYTES], environment_text[128];
} all;

/* It has a value that contains '=', an empty value, a string that is no assignment, and one name twice. */
static const char environment_text[] = "SPAWNCHECK=1\0EQUALS=a=b\0EMPTY=\0no assignment\0TWICE=first\0TWICE=second\0";

void lists_prepare(void) {
  for (int i = 0; i < SC_ARGUMENTS_MAX; ++i) {
    snprintf(all.text[i], ARGUMENT_BYTES, "argument-%05d-of-31-characters", i % 100000);
    all.vector[i] = all.text[i];
  }
  all.vector[SC_ARGUMENTS_MAX] = all.empty;
  snprintf(all.alone, sizeof all.alone, "the-only-argument");
  all.vector_of_one[0] = all.alone;
  memcpy(all.environment_text, environment_text, sizeof environment_text);
  int count = 0;
  for (char* at = all.environment_text; *at != 0; at += strlen(at) + 1) all.environment[count++] = at;
}

char* const* list_of_arguments(uint32_t count) {
  return count == 0 ? all.vector_of_one : all.vector + (SC_ARGUMENTS_MAX - count);
}

char* const* list_of_environment(void) { return all.environment; }

int lists_are_within(uint64_t start, uint64_t end) {
  return start < (uint64_t)(uintptr_t)(&all + 1) && end > (uint64_t)(uintptr_t)&all;
}

/* Sums word by word, because a spawn may have thousands of arguments. */
uint64_t memory_sum(uint64_t sum, const void* from, size_t size) {
  const unsigned char* at = from;
  uint64_t word;
  for (; size >= sizeof word; size -= sizeof word, at += sizeof word) {
    memcpy(&word, at, sizeof word);
    sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
  }
  for (; size > 0; --size, ++at) sum = (sum ^ *at) * 0x9e3779b97f4a7c15u;
  return sum;
}

uint64_t lists_sum(uint32_t count, uint64_t sum) {
  const uint32_t from = SC_ARGUMENTS_MAX - count;
  sum = memory_sum(sum, all.vector + from, (count + 2) * sizeof *all.vector);
  sum = memory_sum(sum, all.text + from, count * sizeof *all.text);
  return memory_sum(sum, all.vector_of_one, sizeof all - ((size_t)((char*)all.vector_of_one - (char*)&all)));
}

/* ---- in the server ------------------------------------------------------------------------------ */

static void take(char to[SC_STRING_MAX], const char* from) {
  snprintf(to, SC_STRING_MAX, "%.*s", SC_STRING_MAX - 1, from);
}

/* Compares what was read, `size` bytes of null-terminated strings, with a vector. */
static void compare(const char* seen, size_t size, char* const* asked, struct sc_difference* out) {
  const char* const end = seen + size;
  *out = (struct sc_difference){.is_known = 1};
  for (; *asked != NULL && seen < end && strcmp(*asked, seen) == 0; ++asked, ++out->index) seen += strlen(seen) + 1;
  if (*asked == NULL && seen >= end) return;
  out->is_different = 1;
  out->is_missing = seen >= end;
  out->is_surplus = *asked == NULL;
  take(out->asked, *asked != NULL ? *asked : "");
  take(out->seen, seen < end ? seen : "");
}

void lists_compare(int process, uint32_t count, struct sc_difference* argument, struct sc_difference* in_environment) {
  static char seen[(SC_ARGUMENTS_MAX + 2) * ARGUMENT_BYTES];
  argument->is_known = in_environment->is_known = 0;
  int size = proc_read(process, "cmdline", seen, sizeof seen);
  if (size > 0) compare(seen, (size_t)size, list_of_arguments(count), argument);
  /* The environment appears a moment after the arguments (fs/binfmt_elf.c create_elf_tables): an empty one is a fact
   * only of a task that is outside of exec. */
  int is_outside = 0;
  for (int round = 0; round < READ_ROUNDS_MAX; ++round) {
    size = proc_read(process, "environ", seen, sizeof seen);
    if (size < 0) return;
    if (size > 0 || is_outside) break;
    is_outside = proc_is_settled(process);
  }
  if (size > 0 || is_outside) compare(seen, (size_t)size, all.environment, in_environment);
}
