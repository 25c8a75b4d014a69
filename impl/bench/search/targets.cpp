// SPDX-License-Identifier: MIT
#include "impl/bench/search/targets.h"

#include <fmt/format.h>

#include "impl/mutants/faults.h"
#include "impl/schedules/search/guided.h"
#include "impl/tool/tool.h"

namespace spawncheck {

namespace {

// The number of threads that create and mark; one more spawns.
constexpr unsigned crowd_sizes[] = {2, 3, 5, 10, 20};
static_assert(crowd_sizes[4] < SC_THREADS_MAX);

std::string crowd_text(unsigned threads, const char* operations) {
  std::string text = "fd 0 null\n";
  for (unsigned i = 0; i < threads; ++i) text += fmt::format("thread\n{}", operations);
  return text + "thread\n  spawn only hold keep 0>0 -> $0\n";
}

void add_crowds(std::vector<Target>& all, const std::string& objects) {
  for (const unsigned n : crowd_sizes)
    all.push_back({"reorder", fmt::format("reorder_{}", n), fmt::format("{}/bench/reorder_{}.so", objects, n),
                   crowd_text(n, "  memfd -> $0\n  setfd $0 cloexec\n")});
  for (const unsigned n : crowd_sizes)
    all.push_back({"twostage", fmt::format("twostage_{}", n), objects + "/bench/twostage.so",
                   crowd_text(n, "  dup2 0 9\n  dup2 0 10\n")});
}

constexpr const char* pipe_closed = "fd 0 null\nthread\n  close_range 1 8\nthread\n  spawn drop missing -> $0\n";

}  // namespace

std::vector<Target> search_targets() {
  const std::string objects = directory_of_binaries();
  std::vector<Target> all;
  add_crowds(all, objects);
  all.push_back({"peers", "musl:posix_spawn, pipe", "musl:posix_spawn", pipe_closed});
  for (const char* peer : {"fork_exec", "posix_spawn", "musl:posix_spawn"}) all.push_back({"peers", peer, peer, {}});
  const struct {
    const char *word, *shows;
  } bugs[] = {
#define SPAWNCHECK_ROW(id, word, class_, shows, clauses, what) {word, shows},
      SPAWNCHECK_FAULTS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
  };
  for (const auto& bug : bugs)
    if (bug.shows[0] == 'R')
      all.push_back({"mutants", bug.word, fmt::format("{}/mutants/{}.so", objects, bug.word), {}});
  return all;
}

namespace {

std::optional<Trial> try_scenario(Session& session, const Scenario& scenario, const std::string& search,
                                  std::uint64_t seed, std::uint64_t schedules_max,
                                  const std::function<bool()>& is_over) {
  const std::unique_ptr<Scheduler> scheduler = make_scheduler(search);
  for (std::uint64_t i = 1; i <= schedules_max; ++i) {
    if (is_over()) return std::nullopt;
    const Verdict verdict = run_guided(session, scenario, *scheduler, {seed * 0x10001 + i});
    if (verdict.status == Status::violated) return Trial{static_cast<double>(i), true};
  }
  return Trial{static_cast<double>(schedules_max), false};
}

}  // namespace

// Drawn scenarios count only if they have several threads: the others show bugs that need no search.
std::optional<Trial> try_target(Session& session, const Target& target, const std::string& search, std::uint64_t seed,
                                std::uint64_t schedules_max, const std::function<bool()>& is_over) {
  if (!target.scenario.empty()) {
    const auto parsed = parse(target.scenario);
    if (!std::holds_alternative<Scenario>(parsed)) return std::nullopt;
    return try_scenario(session, std::get<Scenario>(parsed), search, seed, schedules_max, is_over);
  }
  std::uint64_t schedules = 0;
  for (std::uint64_t i = 0; schedules < schedules_max; ++i) {
    if (is_over()) return std::nullopt;
    Scenario scenario = tool::scenario_number(seed, i, session.generate_options());
    if (scenario.threads.size() < 2) continue;
    unsigned used = 0;
    const Verdict verdict = tool::run_as_check(session, scenario, {search, {}}, seed + i, used, is_over);
    schedules += used;
    if (verdict.status == Status::violated) return Trial{static_cast<double>(schedules), true};
  }
  return Trial{static_cast<double>(schedules_max), false};
}

}  // namespace spawncheck
