// SPDX-License-Identifier: MIT
//
// Boost.Process v2: process with process_stdio and process_environment. Its launcher closes everything but 0, 1, 2 and
// what an initializer adds to its whitelist, so a request that does not keep all three is declined. Our own
// initializer binds descriptors above 2, in place of posix::bind_fd, whose on_setup lacks its return
// statement in 1.81.
#include <unistd.h>

#include <array>
#include <cerrno>
#include <iterator>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

// In 1.81 the sources are complete only if compiled separately (v2/src.hpp), and with std::filesystem the headers lack
// includes that they need: so the order of these includes matters.
// clang-format off
#include <boost/optional.hpp>
#include <boost/type_traits/remove_pointer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/process/v2/environment.hpp>
#include <boost/process/v2/process.hpp>
#include <boost/process/v2/start_dir.hpp>
#include <boost/process/v2/stdio.hpp>
#include <boost/process/v2/src.hpp>
#include <boost/version.hpp>
// clang-format on

#include "adapter.h"

namespace {

namespace v2 = boost::process::v2;

constexpr std::uint32_t KEPT_MAX = 64;

struct BindAll {
  std::vector<spawncheck_keep> keep;  // in an order in which each source is read before it is written

  v2::error_code on_setup(v2::posix::default_launcher& launcher, const v2::filesystem::path&, const char* const*) {
    for (const spawncheck_keep& k : keep) launcher.fd_whitelist.push_back(k.target);
    return {};
  }
  v2::error_code on_exec_setup(v2::posix::default_launcher&, const v2::filesystem::path&, const char* const*) {
    for (const spawncheck_keep& k : keep)
      if (::dup2(k.source, k.target) == -1) return {errno, boost::system::system_category()};
    return {};
  }
};

// Orders the entries with targets above 2. Returns false if none exists, or 0, 1 or 2 is overwritten before it is read.
bool order_rest(const spawncheck_request* r, std::vector<spawncheck_keep>& ordered) {
  std::vector<spawncheck_keep> rest;
  for (std::uint32_t i = 0; i < r->keep_count; ++i) {
    if (r->keep[i].target < ADAPTER_STDIO) continue;
    if (r->keep[i].source < ADAPTER_STDIO || r->keep[i].source == r->keep[i].target) return false;
    rest.push_back(r->keep[i]);
  }
  spawncheck_request only_rest = *r;
  only_rest.keep = rest.data();
  only_rest.keep_count = static_cast<std::uint32_t>(rest.size());
  std::array<std::uint32_t, KEPT_MAX> order{};
  if (adapter_order(&only_rest, order.data()) == 0) return false;
  for (std::size_t i = 0; i < rest.size(); ++i) ordered.push_back(rest[order[i]]);
  return true;
}

pid_t launch(const spawncheck_request* r, const BindAll& bind) {
  boost::asio::io_context context;
  std::vector<std::string> args;
  for (char* const* arg = r->argv + 1; *arg != nullptr; ++arg) args.emplace_back(*arg);
  std::vector<std::string> environment;
  for (char* const* entry = r->envp; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  v2::process_stdio stdio{adapter_source_of(r, 0), adapter_source_of(r, 1), adapter_source_of(r, 2)};
  v2::process_environment env(environment);
  const auto run = [&](auto&&... more) {
    v2::process process(context, r->path, args, stdio, bind, env, more...);
    const pid_t pid = process.id();
    process.detach();
    return pid;
  };
  return (r->set & SPAWNCHECK_SET_CWD) != 0 ? run(v2::process_start_dir(r->cwd)) : run();
}

int spawn(const spawncheck_request* r, spawncheck_result* result) {
  const int saved = errno;
  BindAll bind;
  if (!adapter_is_plain(r) || !adapter_sources_are_open(r) || r->keep_count > KEPT_MAX || !adapter_keeps_stdio(r) ||
      !order_rest(r, bind.keep))
    return adapter_decline(result);
  int error = 0;
  pid_t pid = -1;
  try {
    pid = launch(r, bind);
  } catch (const boost::system::system_error& e) {
    error = e.code().value();
  } catch (const std::bad_alloc&) {
    error = ENOMEM;
  }
  errno = saved;
  return error != 0 ? adapter_fail(result, error) : adapter_succeed(result, pid);
}

const spawncheck_documented_limit limits[] = {
    ADAPTER_TAKES_NUMBERS("the error pipe and the context of the process take numbers of the caller's table",
                          "Boost.Process v2/posix/default_launcher.hpp; Boost.Asio io_context"),
    {"proc.child", "argument 0", "the first argument is the program's path",
     "Boost.Process v2/posix/default_launcher.hpp build_argv_"},
    ADAPTER_FORKS_WITH_HANDLERS("Boost.Process v2/posix/default_launcher.hpp operator()"),
};

}  // namespace

extern "C" const spawncheck_implementation* spawncheck_implementation_v1() {
  static const spawncheck_implementation self = {SPAWNCHECK_ABI,     "boost_v2", 1u << SPAWNCHECK_FDS_ONLY,
                                                 SPAWNCHECK_SET_CWD, "",         spawn};
  return &self;
}

extern "C" const spawncheck_description* spawncheck_description_v1() {
  static const spawncheck_description self = {
      sizeof self, SPAWNCHECK_HOLDS_DESCRIPTORS, BOOST_LIB_VERSION, limits, std::size(limits), nullptr};
  return &self;
}
