// SPDX-License-Identifier: MIT
//
// Distinct findings of a long search. Two violations are the same finding where they are of the same clause, at the
// same step, with the same words but for numbers, signals and files. Each new one is made small once; a known one is
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
  std::string step;   // the operation that the observation speaks of: "spawn only", "dup2"; else the first spawn
  std::string shape;  // the observation without numbers, signals and files
  auto operator<=>(const FindingKey&) const = default;
};

FindingKey key_of(const Scenario&, const Breach&);
std::string shape_of_text(const std::string& observed);

class Findings {
 public:
  static constexpr unsigned tries_of_suspected = 3;
  static constexpr std::size_t distinct_max = 64;  // beyond that they are counted, and none is made small

  struct Row {
    FindingKey key;
    Finding finding;
    std::uint64_t times = 0;
  };

  struct Met {
    std::vector<Breach> fresh;  // to be examined
    std::size_t known = 0;      // counted, or beyond what there is room for
  };
  // A violation that the search has met, breach by breach. One that did not come back is new again, a few times.
  Met count(const Scenario&, const Verdict&);
  // What has become of a new one. A smaller scenario may turn out to show a known finding.
  void add(const Scenario& found_in, const Breach& found, Finding);

  const std::vector<Row>& rows() const { return rows_; }
  std::uint64_t beyond() const { return beyond_; }  // violations of none of these: there was no room

  // One line each: what, how often, the file, the command.
  std::string summary() const;
  nlohmann::json to_json() const;

 private:
  std::vector<Row> rows_;
  std::map<FindingKey, std::size_t> known_;   // also under the key that it was met by
  std::map<FindingKey, unsigned> suspected_;  // how often each was met and did not come back
  std::uint64_t beyond_ = 0;
};

}  // namespace spawncheck
