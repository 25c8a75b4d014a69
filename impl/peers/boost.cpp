// SPDX-License-Identifier: MIT
//
// Boost.Process as its tutorial shows it: bp::child with bp::exe, bp::args, bp::env, posix::fd.bind for each
// descriptor and, under `only`, posix::fd.close for the bound sources and limit_handles,
// which spares the numbers that another argument uses. The binds are made one by one in the arguments' order, so a
// request with a cycle is declined, and so is a number bound to itself: dup2(2) onto itself changes nothing. Their
// number is fixed at compile time: KEPT_MAX at most.
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <boost/process/args.hpp>
#include <boost/process/child.hpp>
#include <boost/process/env.hpp>
#include <boost/process/environment.hpp>
#include <boost/process/error.hpp>
#include <boost/process/exe.hpp>
#include <boost/process/handles.hpp>
#include <boost/process/posix.hpp>
#include <boost/version.hpp>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "adapter.h"

namespace {

namespace bp = boost::process;

constexpr std::size_t KEPT_MAX = 4;

struct Call {
  std::string program;
  std::vector<std::string> args;  // without argv[0]
  bp::environment environment;
  std::array<spawncheck_keep, KEPT_MAX> keep{};
  std::vector<int> bound;  // sources that are no targets: `only` closes them, since bind leaves them open
  bool is_only = false;
};

template <std::size_t... I>
pid_t launch(const Call& call, std::error_code& error, std::index_sequence<I...>) {
  const auto start = [&](auto&&... more) {
    bp::child child(bp::exe = call.program, bp::args = call.args, bp::env = call.environment,
                    bp::posix::fd.bind(call.keep[I].target, call.keep[I].source)..., more..., error);
    const pid_t pid = child.id();
    child.detach();
    return pid;
  };
  return call.is_only ? start(bp::posix::fd.close(call.bound), bp::limit_handles) : start();
}

pid_t launch(const Call& call, std::size_t count, std::error_code& error) {
  switch (count) {
    case 0:
      return launch(call, error, std::make_index_sequence<0>{});
    case 1:
      return launch(call, error, std::make_index_sequence<1>{});
    case 2:
      return launch(call, error, std::make_index_sequence<2>{});
    case 3:
      return launch(call, error, std::make_index_sequence<3>{});
    default:
      return launch(call, error, std::make_index_sequence<4>{});
  }
}

bool can_say(const spawncheck_request* r, std::uint32_t* order) {
  if (r->keep_count > KEPT_MAX || !adapter_is_plain(r) || !adapter_sources_are_open(r)) return false;
  for (std::uint32_t i = 0; i < r->keep_count; ++i)
    if (r->keep[i].source == r->keep[i].target) return false;
  return adapter_order(r, order) != 0;
}

Call call_of(const spawncheck_request* r, const std::uint32_t* order) {
  Call call{r->path, {}, {}, {}, {}, r->fd_policy == SPAWNCHECK_FDS_ONLY};
  for (char* const* arg = r->argv + 1; *arg != nullptr; ++arg) call.args.emplace_back(*arg);
  for (char* const* entry = r->envp; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const auto at = text.find('=');
    if (at == std::string::npos) continue;  // not NAME=VALUE
    call.environment[text.substr(0, at)] = text.substr(at + 1);
  }
  for (std::uint32_t i = 0; i < r->keep_count; ++i) call.keep[i] = r->keep[order[i]];
  for (std::uint32_t i = 0; i < r->keep_count; ++i) {
    const int source = r->keep[i].source;
    if (adapter_source_of(r, source) < 0 && std::find(call.bound.begin(), call.bound.end(), source) == call.bound.end())
      call.bound.push_back(source);
  }
  return call;
}

int spawn(const spawncheck_request* r, spawncheck_result* result) {
  const int saved = errno;
  std::uint32_t order[KEPT_MAX];
  if (!can_say(r, order)) return adapter_decline(result);
  std::error_code error;
  pid_t pid = -1;
  try {
    pid = launch(call_of(r, order), r->keep_count, error);
  } catch (const std::bad_alloc&) {
    error = std::make_error_code(std::errc::not_enough_memory);
  }
  errno = saved;
  return error ? adapter_fail(result, error.value()) : adapter_succeed(result, pid);
}

const spawncheck_documented_limit limits[] = {
    ADAPTER_TAKES_NUMBERS("the error pipe takes two of the caller's numbers during the call",
                          "Boost.Process detail/posix/executor.hpp invoke"),
    {"proc.child", "string of the environment",
     "what is no assignment, and all but the last of a name, is left out: the environment is a map",
     "Boost.Process environment.hpp basic_environment"},
    {"proc.child", "argument 0", "the first argument is the program's path", "Boost.Process args.hpp: args with exe"},
    ADAPTER_FORKS_WITH_HANDLERS("Boost.Process detail/posix/executor.hpp invoke"),
};

}  // namespace

extern "C" const spawncheck_implementation* spawncheck_implementation_v1() {
  static const spawncheck_implementation self = {SPAWNCHECK_ABI, "boost", 7, 0, "", spawn};
  return &self;
}

extern "C" const spawncheck_description* spawncheck_description_v1() {
  static const spawncheck_description self = {
      sizeof self, SPAWNCHECK_HOLDS_DESCRIPTORS, BOOST_LIB_VERSION, limits, std::size(limits), nullptr};
  return &self;
}
