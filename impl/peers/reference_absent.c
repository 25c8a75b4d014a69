/* SPDX-License-Identifier: MIT
 *
 * Arenas linked with another libc do not offer the reference, whose library is built for this libc. */
#include "peers.h"

const struct spawncheck_implementation* peer_reference(void) { return 0; }
int peer_reference_force(const char* strategy) { return strategy[0] == 0 ? 0 : -1; }
int peer_reference_adopt_window(int first, int last) {
  (void)first;
  (void)last;
  return 0;
}
const struct spawncheck_description* peer_reference_description(void) { return 0; }
