// SPDX-License-Identifier: MIT
//
// The table of behaviours: its columns against releases whose sources and changelogs have been read, and what a user
// may say of a kernel.
#include "model/kernel/behaviours.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "model/kernel/call.h"

namespace spawncheck::model {
namespace {

constexpr Behaviour every(int b) { return static_cast<Behaviour>(b); }

// What each release does, word by word. 6.1.192, 6.12.117 and 7.3.4: read in fs/exec.c and fs/file.c as Debian ships
// them. 6.1.100 and 6.12.100: from the changelogs, which say when a behaviour came. 7.4: as far as it is queued.
struct Fact {
  Release release;
  std::initializer_list<Behaviour> does;
};

using enum Behaviour;
const Fact facts[] = {
    {{6, 1, 100}, {copy_sized_by_capacity, close_range, clone3, clear_sighand, pidfd_getfd}},
    {{6, 1, 112}, {copy_sized_by_capacity, close_range, clone3, clear_sighand, pidfd_getfd}},
    {{6, 1, 113}, {close_range, clone3, clear_sighand, pidfd_getfd}},
    {{6, 1, 188}, {close_range, clone3, clear_sighand, pidfd_getfd}},
    {{6, 1, 192}, {exec_closes_before_wake, close_range, clone3, clear_sighand, pidfd_getfd}},
    {{6, 11, 2},
     {copy_sized_by_capacity, close_range, clone3, clear_sighand, pidfd_getfd, pidfd_thread, dupfd_query, memfd_exec,
      pagemap_scan}},
    {{6, 12, 100},
     {close_range, clone3, clear_sighand, pidfd_getfd, pidfd_thread, dupfd_query, memfd_exec, pagemap_scan}},
    {{6, 12, 118},
     {exec_closes_before_wake, close_range, clone3, clear_sighand, pidfd_getfd, pidfd_thread, dupfd_query, memfd_exec,
      pagemap_scan}},
    {{6, 18, 0},
     {close_range, clone3, clear_sighand, pidfd_getfd, pidfd_thread, dupfd_query, memfd_exec, pagemap_scan}},
    {{6, 18, 44},
     {close_range, clone3, clear_sighand, pidfd_getfd, pidfd_thread, dupfd_query, memfd_exec, pagemap_scan}},
    {{7, 2, 6}, {close_range, clone3, clear_sighand, pidfd_getfd, pidfd_thread, dupfd_query, memfd_exec, pagemap_scan}},
    {{7, 3, 4},
     {exec_closes_before_wake, close_range, clone3, clear_sighand, pidfd_getfd, pidfd_thread, dupfd_query, memfd_exec,
      pagemap_scan}},
    {{7, 4, 0},
     {exec_closes_before_wake, copy_leaves_dropped, close_range_except, closes_synchronously, close_range, clone3,
      clear_sighand, pidfd_getfd, pidfd_thread, dupfd_query, memfd_exec, pagemap_scan}},
};

TEST(Behaviours, ColumnsSayWhatTheReleasesDo) {
  for (const Fact& fact : facts)
    for (int b = 0; b < behaviour_count; ++b)
      EXPECT_EQ(behaviours_of(fact.release).has(every(b)), Behaviours(fact.does).has(every(b)))
          << fact.release.major << "." << fact.release.minor << "." << fact.release.patch << " " << row(every(b)).word;
}

TEST(Behaviours, HaveAWordASourceAndAReasonEach) {
  std::set<std::string_view> words;
  for (int b = 0; b < behaviour_count; ++b) {
    const BehaviourRow& r = row(every(b));
    EXPECT_TRUE(words.insert(r.word).second) << r.word;
    EXPECT_FALSE(r.meaning.empty() || r.source.empty() || r.how.empty()) << r.word;
    EXPECT_EQ(behaviour_named(r.word), every(b));
    EXPECT_TRUE(r.with == every(b) || (!r.is_probed && row(r.with).is_probed)) << r.word << " goes with a guess";
    EXPECT_TRUE(r.since.empty() || r.since.find("  ") == std::string_view::npos) << r.word;
  }
}

// Each named release differs from the one before it: otherwise one of the two is superfluous.
TEST(Behaviours, NamedReleasesDiffer) {
  for (std::size_t i = 1; i < std::size(named_releases); ++i)
    EXPECT_NE(kernel_named(named_releases[i]).does, kernel_named(named_releases[i - 1]).does) << named_releases[i];
}

TEST(Behaviours, AReleaseIsTwoOrThreeNumbers) {
  EXPECT_EQ(release_in("6.12"), (Release{6, 12, 0}));
  EXPECT_EQ(release_in("6.1.192"), (Release{6, 1, 192}));
  for (const char* text : {"", "6", "6.", ".6", "6.1.", "6.1.2.3", "6.18-rc1", "v6.18", "6.-1", "6.99999999999"})
    EXPECT_FALSE(release_in(text)) << text;
  EXPECT_EQ(release_in("6.18.44-fc-v782", false), (Release{6, 18, 44}));
}

Behaviours in(std::string_view text) { return std::get<Behaviours>(behaviours_in(text)); }

TEST(Behaviours, AUserSaysAReleaseWithChangesOrAList) {
  EXPECT_EQ(in("6.1.192"), behaviours_of({6, 1, 192}));
  Behaviours expected = behaviours_of({6, 18, 0});
  expected.set(exec_closes_before_wake, true);
  EXPECT_EQ(in("6.18,exec-closes-before-wake"), expected);
  expected.set(pidfd_thread, false);
  EXPECT_EQ(in("6.18,exec-closes-before-wake,-pidfd-thread"), expected);
  EXPECT_EQ(in("clone3,close-range"), Behaviours({clone3, close_range}));
  EXPECT_EQ(in("-clone3"), Behaviours());
}

TEST(Behaviours, AWrongWordIsAnsweredWithTheWords) {
  for (const char* text :
       {"", "6.18,", "6.18,exec-closes", "wish", "6.18,6.12", "clone3,6.18", "6.18,,clone3", "--clone3"}) {
    const auto answer = behaviours_in(text);
    ASSERT_TRUE(std::holds_alternative<std::string>(answer)) << text;
    EXPECT_NE(std::get<std::string>(answer).find(behaviour_words()), std::string::npos) << text;
  }
}

// A kernel is its behaviours: how it sizes a copy follows from them alone.
TEST(Behaviours, TheSizeOfACopyFollows) {
  EXPECT_EQ(kernel_named("6.1").sizing(), Sizing::capacity);
  EXPECT_EQ(kernel_named("6.1.113").sizing(), Sizing::last_open);
  EXPECT_EQ(kernel_named("7.3.4").sizing(), Sizing::last_open);
  EXPECT_EQ(kernel_named("7.4").sizing(), Sizing::last_kept);
}

}  // namespace
}  // namespace spawncheck::model
