// SPDX-License-Identifier: MIT
#include "impl/tool/coverage.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/scenario/generate.h"

namespace spawncheck::tool {

namespace {

constexpr std::size_t unmet_told = 4;

}  // namespace

Coverage::Coverage() : words_(feature_words()), met_(words_.size() * words_.size()) {}

void Coverage::add(const Scenario& scenario) {
  ++scenarios_;
  std::vector<std::size_t> there;
  for (const std::string& word : features(scenario))
    there.push_back(static_cast<std::size_t>(std::lower_bound(words_.begin(), words_.end(), word) - words_.begin()));
  for (std::size_t i = 0; i < there.size(); ++i)
    for (std::size_t j = i; j < there.size(); ++j) {
      ++met(there[i], there[j]);
      if (i != j) ++met(there[j], there[i]);
    }
}

std::string Coverage::table() const {
  std::string out = fmt::format("{:<24}{:>10}{:>9}{:>10}  not met\n", "feature", "scenarios", "%", "met");
  std::size_t pairs = 0;
  for (std::size_t a = 0; a < words_.size(); ++a) {
    std::size_t met_by_a = 0, told = 0;
    std::string unmet;
    for (std::size_t b = 0; b < words_.size(); ++b) {
      if (a == b) continue;
      met_by_a += met(a, b) != 0;
      if (met(a, b) != 0 || met(b, b) == 0 || ++told > unmet_told) continue;
      unmet += (unmet.empty() ? "" : ", ") + words_[b];
    }
    if (told > unmet_told) unmet += fmt::format(", and {} more", told - unmet_told);
    pairs += met_by_a;
    const double share = scenarios_ != 0 ? 100.0 * static_cast<double>(met(a, a)) / static_cast<double>(scenarios_) : 0;
    out += fmt::format("{:<24}{:>10}{:>9.2f}{:>10}  {}\n", words_[a], met(a, a), share, met_by_a,
                       met(a, a) == 0 ? "never made" : unmet);
  }
  const std::size_t all = words_.size() * (words_.size() - 1);
  return out + fmt::format("{} features, {} of {} pairs met, in {} scenarios\n", words_.size(), pairs / 2, all / 2,
                           scenarios_);
}

nlohmann::json Coverage::to_json() const {
  nlohmann::json single = nlohmann::json::object(), pairs = nlohmann::json::object();
  for (std::size_t a = 0; a < words_.size(); ++a) {
    single[words_[a]] = met(a, a);
    for (std::size_t b = a + 1; b < words_.size(); ++b)
      if (met(a, b) != 0) pairs[words_[a]][words_[b]] = met(a, b);
  }
  return {{"scenarios", scenarios_}, {"features", std::move(single)}, {"pairs", std::move(pairs)}};
}

}  // namespace spawncheck::tool
