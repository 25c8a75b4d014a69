/* SPDX-License-Identifier: MIT
 *
 * Lets the server watch every private writable mapping of the arena: registers each with userfaultfd(2), and waits
 * until the server has taken over the descriptor (tracer/watch.c). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/executor/arena/arena.h"

/* From a header newer than Debian 12's: include/uapi/linux/userfaultfd.h. */
#define FEATURE_WP_UNPOPULATED (1u << 13)
#define FEATURE_WP_ASYNC (1u << 15)

static int register_all(int fd) {
  FILE* maps = fopen("/proc/self/maps", "re");
  char line[512];
  int count = 0;
  if (maps == NULL) return 0;
  while (fgets(line, sizeof line, maps) != NULL) {
    unsigned long start, end;
    char rights[5];
    if (sscanf(line, "%lx-%lx %4s", &start, &end, rights) != 3 || rights[1] != 'w' || rights[3] != 'p' ||
        start >= 1ul << 47)
      continue;
    struct uffdio_register what = {.range = {start, end - start}, .mode = UFFDIO_REGISTER_MODE_WP};
    count += ioctl(fd, UFFDIO_REGISTER, &what) == 0;
  }
  fclose(maps);
  return count;
}

void watch_offer(void) {
  const int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
  struct uffdio_api api = {.api = UFFD_API, .features = FEATURE_WP_ASYNC | FEATURE_WP_UNPOPULATED};
  if (fd < 0) return;
  if (ioctl(fd, UFFDIO_API, &api) == 0 && register_all(fd) > 0) {
    shared->watch = (uint32_t)fd + 1;
    futex_wait(&shared->watch, (uint32_t)fd + 1, 0);
  }
  close(fd);
}
