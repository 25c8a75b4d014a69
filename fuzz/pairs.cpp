// SPDX-License-Identifier: MIT
#include "fuzz/pairs.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace spawncheck::fuzz {

namespace {

std::uint8_t* pairs = nullptr;  // pair_bytes, shared

}  // namespace

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

void note_pairs(const Scenario& scenario, const sc_history& history) {
  if (pairs == nullptr) return;
  for (std::size_t t = 0; t < scenario.threads.size(); ++t)
    for (std::size_t o = 0; o < scenario.threads[t].operations.size(); ++o) {
      const sc_op_record& a = history.op[t][o];
      const std::size_t kind = scenario.threads[t].operations[o].kind;
      for (std::size_t u = t + 1; u < scenario.threads.size(); ++u)
        for (std::size_t p = 0; p < scenario.threads[u].operations.size(); ++p) {
          const sc_op_record& b = history.op[u][p];
          const bool overlap =
              a.begin != 0 && b.begin != 0 && (b.end == 0 || a.begin < b.end) && (a.end == 0 || b.begin < a.end);
          if (!overlap) continue;
          const std::size_t pair = kind * 64 + scenario.threads[u].operations[p].kind;
          pairs[(pair * 4 + (a.begin < b.begin) * 2 + (a.end < b.end)) % pair_bytes] = 1;
        }
    }
}

}  // namespace spawncheck::fuzz
