// SPDX-License-Identifier: MIT
//
// Starts the program to be audited: seized by ptrace, with the filter installed, not yet at its exec.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace spawncheck::audit {

struct Launched {
  pid_t pid = -1;
  bool has_no_new_privileges = false;  // set-user-ID programs run without their rights
  std::string unsupported;             // why nothing was started; empty on success
};

enum class Streams : std::uint8_t { own, output_to_error, none };  // none: all three are /dev/null

// The task runs on until its first filtered call, its exec at the latest, and stops there until the caller resumes it.
// If exec fails, the task prints why and exits with 127.
Launched launch(const std::vector<std::string>& command, Streams);

}  // namespace spawncheck::audit
