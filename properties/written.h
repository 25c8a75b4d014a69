// SPDX-License-Identifier: MIT
//
// A scenario that a test writes out as text.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "model/scenario/scenario.h"

namespace spawncheck {

inline Scenario scenario_of(const std::string& text) {
  const auto parsed = parse(text);
  if (std::holds_alternative<Scenario>(parsed)) return std::get<Scenario>(parsed);
  ADD_FAILURE() << std::get<ParseError>(parsed).message() << "\n" << text;
  return {};
}

}  // namespace spawncheck
