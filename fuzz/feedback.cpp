// SPDX-License-Identifier: MIT
#include "fuzz/feedback.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <string_view>

#include "fuzz/target.h"

// libFuzzer counts every byte of its section as it counts edges (Fuzzer/FuzzerExtraCounters). AFL++ reserves a place
// in its map for each guard in its section (afl-compiler-rt __sanitizer_cov_trace_pc_guard_init), so we define guards
// of our own.
constexpr std::size_t features_max = 4096;
#if defined(SPAWNCHECK_ENGINE_AFL)
extern "C" void __sanitizer_cov_trace_pc_guard(std::uint32_t*);
__attribute__((section("__sancov_guards"), used)) static std::uint32_t guards[features_max];
static void count(std::size_t i) { __sanitizer_cov_trace_pc_guard(&guards[i]); }
#else
#if defined(SPAWNCHECK_ENGINE_LIBFUZZER)
__attribute__((section("__libfuzzer_extra_counters")))
#endif
static std::uint8_t counters[features_max];
static void count(std::size_t i) { ++counters[i]; }
#endif

namespace spawncheck::fuzz {

namespace {

bool is_on = true;

std::uint8_t* pairs = nullptr;  // pair_bytes, shared

void note_pair(std::size_t pair) {
  note(100'000 + pair);
  if (pairs != nullptr) pairs[pair % pair_bytes] = 1;
}

}  // namespace

bool choose_feedback() {
  const std::string_view what = setting("SPAWNCHECK_FEEDBACK", "overlaps");
  is_on = what != "none";
  return !is_on || what == "overlaps";
}

bool share_pairs() {
  const char* path = std::getenv("SPAWNCHECK_PAIRS");
  if (path == nullptr || *path == 0) return true;
  const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return false;
  void* map = MAP_FAILED;
  if (ftruncate(fd, pair_bytes) == 0) map = mmap(nullptr, pair_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (map == MAP_FAILED) return false;
  pairs = static_cast<std::uint8_t*>(map);
  return true;
}

void note(std::uint64_t feature) {
  if (!is_on) return;
  feature ^= feature >> 31;
  feature *= 0x9e3779b97f4a7c15u;
  feature ^= feature >> 29;
  count(feature % features_max);
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
            note_pair((kind * 64 + scenario.threads[u].operations[p].kind) * 4 + (a.begin < b.begin) * 2 +
                      (a.end < b.end));
        }
    }
}

}  // namespace spawncheck::fuzz
