// SPDX-License-Identifier: MIT
#include "fuzz/feedback.h"

#include <cstddef>

// libFuzzer counts every byte of this section as it counts edges (Fuzzer/FuzzerExtraCounters). AFL++ has no
// such place: its map has room for the program's edges only, and a feature written there would hide one.
#if defined(SPAWNCHECK_ENGINE_LIBFUZZER)
__attribute__((section("__libfuzzer_extra_counters")))
#endif
static std::uint8_t counters[2048];

namespace spawncheck::fuzz {

void note(std::uint64_t feature) {
  feature ^= feature >> 31;
  feature *= 0x9e3779b97f4a7c15u;
  feature ^= feature >> 29;
  ++counters[feature % sizeof counters];
}

void note_history(const Scenario& scenario, const sc_history& history) {
  note(history.end);
  for (std::size_t t = 0; t < scenario.threads.size(); ++t)
    for (std::size_t o = 0; o < scenario.threads[t].operations.size(); ++o) {
      const sc_op_record& a = history.op[t][o];
      const std::uint64_t kind = scenario.threads[t].operations[o].kind;
      note(1'000 + kind * 256 + static_cast<std::uint64_t>(a.error));
      for (std::size_t u = t + 1; u < scenario.threads.size(); ++u)
        for (std::size_t p = 0; p < scenario.threads[u].operations.size(); ++p) {
          const sc_op_record& b = history.op[u][p];
          const bool overlap =
              a.begin != 0 && b.begin != 0 && (b.end == 0 || a.begin < b.end) && (a.end == 0 || b.begin < a.end);
          if (overlap)
            note(100'000 + (kind * 64 + scenario.threads[u].operations[p].kind) * 4 + (a.begin < b.begin) * 2 +
                 (a.end < b.end));
        }
    }
}

}  // namespace spawncheck::fuzz
