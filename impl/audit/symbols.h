// SPDX-License-Identifier: MIT
//
// Names addresses by the symbol tables of ELF files, which are read when a report needs them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace spawncheck::audit {

class Symbols {
 public:
  // "file!function+0x1f", or "file+0x1234" where no symbol covers it. `path` as in /proc/PID/maps, `offset` within it.
  std::string describe(const std::string& path, std::uint64_t offset);

 private:
  struct Symbol {
    std::uint64_t begin = 0, size = 0;
    std::string name;
  };
  struct File {
    std::vector<Symbol> symbols;  // ascending
    struct Segment {
      std::uint64_t offset = 0, size = 0, address = 0;
    };
    std::vector<Segment> segments;
  };
  const File& file(const std::string& path);
  std::map<std::string, File> files_;
};

}  // namespace spawncheck::audit
