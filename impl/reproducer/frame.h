// SPDX-License-Identifier: MIT
//
// The fixed text of every program, before and after the text that is written for its scenario: head.c and tail.c.
#pragma once

#include <string_view>

namespace spawncheck {

extern const std::string_view frame_head, frame_tail;

}  // namespace spawncheck
