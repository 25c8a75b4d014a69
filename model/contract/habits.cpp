// SPDX-License-Identifier: MIT
#include "model/contract/habits.h"

#include "impl/peers/implementation.h"

namespace spawncheck {

std::span<const HabitRow> habits() {
  static constexpr HabitRow rows[] = {
#define SPAWNCHECK_ROW(id, word, lifts, accepted) {SPAWNCHECK_##id, word, lifts, accepted},
      SPAWNCHECK_HABITS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
  };
  return rows;
}

bool lifts(std::uint32_t set, Rule rule) {
  if (set == 0) return false;
  for (const HabitRow& row : habits())
    if ((set & row.bit) != 0 && row.lifts == rule) return true;
  return false;
}

std::string habit_words(std::uint32_t set) {
  std::string out;
  for (const HabitRow& row : habits())
    if ((set & row.bit) != 0) out += (out.empty() ? "" : " ") + std::string(row.word);
  return out.empty() ? "none" : out;
}

}  // namespace spawncheck
