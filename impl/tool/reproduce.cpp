// SPDX-License-Identifier: MIT
#include "impl/tool/reproduce.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "impl/reproducer/program.h"

namespace spawncheck::tool {

namespace {

bool write_to(const std::string& path, const std::string& text) {
  if (path.empty() || path == "-") {
    fmt::print("{}", text);
    return std::fflush(stdout) == 0;
  }
  std::ofstream file(path);
  file << text;
  file.close();
  return static_cast<bool>(file);
}

}  // namespace

int reproduce(const ReproduceOptions& options) {
  int status = 0;
  const std::optional<Scenario> scenario = read_scenario(options.file, status);
  if (!scenario) return status;
  const std::unique_ptr<Session> session = start_session(options.common, status);
  if (session == nullptr) return status;
  if (!session->why_unsupported().empty()) return tell_unsupported(*session, options.common);
  ProgramOptions how;
  how.orders_max = options.orders;
  how.writes_calls = options.calls;
  if (const std::string stem = std::filesystem::path(options.output).stem().string(); !stem.empty() && stem != "-")
    how.name = stem;
  const Program program = program_of(*session, *scenario, how);
  if (program.text.empty()) {
    fmt::print(stderr, "spawncheck: {}: cannot be written as a stand-alone program: {}\n", options.file,
               program.refused);
    return exit_status(Status::unsupported);
  }
  if (!write_to(options.output, program.text)) {
    fmt::print(stderr, "spawncheck: {}: {}\n", options.output, std::strerror(errno));
    return exit_status(Status::broken);
  }
  if (!options.output.empty() && options.output != "-") {
    if (options.common.json)
      say_json(
          {{"file", options.output},
           {"verdict", std::string(name(program.recorded.verdict.status))},
           {"clause", program.recorded.verdict.clause ? std::string(name(*program.recorded.verdict.clause)) : ""}});
    else
      fmt::print("{}: recorded with the verdict {}{}\n", options.output, name(program.recorded.verdict.status),
                 program.recorded.verdict.clause ? " " + std::string(name(*program.recorded.verdict.clause)) : "");
  }
  return 0;
}

}  // namespace spawncheck::tool
