/* SPDX-License-Identifier: MIT
 *
 * The initial world: a table with exactly the descriptors the scenario lists. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/executor/arena/arena.h"
#include "impl/peers/peers.h"

#define DEFAULT_LIMIT 1024 /* where the scenario names none; the model assumes the same */

/* The caller must have written to world_where what could not be made. */
static _Noreturn void refuse_world(int error) {
  shared->world_errno = (uint32_t)error;
  attract_attention();
  _exit(1);
}

static _Noreturn void give_up(const char* call, uint32_t line) {
  const int error = errno != 0 ? errno : EIO;
  snprintf(shared->world_where, sizeof shared->world_where, "%s for line %u of the world", call, line);
  refuse_world(error);
}

static void set_limit(rlim_t soft) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) give_up("getrlimit", 0);
  limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) give_up("setrlimit", 0);
  shared->limit = limit.rlim_cur;
}

static void place(int fd, int number, int cloexec, uint32_t line) {
  if (fd < 0) give_up("open", line);
  if (fd == number) {
    if (fcntl(fd, F_SETFD, cloexec ? FD_CLOEXEC : 0) != 0) give_up("fcntl", line);
    return;
  }
  if (dup3(fd, number, cloexec ? O_CLOEXEC : 0) < 0) give_up("dup3", line);
  close(fd);
}

static void place_pair(int fd[2], const struct sc_world_line* l, uint32_t line) {
  struct stat status;
  for (int i = 0; i < 2; ++i)
    shared->history.world_inode[line][i] = fstat(fd[i], &status) == 0 ? (uint64_t)status.st_ino : 0;
  if (fd[1] == l->number) { /* out of the way of the first end */
    const int above = l->number > l->second ? l->number : l->second;
    const int moved = fcntl(fd[1], F_DUPFD_CLOEXEC, above + 1);
    if (moved < 0) give_up("fcntl", line);
    close(fd[1]);
    fd[1] = moved;
  }
  place(fd[0], l->number, l->cloexec, line);
  place(fd[1], l->second, l->cloexec, line);
}

static int memory_file(uint64_t identity) {
  char name[32];
  snprintf(name, sizeof name, "sc-%llu", (unsigned long long)identity);
  return memfd_create(name, MFD_CLOEXEC);
}

static void make_line(const struct sc_world_line* l, uint32_t line) {
  int fd[2];
  switch (l->kind) {
    case SC_WORLD_MEMFD:
      place(memory_file(sc_identity_of_world(line)), l->number, l->cloexec, line);
      break;
    case SC_WORLD_NULL:
      place(open("/dev/null", O_RDWR | O_CLOEXEC), l->number, l->cloexec, line);
      break;
    case SC_WORLD_EVENTFD:
      place(eventfd((unsigned)sc_identity_of_world(line), EFD_CLOEXEC), l->number, l->cloexec, line);
      break;
    case SC_WORLD_MQUEUE: /* without O_CLOEXEC, which fdinfo would show for ever: see operations.c */
      place((int)syscall(SYS_mq_open, places.queue[l->name], O_RDWR | O_CREAT, 0600, &queue_attributes), l->number,
            l->cloexec, line);
      break;
    case SC_WORLD_FILE:
      place(open(places.file[l->name], O_RDWR | O_CREAT | O_CLOEXEC, 0600), l->number, l->cloexec, line);
      break;
    case SC_WORLD_PIPE:
      if (pipe2(fd, O_CLOEXEC) != 0) give_up("pipe2", line);
      place_pair(fd, l, line);
      break;
    case SC_WORLD_SOCKETPAIR:
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) != 0) give_up("socketpair", line);
      place_pair(fd, l, line);
      break;
    case SC_WORLD_ALIAS:
      if (dup3(l->second, l->number, l->cloexec ? O_CLOEXEC : 0) < 0) give_up("dup3", line);
      break;
    case SC_WORLD_MEMFDS:
      for (int n = l->number; n <= l->second; ++n) place(memory_file(sc_identity_of_number(n)), n, l->cloexec, line);
      break;
    case SC_WORLD_WINDOW:
      place(memory_file(sc_identity_of_world(line)), l->number, 1, line);
      for (int n = l->number + 1; n <= l->second; ++n)
        if (dup3(l->number, n, O_CLOEXEC) < 0) give_up("dup3", line);
      if (peer_adopt_window(l->number, l->second) != 0) give_up("spawn_window_adopt", line);
      break;
    default:
      fd[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
      place(fd[0], l->number, l->cloexec, line);
      for (int n = l->number + 1; n <= l->second; ++n)
        if (dup3(l->number, n, l->cloexec ? O_CLOEXEC : 0) < 0) give_up("dup3", line);
  }
}

void world_make(void) {
  const struct sc_world* world = &shared->world;
  if (syscall(SYS_close_range, 0u, ~0u, 0u) != 0) /* kernels before 5.9 */
    for (int n = 0; n < 65536; ++n) close(n);
  set_limit(RLIM_INFINITY);
  const int error = implementation_prepare(shared->world_where);
  if (error != 0) refuse_world(error);
  for (uint32_t i = 0; i < world->line_count; ++i) make_line(&world->line[i], i);
  set_limit(world->limit != 0 ? (rlim_t)world->limit : DEFAULT_LIMIT);
}
