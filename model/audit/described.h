// SPDX-License-Identifier: MIT
//
// A finding in words, as reports print it and suppressions match it.
#pragma once

#include <string>
#include <vector>

#include "model/audit/rules.h"

namespace spawncheck::audit {

struct Described {
  Finding finding;
  std::string descriptor;            // a file /tmp/x
  std::vector<std::string> created;  // the creating call, then where: libc.so.6!open64+0x2e, program!worker+0x1b
  std::vector<std::string> cloned;   // likewise, of the clone
  std::string creator, cloner;       // task 2 (worker, 4711)
  std::string child;                 // the program that got the descriptor
  std::string window;                // how long it lacked close-on-exec
  std::string suppressed_by;         // a suppression's name; empty: none
};

}  // namespace spawncheck::audit
