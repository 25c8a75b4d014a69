// SPDX-License-Identifier: MIT
//
// The custom mutator of both engines: text in, text out, through the parsed scenario.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace spawncheck::fuzz {

// Returns a text that is not empty and not longer than `bytes_max`; a text that cannot be made to fit is
// returned unchanged. A text that does not parse is mostly replaced by a generated scenario.
std::string mutate_text(std::string_view text, std::size_t bytes_max, std::uint64_t seed);
std::string cross_text(std::string_view a, std::string_view b, std::size_t bytes_max, std::uint64_t seed);

}  // namespace spawncheck::fuzz
