/* SPDX-License-Identifier: MIT
 *
 * musl: a child of posix_spawn whose parent was killed, and which cannot start its program, runs for ever.
 *
 * What happens: the child reports its error through a pipe. If the parent was killed, the pipe has no reader, and if
 *   SIGPIPE is ignored write(2) fails with EPIPE; the child retries without end, and occupies a processor.
 * What should:  the child exits.
 * Rule:         vfork(2): the child of a killed parent continues by itself; it has no process to report to.
 * Where:        src/process/posix_spawn.c child: while (write(p, &ret, sizeof ret) < 0). Versions: up to 1.2.4; fixed
 *   in 1.2.5.
 * Upstream:     musl commit d3a61059.
 *
 *   musl-gcc -static musl-child-spins.c -o musl-child-spins && ./musl-child-spins
 *
 * The child's first file action opens a FIFO, and waits there. The parent is killed meanwhile, then the FIFO is opened;
 * the second action fails. The child is then a child of this process (PR_SET_CHILD_SUBREAPER), which watches how it
 * ends. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SPIN_TICKS = 20 }; /* of processor time, 10 ms each: more than a failed exec ever takes */

static char directory[] = "/tmp/musl-child-spins-XXXXXX", fifo[sizeof directory + 8];

static void spawn_behind_fifo(void) {
  posix_spawn_file_actions_t actions;
  char* argv[] = {"/bin/true", NULL};
  pid_t pid;
  signal(SIGPIPE, SIG_IGN);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, fifo, O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, 900, 0); /* closed: EBADF */
  posix_spawn(&pid, argv[0], &actions, NULL, argv, NULL);
  _exit(0);
}

/* The state of a process; 0: it is gone. `ticks`: the processor time that it has used. */
static char state_of(pid_t pid, unsigned long* ticks) {
  char path[64], text[1024] = "", state = 0;
  unsigned long user = 0, system_ticks = 0;
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE* file = fopen(path, "r");
  if (file == NULL) return 0;
  if (fgets(text, sizeof text, file) != NULL && strrchr(text, ')') != NULL)
    sscanf(strrchr(text, ')') + 2, "%c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &state, &user, &system_ticks);
  fclose(file);
  *ticks = user + system_ticks;
  return state;
}

/* The only child of `parent`; 0: none yet. */
static pid_t child_of(pid_t parent) {
  char path[64];
  int pid = 0;
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
  FILE* file = fopen(path, "r");
  if (file == NULL) return 0;
  if (fscanf(file, "%d", &pid) != 1) pid = 0;
  fclose(file);
  return pid;
}

int main(void) {
  const struct timespec tick = {.tv_nsec = 10000000};
  unsigned long ticks = 0;
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 || mkdtemp(directory) == NULL) return 77;
  snprintf(fifo, sizeof fifo, "%s/fifo", directory);
  if (mkfifo(fifo, 0600) != 0) return 77;
  const pid_t parent = fork();
  if (parent == 0) spawn_behind_fifo();
  pid_t child = 0;
  for (int i = 0; i < 500 && child == 0; ++i) nanosleep(&tick, NULL), child = child_of(parent);
  kill(parent, SIGKILL);
  waitpid(parent, NULL, 0);
  const int writer = open(fifo, O_RDWR | O_NONBLOCK);
  char state = child > 0 ? 'R' : 0;
  for (int i = 0; i < 1000 && child > 0 && state != 0 && state != 'Z' && ticks < SPIN_TICKS; ++i)
    nanosleep(&tick, NULL), state = state_of(child, &ticks);
  if (child > 0) kill(child, SIGKILL), waitpid(child, NULL, 0);
  if (writer >= 0) close(writer);
  unlink(fifo);
  rmdir(directory);
  if (child <= 0 || (ticks < SPIN_TICKS && state != 0 && state != 'Z')) return 77;
  printf("%s: musl, the parent of a posix_spawn was killed: the child %s\n", ticks >= SPIN_TICKS ? "BUG" : "FIXED",
         ticks >= SPIN_TICKS ? "runs on and on" : "has ended");
  return ticks >= SPIN_TICKS;
}
