// SPDX-License-Identifier: MIT
//
// A plain main: runs the target on files, or on every file below directories. It serves the debugger, and
// keeps every target compiling. With --repeat N it runs all files N times and prints the speed.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz/target.h"

namespace {

using Bytes = std::vector<char>;

bool read(const std::filesystem::path& path, std::vector<Bytes>& inputs) {
  std::ifstream file(path, std::ios::binary);
  inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  if (!file) std::fprintf(stderr, "%s: cannot be read\n", path.c_str());
  return static_cast<bool>(file);
}

bool read_all(const char* name, std::vector<Bytes>& inputs) {
  std::error_code error;
  if (!std::filesystem::is_directory(name, error)) return read(name, inputs);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(name))
    if (entry.is_regular_file() && !read(entry.path(), inputs)) return false;
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  unsigned long repeat = 1;
  std::vector<Bytes> inputs;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--repeat") == 0 && i + 1 < argc)
      repeat = std::strtoul(argv[++i], nullptr, 10);
    else if (!read_all(argv[i], inputs))
      return 2;
  }
  if (inputs.empty() || repeat == 0) {
    std::fprintf(stderr, "usage: %s [--repeat N] FILE|DIRECTORY...\n", argv[0]);
    return 2;
  }
  spawncheck::fuzz::start();
  const auto start = std::chrono::steady_clock::now();
  for (unsigned long round = 0; round < repeat; ++round)
    for (const Bytes& input : inputs)
      spawncheck::fuzz::one(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double executions = static_cast<double>(inputs.size()) * static_cast<double>(repeat);
  std::printf("%.0f executions, no finding, %.0f executions/s\n", executions, executions / seconds);
  return 0;
}
