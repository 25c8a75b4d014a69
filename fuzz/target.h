// SPDX-License-Identifier: MIT
//
// A fuzz target is one function; the engines' mains call it. A finding is abort() after a report on
// standard error. A target returns at once on inputs of no interest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "model/contract/verdict.h"

namespace spawncheck::fuzz {

// Called once, before the first input.
void start();
void one(const std::uint8_t* data, std::size_t size);

// Targets may skip larger inputs, which are not worth their time.
inline constexpr std::size_t input_bytes_max = 8192;

// The scenario; nullopt if the input is none.
std::optional<Scenario> scenario_of(const std::uint8_t* data, std::size_t size);

// Reports the finding, and aborts.
[[noreturn]] void finding(std::string_view what, const Scenario&, const Verdict&);

// The value of an environment variable, or `otherwise` if it is not set.
std::string_view setting(const char* name, std::string_view otherwise);

}  // namespace spawncheck::fuzz
