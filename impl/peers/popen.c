/* SPDX-License-Identifier: MIT
 *
 * popen(3), with a command that a user of sh(1) would write for the request: `exec /usr/bin/env -i A=B
 * 'PROGRAM' 'ARGUMENT' 5<&7`. The mode is "we": the child's 0 is the read end of the stream until the command puts
 * another file there, so a request without a source for 0 is declined. dash redirects only the numbers 0 to 9.
 *
 * popen returns no pid. The new child is the one that /proc/thread-self/children lists after the call and not
 * before: the file lists no other thread's children. The stream stays open, since pclose(3) waits for the child. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter.h"

enum { SHELL_NUMBERS = 10, CHILDREN_MAX = 256 };

struct children {
  int count, pid[CHILDREN_MAX];
};

/* Reads the list. The file is opened before the call, since afterwards another thread may have lowered the limit. */
static void read_children(int fd, struct children* all) {
  char text[16 * CHILDREN_MAX];
  size_t length = 0;
  for (ssize_t got; (got = pread(fd, text + length, sizeof text - 1 - length, (off_t)length)) > 0;)
    length += (size_t)got;
  text[length] = 0;
  all->count = 0;
  for (char *at = text, *end; all->count < CHILDREN_MAX; at = end) {
    const long pid = strtol(at, &end, 10);
    if (end == at) break;
    all->pid[all->count++] = (int)pid;
  }
}

/* Returns the pid that only `after` has, or -1. */
static int new_child(const struct children* before, const struct children* after) {
  for (int i = 0; i < after->count; ++i) {
    int is_known = 0;
    for (int j = 0; j < before->count; ++j) is_known |= before->pid[j] == after->pid[i];
    if (!is_known) return after->pid[i];
  }
  return -1;
}

static void quote(FILE* command, const char* word) {
  fputs(" '", command);
  for (; *word != 0; ++word)
    if (*word == '\'')
      fputs("'\\''", command);
    else
      fputc(*word, command);
  fputc('\'', command);
}

/* The caller frees the result. NULL: out of memory. */
static char* command_of(const struct spawncheck_request* r, const uint32_t* order) {
  char* text = NULL;
  size_t length = 0;
  FILE* command = open_memstream(&text, &length);
  if (command == NULL) return NULL;
  fputs("exec /usr/bin/env -i", command);
  for (char* const* variable = r->envp; *variable != NULL; ++variable)
    if (strchr(*variable, '=') != NULL) quote(command, *variable); /* env(1) would run any other string as program */
  quote(command, r->path);
  for (char* const* argument = r->argv + 1; *argument != NULL; ++argument) quote(command, *argument);
  for (uint32_t i = 0; i < r->keep_count; ++i)
    fprintf(command, " %d<&%d", r->keep[order[i]].target, r->keep[order[i]].source);
  const int failed = ferror(command);
  if (fclose(command) == 0 && !failed) return text;
  free(text);
  return NULL;
}

static int run(const char* command, struct spawncheck_result* result) {
  struct children before, after;
  const int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return adapter_fail(result, errno);
  read_children(fd, &before);
  errno = 0;
  const int error = popen(command, "we") != NULL ? 0 : errno != 0 ? errno : ENOMEM;
  if (error == 0) read_children(fd, &after);
  close(fd);
  return error != 0 ? adapter_fail(result, error) : adapter_succeed(result, new_child(&before, &after));
}

/* Returns true if the shell inherits and can redirect all of it, and the caller's children can be identified; 0 gets
 * another file before anything reads from it. */
static int can_say(const struct spawncheck_request* r, uint32_t* order) {
  struct sigaction chld;
  if (sigaction(SIGCHLD, NULL, &chld) != 0 || chld.sa_handler == SIG_IGN || (chld.sa_flags & SA_NOCLDWAIT) != 0)
    return 0; /* a child that ends is reaped at once: its pid could not be found */
  if (r->keep_count > SHELL_NUMBERS || !adapter_is_plain(r) || !adapter_keeps_below(r, SHELL_NUMBERS) ||
      !adapter_order(r, order) || adapter_source_of(r, 0) < 0 || r->argv[0] == NULL)
    return 0;
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    const int source = r->keep[i].source, flags = fcntl(source, F_GETFD);
    if (source == 0 || source >= SHELL_NUMBERS || flags < 0 || (flags & FD_CLOEXEC) != 0) return 0;
  }
  return 1;
}

