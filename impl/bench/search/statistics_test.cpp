// SPDX-License-Identifier: MIT
//
// Tests the statistics on the remission times of Freireich and others (1963), in weeks, which textbooks use as their
// example; + is censored. Tests that the picture has every curve.
#include "impl/bench/search/statistics.h"

#include <gtest/gtest.h>

#include "impl/bench/search/picture.h"

namespace spawncheck {
namespace {

std::vector<Trial> happened(const std::vector<double>& times) {
  std::vector<Trial> trials;
  for (const double t : times) trials.push_back({t, true});
  return trials;
}

std::vector<Trial> placebo() {
  return happened({1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23});
}

std::vector<Trial> treated() {
  std::vector<Trial> trials = happened({6, 6, 6, 7, 10, 13, 16, 22, 23});
  for (const double t : {6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35}) trials.push_back({t, false});
  return trials;
}

TEST(Statistics, KaplanMeierIsThatOfTheTextbook) {
  const std::vector<Fall> falls = kaplan_meier(treated());
  const double left[] = {0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448};
  ASSERT_EQ(falls.size(), std::size(left));
  for (std::size_t i = 0; i < falls.size(); ++i) EXPECT_NEAR(falls[i].left, left[i], 0.001) << falls[i].time;
  EXPECT_EQ(median_of(treated()), 23);
  EXPECT_EQ(median_of(placebo()), 8);
}

TEST(Statistics, AMedianThatWasNotReachedIsNone) {
  EXPECT_EQ(median_of({{5, true}, {100, false}, {100, false}}), std::nullopt);
  EXPECT_EQ(median_of({}), std::nullopt);
}

TEST(Statistics, LogRankIsThatOfTheTextbook) {
  const LogRank test = log_rank(treated(), placebo());
  EXPECT_NEAR(test.less, 9 - 19.25, 0.01);
  EXPECT_NEAR(test.less * test.less / test.variance, 16.79, 0.01);
  EXPECT_NEAR(test.p(), 4.17e-5, 1e-6);
  EXPECT_NEAR(log_rank(placebo(), treated()).p(), test.p(), 1e-12);
  EXPECT_EQ(log_rank(placebo(), placebo()).less, 0);
  EXPECT_EQ(log_rank({{5, false}}, {{5, false}}).p(), 1) << "nothing has happened";
}

TEST(Statistics, HolmsCorrectionIsThatOfTheTextbook) {
  const std::vector<double> corrected = holm({0.01, 0.04, 0.03, 0.005}), wanted = {0.03, 0.06, 0.06, 0.02};
  ASSERT_EQ(corrected.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(corrected[i], wanted[i], 1e-12) << i;
  EXPECT_EQ(holm({0.7, 0.8}), (std::vector<double>{1, 1}));
  EXPECT_TRUE(holm({}).empty());
}

TEST(Statistics, TheGeometricMeanOfSchedules) {
  EXPECT_NEAR(geometric_mean(happened({1, 100})), 10, 1e-9);
  EXPECT_EQ(geometric_mean({}), 0);
}

TEST(Statistics, ThePictureHasEveryCurve) {
  const std::vector<Panel> panels = {{"one", {{"random", placebo()}, {"pos", treated()}}},
                                     {"two", {{"random", treated()}, {"pos", placebo()}}}};
  const std::string svg = curves_svg(panels, 100);
  std::size_t curves = 0;
  for (std::size_t at = 0; (at = svg.find("stroke-width=\"1.6\"", at)) != std::string::npos; ++at) ++curves;
  EXPECT_EQ(curves, 4u);
  for (const char* word : {"<svg xmlns", ">one<", ">two<", ">random<", ">pos<", "</svg>"})
    EXPECT_NE(svg.find(word), std::string::npos) << word;
  EXPECT_EQ(svg.find("href"), std::string::npos) << "it needs nothing else";
}

}  // namespace
}  // namespace spawncheck
