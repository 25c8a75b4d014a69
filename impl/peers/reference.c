/* SPDX-License-Identifier: MIT
 *
 * The reference, impl/spawn, behind implementation.h. */
#include <errno.h>
#include <spawncheck/spawn/request.h>
#include <stddef.h>
#include <string.h>

#include "peers.h"
#include "run_reference.h"

static uint32_t forced = SPAWN_STRATEGY_AUTOMATIC;

int peer_reference_force(const char* strategy) {
  for (uint32_t s = SPAWN_STRATEGY_AUTOMATIC; s < SPAWN_STRATEGY_COUNT; ++s)
    if (strcmp(spawn_strategy_word(s), strategy) == 0) {
      forced = s;
      return 0;
    }
  return -1;
}

/* impl/spawn/window.h */
int spawn_window_adopt(int first, int last);
int peer_reference_adopt_window(int first, int last) { return spawn_window_adopt(first, last); }

static int reference_spawn(const struct spawncheck_request* request, struct spawncheck_result* result) {
  return run_reference(request, forced, result);
}

const struct spawncheck_implementation* peer_reference(void) {
  (void)spawn_abilities_probed(); /* once in the server, not in each arena it forks */
  static struct spawncheck_implementation self = {
      .abi = SPAWNCHECK_ABI, .name = "reference", .sets = 127, .spawn = reference_spawn};
  /* A strategy that reads sources one by one may also be chosen when none is forced. */
  const struct spawn_strategy_row* row = spawn_strategy_of(forced);
  self.promises = row != NULL && row->at_once ? "fd.snapshot fd.released" : "fd.released";
  self.policies = row == NULL || row->inherits ? 7u : 1u << SPAWNCHECK_FDS_ONLY;
  return &self;
}

/* The limit: other code loses what it puts at a number of the window between the check and the write. */
const struct spawncheck_description* peer_reference_description(void) {
  static const struct spawncheck_documented_limit limits[] = {
      {"fd.untouched", "; another thread uses the window",
       "strategy staged asks what a number of the window is and then writes it, two calls in a row; the reservation "
       "asks "
       "other code to leave these numbers alone",
       "impl/spawn/README.md, The window"}};
  static const struct spawncheck_description self = {
      .size = sizeof self, .limits = limits, .limit_count = sizeof limits / sizeof *limits};
  return &self;
}
