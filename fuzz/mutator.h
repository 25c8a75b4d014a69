// SPDX-License-Identifier: MIT
//
// The custom mutator of both engines: text in, text out, through the parsed scenario.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace spawncheck::fuzz {

// Never empty, never longer than `bytes_max`, except that what cannot be made to fit is returned as it was. A
// text that does not parse is replaced by a generated scenario, mostly.
std::string mutate_text(std::string_view text, std::size_t bytes_max, std::uint64_t seed);
std::string cross_text(std::string_view a, std::string_view b, std::size_t bytes_max, std::uint64_t seed);

}  // namespace spawncheck::fuzz
