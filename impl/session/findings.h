// SPDX-License-Identifier: MIT
//
// Distinct findings of a long search. Two violations are the same finding if they have the same clause, the same step
// and the same observation apart from numbers, signals and files. Each new finding is shrunk once; a known one is
// counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "impl/session/finding.h"

namespace spawncheck {

struct FindingKey {
  Clause clause{};
  std::string step;   // the operation that the observation names: "spawn only", "dup2"; else the first spawn
  std::string shape;  // the observation without numbers, signals and files
  auto operator<=>(const FindingKey&) const = default;
};

FindingKey key_of(const Scenario&, const Breach&);
std::string shape_of_text(const std::string& observed);

class Findings {
 public:
  static constexpr unsigned tries_of_suspected = 3;
  static constexpr std::size_t distinct_max = 64;  // violations of further findings are counted, not shrunk

  struct Row {
    FindingKey key;
    Finding finding;
    std::uint64_t times = 0;
  };

  struct Met {
    std::vector<Breach> fresh;  // new: the caller must examine them and call add()
    std::size_t known = 0;      // breaches of known findings, and those beyond distinct_max
  };
  // Counts the known breaches of a violation, and returns the new ones. A breach that did not come back is new again,
  // until it has been tried tries_of_suspected times; then it is ignored.
  Met count(const Scenario&, const Verdict&);
  // Adds the finding that was made of a new breach. Its shrunk scenario may turn out to show a known finding: then that
  // one is counted.
  void add(const Scenario& found_in, const Breach& found, Finding);

  const std::vector<Row>& rows() const { return rows_; }
  std::uint64_t beyond() const { return beyond_; }  // violations without a row: distinct_max was reached

  // One line each: what, how often, the file, the command.
  std::string summary() const;
  nlohmann::json to_json() const;

 private:
  std::vector<Row> rows_;
  std::map<FindingKey, std::size_t> known_;   // rows, by the finding's key and by the key that it was met with
  std::map<FindingKey, unsigned> suspected_;  // how often each was met and did not come back
  std::uint64_t beyond_ = 0;
};

}  // namespace spawncheck
