// SPDX-License-Identifier: MIT
//
// Tests of what is run as a command: its output and exit status, and a directory for its files.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace spawncheck {

struct Output {
  int status = -1;  // the exit status; 128 and the signal where one ended it; -1: it could not be started
  std::string text;
};

// Runs sh(1) with /dev/null as standard input and 3 to 9 closed, whatever the runner of the tests has left open there.
// `text` is its standard output.
inline Output shell(const std::string& command) {
  Output out;
  FILE* pipe = popen(("exec </dev/null 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-; " + command).c_str(), "re");
  if (pipe == nullptr) return out;
  std::array<char, 4096> buffer;
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) out.text += buffer.data();
  const int status = pclose(pipe);
  out.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return out;
}

// A directory of its own below /tmp, gone with its object.
class Scratch {
 public:
  Scratch() {
    char name[] = "/tmp/spawncheck-test-XXXXXX";
    const char* made = mkdtemp(name);
    if (made == nullptr) std::abort();
    path = made;
  }
  ~Scratch() { std::filesystem::remove_all(path); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(path + "/" + name) << text;
    return path + "/" + name;
  }

  std::string path;
};

}  // namespace spawncheck
