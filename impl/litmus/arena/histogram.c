/* SPDX-License-Identifier: MIT
 *
 * Counts how often each outcome was seen. One writer at a time; the host reads when the test is over. */
#include <string.h>

#include "litmus.h"

static uint64_t hash_of(const struct sc_litmus_outcome* outcome) {
  uint64_t h = 0x9e3779b97f4a7c15u, word;
  _Static_assert(sizeof *outcome % sizeof word == 0, "outcomes are whole words");
  for (size_t at = 0; at < sizeof *outcome; at += sizeof word) {
    memcpy(&word, (const char*)outcome + at, sizeof word);
    h = (h ^ word) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  }
  return h;
}

void histogram_clear(void) {
  memset(litmus->index, 0, sizeof litmus->index);
  litmus->seen_count = 0;
  litmus->lost = 0;
}

void histogram_add(const struct sc_litmus_outcome* outcome, uint64_t run) {
  uint64_t at = hash_of(outcome);
  for (int tries = 0; tries < SC_LITMUS_INDEX_SIZE; ++tries, ++at) {
    uint16_t* place = &litmus->index[at & (SC_LITMUS_INDEX_SIZE - 1)];
    if (*place != 0) {
      struct sc_litmus_seen* seen = &litmus->seen[*place - 1];
      if (memcmp(&seen->outcome, outcome, sizeof *outcome) != 0) continue;
      ++seen->count;
      return;
    }
    if (litmus->seen_count >= SC_LITMUS_OUTCOMES_MAX) break;
    litmus->seen[litmus->seen_count] = (struct sc_litmus_seen){.count = 1, .first_run = run, .outcome = *outcome};
    *place = (uint16_t)++litmus->seen_count;
    return;
  }
  ++litmus->lost;
}
