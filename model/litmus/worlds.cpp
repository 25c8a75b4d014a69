// SPDX-License-Identifier: MIT
#include "model/litmus/worlds.h"

namespace spawncheck::litmus {

namespace {

constexpr std::int32_t USR1 = 10, TERM = 15, CHLD = 17, CONT = 18, STOP = 19, TSTP = 20, real_time = 40;
constexpr std::uint64_t bit(std::int32_t signal) { return 1ull << (signal - 1); }
constexpr std::string_view every_letter = "fnrNdsShDotcv";

// Tight: one number is free below the limit. Holes: the lowest free number is between others. High: numbers beyond
// the table's first word, so that its copy is allocated in steps (fs/file.c dup_fd).
const std::vector<World>& table() {
  static const std::vector<World> all = {
      {.name = "all",
       .text = "fd 0 memfd\nfd 1 file a\ndisposition USR1 handler\n",
       .letters = every_letter,
       .creators = true,
       .flags = true,
       .f = {0},
       .n = {3},
       .r = {SC_RANGE_MAX},
       .names = {0},
       .signals = {USR1},
       .sets = {bit(USR1)},
       .shapes = "pair"},
      {.name = "tight",
       .text = "limit 4\nfd 0 memfd\nfds 1 2 pipe cloexec\n",
       .letters = "fnr",
       .creators = true,
       .f = {0, 1},
       .n = {1, 3, 9},
       .r = {SC_RANGE_MAX, 1},
       .left_out = " flock ",
       .shapes = "pair chain triple"},
      {.name = "holes",
       .text = "fd 1 eventfd\nfd 2 memfd cloexec\nalias 5 2\n",
       .letters = "fnr",
       .creators = true,
       .flags = true,
       .f = {2, 5},
       .n = {0, 4},
       .r = {SC_RANGE_MAX, 3},
       .left_out = " flock ",
       .shapes = "pair chain"},
      {.name = "high",
       .text = "fd 0 memfd\nfd 1 null cloexec\nfd 70 eventfd\n",
       .letters = "fnr",
       .f = {0, 70},
       .n = {64, 70},
       .r = {SC_RANGE_MAX, 70},
       .left_out = " flock ",
       .shapes = "pair"},
      {.name = "names",
       .text = "limit 3\nfd 0 memfd\n",
       .letters = "fnN",
       .creators = true,
       .f = {0},
       .n = {2},
       .names = {0, 1},
       .left_out = " flock ",
       .shapes = "pair"},
      {.name = "locks",
       .text = "fd 0 file a\nfd 1 file b\nalias 2 0\n",
       .letters = "fN",
       .f = {0, 1, 2},
       .names = {0},
       .left_out = " getfd setfd ",
       .shapes = "pair chain triple"},
      {.name = "fifos",
       .text = "fd 0 null\ndisposition USR1 handler\n",
       .letters = "fNd",
       .creators = true,
       .f = {0},
       .names = {0, 1},
       .left_out = " flock file mqueue program listen ",
       .shapes = "pair chain triple"},
      {.name = "fifos and signals",
       .text = "disposition USR1 handler\n",
       .letters = "Ndst",
       .creators = true,
       .names = {0},
       .signals = {USR1, CHLD, STOP, CONT},
       .left_out = " file mqueue program listen socketpair null eventfd ",
       .shapes = "pair triple"},
      {.name = "signals",
       .text = "disposition USR1 handler\ndisposition 40 handler\n",
       .letters = "sShDt",
       .signals = {USR1, real_time, TERM},
       .sets = {bit(USR1), bit(real_time)},
       .shapes = "pair chain"},
      {.name = "masked",
       .text = "mask USR1,40\ndisposition 40 handler\n",
       .letters = "sShDt",
       .signals = {USR1, real_time},
       .sets = {bit(USR1), bit(USR1) | bit(real_time)},
       .shapes = "pair chain"},
      {.name = "ignored",
       .text = "disposition USR1 ignore\n",
       .letters = "sShDt",
       .signals = {USR1, CHLD},
       .sets = {bit(USR1) | bit(CHLD)},
       .shapes = "pair"},
      {.name = "stops",
       .text = "fd 0 memfd\n",
       .letters = "sSht",
       .creators = true,
       .signals = {STOP, TSTP, CONT},
       .sets = {bit(TSTP), bit(CONT)},
       .left_out = " null socketpair eventfd pipe ",
       .shapes = "pair triple"},
  };
  return all;
}

}  // namespace

std::span<const World> worlds() { return table(); }

}  // namespace spawncheck::litmus
