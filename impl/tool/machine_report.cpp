// SPDX-License-Identifier: MIT
#include "impl/tool/machine_report.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <ctime>
#include <filesystem>

#include "impl/report/whole_file.h"
#include "impl/session/running_kernel.h"

namespace spawncheck::tool {

void add_report_files(CLI::App& command, ReportFiles& files) {
  command.add_option("--junit", files.junit,
                     "write JUnit XML to this file: a case for each scenario (run) or clause (check)");
  command.add_option("--sarif", files.sarif,
                     "write SARIF 2.1.0 to this file: a result for each clause that a finding violates");
}

bool can_be_written(const ReportFiles& files) {
  for (const std::string* file : {&files.junit, &files.sarif}) {
    std::string error;
    if (file->empty() || can_write_whole(*file, error)) continue;
    fmt::print(stderr, "spawncheck: {}\n", error);
    return false;
  }
  return true;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

MachineReport::MachineReport(const ReportFiles& files, const Session& session, const Common& common,
                             const std::string& command, const std::string& mode)
    : files_(files), start_(std::chrono::steady_clock::now()) {
  std::string shown = std::filesystem::path(common.implementation).stem().string();
  if (!common.strategy.empty()) shown += "." + common.strategy;
  suite_.package = "spawncheck." + command;
  suite_.name = fmt::format("{}.{}.{}", suite_.package, shown, mode);
  suite_.start = log_.start = std::time(nullptr);
  suite_.properties = {{"version", SPAWNCHECK_VERSION},
                       {"implementation", common.implementation},
                       {"implementation_version", session.implementation().version},
                       {"strategy", common.strategy},
                       {"mode", mode},
                       {"seed", std::to_string(common.seed)},
                       {"kernel", kernel_release()},
                       {"behaviours", behaviours_text()},
                       {"libc", libc_version()}};
  log_.properties = suite_.properties;
  log_.version = SPAWNCHECK_VERSION;
  log_.category = fmt::format("spawncheck/{}/{}/{}", command, shown, mode);
}

void MachineReport::add_case(JUnitCase c) { suite_.cases.push_back(std::move(c)); }

void MachineReport::add_finding(const Finding& finding, std::uint64_t times) {
  log_.findings.push_back({finding, times});
}

void MachineReport::add_unmet(const std::string& file, const std::string& text) { log_.unmet.push_back({file, text}); }

void MachineReport::note(const std::string& text) { suite_.output += text + "\n"; }

void MachineReport::note_undecided(const std::string& text) { log_.undecided.push_back(text); }

void MachineReport::note_broken(const std::string& text) { log_.broken.push_back(text); }

int MachineReport::write(int exit_status) {
  suite_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  log_.end = std::time(nullptr);
  log_.exit_status = exit_status;
  bool is_written = true;
  const auto put = [&](const std::string& file, const std::string& text) {
    std::string error;
    if (write_whole(file, text, error)) return;
    fmt::print(stderr, "spawncheck: {}\n", error);
    is_written = false;
  };
  if (!files_.junit.empty()) put(files_.junit, to_junit(suite_));
  if (!files_.sarif.empty()) put(files_.sarif, to_sarif(log_));
  return is_written ? exit_status : spawncheck::exit_status(Status::broken);
}

}  // namespace spawncheck::tool
