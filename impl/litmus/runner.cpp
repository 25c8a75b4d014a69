// SPDX-License-Identifier: MIT
#include "impl/litmus/runner.h"

#include <cstring>

#include "impl/executor/executor.h"
#include "impl/executor/server_process.h"

namespace spawncheck::litmus {

namespace {

// How long the server may take beyond a test's own bound. The server ends a stuck test itself, within a shorter bound.
constexpr int grace_ms = 60'000;
static_assert(ServerProcess::socket_number == SC_LITMUS_SOCKET_FD &&
              ServerProcess::memory_number == SC_LITMUS_MEMORY_FD);
constexpr int stop_grace_ms = 10'000;  // once the server has been told to exit

}  // namespace

struct Runner::Self {
  ServerProcess server;

  sc_litmus_shared* shared() const { return static_cast<sc_litmus_shared*>(server.shared()); }
  bool start(std::string& error);
  bool receive(int timeout_ms) const {
    char byte;
    return server.receive(&byte, 1, timeout_ms);
  }
  void stop() { server.stop(stop_grace_ms); }
};

bool Runner::Self::start(std::string& error) {
  if (!server.start(directory_of_binaries() + "/spawncheck-litmus", {}, sizeof(sc_litmus_shared), error)) return false;
  if (!receive(grace_ms))
    error = "the litmus server does not answer";
  else if (shared()->status != SC_LITMUS_RAN)
    error = std::string(shared()->where) + ": " + std::strerror(shared()->error);
  else
    return true;
  stop();
  return false;
}

Runner::Runner(std::unique_ptr<Self> self) : self_(std::move(self)) {}
Runner::~Runner() = default;

std::unique_ptr<Runner> Runner::start(std::string& error, bool& is_unsupported) {
  auto self = std::make_unique<Self>();
  const bool is_started = self->start(error);
  is_unsupported = !is_started && self->shared() != nullptr && self->shared()->status == SC_LITMUS_UNSUPPORTED;
  if (!is_started) return nullptr;
  return std::unique_ptr<Runner>(new Runner(std::move(self)));
}

Histogram Runner::run(const Test& test, const RunBounds& bounds) {
  Histogram histogram;
  sc_litmus_shared& shared = *self_->shared();
  if (!self_->server.is_running() && !self_->start(histogram.why)) return histogram;
  shared.test = test.data;
  shared.seed = bounds.seed;
  shared.runs = bounds.runs;
  shared.time_ms_max = bounds.time_ms_max;
  shared.placements = bounds.placements;
  shared.fault = bounds.fault;
  const char request = 'r';
  if (!self_->server.send(&request, 1) ||
      !self_->receive(bounds.time_ms_max == 0 ? -1 : static_cast<int>(bounds.time_ms_max) + grace_ms)) {
    histogram.why = "the litmus server died or hangs";
    self_->stop();
    return histogram;
  }
  histogram.status = shared.status == SC_LITMUS_RAN     ? Histogram::Status::ran
                     : shared.status == SC_LITMUS_STUCK ? Histogram::Status::stuck
                                                        : Histogram::Status::broken;
  histogram.why = shared.where;
  if (shared.error != 0) histogram.why += std::string(": ") + std::strerror(shared.error);
  histogram.runs = shared.runs_done;
  histogram.lost = shared.lost;
  histogram.seen.assign(shared.seen, shared.seen + shared.seen_count);
  return histogram;
}

}  // namespace spawncheck::litmus
