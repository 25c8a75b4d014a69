// SPDX-License-Identifier: MIT
//
// The scenario language: print and parse are inverse, mistakes are placed, generated and changed
// scenarios are valid.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "model/scenario/kept.h"
#include "model/scenario/mutate.h"
#include "model/scenario/words.h"
#include "properties/arbitrary.h"

namespace spawncheck {
namespace {

Scenario parsed(const std::string& text) {
  auto result = parse(text);
  if (const ParseError* e = std::get_if<ParseError>(&result)) ADD_FAILURE() << e->message() << "\n" << text;
  return std::holds_alternative<Scenario>(result) ? std::get<Scenario>(result) : Scenario{};
}

RC_GTEST_PROP(Language, ParsesWhatItPrints, ()) {
  const Scenario s = *arbitrary_scenario();
  const std::string text = print(s);
  const auto again = parse(text);
  RC_ASSERT(std::holds_alternative<Scenario>(again));
  RC_ASSERT(std::get<Scenario>(again) == s);
  RC_ASSERT(print(std::get<Scenario>(again)) == text);
}

RC_GTEST_PROP(Language, MutantsAndCrossesAreValid, ()) {
  const Scenario a = *arbitrary_scenario(), b = *arbitrary_scenario();
  Random random(*rc::gen::arbitrary<std::uint64_t>());
  Scenario changed = a;
  for (int i = 0; i < 20; ++i) {
    changed = mutate(changed, random);
    RC_ASSERT(is_valid(changed));
  }
  RC_ASSERT(is_valid(cross(changed, b, random)));
}

RC_GTEST_PROP(Language, ShrinkingEndsAndStaysValid, ()) {
  const Scenario s = *arbitrary_scenario();
  for (const Scenario& candidate : smaller(s)) {
    RC_ASSERT(is_valid(candidate));
    RC_ASSERT(size_of(candidate) < size_of(s));
  }
  const Scenario least = shrink(
      s, [](const Scenario&) { return true; }, 5000);
  RC_ASSERT(least.threads.empty());
}

RC_GTEST_PROP(Language, ShrinkingKeepsWhatIsNeeded, ()) {
  GenerateOptions options;
  options.families = 1u << static_cast<int>(Family::two_spawns);
  const Scenario s = *arbitrary_scenario(options);
  auto spawns = [](const Scenario& x) {
    for (const Thread& t : x.threads)
      for (const sc_operation& op : t.operations)
        if (op.kind == SC_OP_SPAWN) return true;
    return false;
  };
  const Scenario least = shrink(s, spawns, 5000);
  RC_ASSERT(least.threads.size() == 1u);
  RC_ASSERT(least.threads[0].operations.size() == 1u);
  RC_ASSERT(least.world.line_count == 0u);
}

RC_GTEST_PROP(Language, RepairMakesAnythingValid, ()) {
  Random random(*rc::gen::arbitrary<std::uint64_t>());
  Scenario s;
  s.threads.resize(random.below(4));
  auto fill = [&](void* at, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i)
      static_cast<unsigned char*>(at)[i] = static_cast<unsigned char>(random.next());
  };
  fill(&s.world, sizeof s.world);
  for (Thread& t : s.threads) {
    t.operations.resize(random.below(40));
    for (sc_operation& op : t.operations) fill(&op, sizeof op);
  }
  repair(s);
  RC_ASSERT(is_valid(s));
}

RC_GTEST_PROP(Language, TakesAnyBytes, ()) {
  std::string text = print(*arbitrary_scenario());
  Random random(*rc::gen::arbitrary<std::uint64_t>());
  for (int i = 0; i < 8 && !text.empty(); ++i)
    text[random.below(static_cast<std::uint32_t>(text.size()))] = static_cast<char>(random.below(256));
  const auto result = parse(text);
  if (const ParseError* e = std::get_if<ParseError>(&result)) {
    RC_ASSERT(e->line >= 1);
    RC_ASSERT(e->column >= 1);
    RC_ASSERT(!e->expected.empty());
  }
}

struct Malformed {
  const char *name, *text;
  int line, column;
};

class Mistakes : public ::testing::TestWithParam<Malformed> {};

TEST_P(Mistakes, ArePlaced) {
  const auto result = parse(GetParam().text);
  const ParseError* e = std::get_if<ParseError>(&result);
  ASSERT_NE(e, nullptr);
  EXPECT_EQ(e->line, GetParam().line) << e->message();
  EXPECT_EQ(e->column, GetParam().column) << e->message();
}

INSTANTIATE_TEST_SUITE_P(
    Language, Mistakes,
    ::testing::Values(
        Malformed{"unknown_world", "sausage 3\n", 1, 1}, Malformed{"unknown_operation", "thread\n  sing $0\n", 2, 3},
        Malformed{"missing_number", "fd\n", 1, 3}, Malformed{"number_too_large", "fd 20000 null\n", 1, 4},
        Malformed{"negative_number", "fd -1 null\n", 1, 4}, Malformed{"unknown_kind", "fd 3 door\n", 1, 6},
        Malformed{"number_twice", "fd 3 null\nfd 3 null\n", 2, 4},
        Malformed{"inside_a_run", "fill 3 9\nfd 5 null\n", 2, 4}, Malformed{"alias_of_nothing", "alias 3 4\n", 1, 7},
        Malformed{"undefined_variable", "thread\n  close $0\n", 2, 9},
        Malformed{"variable_of_another_thread", "thread\n  memfd -> $0\nthread\n  close $0\n", 4, 9},
        Malformed{"no_such_signal", "mask USR9\n", 1, 6}, Malformed{"second_signal", "mask USR1,USR9\n", 1, 11},
        Malformed{"kill_disposition", "disposition KILL ignore\n", 1, 13},
        Malformed{"no_such_policy", "thread\n  spawn all hold\n", 2, 9},
        Malformed{"no_such_program", "thread\n  spawn only vi\n", 2, 14},
        Malformed{"keep_without_arrow", "thread\n  spawn only hold keep 3,4\n", 2, 24},
        Malformed{"second_keep_entry", "thread\n  spawn only hold keep 3>4,5\n", 2, 28},
        Malformed{"words_left_over", "thread\n  close 3 4\n", 2, 11},
        Malformed{"no_such_thread", "thread\n  tgkill 3 USR1\n", 2, 10},
        Malformed{"scheduled_thread", "thread\n  memfd\nschedule 0 1\n", 3, 12},
        Malformed{"expect_what", "expect joy\n", 1, 8}, Malformed{"world_after_threads", "thread\nfd 3 null\n", 2, 1},
        Malformed{"run_backwards", "thread\n  spawn only hold keep 3>4,9..8>5\n", 2, 28},
        Malformed{"run_of_a_variable", "thread\n  memfd -> $0\n  spawn only hold keep $0..9>5\n", 3, 24},
        Malformed{"run_beyond_the_last_number", "thread\n  spawn only hold keep 0..9>19995\n", 2, 24},
        Malformed{"run_without_end", "thread\n  spawn only hold keep 3..>5\n", 2, 27},
        Malformed{"too_many_kept", "thread\n  spawn only hold keep 0..8000>0,0..8000>9000\n", 2, 34},
        Malformed{"group_of_nothing", "thread\n  spawn only hold pgroup $0\n", 2, 26},
        Malformed{"memfds_backwards", "memfds 9 3\n", 1, 8},
        Malformed{"too_many_memfds", "memfds 0 299\nmemfds 1000 1300\n", 2, 8},
        Malformed{"memfds_over_another", "fd 5 null\nmemfds 3 9\n", 2, 8},
        Malformed{"refuse_nothing", "refuse\n", 1, 7}, Malformed{"refuse_what", "refuse sing ENOSYS\n", 1, 8},
        Malformed{"refuse_why", "refuse close_range EJOY\n", 1, 20},
        Malformed{"refuse_twice", "refuse dup ENOMEM\nrefuse dup EPERM\n", 2, 8},
        Malformed{"refuse_what_nobody_can_do_without", "refuse futex ENOSYS\n", 1, 8},
        Malformed{"refuse_what_the_program_asks", "refuse prctl EPERM\n", 1, 8},
        Malformed{"refuse_with_an_untruth", "refuse close_range EBADF\n", 1, 8},
        Malformed{"refuse_what_is_tried_for_ever", "refuse openat EINTR\n", 1, 8},
        Malformed{"refuse_what_an_operation_needs", "refuse close_range ENOSYS\nthread\n  close_range 3 max\n", 1, 8},
        Malformed{"fault_at_no_place", "thread\n  spawn only hold\nfault EMFILE\n", 3, 7},
        Malformed{"fault_of_no_spawn", "thread\n  memfd\nfault EMFILE@0.0.1\n", 3, 7},
        Malformed{"two_faults", "thread\n  spawn only hold\nfault EMFILE@0.0.1\nfault EMFILE@0.0.2\n", 4, 1}),
    [](const auto& i) { return i.param.name; });

TEST(Language, RefusesWhatIsTooLong) {
  EXPECT_TRUE(std::holds_alternative<ParseError>(parse(std::string(text_bytes_max + 1, '\n'))));
  std::string threads;
  for (int i = 0; i <= SC_THREADS_MAX; ++i) threads += "thread\n";
  EXPECT_TRUE(std::holds_alternative<ParseError>(parse(threads)));
  std::string operations = "thread\n";
  for (int i = 0; i <= SC_OPS_MAX; ++i) operations += "  memfd\n";
  EXPECT_TRUE(std::holds_alternative<ParseError>(parse(operations)));
}

TEST(Language, CommentsBlanksAndCaseOfSignalsDoNotCount) {
  const Scenario a = parsed("# what\n\n  mask SIGUSR1 # why\nthread\n\tmemfd   ->  $0\n");
  const Scenario b = parsed("mask USR1\nthread\n  memfd -> $0\n");
  EXPECT_TRUE(a == b);
  EXPECT_EQ(print(a), "mask USR1\nthread\n  memfd -> $0\n");
}

TEST(Language, EveryOperationPrintsByItsSignature) {
  EXPECT_EQ(print(parsed("thread\n  close_range 3 max unshare cloexec\n").threads[0].operations[0]),
            "close_range 3 max unshare cloexec");
  EXPECT_EQ(print(parsed("thread\n  close_range 3 4 flags=9\n").threads[0].operations[0]), "close_range 3 4 flags=9");
  const char* spawn =
      "spawn drop written b keep 3>4,5>0,300..555>10 mask none default USR1 ignore 34,64 pgroup 7 session cwd c "
      "arguments 12 pidfd -> $1 $2";
  EXPECT_EQ(print(parsed("thread\n  " + std::string(spawn) + "\n").threads[0].operations[0]), spawn);
}

TEST(Language, PrintsWhatItReads) {
  for (const char* text : {"memfds 300 555 cloexec\nthread\n  spawn only hold keep 300..555>10 pgroup 0 -> $0\n  spawn "
                           "only hold keep 7>7 pgroup $0\n",
                           "refuse close_range ENOSYS\nrefuse fcntl EMFILE\nfd 3 memfd\nthread\n  getfd 3\n  spawn "
                           "only hold\nschedule 0 0.0\nfault signal:USR1@0.1.3\nexpect holds\n",
                           "thread\n  spawn only hold\nfault EINTR@0.0.65535\n"})
    EXPECT_EQ(print(parsed(text)), text);
  EXPECT_EQ(print(parsed("thread\n  spawn only hold keep 3..3>4\n")), "thread\n  spawn only hold keep 3>4\n");
}

TEST(Language, AKeepListIsReadEntryByEntry) {
  const sc_request r =
      parsed("thread\n  memfd -> $0\n  spawn only hold keep 3>9,5..7>0,$0>4\n").threads[0].operations[1].request;
  std::string text;
  for (const sc_keep& k : kept(r))
    text += (k.source.variable ? "$" : "") + std::to_string(k.source.value) + ">" + std::to_string(k.target) + " ";
  EXPECT_EQ(text, "3>9 5>0 6>1 7>2 $0>4 ");
  EXPECT_EQ(sc_kept_count(&r), 5u);
}

TEST(Language, RunsAreShrunkByHalves) {
  const Scenario s = parsed(
      "memfds 300 555\nrefuse close_range ENOSYS\nthread\n  memfd\n  spawn only hold pgroup 0 -> $0\n  spawn only hold "
      "keep 300..555>10 pgroup $0\nfault ENOMEM@0.2.40\n");
  const auto keeps_number_400 = [](const Scenario& c) {
    for (const Thread& t : c.threads)
      for (const sc_operation& op : t.operations)
        for (const sc_keep& k : kept(op.request))
          if (k.source.value == 400) return true;
    return false;
  };
  EXPECT_EQ(print(shrink(s, keeps_number_400, 5000)), "thread\n  spawn only hold keep 400>110\n");
  const auto goes_wrong = [](const Scenario& c) { return c.fault.kind != SC_FAULT_NONE; };
  EXPECT_EQ(print(shrink(s, goes_wrong, 5000)), "thread\n  spawn only hold\nfault ENOMEM@0.0.0\n");
}

// Prints the generator's distribution; every feature of the language must occur.
TEST(Generator, ReachesEverything) {
  std::map<std::string, int> seen;
  constexpr int count = 20'000;
  for (std::uint64_t seed = 0; seed < count; ++seed) {
    Random random(seed);
    GenerateOptions options;
    options.families = 1u << static_cast<int>(family_in_turn(seed));
    for (const std::string& feature : features(generate(random, options))) ++seen[feature];
  }
  for (const auto& [feature, times] : seen) std::printf("%-24s %5.1f %%\n", feature.c_str(), 100.0 * times / count);
  for (const std::string& word : feature_words()) EXPECT_GT(seen[word], 0) << word << " is never made";
  for (const auto& [feature, times] : seen)
    EXPECT_TRUE(std::binary_search(feature_words().begin(), feature_words().end(), feature))
        << feature << " is in no table";
  for (const std::string_view policy : policy_words())
    EXPECT_GT(seen["policy:" + std::string(policy)], count / 20) << policy;
  for (const char* feature : {"swap",
                              "cycle",
                              "chain",
                              "identity",
                              "fan-out",
                              "duplicate-target",
                              "race",
                              "two-spawns",
                              "long-arguments",
                              "limit:set",
                              "world:fill",
                              "world:alias",
                              "world:pipe",
                              "set:mask",
                              "set:pidfd",
                              "set:session",
                              "kill_group",
                              "list:tens",
                              "list:hundreds",
                              "source:closed-high",
                              "source:pidfd's",
                              "source:replaced",
                              "target:at-limit",
                              "group:of-child",
                              "pending:chld",
                              "limit:tight",
                              "masks-differ",
                              "wide:open"})
    EXPECT_GT(seen[feature], count / 200) << feature;
}

// Also prints the rate.
TEST(Generator, MakesMoreThanOneThreadOnAverage) {
  constexpr std::uint64_t count = 20'000;
  std::size_t threads = 0;
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < count; ++i) {
    Random random(i);
    GenerateOptions options;
    options.families = 1u << static_cast<int>(family_in_turn(i));
    threads += generate(random, options).threads.size();
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%.0f scenarios/s, %.2f threads each\n", count / seconds, static_cast<double>(threads) / count);
  EXPECT_GT(threads, count);
}

TEST(Generator, IsDeterministic) {
  Random a(7), b(7);
  EXPECT_EQ(print(generate(a)), print(generate(b)));
}

}  // namespace
}  // namespace spawncheck
