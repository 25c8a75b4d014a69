// SPDX-License-Identifier: MIT
#include <algorithm>

#include "model/scenario/generate/generator.h"

namespace spawncheck::generating {

namespace {

constexpr std::int32_t wide_first = 300, wide_last = 950;  // below 1024, the size of an fd_set and the default limit

}  // namespace

void Generator::open_at(std::int32_t number, bool cloexec) {
  sc_world& world = scenario_.world;
  if (world.line_count >= SC_WORLD_MAX || is_open(number)) return;
  sc_world_line line{};
  line.kind = pick(world_kinds);
  line.name = world_rows()[line.kind].named ? static_cast<std::uint8_t>(random_.below(SC_NAMES_MAX)) : std::uint8_t{0};
  line.number = number;
  line.second = -1;
  line.cloexec = cloexec;
  if (happens(Chance::world_alias) && !open_.empty()) {
    line.kind = SC_WORLD_ALIAS;
    line.name = 0;
    line.second = open_[below(open_.size())];
  } else if (happens(Chance::world_pair)) {
    const std::int32_t other = number + 1 + random_.between(0, 3);
    if (!is_open(other)) {
      line.kind = random_.chance(1, 2) ? SC_WORLD_PIPE : SC_WORLD_SOCKETPAIR;
      line.name = 0;
      line.second = other;
      open_.push_back(other);
    }
  }
  world.line[world.line_count++] = line;
  open_.push_back(number);
}

// A window for two or more sources, if the reference could use one.
void Generator::add_window() {
  sc_world& world = scenario_.world;
  const bool has_high = std::any_of(world.line, world.line + world.line_count,
                                    [](const sc_world_line& l) { return l.number >= 64 && l.kind != SC_WORLD_FILL; });
  if (!has_high || !happens(Chance::window) || world.line_count >= SC_WORLD_MAX) return;
  for (std::int32_t n = 45; n <= 49; ++n)
    if (is_open(n)) return;
  sc_world_line line{};
  line.kind = SC_WORLD_WINDOW;
  line.number = 45;
  line.second = 49;
  line.cloexec = 1;
  world.line[world.line_count++] = line;
  const auto at = happens(Chance::window_named) ? some_spawn() : std::nullopt;
  if (at) keep(request(*at), {random_.between(line.number, line.second), 0}, some_target());
}

void Generator::open_standard() {
  const std::uint32_t subset = happens(Chance::all_standard) ? 7 : random_.below(8);
  for (std::int32_t n = 0; n < 3; ++n)
    if (subset >> n & 1) open_at(n, happens(Chance::standard_cloexec));
}

void Generator::open_some(std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::int32_t number = happens(Chance::edge_number) ? edge() : random_.between(3, 14);
    open_at(number, happens(Chance::world_cloexec));
  }
}

// Many descriptors: closing them one by one takes long, which gives races time.
void Generator::open_wide() {
  sc_world& world = scenario_.world;
  if (world.line_count >= SC_WORLD_MAX) return;
  sc_world_line line{};
  line.kind = SC_WORLD_FILL;
  line.number = wide_first;
  line.second = wide_first + random_.between(50, wide_last - wide_first);
  for (std::int32_t n = line.number; n <= line.second; ++n)
    if (is_open(n)) line.second = n - 1;
  line.cloexec = happens(Chance::wide_cloexec);
  if (line.second > line.number) world.line[world.line_count++] = line;
}

std::int32_t Generator::open_numbered(std::int32_t count) {
  sc_world& world = scenario_.world;
  if (world.line_count >= SC_WORLD_MAX || count < 1) return -1;
  sc_world_line line{};
  line.kind = SC_WORLD_MEMFDS;
  line.number = random_.chance(1, 2) ? wide_first : lowest_closed(3);
  count = std::min(count, SC_MEMFDS_MAX);
  line.second = line.number + count - 1;
  for (std::int32_t n = line.number; n <= line.second; ++n)
    if (is_open(n)) return -1;
  line.cloexec = happens(Chance::world_cloexec);
  world.line[world.line_count++] = line;
  return line.number;
}

std::int32_t Generator::open_alike(std::int32_t count) {
  sc_world& world = scenario_.world;
  sc_world_line line{};
  line.kind = SC_WORLD_FILL;
  line.number = highest_open() + 1;
  line.second = line.number + count - 1;
  if (world.line_count >= SC_WORLD_MAX || line.second > SC_NUMBER_MAX / 2) return -1;
  world.line[world.line_count++] = line;
  world.limit = SC_NUMBER_MAX;
  return line.number;
}

void Generator::set_signals() {
  sc_world& world = scenario_.world;
  if (random_.chance(1, 3)) world.mask = some_signals();
  for (const int s : {sig_usr1, sig_usr2, sig_winch, 33, 34, 40}) {
    if (random_.chance(1, 2))
      world.handled |= signal_bit(s);
    else if (random_.chance(1, 4))
      world.ignored |= signal_bit(s);
  }
  if (!happens(Chance::chld_set)) return;
  (random_.chance(1, 2) ? world.handled : world.ignored) |= signal_bit(sig_chld);
}

}  // namespace spawncheck::generating