static int spawn(const struct spawncheck_request* r, struct spawncheck_result* result) {
  uint32_t order[SHELL_NUMBERS];
  const int saved = errno;
  if (!can_say(r, order)) {
    errno = saved;
    return adapter_decline(result);
  }
  char* command = command_of(r, order);
  if (command == NULL)
    adapter_fail(result, ENOMEM);
  else
    run(command, result);
  free(command);
  errno = saved;
  return result->error;
}

const struct spawncheck_implementation* spawncheck_implementation_v1(void) {
  static const struct spawncheck_implementation self = {
      .abi = SPAWNCHECK_ABI,
      .name = "popen",
      .policies = 1u << SPAWNCHECK_FDS_INHERIT | 1u << SPAWNCHECK_FDS_DROP_CLOEXEC_EXCEPT,
      .sets = 0,
      .promises = "",
      .spawn = spawn};
  return &self;
}

const struct spawncheck_description* spawncheck_description_v1(void) {
  static const struct spawncheck_documented_limit limits[] = {
      ADAPTER_TAKES_NUMBERS("the stream takes a number of the caller's, and its other end one during the call",
                            "popen(3)"),
      {"fd.untouched", "is the write end of pipe", "the stream is the caller's until pclose(3)", "popen(3)"},
      {"err.exact", " succeeded", "what the shell cannot run is told by its status, in pclose(3)",
       "popen(3): \"Failure to execute the shell\""},
      {"err.exact", "failed with EMFILE", "the stream takes two numbers during the call", "popen(3): EMFILE"},
      {"fd.untouched", "has the status flags 0", "sh(1) and env(1) write to the child's 2 what they cannot run",
       "POSIX 2.8.1; env(1)"},
      {"fd.kept", "has the status flags 0", "likewise", "POSIX 2.8.1; env(1)"},
      {"sig.disposition", "only 32 to 34 differ", "32 and 33 are ignored in the child",
       "glibc sysdeps/unix/sysv/linux/spawni.c __spawni_child"},
      {"sig.mask", "only 32 to 34 differ", "32 and 33 are taken out of every mask", "glibc nptl/pthread_sigmask.c"},
      {"proc.child", "had ended with 125 before", "so ends env(1) that cannot say what is wrong", "env(1): 125"},
      {"proc.child", "had ended with 126 before", "so ends a shell that cannot run the program",
       "sh(1) POSIX 2.8.2 Exit Status for Commands"},
      {"proc.child", "had ended with 127 before", "so ends a shell that does not find the program", "likewise"},
      {"proc.child", "had ended with 2 before", "so ends a shell that cannot redirect",
       "sh(1) POSIX 2.8.1 Consequences of Shell Errors"},
      {"proc.child", "does not run the program", "the call returns before the shell has run the program", "popen(3)"},
      {"proc.child", "gave 12", "what the shell ends with is what a wait for the child gives", "popen(3), pclose(3)"},
      {"proc.child", "gave 2", "likewise", "popen(3), pclose(3)"},
      {"proc.child", "string of the environment", "env(1) sets variables: each once, and no string that is none",
       "env(1)"},
      {"proc.child", "argument 0", "sh has no word for another argument 0", "sh(1) POSIX exec"},
  };
  static struct spawncheck_description self = {.size = sizeof self,
                                               .habits = SPAWNCHECK_HOLDS_DESCRIPTORS /* the streams */,
                                               .limits = limits,
                                               .limit_count = sizeof limits / sizeof *limits};
  self.version = gnu_get_libc_version();
  return &self;
}
