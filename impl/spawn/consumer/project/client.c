/* SPDX-License-Identifier: MIT
 *
 * A client in C: a keep-list, an environment, a failure, a bad request. Exit status 0, or the line of the failed check.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawncheck/spawn/request.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUIRE(condition)             \
  do {                                 \
    if (!(condition)) _exit(__LINE__); \
  } while (0)

int main(void) {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  char* argv[] = {"sh", "-c", "printf %s \"$WORD\" >&5; exit 9", NULL};
  char* envp[] = {"WORD=kept", NULL};
  const struct spawn_keep keep[] = {{ends[1], 5}, {2, 2}};
  struct spawn_request request = {0};
  struct spawn_result result;
  request.policy = SPAWN_FDS_ONLY;
  request.path = "/bin/sh";
  request.argv = argv;
  request.envp = envp;
  request.keep = keep;
  request.keep_count = 2;
  request.set = SPAWN_WANT_PIDFD;
  REQUIRE(spawn_run(&request, &result) == 0);
  REQUIRE(result.pid > 0 && result.pidfd >= 0 && result.failed == SPAWN_FAILED_NOWHERE);
  close(ends[1]);
  char text[16] = "";
  REQUIRE(read(ends[0], text, sizeof text) == 4 && memcmp(text, "kept", 4) == 0);
  int status;
  REQUIRE(waitpid(result.pid, &status, 0) == result.pid && WIFEXITED(status) && WEXITSTATUS(status) == 9);
  close(result.pidfd);

  request.path = "/no/such/program";
  request.keep_count = 0;
  REQUIRE(spawn_run(&request, &result) == ENOENT && result.pid == -1 && result.pidfd == -1);
  REQUIRE(strcmp(spawn_step_word((uint32_t)result.failed), "exec") == 0);
  REQUIRE(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
  request.policy = 77;
  REQUIRE(spawn_run(&request, &result) == EINVAL && strcmp(result.field, "policy: unknown") == 0);
  return 0;
}
