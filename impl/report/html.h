// SPDX-License-Identifier: MIT
//
// Pages that refer to nothing outside themselves.
#pragma once

#include <string>
#include <string_view>

namespace spawncheck {

std::string escaped(std::string_view);  // of &, <, > and quotes

// A whole page: legible in light and in dark, on a narrow window, without a mouse. `title` is text, `body` is HTML.
std::string page(std::string_view title, std::string_view body);

}  // namespace spawncheck
