// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace spawncheck::tool {

// The manual page, for man(1): every command and option as --help has them.
std::string manual(const CLI::App&);

}  // namespace spawncheck::tool
