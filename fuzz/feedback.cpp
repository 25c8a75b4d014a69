// SPDX-License-Identifier: MIT
#include "fuzz/feedback.h"

#include <cstddef>

#if defined(SPAWNCHECK_ENGINE_AFL)
// afl-compiler-rt: the size of the shared map, and a way to set a byte of it.
extern "C" std::uint32_t __afl_map_size;
extern "C" void __afl_coverage_interesting(std::uint8_t value, std::uint32_t id);
#elif defined(SPAWNCHECK_ENGINE_LIBFUZZER)
// libFuzzer counts every byte of this section as it counts edges (Fuzzer/FuzzerExtraCounters).
__attribute__((section("__libfuzzer_extra_counters"))) static std::uint8_t counters[2048];
#else
static std::uint8_t counters[8192];
#endif

namespace spawncheck::fuzz {

void note(std::uint64_t feature) {
  feature ^= feature >> 31;
  feature *= 0x9e3779b97f4a7c15u;
  feature ^= feature >> 29;
#if defined(SPAWNCHECK_ENGINE_AFL)
  if (__afl_map_size != 0) __afl_coverage_interesting(1, static_cast<std::uint32_t>(feature % __afl_map_size));
#else
  ++counters[feature % sizeof counters];
#endif
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
          const bool overlap = a.begin != 0 && b.begin != 0 && (b.end == 0 || a.begin < b.end) && (a.end == 0 || b.begin < a.end);
          if (overlap) note(100'000 + (kind * 64 + scenario.threads[u].operations[p].kind) * 4 + (a.begin < b.begin) * 2 + (a.end < b.end));
        }
    }
}

}  // namespace spawncheck::fuzz
