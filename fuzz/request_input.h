// SPDX-License-Identifier: MIT
//
// Bytes -> a request of the C interface, any field of it right or wrong. A letter names a field, the bytes after it its
// values: a number N is the character '0' + N, so ':' is 10 and '/' is -1; where the value is one of a table, N modulo
// its size. A byte that is no letter below is skipped, a missing one is '0'. So inputs can be written by hand, and
// every mutation of an input is an input.
//
//   P policy  S strategy  B set bit N, whatever it needs       p path  F program_fd  s search  a argv  e envp
//   k source target  K a wrong keep-list                       m mask  d default  i ignore: signal N + 1 more
//   g process group  n new session  t terminal  f foreground   c directory  C directory by number  u umask
//   o target path flags  x mode of the last  O a wrong list    l resource soft hard  L a wrong list
//   U uid  G gid  r one group more  R groups  N nice  h policy priority  A cpus
//   D death signal  w no new privileges  y cgroup_fd  z undumpable allowed  I pidfd
#pragma once

#include <spawncheck/spawn/request.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace spawncheck::fuzz {

// The files and directories that the paths of an input name.
struct Places {
  std::string program;    // spawncheck-hold
  std::string programs;   // its directory
  std::string directory;  // our own, for files
};

class RequestInput {
 public:
  RequestInput(const std::uint8_t* data, std::size_t size, const Places&);
  RequestInput(const RequestInput&) = delete;
  RequestInput& operator=(const RequestInput&) = delete;
  const spawn_request& request() const { return request_; }  // points into this

 private:
  int number();
  template <typename T, std::size_t n>
  T one_of(const T (&table)[n]) {
    return table[static_cast<unsigned>(number()) % n];
  }
  void field(char letter);
  void strings(char letter);
  void lists(char letter);
  void wrong_list(char letter);
  void attributes(char letter);

  const std::uint8_t *at_, *end_;
  const Places& places_;
  spawn_request request_{};
  std::vector<std::string> texts_;
  std::vector<char*> envp_;
  std::vector<spawn_keep> keep_;
  std::vector<spawn_open> open_;
  std::vector<spawn_limit> limit_;
  std::vector<std::uint32_t> groups_;
};

}  // namespace spawncheck::fuzz
