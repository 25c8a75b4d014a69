/* SPDX-License-Identifier: MIT
 *
 * The test starts this program in place of spawncheck-exit. It checks that its open descriptors are exactly 0 to argc
 * - 2. Exit status 7: they are. 8: an extra one is open. 9: one is missing. */
#include <fcntl.h>

enum { numbers_looked_at = 1024, exact = 7, too_many = 8, missing = 9 };

int main(int argc, char** argv) {
  (void)argv;
  for (int fd = 0; fd < numbers_looked_at; ++fd) {
    const int is_open = fcntl(fd, F_GETFD) >= 0;
    if (is_open && fd >= argc - 1) return too_many;
    if (!is_open && fd < argc - 1) return missing;
  }
  return exact;
}
