/* SPDX-License-Identifier: MIT
 *
 * Implementations that provoke what the command line must report: the correct control of impl/mutants, with one habit
 * each. The build sets PROVOKE. */
#define SPAWNCHECK_FAULT 0
#define spawncheck_implementation_v1 control_v1
#include "impl/mutants/mutant.c"
#undef spawncheck_implementation_v1

#include <sys/stat.h>
#include <time.h>

#define PROVOKE_ONCE                                                                                           \
  1 /* the first spawn that makes directory $SPAWNCHECK_ONCE leaves a descriptor open, no later one does; with \
       $SPAWNCHECK_THEN set, the directory of the request is ignored besides, every time */
#define PROVOKE_LONG 2  /* more visible calls than a trace holds */
#define PROVOKE_KILLS 3 /* ends the arena server */
#define PROVOKE_SLOW \
  4 /* takes more than a second, leaves a descriptor open, and adds a byte to file $SPAWNCHECK_SLOW */
#define PROVOKE_FULL 5 /* every second spawn of a run says EAGAIN, as if the machine had no process left */

#define PROVOKE_AGAIN 6 /* sets every action again, as it is, by libc's sigaction(2) */

static void set_actions_again(void) {
  const int saved = errno;
  struct sigaction action;
  for (int signal = 1; signal < NSIG; ++signal)
    if (sigaction(signal, NULL, &action) == 0) sigaction(signal, &action, NULL);
  errno = saved;
}

static int says_full(struct spawncheck_result* result) {
  static int spawns;
  if (__atomic_add_fetch(&spawns, 1, __ATOMIC_RELAXED) % 2 != 0) return 0;
  result->pid = result->pidfd = -1;
  result->error = EAGAIN;
  return 1;
}

static void be_slow_and_wrong(void) {
  const char* slowness = getenv("SPAWNCHECK_SLOWNESS");
  const int longer = slowness != NULL ? atoi(slowness) : 1;
  const struct timespec duration = {.tv_sec = longer < 1 ? 1 : longer, .tv_nsec = 100 * 1000 * 1000};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, NULL);
  const char* name = getenv("SPAWNCHECK_SLOW");
  const int fd = name != NULL ? open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
  if (fd >= 0) (void)!write(fd, "", 1);
}

static int provoked_spawn(const struct spawncheck_request* request, struct spawncheck_result* result) {
  struct spawncheck_request changed = *request;
  if (PROVOKE == PROVOKE_LONG)
    for (int i = 0; i < 6000; ++i) close(-1);
  if (PROVOKE == PROVOKE_SLOW) be_slow_and_wrong();
  if (PROVOKE == PROVOKE_KILLS) kill(getppid(), SIGKILL);
  if (PROVOKE == PROVOKE_AGAIN) set_actions_again();
  if (PROVOKE == PROVOKE_FULL && says_full(result)) return EAGAIN;
  if (PROVOKE != PROVOKE_ONCE) return mutant_spawn(request, result);
  if (getenv("SPAWNCHECK_THEN") != NULL) changed.set &= ~(uint32_t)SPAWNCHECK_SET_CWD;
  const int saved = errno, error = mutant_spawn(&changed, result);
  const char* once = getenv("SPAWNCHECK_ONCE");
  if (once != NULL && mkdir(once, 0700) == 0) open("/dev/null", O_RDONLY | O_CLOEXEC);
  errno = saved;
  return error;
}

__attribute__((visibility("default"))) const struct spawncheck_implementation* spawncheck_implementation_v1(void);
const struct spawncheck_implementation* spawncheck_implementation_v1(void) {
  static struct spawncheck_implementation self;
  self = *control_v1();
  self.name = "provoke";
  self.spawn = provoked_spawn;
  return &self;
}
