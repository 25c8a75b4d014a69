// SPDX-License-Identifier: MIT
#include "model/litmus/worlds.h"

namespace spawncheck::litmus {

namespace {

constexpr std::int32_t USR1 = 10, TERM = 15, CHLD = 17, CONT = 18, STOP = 19, TSTP = 20, real_time = 40;
constexpr std::uint64_t bit(std::int32_t signal) { return 1ull << (signal - 1); }
constexpr std::string_view every_letter = "fnrNdsShDotcv";

// Tight: one number is free below the limit. Holes: the lowest free number is in between. High: beyond the first word of the table, so
// that a copy of it is allocated in steps (fs/file.c dup_fd).
const std::vector<World>& table() {
  static const std::vector<World> all = {
      {"all", "fd 0 memfd\nfd 1 file a\ndisposition USR1 handler\n", every_letter, true, true, {0}, {3}, {SC_RANGE_MAX}, {0}, {USR1}, {bit(USR1)}, "", "pair"},
      {"tight", "limit 4\nfd 0 memfd\nfds 1 2 pipe cloexec\n", "fnr", true, false, {0, 1}, {1, 3, 9}, {SC_RANGE_MAX, 1}, {}, {}, {}, " flock ", "pair chain triple"},
      {"holes", "fd 1 eventfd\nfd 2 memfd cloexec\nalias 5 2\n", "fnr", true, true, {2, 5}, {0, 4}, {SC_RANGE_MAX, 3}, {}, {}, {}, " flock ", "pair chain"},
      {"high", "fd 0 memfd\nfd 1 null cloexec\nfd 70 eventfd\n", "fnr", false, false, {0, 70}, {64, 70}, {SC_RANGE_MAX, 70}, {}, {}, {}, " flock ", "pair"},
      {"names", "limit 3\nfd 0 memfd\n", "fnN", true, false, {0}, {2}, {}, {0, 1}, {}, {}, " flock ", "pair"},
      {"locks", "fd 0 file a\nfd 1 file b\nalias 2 0\n", "fN", false, false, {0, 1, 2}, {}, {}, {0}, {}, {}, " getfd setfd ", "pair chain triple"},
      {"fifos", "fd 0 null\ndisposition USR1 handler\n", "fNd", true, false, {0}, {}, {}, {0, 1}, {}, {}, " flock file mqueue program listen ", "pair chain triple"},
      {"fifos and signals", "disposition USR1 handler\n", "Ndst", true, false, {}, {}, {}, {0}, {USR1, CHLD, STOP, CONT}, {}, " file mqueue program listen socketpair null eventfd ", "pair triple"},
      {"signals", "disposition USR1 handler\ndisposition 40 handler\n", "sShDt", false, false, {}, {}, {}, {}, {USR1, real_time, TERM}, {bit(USR1), bit(real_time)}, "", "pair chain"},
      {"masked", "mask USR1,40\ndisposition 40 handler\n", "sShDt", false, false, {}, {}, {}, {}, {USR1, real_time}, {bit(USR1), bit(USR1) | bit(real_time)}, "", "pair chain"},
      {"ignored", "disposition USR1 ignore\n", "sShDt", false, false, {}, {}, {}, {}, {USR1, CHLD}, {bit(USR1) | bit(CHLD)}, "", "pair"},
      {"stops", "fd 0 memfd\ndisposition TSTP default\n", "sSht", true, false, {}, {}, {}, {}, {STOP, TSTP, CONT}, {bit(TSTP), bit(CONT)}, " null socketpair eventfd pipe ", "pair triple"},
  };
  return all;
}

}  // namespace

std::span<const World> worlds() { return table(); }

}  // namespace spawncheck::litmus
