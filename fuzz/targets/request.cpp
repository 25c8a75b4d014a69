// SPDX-License-Identifier: MIT
//
// The C interface: any request, right or wrong, on the kernel. A bad one is refused by its field; the child of a good
// one has what was requested; nothing is left in the caller. Check and planner also run here, for their edges.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "fuzz/request_server.h"
#include "fuzz/target.h"

namespace spawncheck::fuzz {

namespace {

Places prepared;
std::unique_ptr<RequestServer> server;

std::string own_directory() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  const std::string self(path, size > 0 ? static_cast<std::size_t>(size) : 0);
  return self.substr(0, self.rfind('/'));
}

[[noreturn]] void wrong(const std::string& what, const std::uint8_t* data, std::size_t size) {
  std::fprintf(stderr, "spawncheck finding: request: %s\n  input: ", what.c_str());
  for (std::size_t i = 0; i < size; ++i)
    std::fprintf(stderr, data[i] > ' ' && data[i] < 127 ? "%c" : "\\x%02x", data[i]);
  std::fprintf(stderr, "\n");
  server.reset();
  std::abort();
}

// Returns true if the text names a field of the request, as a refusal must.
bool names_a_field(const std::string& text) {
  static const char* const names[] = {
      "policy",      "strategy", "set",       "path",     "program_fd", "argv",         "keep",       "keep_count",
      "ignore",      "pgroup",   "cwd",       "cwd_fd",   "umask",      "open",         "open_count", "limit",
      "limit_count", "search",   "uid",       "gid",      "groups",     "group_count",  "nice",       "scheduling",
      "priority",    "cpus",     "cpu_words", "terminal", "foreground", "death_signal", "cgroup_fd"};
  const std::size_t colon = text.find(": ");
  for (const char* name : names)
    if (colon != std::string::npos && text.substr(0, colon) == name && text.size() > colon + 2) return true;
  return false;
}

}  // namespace

void start() {
  prepared.programs = setting("SPAWNCHECK_BIN", "");
  if (prepared.programs.empty()) prepared.programs = own_directory();
  prepared.program = prepared.programs + "/spawncheck-hold";
  char name[] = "/tmp/spawncheck-request-XXXXXX";
  if (access(prepared.program.c_str(), X_OK) != 0 || mkdtemp(name) == nullptr) {
    std::fprintf(stderr, "spawncheck: fuzz target request: no %s, or no directory below /tmp\n",
                 prepared.program.c_str());
    std::exit(2);
  }
  prepared.directory = name;
  const std::string planted(setting("SPAWNCHECK_PLANTED", ""));
  server = std::make_unique<RequestServer>(prepared, planted.empty() ? nullptr : planted.c_str());
}

void one(const std::uint8_t* data, std::size_t size) {
  if (size > 512) return;
  const RequestInput input(data, size, prepared);
  const spawn_request& r = input.request();
  const char* field = nullptr;
  const int error = spawn_request_check(&r, &field);
  if (error == 0) {
    std::vector<spawn_step> steps(spawn_plan_steps_max(&r));
    spawn_plan plan{};
    plan.step = steps.data();
    plan.step_capacity = static_cast<std::uint32_t>(steps.size());
    const spawn_abilities can = spawn_abilities_probed();
    const int planned = spawn_plan_build(&r, &can, &plan);
    if (planned == ENOSPC) wrong("a plan larger than its bound", data, size);
  }
  const RequestReport report = server->run(data, size);
  if (!report.wrong.empty()) wrong(report.wrong, data, size);
  const bool is_refused = report.failed == SPAWN_FAILED_REQUEST;
  if (is_refused && !names_a_field(report.field))
    wrong("a request refused without its field: " + report.field, data, size);
  if (error != 0 && (!is_refused || report.error != error || report.field != field))
    wrong("a bad request that was not refused as such", data, size);
}

}  // namespace spawncheck::fuzz
