// SPDX-License-Identifier: MIT
#include "impl/session/findings.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "model/scenario/words.h"

namespace spawncheck {

namespace {

struct Replacement {
  std::regex pattern;
  const char* with;
};

// Replaces what differs between two observations of the same finding. Files: as model/contract/describe.cpp names them.
const std::vector<Replacement>& replacements() {
  static const std::vector<Replacement> all = {
      {std::regex(R"(-?\b[0-9]+\b)"), "#"},
      {std::regex(R"(the (memfd|eventfd) of (world line #|number #|thread #, operation #))"), "a file"},
      {std::regex(R"((the (read|write) end of pipe|socket) #)"), "a file"},
      {std::regex(R"((queue|file|program|FIFO) [a-d]\b(, open for (reading|writing))?)"), "a file"},
      {std::regex(R"(a socket bound to no port|the socket bound to port [a-d]\b|/dev/null|a pidfd)"), "a file"},
      {std::regex(std::string(window_is_used)), ""},
      {std::regex(R"("[^"]*")"), "\"...\""},
  };
  return all;
}

bool is_signal(std::string word) {
  while (!word.empty() && std::string_view(",;:.").find(word.back()) != std::string_view::npos) word.pop_back();
  return word == "#" || signal_named(word) != 0;
}

// Replaces each list of signals, as in "blocks USR1 USR2 #", by one word.
std::string without_signals(const std::string& text) {
  std::string out;
  bool was_signal = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    const bool is_name = word != "#" && is_signal(word);
    if (!(was_signal && is_signal(word))) out += (out.empty() ? "" : " ") + (is_name ? std::string("SIGNALS") : word);
    was_signal = is_name || (was_signal && word == "#");
    at = end + 1;
  }
  return out;
}

std::string step_word(const sc_operation& op) {
  std::string word(row_of(op).word);
  if (op.kind == SC_OP_SPAWN) word += " " + std::string(policy_words()[op.request.policy]);
  return word;
}

// Returns the operation that the judge's text names, as in "thread 1, operation 2"; null if it names none.
const sc_operation* named_in(const Scenario& scenario, const std::string& observed) {
  static const std::regex place(R"(thread ([0-9]+), operation ([0-9]+))");
  std::smatch found;
  if (!std::regex_search(observed, found, place)) return nullptr;
  const std::size_t t = std::stoul(found[1]), o = std::stoul(found[2]);
  if (t >= scenario.threads.size() || o >= scenario.threads[t].operations.size()) return nullptr;
  return &scenario.threads[t].operations[o];
}

const sc_operation* first_spawn(const Scenario& scenario) {
  for (const Thread& thread : scenario.threads)
    for (const sc_operation& op : thread.operations)
      if (op.kind == SC_OP_SPAWN) return &op;
  return nullptr;
}

std::string words_of(const FindingKey& key) {
  return fmt::format("{} at {}: {}", name(key.clause), key.step, key.shape);
}

}  // namespace

std::string shape_of_text(const std::string& observed) {
  std::string text = observed;
  for (const Replacement& r : replacements()) text = std::regex_replace(text, r.pattern, r.with);
  return without_signals(text);
}

FindingKey key_of(const Scenario& scenario, const Breach& breach) {
  const sc_operation* op = named_in(scenario, breach.observed);
  if (op == nullptr) op = first_spawn(scenario);
  return {breach.clause, op != nullptr ? step_word(*op) : "no spawn", shape_of_text(breach.observed)};
}

Findings::Met Findings::count(const Scenario& scenario, const Verdict& verdict) {
  Met met;
  for (Breach& b : breaches_of(verdict)) {
    const FindingKey key = key_of(scenario, b);
    const auto at = known_.find(key);
    const auto suspected = suspected_.find(key);
    if (at == known_.end() && suspected != suspected_.end() && suspected->second >= tries_of_suspected) continue;
    if (at == known_.end() && rows_.size() < distinct_max) {
      met.fresh.push_back(std::move(b));
      continue;
    }
    ++(at != known_.end() ? rows_[at->second].times : beyond_);
    ++met.known;
  }
  return met;
}

void Findings::add(const Scenario& found_in, const Breach& found, Finding finding) {
  const FindingKey met = key_of(found_in, found);
  if (finding.is_suspected()) {
    ++suspected_[met];
    return;
  }
  const Breach told{*finding.verdict.clause, finding.verdict.observed, finding.verdict.allowed, finding.verdict.rule};
  const FindingKey key = key_of(finding.scenario, told);
  auto at = known_.find(key);
  if (at == known_.end()) {
    at = known_.emplace(key, rows_.size()).first;
    rows_.push_back({key, std::move(finding), 0});
  }
  known_[met] = at->second;
  ++rows_[at->second].times;
}

std::string Findings::summary() const {
  std::string out;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Row& r = rows_[i];
    out += fmt::format("{:>3}. {}\n     {} times{}\n", i + 1, words_of(r.key), r.times,
                       r.finding.file.empty() ? "" : ", " + r.finding.file);
    out += fmt::format("     {}\n", replay_command(r.finding));
  }
  if (beyond_ != 0) out += fmt::format("{} more violations, beyond {} distinct findings\n", beyond_, distinct_max);
  return out;
}

nlohmann::json Findings::to_json() const {
  nlohmann::json all = nlohmann::json::array();
  for (const Row& r : rows_)
    all.push_back({{"clause", std::string(name(r.key.clause))},
                   {"step", r.key.step},
                   {"shape", r.key.shape},
                   {"times", r.times},
                   {"file", r.finding.file},
                   {"replay", replay_command(r.finding)}});
  return all;
}

}  // namespace spawncheck
