// SPDX-License-Identifier: MIT
//
// Runs litmus tests on the kernel. One Runner owns one litmus server, a small clean process, that forks a process for
// each test. No process, descriptor or file outlives the Runner, also when this process is killed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "impl/litmus/program.h"
#include "model/litmus/test.h"

namespace spawncheck::litmus {

struct RunBounds {
  std::uint64_t runs = 0;
  std::uint32_t time_ms_max = 0;  // no run is begun later; 0: no bound
  std::uint64_t seed = 1;         // of the delays
  std::uint32_t placements = SC_LITMUS_TWO_CORES | SC_LITMUS_ONE_CORE | SC_LITMUS_ANY_CORE;
  std::uint32_t fault = SC_LITMUS_FAULT_NONE;
};

struct Histogram {
  enum class Status { ran, stuck, broken } status = Status::broken;
  std::string why;  // stuck, broken
  std::uint64_t runs = 0, lost = 0;
  std::vector<sc_litmus_seen> seen;
};

class Runner {
 public:
  // Returns null on failure; `error` says in one line what is missing. is_unsupported: this kernel lacks a call that
  // the server needs.
  static std::unique_ptr<Runner> start(std::string& error, bool& is_unsupported);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  Histogram run(const Test&, const RunBounds&);

 private:
  struct Self;
  explicit Runner(std::unique_ptr<Self>);
  std::unique_ptr<Self> self_;
};

}  // namespace spawncheck::litmus
