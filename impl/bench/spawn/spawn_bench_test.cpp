// SPDX-License-Identifier: MIT
//
// Tests that the benchmark measures what it claims: every peer starts the program with the requested descriptors, and a
// peer that does not is an error. No time is asserted.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <vector>

#include "measure.h"
#include "world.h"

namespace {

using namespace bench;

constexpr unsigned more_open = 40;
constexpr int exact = 7 << 8, too_many = 8 << 8, missing = 9 << 8;
constexpr Effort one_round = {0, 1};

// A job that runs spawn-bench-table and tells it to expect `told` descriptors.
class TableJob {
 public:
  TableJob(World& world, unsigned told) : job_(world.job(SPAWN_BENCH_TABLE)) {
    argv_.assign(told + 1, const_cast<char*>(SPAWN_BENCH_TABLE));
    argv_.push_back(nullptr);
    job_.argv = argv_.data();
  }
  const bench_job& operator*() const { return job_; }

 private:
  bench_job job_;
  std::vector<char*> argv_;
};

int run_once(const bench_peer& peer, const bench_job& job) {
  const Prepared ready = prepare(peer, job);
  if (ready == nullptr || (peer.enter != nullptr && peer.enter(ready.get()) != 0)) return -1;
  const int status = peer.run(ready.get());
  if (peer.leave != nullptr) peer.leave(ready.get());
  return status;
}

class EveryPeer : public testing::TestWithParam<const bench_peer*> {
 protected:
  void SetUp() override {
    World world(0, 0, 1);
    const bench_job job = world.job(SPAWN_BENCH_EXIT);
    // This build of the reference lacks some strategies.
    if (prepare(*GetParam(), job) == nullptr) GTEST_SKIP() << GetParam()->name << ": not available here";
  }
};

TEST_P(EveryPeer, StartsTheProgramAndReturnsItsStatus) {
  World world(0, 0, 0);
  EXPECT_EQ(run_once(*GetParam(), world.job(SPAWN_BENCH_EXIT)), status_expected);
}

TEST_P(EveryPeer, PassesWhatIsKeptAndNothingElse) {
  for (const unsigned kept : {0u, 1u, 3u, 16u, 64u}) {
    World world(more_open, 0, kept);
    ASSERT_EQ(world.error(), "");
    const TableJob job(world, std::max(kept, GetParam()->always_open));
    if (kept > 60 && GetParam()->enter != nullptr && prepare(*GetParam(), *job) == nullptr)
      continue;  // more than can be reserved
    EXPECT_EQ(run_once(*GetParam(), *job), exact) << kept << " kept; 8: too many, 9: one missing";
  }
}

TEST_P(EveryPeer, SaysSoWhenThereIsNoSuchProgram) {
  World world(0, 0, 0);
  const int status = run_once(*GetParam(), world.job("/nonexistent"));
  EXPECT_TRUE(status < 0 || status == 127 << 8) << status;
}

TEST_P(EveryPeer, WorksFromSeveralThreadsAtOnce) {
  World world(more_open, 0, 3, 4);
  std::string error;
  Samples samples;
  EXPECT_TRUE(measure_threads({GetParam()}, world.job(SPAWN_BENCH_EXIT), 4, one_round, &samples, &error)) << error;
  EXPECT_FALSE(samples.at(0).empty());
}

std::string name_of(const testing::TestParamInfo<const bench_peer*>& info) {
  std::string name = info.param->name;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Peers, EveryPeer, testing::ValuesIn(all_peers()), name_of);

// The tests above rely on this.
TEST(TheTable, OneDescriptorMoreOrLessIsNoticed) {
  World world(more_open, 0, 3);
  for (const bench_peer* peer = bench_peers_system; peer->name != nullptr; ++peer) {
    EXPECT_EQ(run_once(*peer, *TableJob(world, 2)), too_many) << peer->name;
    EXPECT_EQ(run_once(*peer, *TableJob(world, 4)), missing) << peer->name;
  }
}

TEST(Measuring, AProgramThatDoesNotRunIsAnErrorThatNamesThePeer) {
  World world(0, 0, 0);
  for (const unsigned threads : {0u, 2u}) {
    std::string error;
    const bench_job job = world.job("/nonexistent");
    const std::vector<const bench_peer*> peers = {&bench_peers_system[0]};
    Samples samples;
    EXPECT_FALSE(threads == 0 ? measure_latency(peers, job, one_round, &samples, &error)
                              : measure_threads(peers, job, threads, one_round, &samples, &error));
    EXPECT_EQ(error.find("bare: "), 0u) << error;
  }
}

TEST(Measuring, MedianAndP99AreOfTheNearestRank) {
  std::vector<double> values;
  for (int i = 200; i > 0; --i) values.push_back(i);
  const Figure f = figure_of(values);
  EXPECT_EQ(f.median_us, 100);
  EXPECT_EQ(f.p99_us, 198);
  EXPECT_EQ(f.samples, 200u);
  std::vector<double> one = {5};
  EXPECT_EQ(figure_of(one).p99_us, 5);
}

// A peer that only counts its runs.
int counted;
void* count_prepare(const bench_job*) { return &counted; }
int count_run(void*) {
  ++counted;
  return status_expected;
}
void count_release(void*) {}

TEST(Measuring, EverySampleIsOneRunAndAFifthOfATurnDoesNotCount) {
  const bench_peer counting = {"counting", "", count_prepare, count_run, count_release, nullptr, nullptr, 0};
  World world(0, 0, 0);
  counted = 0;
  std::string error;
  Samples samples;
  ASSERT_TRUE(measure_latency({&counting}, world.job(SPAWN_BENCH_EXIT), {10, 6}, &samples, &error)) << error;
  const unsigned count = static_cast<unsigned>(samples.at(0).size()), per_turn = count / 6,
                 uncounted = (per_turn + 3) / 4;
  EXPECT_EQ(count % 6, 0u);
  EXPECT_GE(count, 6u);
  EXPECT_EQ(counted, static_cast<int>(3 * 2 + 7 * (per_turn + uncounted)));  // price(): three spawns and one turn
  ASSERT_TRUE(measure_latency({&counting}, world.job(SPAWN_BENCH_EXIT), {10, 6}, &samples, &error)) << error;
  EXPECT_GE(samples.at(0).size(), count + 6);  // the next pass adds to it
}

TEST(TheWorld, HasWhatItWasAskedFor) {
  World world(100, 1 << 20, 3);
  ASSERT_EQ(world.error(), "");
  const bench_job job = world.job(SPAWN_BENCH_EXIT);
  ASSERT_EQ(job.keep_count, 3u);
  EXPECT_TRUE(std::is_sorted(job.source, job.source + 3));
  EXPECT_GE(job.source[0], 100);  // above all the others
}

}  // namespace
