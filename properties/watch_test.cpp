// SPDX-License-Identifier: MIT
//
// fd.untouched, fd.untransient and mm.unwritten, checked between any two calls of a spawn, for every strategy and some
// peers; the planted bugs are seen the same way.
#include "impl/session/watch.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "impl/session/running_kernel.h"
#include "properties/on_the_kernel.h"
#include "properties/rounds.h"
#include "properties/strategy_seen.h"
#include "properties/written.h"

namespace spawncheck {
namespace {

Session& mutant(const std::string& word) { return session_with(directory_of_binaries() + "/mutants/" + word + ".so"); }

std::string world(const std::string& spawn) {
  return "fd 0 null\nfd 5 memfd cloexec\nfd 70 eventfd cloexec\nfd 200 memfd\nthread\n  spawn " + spawn + " -> $0 $1\n";
}

// Probes what the server needs of the kernel (impl/executor/arena/offer.c, impl/executor/tracer/watch.c), independently
// of the server: if both are available, memory must be watched.
std::string why_no_scan() {
  if (probed(model::Behaviour::pagemap_scan).answer != Answer::yes)
    return "the kernel cannot tell which pages are written (PAGEMAP_SCAN, Linux 6.7)";
  const int fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY));
  if (fd < 0) return std::string("userfaultfd(2): ") + std::strerror(errno);
  close(fd);
  return {};
}

// Returns why there was nothing to look at; empty if there was.
std::string expect_unseen(Session& session, const Scenario& scenario) {
  const Watched w = watch(session, scenario);
  if (w.status == Status::unsupported) return w.why;
  EXPECT_EQ(w.status, Status::holds) << w.why << print(scenario);
  EXPECT_FALSE(w.touched) << report(w, session.trace()) << print(scenario);
  EXPECT_TRUE(w.elsewhere.empty()) << report(w, session.trace()) << print(scenario);
  return {};
}

// The reference on what the generator makes for one thread, by each strategy.
TEST(Watch, TheReferenceIsUnseenByEachStrategy) {
  for (const std::string& strategy : strategies_here()) {
    Session& session = session_with("reference", strategy);
    unsigned watched = 0;
    std::string why;
    for (unsigned i = 0; i < rounds(150, 15); ++i) {
      Random random(500 + i);
      GenerateOptions options = session.generate_options();
      options.threads_max = 1;
      options.families = 1u << static_cast<int>(family_in_turn(i));
      const Scenario scenario = generate(random, options);
      std::uint32_t lines = 0;
      for (std::uint32_t l = 0; l < scenario.world.line_count; ++l)
        lines += scenario.world.line[l].kind == SC_WORLD_FILL;
      if (lines > 0) continue;  // a table of thousands, read after each call, says nothing more
      const std::string why_not = expect_unseen(session, scenario);
      watched += why_not.empty();
      if (!why_not.empty()) why = why_not;
    }
    if (watched == 0) GTEST_SKIP() << "strategy " << strategy << ": " << why;
  }
}

TEST(Watch, SaysFromWhichNumberNothingDroppedIsReferenced) {
  const Scenario scenario = scenario_of(world("only hold keep 5>3"));
  const auto from = [&](const char* strategy) {
    if (is_unsupported(session_with("reference", strategy))) return decltype(Watched::untransient_from){0};
    const Watched w = watch(session_with("reference", strategy), scenario);
    EXPECT_GT(w.private_tables, 0u);
    return w.untransient_from;
  };
  EXPECT_EQ(from("copy"), 201);    // a copy of the whole table, for a moment
  EXPECT_LE(from("fetched"), 64);  // whatever is kept
  EXPECT_LE(from("unshare"), 64);  // of the numbers up to the kept one, a word of 64 at least
}

// Sources of 64 and above: the copy is still the first 64 numbers, and the spawn touches only the caller's window. Two
// sources take four numbers of the window, and it has one more for itself.
TEST(Watch, StagedReferencesNothingFrom64UpWhateverIsKept) {
  const Scenario scenario = scenario_of(
      "fd 0 null\nfd 5 memfd cloexec\nfd 70 eventfd cloexec\nfd 150 memfd\nfd 200 memfd\nwindow 59 63\nthread\n  spawn "
      "only hold keep 200>3,70>1 -> $0 $1\n");
  for (const char* strategy : {"staged", "fetched"}) {
    Session& session = session_with("reference", strategy);
    if (is_unsupported(session)) continue;
    const Watched w = watch(session, scenario);
    EXPECT_EQ(strategy_seen(session.trace()), strategy) << report(w, session.trace());
    EXPECT_FALSE(w.touched) << report(w, session.trace());
    EXPECT_LE(w.untransient_from, 64) << strategy;
    EXPECT_GT(w.private_tables, 0u);
  }
  EXPECT_GT(watch(session_with("reference", "unshare"), scenario).untransient_from, 64);
  EXPECT_EQ(strategy_seen(session_with("reference", "unshare").trace()), "another");
}

TEST(Watch, PeersAreSeenAsTheyAre) {
  const Scenario drop = scenario_of(world("drop hold keep 5>3"));
  for (Session* session : {&session_with("posix_spawn"), &mutant("control")})
    if (const std::string why = expect_unseen(*session, drop); !why.empty()) GTEST_SKIP() << why;
  EXPECT_TRUE(watch(session_with("fork_exec"), drop).touched) << "its error pipe";
  if (has_musl()) {
    EXPECT_TRUE(watch(session_with("musl:posix_spawn"), drop).touched) << "its error pipe";
  }
}

// Each touches the caller's table, some of them only for a moment.
TEST(Watch, ATouchedTableIsSeen) {
  const Scenario only = scenario_of(world("only hold keep 5>3,70>70 pidfd"));
  for (const char* word : {"no-unshare", "unshare-last", "dup-first", "clear-first", "loop-shared", "visible-temporary",
                           "captured-twice"}) {
    const Watched w = watch(mutant(word), only);
    EXPECT_TRUE(w.touched) << word << "\n" << report(w, mutant(word).trace());
  }
  EXPECT_FALSE(watch(mutant("control"), only).touched);
}

// A stack that all threads share is static memory of the implementation, not a spawn's own.
TEST(Watch, WrittenMemoryIsSeen) {
  if (const std::string why = why_no_scan(); !why.empty()) GTEST_SKIP() << why;
  const Scenario only = scenario_of(world("only hold keep 5>3"));
  const Watched w = watch(mutant("one-stack"), only);
  ASSERT_TRUE(w.is_memory_watched);
  ASSERT_FALSE(w.elsewhere.empty()) << report(w, mutant("one-stack").trace());
  EXPECT_EQ(w.elsewhere[0].operation, 0);
  EXPECT_TRUE(watch(mutant("control"), only).elsewhere.empty());
}

}  // namespace
}  // namespace spawncheck
