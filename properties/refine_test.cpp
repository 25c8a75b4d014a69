// SPDX-License-Identifier: MIT
//
// close_range(2): what the kernels' code computes is what the flags mean; the steps of the model compute the same, and
// so does the kernel that this runs on.
#include "model/explore/refine.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include <set>

#include "impl/session/refine_on_kernel.h"
#include "model/explore/race.h"
#include "model/kernel/call.h"
#include "properties/on_the_kernel.h"
#include "properties/rounds.h"

namespace spawncheck {
namespace {

using namespace refine;

TEST(Refine, EachKernelsCodeIsWhatTheFlagsMean) {
  for (const std::string_view kernel : model::named_releases) {
    const model::Kernel code = model::kernel_named(kernel);
    const Report r = check_all(code, 2, 2, code.has(model::Behaviour::copy_leaves_dropped));
    EXPECT_FALSE(r.violation) << code.name << ": " << print(*r.violation, 2);
    EXPECT_EQ(r.transient != 0, !code.has(model::Behaviour::copy_leaves_dropped)) << code.name;
  }
}

// The counts of the TLA+ model (model/explore/refine.h), in its unit.
TEST(Refine, CountsTheStatesThatTheTlaModelCounts) {
  if (is_sanitized) GTEST_SKIP() << "counts for half a minute with sanitizers; the same code runs in the tests below";
  const Report r = check_all(model::kernel_named("7.4"), 3, 2, true);
  EXPECT_EQ(r.tables, 46'872u);
  EXPECT_EQ(r.states, 1'734'264u);
  EXPECT_EQ(r.checks, 46'872u * 36 * 24);
  EXPECT_FALSE(r.violation);
}

// The smallest case: 1 and 2 are open, 0 to 1 are dropped. The copy of 6.18 references 1 on the way, that of 7.4 not.
TEST(Refine, OldCodeReferencesWhatItDrops) {
  for (const char* kernel : {"6.1", "6.1.192", "6.18"})
    EXPECT_TRUE(check_all(model::kernel_named(kernel), 2, 1, true).violation) << kernel;
  Bits table;
  table.open = table.file = 0b110;
  const Arguments a{0, 1, flag_unshare, true};
  EXPECT_EQ(run(model::kernel_named("6.18"), table, a, 3).referenced, 0b110u);
  EXPECT_EQ(run(model::kernel_named("7.4"), table, a, 3).referenced, 0b100u);
}

// Verify the verifier: an outcome with one bit wrong is never accepted.
TEST(Refine, OneWrongBitIsNoticed) {
  Random random(1);
  unsigned tried = 0;
  for (unsigned i = 0; i < 30'000; ++i) {
    const model::Kernel code = model::kernel_named(model::named_releases[i % std::size(model::named_releases)]);
    Bits table;
    table.words = static_cast<std::uint8_t>(1 + random.below(2));
    const unsigned slots = table.words * 3u;
    table.open = random.below(1u << slots);
    table.file = table.open & random.below(1u << slots);
    table.cloexec = random.below(1u << slots);
    Arguments a{random.below(7), random.below(8), 2 * random.below(16), random.below(2) != 0};
    if (a.last == 7) a.last = infinity;
    Outcome out = run(code, table, a, 3);
    ASSERT_FALSE(broken(code, table, a, out, 3, code.has(model::Behaviour::copy_leaves_dropped)));
    if (out.error != 0) continue;
    const unsigned n = random.below(slots);
    switch (random.below(4)) {
      case 0:
        out.mine.file ^= 1u << n;
        break;
      case 1:
        out.mine.open ^= 1u << n;
        break;
      case 2:
        if ((out.mine.file >> n & 1) == 0) continue;  // of a free slot the flag means nothing
        out.mine.cloexec ^= 1u << n;
        break;
      default:
        if (!out.is_copy) continue;
        out.theirs.open ^= 1u << n;
    }
    ++tried;
    EXPECT_TRUE(broken(code, table, a, out, 3, code.has(model::Behaviour::copy_leaves_dropped)))
        << print({table, a, Property::refines}, 3);
  }
  EXPECT_GT(tried, 2500u);
}

// ---- among other threads ---------------------------------------------------------------------------

TEST(Refine, TheWalksHoldAmongOtherThreads) {
  for (const unsigned bits : {1u, 2u})
    for (const Walk walk : {Walk::close, Walk::copy_old, Walk::copy_new}) {
      const RaceReport r = explore_walk(walk, bits);
      EXPECT_FALSE(r.violation) << name(walk) << ": " << name(*r.violation) << ", " << r.example;
      EXPECT_GT(r.states, bits == 1 ? 10'000u : 100'000u);
    }
}

TEST(Refine, AWalkWithABugIsRefuted) {
  EXPECT_EQ(explore_walk(Walk::close_no_hop, 2).violation, RaceProperty::closes_selected);
  EXPECT_EQ(explore_walk(Walk::copy_unlocked, 1).violation, RaceProperty::kept_copied);
}

// ---- the model's own steps -------------------------------------------------------------------------

constexpr unsigned word = 3;  // slots at the beginning of each word of 64

std::int32_t number_of(unsigned slot) { return static_cast<std::int32_t>(slot / word * 64 + slot % word); }
std::int32_t bound_of(std::uint32_t value) { return value == infinity ? -1 : number_of(value); }

Bits random_table(Random& random) {
  Bits table;
  table.words = static_cast<std::uint8_t>(1 + random.below(2));
  const unsigned slots = table.words * word;
  table.open = random.below(1u << slots);
  table.file = table.open & (random.below(1u << slots) | random.below(1u << slots));
  table.cloexec = table.open & random.below(1u << slots);
  return table;
}

Arguments random_arguments(Random& random, bool new_flags = false) {
  std::uint32_t first = random.below(2 * word + 2), last = random.below(2 * word + 2);
  if (first > last) std::swap(first, last);
  Arguments a{first, last, 2 * random.below(new_flags ? 16 : 4), random.below(2) != 0};
  if (a.last == 2 * word + 1) a.last = infinity;
  if (a.first == 2 * word + 1) a.first = infinity;
  return a;
}

TEST(Refine, TheStepsOfTheModelComputeTheSame) {
  Random random(7);
  unsigned copies = 0, open = 0;
  for (unsigned i = 0; i < 60'000; ++i) {
    const model::Kernel kernel = model::kernel_named(model::named_releases[i % std::size(model::named_releases)]);
    const Bits table = random_table(random);
    const Arguments a = random_arguments(random, true);
    // 6.1: the model takes the smallest capacity that a table can have. Here a word has three slots and ends before a
    // word of 64 does, so cases whose capacities differ are left out.
    const bool is_capacity_the_same =
        (table.words == 1 || table.open >> word != 0) && (a.last == infinity || a.last + 1 < table.words * word);
    if (kernel.sizing() == model::Sizing::capacity && !is_capacity_the_same) continue;
    model::State state = model::initial_state(sc_world{}, 2, nullptr);
    if (!a.is_shared)
      for (model::Index t = 1; t < state.tasks.size(); ++t) model::end_task(state, t, 0);
    for (unsigned n = 0; n < table.words * word; ++n) {
      if ((table.open >> n & 1) == 0) continue;
      const model::Index file = (table.file >> n & 1) != 0 ? state.add({}) : model::none;
      state.put(0, number_of(n), file, (table.cloexec >> n & 1) != 0);
    }
    const model::Call call = make_call(model::CallKind::close_range, bound_of(a.first), bound_of(a.last), a.flags);
    model::Result result;
    // Whatever the copy has after any step counts as referenced.
    model::begin(state, 0, call);
    std::uint32_t referenced = 0;
    for (model::Step made = model::Step::advanced; made == model::Step::advanced;) {
      made = model::step(kernel, state, 0, 0, result);
      const model::Index copy = state.tasks[0].flight.active                   ? state.tasks[0].flight.table
                                : a.is_shared && (a.flags & flag_unshare) != 0 ? state.tasks[0].table
                                                                               : model::none;
      if (copy == model::none) continue;
      for (unsigned n = 0; n < table.words * word; ++n)
        if (state.tables[copy].find(number_of(n)) != nullptr) referenced |= 1u << n;
    }
    const Outcome expected = run(kernel, table, a, word);
    ASSERT_EQ(result.error, expected.error) << print({table, a, Property::refines}, word);
    if (expected.is_copy) {
      ASSERT_EQ(referenced, expected.referenced) << print({table, a, Property::refines}, word);
      copies += referenced != 0;
    }
    for (unsigned n = 0; n < table.words * word; ++n)
      for (const auto& [task, bits] :
           {std::pair<model::Index, const Bits*>{0, &expected.mine}, {1, &expected.theirs}}) {
        if (task == 1 && !a.is_shared) continue;
        const model::Entry* e = state.table_of(task).find(number_of(n));
        const bool is_open = e != nullptr && e->description != model::none;
        ASSERT_EQ(is_open, (bits->file >> n & 1) != 0) << print({table, a, Property::refines}, word);
        if (is_open) {
          ++open;
          ASSERT_EQ(e->cloexec, (bits->cloexec >> n & 1) != 0) << print({table, a, Property::refines}, word);
        }
      }
  }
  EXPECT_GT(copies, 3'000u);
  EXPECT_GT(open, 50'000u);
}

// ---- this kernel -----------------------------------------------------------------------------------

// One in 71 of all tables and calls of kernel_case_count(); `spawncheck refine --on-kernel` makes every one. Claimed
// slots are left to generated scenarios, where a FIFO waits for its other side.
TEST(Refine, ThisKernelComputesTheSame) {
  constexpr std::uint64_t stride = 71;  // has no factor in common with the count
  const KernelCheck check = check_on_kernel(session_with("reference"), 0, stride, {});
  EXPECT_EQ(check.disagreement, "");
  EXPECT_EQ(check.cases, (kernel_case_count() + stride - 1) / stride);
  EXPECT_GT(check.snapshots, check.cases);
}

// The cases of the test above differ from each other, so that it tries what it counts.
TEST(Refine, TheCasesAreDifferent) {
  std::set<std::string> texts;
  for (std::uint64_t n = 0; n < kernel_case_count(); n += 97) texts.insert(scenario_text(kernel_case(n)));
  EXPECT_EQ(texts.size(), (kernel_case_count() + 96) / 97);
}

// CLOSE_RANGE_EXCEPT, Linux 7.4: a kernel without it refuses the flag with EINVAL, so a call tells whether it is there.
TEST(Refine, TheNewFlagsAreRefusedOrKnown) {
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const long result = syscall(SYS_close_range, fd, fd, flag_except | flag_cloexec);
  EXPECT_TRUE(result == 0 || errno == EINVAL);
  close(fd);
}

}  // namespace
}  // namespace spawncheck
