// SPDX-License-Identifier: MIT
//
// spawncheck audit: follows any program and says what its execs inherited.
#include "impl/tool/audit.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "impl/audit/report.h"
#include "impl/audit/witness.h"
#include "model/audit/suppressions.h"

namespace spawncheck::tool {

namespace {

using namespace spawncheck::audit;

constexpr int exit_usage = 2, exit_undecided = 3, exit_unsupported = 4, exit_broken = 5;  // as everywhere in the tool

std::optional<std::string> read_text(const std::string& file) {
  std::ifstream in(file);
  std::stringstream text;
  if (!in || !(text << in.rdbuf())) return std::nullopt;
  return text.str();
}

bool write_text(const std::string& file, const std::string& text) {
  std::ofstream out(file);
  out << text;
  out.close();
  if (!out) fmt::print(stderr, "spawncheck audit: cannot write {}: {}\n", file, std::strerror(errno));
  return bool(out);
}

bool read_suppressions(const std::vector<std::string>& files, std::vector<Suppression>& out) {
  for (const std::string& file : files) {
    const auto text = read_text(file);
    if (!text) {
      fmt::print(stderr, "spawncheck audit: cannot read {}\n", file);
      return false;
    }
    auto parsed = parse_suppressions(*text);
    if (const auto* error = std::get_if<SuppressionError>(&parsed)) {
      fmt::print(stderr, "{}:{}: expected {}\n", file, error->line, error->expected);
      return false;
    }
    for (Suppression& s : std::get<std::vector<Suppression>>(parsed)) out.push_back(std::move(s));
  }
  return true;
}

TraceOptions trace_options(const AuditOptions& options, std::vector<std::string> command) {
  TraceOptions out;
  out.command = std::move(command);
  out.streams = options.json ? Streams::output_to_error : Streams::own;
  out.seconds = options.seconds;
  out.is_interrupted = options.is_interrupted;
  return out;
}

int program_status(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

void say_json(const nlohmann::json& object) {
  fmt::print("{}\n", object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  std::fflush(stdout);
}

int unsupported(const Tracer& tracer) {
  fmt::print(stderr, "unsupported: {}\n", tracer.unsupported);
  return exit_unsupported;
}

int replay(const AuditOptions& options) {
  const auto text = read_text(options.replay);
  const auto witness = text ? parse_witness(*text) : std::nullopt;
  if (!witness) {
    fmt::print(stderr, "spawncheck audit: {} is not a witness file\n", options.replay);
    return exit_usage;
  }
  Trial trial({witness->pair}, witness->command);
  TraceOptions trace = trace_options(options, witness->command);
  trace.holder = &trial;
  Tracer tracer(trace);
  if (!tracer.run()) return unsupported(tracer);
  const Outcome& outcome = trial.outcomes().at(witness->pair);
  const bool is_confirmed = outcome.witness.has_value();
  if (options.json)
    say_json({{"kind", "replay"},
              {"certainty", is_confirmed ? "confirmed" : "undecided"},
              {"rule", name(Rule::inherited)},
              {"program", is_confirmed ? outcome.witness->program : ""},
              {"path", is_confirmed ? outcome.witness->path : ""},
              {"number", is_confirmed ? outcome.witness->number : -1}});
  else if (is_confirmed)
    fmt::print(stderr, "confirmed {}: {} got descriptor {}, {}\n", name(Rule::inherited), outcome.witness->program,
               outcome.witness->number, outcome.witness->path);
  else
    fmt::print(stderr, "undecided: this run did not reach the recorded race\n");
  return is_confirmed ? 1 : exit_undecided;
}

// Writes a file PREFIX-N.json for each confirmed finding, which replays it.
void store_witnesses(std::vector<Finding>& findings, const Confirmed& confirmed, const std::string& prefix) {
  unsigned number = 0;
  for (std::size_t i = 0; i < findings.size(); ++i) {
    if (!confirmed.witnesses[i]) continue;
    const std::string file = fmt::format("{}-{}.json", prefix, ++number);
    if (write_text(file, print(*confirmed.witnesses[i]))) findings[i].witness = file;
  }
}

}  // namespace

int audit(const AuditOptions& options) {
  if (!options.replay.empty()) return replay(options);
  if (options.command.empty()) {
    fmt::print(stderr, "spawncheck audit: give a command after --\n");
    return exit_usage;
  }
  std::vector<Suppression> suppressions;
  if (!read_suppressions(options.suppressions, suppressions)) return exit_usage;
  const TraceOptions trace = trace_options(options, options.command);
  Tracer tracer(trace);
  if (!tracer.run()) return unsupported(tracer);
  const Recording& recording = tracer.recording();
  if (tracer.follower().execs().empty() && recording.is_complete)
    return exit_usage;  // the process that could not exec printed why
  std::vector<Finding> findings = judge(tracer.follower());
  Result result;
  result.command = options.command;
  result.follower = &tracer.follower();
  if (options.confirm && !options.is_interrupted()) {
    const Confirmed confirmed = confirm(findings, recording, trace, options.tries);
    result.confirm_runs = confirmed.runs;
    store_witnesses(findings, confirmed, options.witness);
  }
  Symbols symbols;
  result.findings = describe(findings, recording, symbols);
  std::vector<Finding> counted;
  for (Described& d : result.findings) {
    for (const Suppression& s : suppressions)
      if (d.suppressed_by.empty() && matches(s, d)) d.suppressed_by = s.name;
    if (d.suppressed_by.empty()) counted.push_back(d.finding);
  }
  result.status = exit_status(counted);
  if (result.status == 0 && !recording.is_complete) result.status = exit_undecided;
  if (options.suggest) {
    unsigned number = 0;
    std::string text;
    for (const Described& d : result.findings)
      if (d.suppressed_by.empty() && d.finding.certainty <= Certainty::predicted) text += suggest(d, ++number);
    fmt::print(stderr, "{}", text);
  }
  if (options.json)
    for (const nlohmann::json& object : report_json(result, symbols)) say_json(object);
  else if (!options.suggest)
    fmt::print(stderr, "{}", report_text(result, symbols, options.execs));
  bool is_written = true;
  if (!options.sarif.empty()) is_written &= write_text(options.sarif, report_sarif(result));
  if (!options.html.empty()) is_written &= write_text(options.html, report_html(result));
  if (!is_written) return exit_broken;
  return options.pass_status ? program_status(recording.status) : result.status;
}

}  // namespace spawncheck::tool
