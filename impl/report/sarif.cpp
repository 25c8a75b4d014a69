// SPDX-License-Identifier: MIT
//
// Sections are those of the SARIF 2.1.0 specification (OASIS, with errata 01).
#include "impl/report/sarif.h"

#include <fmt/format.h>

#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "impl/report/utc.h"
#include "impl/session/findings.h"
#include "model/contract/rules.h"

namespace spawncheck {

namespace {

using nlohmann::json;

constexpr const char* expectation_rule = "scenario.expectation";

// FNV-1a: the same on every machine and in every version, which a fingerprint must be (3.27.17).
std::uint64_t fingerprint(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

// A path as a URI reference (3.4.3; RFC 3986).
std::string uri(const std::string& path) {
  const std::string plain = std::filesystem::path(path).lexically_normal().string();
  std::string out = plain.starts_with('/') ? "file://" : "";
  for (const char c : plain) {
    const bool is_plain = c == '/' || c == '-' || c == '_' || c == '.' || c == '~' ||
                          (static_cast<unsigned char>(c) < 0x80 && std::isalnum(static_cast<unsigned char>(c)));
    out += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

json text(const std::string& words) { return {{"text", words}}; }

json rule_of(Clause clause) {
  std::string all, help = "Asked of every implementation.\n",
                   markdown = "| rule | what is owed | source |\n|---|---|---|\n";
  if (is_promised(clause)) help = "Asked of an implementation that promises it.\n";
  for (const RuleRow& r : rules()) {
    if (r.clause != clause) continue;
    all += fmt::format("{}{}.", all.empty() ? "" : " ", r.obligation);
    help += fmt::format("{}: {} ({})\n", r.identifier, r.obligation, r.source);
    markdown += fmt::format("| {} | {} | {} |\n", r.identifier, r.obligation, r.source);
  }
  help += fmt::format("spawncheck help {} says more.\n", name(clause));
  return {{"id", name(clause)},
          {"shortDescription", text(std::string(meaning(clause)))},
          {"fullDescription", text(all)},
          {"help", {{"text", help}, {"markdown", markdown}}},
          {"defaultConfiguration", {{"level", "error"}}}};
}

json all_rules() {
  json out = json::array();
  for (int c = 0; c < clause_count; ++c) out.push_back(rule_of(static_cast<Clause>(c)));
  out.push_back({{"id", expectation_rule},
                 {"shortDescription", text("the verdict is one that the scenario's file expects")},
                 {"fullDescription", text("A line `expect` of a scenario says which verdict an implementation gets.")},
                 {"help", text("Run the scenario alone: spawncheck run FILE.\n")},
                 {"defaultConfiguration", {{"level", "error"}}}});
  return out;
}

// The files of the results (3.14.15). One that is stored nowhere has its text in the log (3.24.8).
class Artifacts {
 public:
  json location(const std::string& path, const std::string* contents) {
    const std::string at = uri(path);
    for (std::size_t i = 0; i < all_.size(); ++i)
      if (all_[i]["location"]["uri"] == at) return place(at, i);
    json artifact = {{"location", {{"uri", at}}}, {"mimeType", "text/plain"}, {"roles", {"analysisTarget"}}};
    if (contents != nullptr) artifact["contents"] = text(*contents);
    all_.push_back(std::move(artifact));
    return place(at, all_.size() - 1);
  }
  json take() { return std::move(all_); }

 private:
  // A scenario is read as a whole: its first line stands for it.
  static json place(const std::string& at, std::size_t index) {
    return {
        {"physicalLocation", {{"artifactLocation", {{"uri", at}, {"index", index}}}, {"region", {{"startLine", 1}}}}}};
  }
  json all_ = json::array();
};

json location_of(const Finding& f, Artifacts& artifacts) {
  if (!f.file.empty() && f.file != "-") return artifacts.location(f.file, nullptr);
  const std::string contents = print(f.scenario);
  return artifacts.location(fmt::format("{}-{:016x}.scenario", name(*f.verdict.clause), fingerprint(contents)),
                            &contents);
}

std::string told(const Finding& f, const Breach& b) {
  return fmt::format("{} {}: {}.\nObserved: {}.\nAllowed: {}.\nRule: {}.\nReplay: {}\n",
                     f.is_suspected() ? "Seen once, and in no try since:" : "Violated", name(b.clause),
                     meaning(b.clause), b.observed, b.allowed, b.rule, replay_command(f));
}

json result_of(const SarifFinding& found, const Breach& b, const FindingKey& key, Artifacts& artifacts) {
  const Finding& f = found.finding;
  json location = location_of(f, artifacts);
  location["logicalLocations"] = json::array({{{"name", key.step}, {"kind", "function"}}});
  return {{"ruleId", name(b.clause)},
          {"ruleIndex", static_cast<int>(b.clause)},
          // A suspicion asks for a look and accuses nobody: its level is none (3.27.9, 3.27.10).
          {"kind", f.is_suspected() ? "review" : "fail"},
          {"level", f.is_suspected() ? "none" : "error"},
          {"message", text(told(f, b))},
          {"locations", json::array({std::move(location)})},
          {"occurrenceCount", found.times},
          {"partialFingerprints",
           {{"clauseStepShape/v1",
             fmt::format("{:016x}", fingerprint(fmt::format("{}\n{}\n{}", name(key.clause), key.step, key.shape)))}}},
          {"properties",
           {{"observed", b.observed},
            {"allowed", b.allowed},
            {"rule", b.rule},
            {"step", key.step},
            {"shape", key.shape},
            {"implementation", f.implementation},
            {"strategy", f.strategy},
            {"mode", f.is_scheduled ? "scheduled" : "free"},
            {"tries", f.tries},
            {"violations", f.violations},
            {"replay", replay_command(f)}}}};
}

json results_of(const SarifLog& log, Artifacts& artifacts) {
  json out = json::array();
  for (const SarifFinding& found : log.findings)
    for (const Breach& b : breaches_of(found.finding.verdict))
      out.push_back(result_of(found, b, key_of(found.finding.scenario, b), artifacts));
  for (const Unmet& unmet : log.unmet)
    out.push_back({{"ruleId", expectation_rule},
                   {"ruleIndex", clause_count},
                   {"kind", "fail"},
                   {"level", "error"},
                   {"message", text(unmet.text)},
                   {"locations", json::array({artifacts.location(unmet.file, nullptr)})},
                   {"partialFingerprints",
                    {{"clauseStepShape/v1", fmt::format("{:016x}", fingerprint(unmet.file + "\n" + unmet.text))}}}});
  return out;
}

json invocation_of(const SarifLog& log) {
  json notes = json::array();
  for (const std::string& words : log.undecided) notes.push_back({{"level", "warning"}, {"message", text(words)}});
  for (const std::string& words : log.broken) notes.push_back({{"level", "error"}, {"message", text(words)}});
  return {{"executionSuccessful", log.broken.empty()},
          {"exitCode", log.exit_status},
          {"startTimeUtc", utc(log.start) + "Z"},
          {"endTimeUtc", utc(log.end) + "Z"},
          {"toolExecutionNotifications", std::move(notes)}};
}

}  // namespace

std::string to_sarif(const SarifLog& log) {
  Artifacts artifacts;
  json properties = json::object();
  for (const auto& [name, value] : log.properties) properties[name] = value;
  json run = {{"tool", {{"driver", {{"name", "spawncheck"}, {"version", log.version}, {"rules", all_rules()}}}}},
              {"automationDetails", {{"id", log.category + "/"}}},
              {"invocations", json::array({invocation_of(log)})},
              {"columnKind", "unicodeCodePoints"},
              {"results", results_of(log, artifacts)},
              {"properties", std::move(properties)}};
  run["artifacts"] = artifacts.take();
  const json whole = {
      {"$schema", "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"},
      {"version", "2.1.0"},
      {"runs", json::array({std::move(run)})}};
  return whole.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace spawncheck
