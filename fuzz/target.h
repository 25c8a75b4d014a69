// SPDX-License-Identifier: MIT
//
// A fuzz target is one function; the engines' mains call it. A finding is abort() after a report on
// standard error. Inputs that are not of interest return at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "model/contract/verdict.h"

namespace spawncheck::fuzz {

// Once, before the first input.
void start();
void one(const std::uint8_t* data, std::size_t size);

// For the targets: larger inputs are not worth their time.
inline constexpr std::size_t input_bytes_max = 8192;

// The scenario, when the input is one.
std::optional<Scenario> scenario_of(const std::uint8_t* data, std::size_t size);

// Says why, and aborts.
[[noreturn]] void finding(std::string_view what, const Scenario&, const Verdict&);

// An environment variable, or what stands in for it.
std::string_view setting(const char* name, std::string_view otherwise);

}  // namespace spawncheck::fuzz
