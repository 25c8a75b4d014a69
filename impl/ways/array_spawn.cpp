// SPDX-License-Identifier: MIT
//
// The reference with a single call that drops descriptors: close_range(2) with an array of the numbers that
// stay, which only the kernel of ci/kernels.d/array has. It is a whole spawn and checked as one: it shows what the
// call is worth to an implementation; the claims (way.cpp) show what the call itself guarantees.
//
// The library makes the plan of strategy unshare. Its call of spawn_plan_build() reaches __wrap_spawn_plan_build()
// (ld --wrap), which changes the plan.
#include <spawncheck/spawn/request.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "impl/peers/implementation.h"
#include "impl/peers/run_reference.h"

#pragma GCC visibility push(hidden)
extern "C" {
int __real_spawn_plan_build(const spawn_request*, const spawn_abilities*, spawn_plan*);
int __wrap_spawn_plan_build(const spawn_request*, const spawn_abilities*, spawn_plan*);
}
#pragma GCC visibility pop

namespace {

constexpr std::uint16_t keeps_an_array = 1u << 15;  // ci/kernels.d/array/array.patch

// The kernel reads it while the calling thread is suspended in its spawn; the thread does not use it otherwise.
thread_local std::uint32_t numbers_that_stay[SPAWN_KEEP_MAX];

// Returns true if the kernel knows the flag: EFAULT if it reads the array, EINVAL if not. Changes no descriptor.
bool is_known() {
  const int saved = errno;
  const bool is_read = syscall(SYS_close_range, ~0u, ~0u, unsigned{keeps_an_array}, ~0ul, 1u) != 0 && errno == EFAULT;
  errno = saved;
  return is_read;
}

bool is_here;  // probed once, in the server

int spawn(const spawncheck_request* request, spawncheck_result* result) {
  if (!is_here) {
    *result = {-1, -1, SPAWNCHECK_DECLINED};
    return result->error;
  }
  return run_reference(request, SPAWN_STRATEGY_UNSHARE, result);
}

}  // namespace

// Turns the first range into the call with the array and removes the other ranges. CLOSE_PIDFD stays: the pidfd may
// have the number of a kept source that another thread has closed.
int __wrap_spawn_plan_build(const spawn_request* request, const spawn_abilities* abilities, spawn_plan* plan) {
  if (const int error = __real_spawn_plan_build(request, abilities, plan)) return error;
  std::uint32_t count = 0;
  bool is_made = false;
  for (std::uint32_t i = 0; i < plan->step_count; ++i) {
    spawn_step step = plan->step[i];
    if (step.kind == SPAWN_STEP_CLOSE_RANGE) {
      if (is_made) continue;
      for (std::uint32_t k = 0; k < request->keep_count; ++k)
        numbers_that_stay[k] = static_cast<std::uint32_t>(request->keep[k].source);
      step.flags = keeps_an_array;
      step.data = numbers_that_stay;
      step.a = static_cast<std::int32_t>(request->keep_count);
      is_made = true;
    }
    plan->step[count++] = step;
  }
  plan->step_count = count;
  return 0;
}

extern "C" __attribute__((visibility("default"))) const spawncheck_implementation* spawncheck_implementation_v1() {
  static const spawncheck_implementation self = {
      SPAWNCHECK_ABI, "array-spawn", 1u << SPAWNCHECK_FDS_ONLY, 127, "fd.snapshot fd.released", spawn};
  is_here = is_known();
  (void)spawn_abilities_probed();  // once in the server, not in each arena it forks
  return &self;
}
