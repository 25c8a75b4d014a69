// SPDX-License-Identifier: MIT
//
// One way of model/explore/claims.h behind impl/peers/implementation.h. The build sets SPAWNCHECK_WAY, its word.
#include <fcntl.h>
#include <spawncheck/spawn/request.h>

#include <cerrno>

#include "impl/peers/implementation.h"
#include "model/explore/claims.h"

namespace {

using spawncheck::explore::PlanRequest;

// The checks that the model's machine makes before it starts a child.
int check(const PlanRequest& r) {
  for (const auto& [source, target] : r.keep)
    if (source < 0 || target < 0 || fcntl(source, F_GETFD) < 0) return EBADF;
  return 0;
}

int spawn(const spawncheck_request* request, spawncheck_result* result) {
  const int saved = errno;
  sc_request policy{};
  policy.policy = static_cast<std::uint8_t>(request->fd_policy);
  PlanRequest r{&policy, {}, 0, request->path, nullptr};
  for (std::uint32_t k = 0; k < request->keep_count; ++k)
    r.keep.emplace_back(request->keep[k].source, request->keep[k].target);
  *result = {-1, -1, 0};
  spawn_plan plan{};
  const spawncheck::explore::Planner planner =
      spawncheck::explore::planner_of(SPAWNCHECK_WAY);  // each way has its own steps
  result->error = planner(r, plan);
  if (result->error == 0) result->error = check(r);
  if (result->error == 0) {
    if ((plan.start & SPAWN_START_CLEAR_SIGHAND) != 0) plan.start |= SPAWN_START_CLONE3;
    plan.argv = request->argv;
    plan.envp = request->envp;
    spawn_result got{};
    spawn_run_plan(&plan, &got);
    *result = {got.pid, got.pidfd, got.error};
  }
  errno = saved;
  return result->error;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const spawncheck_implementation* spawncheck_implementation_v1() {
  static const spawncheck_implementation self = {SPAWNCHECK_ABI, SPAWNCHECK_WAY, 7, 0, "", spawn};
  return &self;
}
