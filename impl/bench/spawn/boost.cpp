// SPDX-License-Identifier: MIT
//
// Boost.Process: bp::child, and wait. Its own descriptor binding needs a list known at compile time, so a
// handler, which is its interface for extensions, makes the moves.
#include <unistd.h>

#include <boost/process/args.hpp>
#include <boost/process/child.hpp>
#include <boost/process/exe.hpp>
#include <boost/process/extend.hpp>
#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

#include "peer.h"

namespace {

namespace bp = boost::process;

struct Keep : bp::extend::handler {
  explicit Keep(const bench_job* j) : job(j) {}
  template <typename Executor>
  void on_exec_setup(Executor&) const {
    for (unsigned i = 0; i < job->keep_count; ++i) dup2(job->source[i], static_cast<int>(i));
  }
  const bench_job* job;
};

struct Prepared {
  const bench_job* job;
  std::string program;
  std::vector<std::string> args;  // without argv[0]
};

void* prepare(const bench_job* job) {
  auto* p = new Prepared{job, job->program, {}};
  for (char* const* arg = job->argv + 1; *arg != nullptr; ++arg) p->args.emplace_back(*arg);
  return p;
}

int run(void* prepared) {
  const auto* p = static_cast<const Prepared*>(prepared);
  std::error_code error;
  bp::child child(bp::exe = p->program, bp::args = p->args, Keep(p->job), error);
  if (!error) child.wait(error);
  return error ? -ECHILD : child.native_exit_code();
}

void release(void* prepared) { delete static_cast<Prepared*>(prepared); }

}  // namespace

const bench_peer bench_peers_boost[] = {
    {"boost", "bp::child, the moves by a handler; what is not kept goes by close-on-exec", prepare, run, release,
     nullptr, nullptr, 0},
    {}};
