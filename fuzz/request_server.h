// SPDX-License-Identifier: MIT
//
// A small clean process, forked before the engine has threads, handlers or timers, that runs requests on the kernel: it
// is the caller whose state must not change, and looks at each child from outside.
#pragma once

#include <cstdint>
#include <string>

#include "fuzz/request_input.h"

namespace spawncheck::fuzz {

struct RequestReport {
  std::string wrong;  // what is wrong; empty: nothing
  int error = 0, failed = 0;
  std::string field;
};

class RequestServer {
 public:
  // `planted`: the word of a step that is removed from every plan, for the checks to find; null: none.
  RequestServer(const Places& places, const char* planted);
  ~RequestServer();
  RequestServer(const RequestServer&) = delete;
  RequestServer& operator=(const RequestServer&) = delete;
  // A server that dies or does not answer in time is reported as wrong, too.
  RequestReport run(const std::uint8_t* data, std::size_t size);

 private:
  bool answers() const;
  struct Shared;
  Shared* shared_ = nullptr;
  int pid_ = -1, to_ = -1, from_ = -1;
};

}  // namespace spawncheck::fuzz
