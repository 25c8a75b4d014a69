// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "impl/session/running_kernel.h"
#include "impl/tool/tool.h"

namespace spawncheck::tool {

std::unique_ptr<Session> start_session(const Common& common, int& status) {
  SessionOptions options;
  options.implementation = common.implementation;
  if (options.implementation.ends_with(".so") && options.implementation.find('/') == std::string::npos)
    options.implementation = "./" + options.implementation;
  const std::string object = directory_of_binaries() + "/peers/" + options.implementation + ".so";
  if (options.implementation.find_first_of("/:") == std::string::npos && access(object.c_str(), F_OK) == 0)
    options.implementation = object;
  options.strategy = common.strategy;
  std::string error;
  std::unique_ptr<Session> session = Session::start(options, error);
  if (session != nullptr) return session;
  fmt::print(stderr, "spawncheck: {}\n", error);
  status = error.starts_with("implementation ") ? exit_usage : exit_status(Status::broken);
  return nullptr;
}

int tell_unsupported(const Session& session, const Common& common) {
  if (common.json)
    say_json({{"verdict", "unsupported"},
              {"why", session.why_unsupported()},
              {"implementation", common.implementation},
              {"strategy", common.strategy},
              {"kernel", kernel_release()}});
  else
    fmt::print("unsupported: {}\n", session.why_unsupported());
  return exit_status(Status::unsupported);
}

namespace {

std::optional<std::string> read_text(const std::string& file, std::string& error) {
  const int fd = file == "-" ? dup(0) : open(file.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (fd < 0 || fstat(fd, &status) != 0) {
    error = std::strerror(errno);
    return std::nullopt;
  }
  std::string text;
  char buffer[16384];
  ssize_t got = 0;
  while (text.size() <= text_bytes_max && (got = read(fd, buffer, sizeof buffer)) > 0)
    text.append(buffer, static_cast<std::size_t>(got));
  if (got < 0) error = std::strerror(errno);
  close(fd);
  if (got < 0) return std::nullopt;
  return text;
}

}  // namespace

std::optional<Scenario> read_scenario(const std::string& file, int& status) {
  std::string error;
  const std::optional<std::string> text = read_text(file, error);
  status = exit_usage;
  if (!text) {
    fmt::print(stderr, "spawncheck: {}: {}\n", file, error);
    return std::nullopt;
  }
  auto parsed = parse(*text);
  if (const ParseError* e = std::get_if<ParseError>(&parsed)) {
    fmt::print(stderr, "{}:{}:{}: expected {}\n", file, e->line, e->column, e->expected);
    return std::nullopt;
  }
  status = 0;
  return std::get<Scenario>(std::move(parsed));
}

bool can_save_in(const std::string& directory) {
  if (directory.empty()) return true;
  struct stat status {};
  int error = 0;
  if (stat(directory.c_str(), &status) != 0)
    error = errno;
  else if (!S_ISDIR(status.st_mode))
    error = ENOTDIR;
  else if (access(directory.c_str(), W_OK | X_OK) != 0)
    error = errno;
  if (error != 0) fmt::print(stderr, "spawncheck: --save {}: {}\n", directory, std::strerror(error));
  return error == 0;
}

void say_json(const nlohmann::json& object) {
  fmt::print("{}\n", object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  std::fflush(stdout);
}

void say_progress(const std::string& text) {
  static const bool is_terminal = isatty(2) != 0;
  if (is_terminal) fmt::print(stderr, "\r\033[K{}", text);
}

nlohmann::json verdict_json(const Verdict& verdict, const Session& session, const Scenario& scenario) {
  return {{"verdict", std::string(name(verdict.status))},
          {"clause", verdict.clause ? std::string(name(*verdict.clause)) : ""},
          {"implementation", session.options().implementation},
          {"strategy", session.options().strategy},
          {"kernel", kernel_release()},
          {"behaviours", behaviours_text()},
          {"observed", verdict.observed},
          {"allowed", verdict.allowed},
          {"also", also_json(verdict)},
          {"limits", limits_json(verdict)},
          {"scenario", print(scenario)}};
}

}  // namespace spawncheck::tool
