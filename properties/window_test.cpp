// SPDX-License-Identifier: MIT
//
// The window of strategy staged: what it takes and gives back, and that nothing is ever overwritten or closed that
// other code has put at its numbers. Each test runs in a process of its own, whose exit status is 0 or the number of
// what was wrong.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <atomic>
#include <set>
#include <thread>

#include "properties/rounds.h"
#include "properties/spawned.h"

namespace spawncheck {
namespace {

int status_of(int (*body)()) {
  const pid_t pid = fork();
  if (pid == 0) {
    syscall(SYS_close_range, 3u, ~0u, 0u);
    _exit(body());
  }
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return 255;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
}

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }
int high(const char* name) {
  const int low = memfd_create(name, MFD_CLOEXEC), number = fcntl(low, F_DUPFD_CLOEXEC, 100);
  close(low);
  return number;
}

std::set<int> numbers_open() {
  std::set<int> open;
  for (int n = 0; n < 64; ++n)
    if (is_open(n)) open.insert(n);
  return open;
}

// Spawns with `keep`; the child's table must be exactly that. Returns the strategy; minus errno if the spawn fails;
// -1000 if the table is wrong; -2000 if the child does not run its program.
int spawn_of(const std::vector<spawn_keep>& keep, const std::vector<std::string>& files,
             uint32_t strategy = SPAWN_STRATEGY_AUTOMATIC) {
  HoldRequest request;
  request.keep = keep;
  request.r.strategy = strategy;
  spawn_result result{};
  if (const int error = spawn_run(&request.get(), &result)) return -error;
  Held child(result.pid);
  if (!child.settle()) return -2000;
  auto table = descriptors_of(child.pid());
  bool is_right = table.size() == keep.size();
  for (std::size_t i = 0; i < keep.size(); ++i)
    is_right &= table[keep[i].target] == "/memfd:" + files[i] + " (deleted)";
  return is_right ? static_cast<int>(result.strategy) : -1000;
}

TEST(Window, TakesTheHighestFreeNumbersAndGivesThemBack) {
  EXPECT_EQ(status_of([] {
              const auto before = numbers_open();
              dup2(0, 62);  // part of the range is in use
              if (spawn_window_reserve(2) != 0) return 1;
              auto now = numbers_open();
              for (const int n : {63, 61, 60, 59, 58}) {
                if (now.erase(n) == 0) return 2;
                if ((fcntl(n, F_GETFD) & FD_CLOEXEC) == 0) return 3;
              }
              now.erase(62);
              if (now != before) return 4;
              if (spawn_window_reserve(1) != EALREADY) return 5;
              if (spawn_window_release() != 0 || spawn_window_release() != ENOENT) return 6;
              close(62);
              if (numbers_open() != before) return 7;
              return spawn_window_reserve(2) == 0 && spawn_window_release() == 0 ? 0 : 8;
            }),
            0);
}

TEST(Window, RefusesWhatItCannotHaveAndTakesNothing) {
  EXPECT_EQ(status_of([] {
              if (spawn_window_reserve(0) != EINVAL || spawn_window_reserve(SPAWN_WINDOW_MAX + 1) != EINVAL) return 1;
              const auto before = numbers_open();
              for (int n = 10; n < 64; ++n) dup2(0, n);
              const auto used = numbers_open();
              if (spawn_window_reserve(5) != ENOSPC) return 2;
              if (numbers_open() != used) return 3;
              for (int n = 10; n < 64; ++n) close(n);
              const rlimit limit{12, 1000};
              setrlimit(RLIMIT_NOFILE, &limit);
              if (spawn_window_reserve(20) != ENOSPC || numbers_open() != before) return 4;
              if (spawn_window_reserve(2) != 0 || !is_open(11) || !is_open(9)) return 5;
              return 0;
            }),
            0);
}

TEST(Window, ASpawnStagesAndPutsItsPlaceholdersBack) {
  EXPECT_EQ(status_of([] {
              if (spawn_window_reserve(2) != 0) return 1;
              const int a = high("a"), b = high("b"), c = high("c");
              const auto before = descriptors_of(getpid());
              for (int i = 0; i < 20; ++i) {
                if (spawn_of({{a, 0}, {b, 1}, {a, 63}}, {"a", "b", "a"}) != SPAWN_STRATEGY_STAGED) return 2;
                if (descriptors_of(getpid()) != before) return 3;
              }
              if (spawn_of({{a, 0}, {b, 1}, {c, 2}}, {"a", "b", "c"}) != SPAWN_STRATEGY_FETCHED) return 4;  // too few
              if (spawn_of({{a, 0}, {b, 1}, {c, 2}}, {"a", "b", "c"}, SPAWN_STRATEGY_STAGED) != -ENOTSUP) return 5;
              return descriptors_of(getpid()) == before ? 0 : 6;
            }),
            0);
}

// A daemon's loop: it closes every number of the window, and other code takes them.
TEST(Window, WhatALoopOverAllNumbersClosedIsNotUsedNorOverwritten) {
  EXPECT_EQ(status_of([] {
              if (spawn_window_reserve(3) != 0) return 1;
              for (int n = 3; n < 64; ++n) close(n);
              const int a = high("a");
              if (spawn_of({{a, 0}}, {"a"}) != SPAWN_STRATEGY_FETCHED) return 2;
              if (spawn_of({{a, 0}}, {"a"}, SPAWN_STRATEGY_STAGED) != -ENOTSUP) return 3;
              const int own = eventfd(0, EFD_CLOEXEC);
              for (int n = 40; n < 64; ++n) dup3(own, n, O_CLOEXEC);
              const auto before = descriptors_of(getpid());
              if (spawn_of({{a, 0}}, {"a"}) != SPAWN_STRATEGY_FETCHED) return 4;
              if (descriptors_of(getpid()) != before) return 5;
              if (spawn_window_release() != 0) return 6;
              return descriptors_of(getpid()) == before ? 0 : 7;
            }),
            0);
}

// After such a loop other code puts one file at several numbers of the window, as with standard streams.
TEST(Window, TwoNumbersThatAreAlikeAreNotTakenForPlaceholders) {
  EXPECT_EQ(status_of([] {
              if (spawn_window_reserve(1) != 0) return 1;  // 62, 63, and 61 for itself
              const int a = high("a");
              for (int n = 60; n < 64; ++n) close(n);
              const int null = memfd_create("spawn window", MFD_CLOEXEC);  // of the same name, even
              for (int n = 60; n < 64; ++n) dup3(null, n, O_CLOEXEC);
              const auto before = descriptors_of(getpid());
              if (spawn_of({{a, 0}}, {"a"}) != SPAWN_STRATEGY_FETCHED) return 2;
              for (int n = 60; n < 64; ++n)
                if (syscall(SYS_kcmp, getpid(), getpid(), 0, n, null) != 0) return 3;
              if (spawn_window_release() != 0) return 4;
              return descriptors_of(getpid()) == before ? 0 : 5;
            }),
            0);
}

TEST(Window, LosesOnlyTheSlotsThatWereTaken) {
  EXPECT_EQ(status_of([] {
              if (spawn_window_reserve(2) != 0) return 1;  // 60 to 63, and 59 for itself
              const int a = high("a"), b = high("b");
              dup2(2, 62);
              if (spawn_of({{a, 0}, {b, 1}}, {"a", "b"}) != SPAWN_STRATEGY_FETCHED) return 2;
              if (spawn_of({{a, 0}}, {"a"}) != SPAWN_STRATEGY_STAGED) return 3;
              if (__builtin_popcountll(spawn_abilities_probed().window) != 3) return 4;
              close(59);  // what placeholders are restored from: another number's placeholder does
              if (spawn_of({{a, 0}}, {"a"}) != SPAWN_STRATEGY_STAGED) return 5;
              if (__builtin_popcountll(spawn_abilities_probed().window) != 3) return 6;
              close(63);  // nothing is left to restore from but the two that are used
              if (spawn_of({{a, 0}}, {"a"}) != SPAWN_STRATEGY_STAGED) return 7;
              if (is_open(60) || is_open(61)) return 8;  // given up, not left with what was staged
              if (spawn_of({{a, 0}}, {"a"}) != SPAWN_STRATEGY_FETCHED) return 9;
              if (syscall(SYS_kcmp, getpid(), getpid(), 0, 62, 2) != 0) return 10;
              return spawn_window_release() == 0 && is_open(62) ? 0 : 11;
            }),
            0);
}

// Another thread puts a file of its own at numbers of the window while spawns stage: no child ever gets another file.
// Nor does the thread lose its file, except in the instant that impl/spawn/README.md names; that is not checked here.
TEST(Window, UnderAThreadThatClosesAndReusesSlotsChildrenAreRight) {
  EXPECT_EQ(status_of([] {
              if (spawn_window_reserve(20) != 0) return 1;
              static std::atomic<bool> stop{false};
              static int own = memfd_create("own", MFD_CLOEXEC);
              const int a = high("a"), b = high("b");
              std::thread other([] {
                for (int n = 24; n < 63 && !stop; ++n) {
                  for (int spin = 0; spin < 2000 && !stop; ++spin) sched_yield();
                  dup3(own, n, O_CLOEXEC);
                }
              });
              int wrong = 0, staged = 0;
              for (int i = 0; i < 150; ++i) {
                const int got = spawn_of({{a, 0}, {b, 1}}, {"a", "b"});
                staged += got == SPAWN_STRATEGY_STAGED;
                if (got < 0) wrong = 2;
              }
              stop = true;
              other.join();
              return wrong != 0 ? wrong : staged == 0 ? 3 : 0;
            }),
            0);
}

TEST(Window, ConcurrentSpawnsTakeDifferentSlotsOrAnotherStrategy) {
  EXPECT_EQ(status_of([] {
              if (spawn_window_reserve(4) != 0) return 1;
              static std::atomic<int> wrong{0}, staged{0};
              const auto before = numbers_open();
              std::vector<std::thread> threads;
              for (int t = 0; t < 8; ++t)
                threads.emplace_back([t] {
                  const std::string name = "f" + std::to_string(t);
                  const int own = high(name.c_str());
                  for (int i = 0; i < 40; ++i) {
                    const int got = spawn_of({{own, t}, {own, 63}}, {name, name});
                    staged += got == SPAWN_STRATEGY_STAGED;
                    wrong += got < 0;
                  }
                  close(own);
                });
              for (std::thread& thread : threads) thread.join();
              if (wrong != 0) return 2;
              if (staged == 0) return 3;
              if (numbers_open() != before) return 4;
              return spawn_window_release() == 0 ? 0 : 5;
            }),
            0);
}

// With as many slots as all threads need at once, a spawn that asks for staged is never refused for want of one.
TEST(Window, EnoughSlotsForEverybodyAreEnough) {
  EXPECT_EQ(status_of([] {
              constexpr int threads_max = 4, kept = 7;
              if (spawn_window_reserve(threads_max * kept) != 0) return 1;
              static std::atomic<int> wrong{0};
              static int own[kept];
              for (int& fd : own) fd = high("own");
              std::vector<std::thread> threads;
              for (int t = 0; t < threads_max; ++t)
                threads.emplace_back([] {
                  HoldRequest request;
                  for (int i = 0; i < kept; ++i) request.keep.push_back({own[i], i});
                  request.r.strategy = SPAWN_STRATEGY_STAGED;
                  for (unsigned i = 0; i < rounds(1500, 100); ++i) {
                    spawn_result result{};
                    if (spawn_run(&request.get(), &result) != 0)
                      ++wrong;
                    else
                      Held{result.pid};
                  }
                });
              for (std::thread& thread : threads) thread.join();
              return wrong != 0 ? 2 : 0;
            }),
            0);
}

TEST(Window, ReserveAndReleaseAmongSpawnsIsSafe) {
  EXPECT_EQ(
      status_of([] {
        static std::atomic<bool> stop{false};
        static std::atomic<int> wrong{0};
        const int a = high("a");
        std::thread changing([] {
          while (!stop) {
            const int reserved = spawn_window_reserve(2);
            if (reserved != 0 && reserved != EALREADY) ++wrong;
            const int released = spawn_window_release();
            if (released != 0 && released != EBUSY) ++wrong;
          }
        });
        for (int i = 0; i < 200; ++i)
          if (const int got = spawn_of({{a, 0}}, {"a"}); got != SPAWN_STRATEGY_STAGED && got != SPAWN_STRATEGY_FETCHED)
            ++wrong;
        stop = true;
        changing.join();
        return wrong == 0 ? 0 : 1;
      }),
      0);
}

// After fork(2) the new process has its own window: bits and placeholders.
TEST(Window, WorksInAForkedProcess) {
  EXPECT_EQ(status_of([] {
              if (spawn_window_reserve(2) != 0) return 1;
              const int a = high("a");
              const pid_t pid = fork();
              if (pid == 0)
                _exit(spawn_of({{a, 0}}, {"a"}) == SPAWN_STRATEGY_STAGED && spawn_window_release() == 0 ? 0 : 1);
              int status = 0;
              waitpid(pid, &status, 0);
              if (status != 0) return 2;
              return spawn_of({{a, 0}}, {"a"}) == SPAWN_STRATEGY_STAGED ? 0 : 3;
            }),
            0);
}

TEST(Window, ALimitBelowItsSlotsTakesAnotherStrategy) {
  EXPECT_EQ(status_of([] {
              if (spawn_window_reserve(2) != 0) return 1;
              const int a = high("a");
              const rlimit limit{20, 1000};
              setrlimit(RLIMIT_NOFILE, &limit);
              const auto before = descriptors_of(getpid());
              if (spawn_of({{a, 0}}, {"a"}) != SPAWN_STRATEGY_FETCHED) return 2;
              return descriptors_of(getpid()) == before ? 0 : 3;
            }),
            0);
}

TEST(Window, AClosedSourceIsEbadfAndEverythingIsPutBack) {
  EXPECT_EQ(status_of([] {
              if (spawn_window_reserve(2) != 0) return 1;
              const int a = high("a");
              const auto before = descriptors_of(getpid());
              if (spawn_of({{a, 0}, {900, 1}}, {"a", ""}) != -EBADF) return 2;
              if (descriptors_of(getpid()) != before) return 3;
              return spawn_window_release() == 0 ? 0 : 4;
            }),
            0);
}

// ---- sources that are replaced, and requests that name numbers of the window -----------------------

// Another thread replaces the source all the time, by files that fstat(2) cannot tell apart. It touches no number of
// the window: afterwards each has its placeholder and is free, and nothing is left open.
TEST(Window, NoSlotIsLostAndNothingStaysOpenWhenSourcesAreReplaced) {
  EXPECT_EQ(status_of([] {
              if (spawn_window_reserve(2) != 0) return 1;
              static int source = fcntl(eventfd(0, EFD_CLOEXEC), F_DUPFD_CLOEXEC, 100);
              static std::atomic<bool> stop{false};
              static std::atomic<unsigned> rounds{0};
              const uint64_t all = spawn_abilities_probed().window;
              const auto before = descriptors_of(getpid());
              std::thread other([] {
                const int one = eventfd(0, EFD_CLOEXEC), two = eventfd(0, EFD_CLOEXEC);
                for (; !stop; ++rounds) {
                  dup3(one, source, O_CLOEXEC);
                  dup3(two, source, O_CLOEXEC);
                  if (rounds % 16 == 0) close(source);  // for a moment: a spawn looks at the source several times
                  dup3(one, source, O_CLOEXEC);
                }
                close(one);
                close(two);
              });
              HoldRequest request;
              request.keep = {{source, 0}, {source, 5}};
              request.r.strategy = SPAWN_STRATEGY_STAGED;
              int staged = 0;
              for (int i = 0; i < 200'000 && staged < 1000; ++i) {
                spawn_result result{};
                const int error = spawn_run(&request.get(), &result);
                if (error != 0 && error != EBADF) return 2;
                staged += error == 0;
                if (error == 0) Held{result.pid};
                // The other thread has closed the source, for a moment: waits until it has opened it again.
                const unsigned seen = rounds;
                for (int yields = 0; error != 0 && rounds == seen && yields < 1'000'000; ++yields) sched_yield();
              }
              stop = true;
              other.join();
              if (staged != 1000) return 3;
              if (spawn_abilities_probed().window != all) return 4;
              if (descriptors_of(getpid()) != before) return 5;
              return spawn_window_release() == 0 ? 0 : 6;
            }),
            0);
}

// Another thread puts the read end at the source's number; to fstat(2) both ends are the same file. A write end left
// open in a slot would keep the reader waiting for ever.
TEST(Window, APipesReaderSeesItsEndWhenTheSourceIsReplacedMeanwhile) {
  EXPECT_EQ(status_of([] {
              if (spawn_window_reserve(2) != 0) return 1;
              static int source, ends[2];
              static std::atomic<int> round{0}, replaced{0};
              static std::atomic<bool> stop{false};
              std::thread other([] {
                while (!stop) {
                  const int now = round;
                  if (now == replaced) {
                    sched_yield();  // a loaded machine has one processor for both: the spawn needs it
                    continue;
                  }
                  for (int spin = 0; spin < now % 64; ++spin) sched_yield();
                  dup3(ends[0], source, O_CLOEXEC);
                  replaced = now;
                }
              });
              int wrong = 0;
              for (int i = 1; i <= 300 && wrong == 0; ++i) {
                if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) wrong = 2;
                source = fcntl(ends[1], F_DUPFD_CLOEXEC, 100);
                close(ends[1]);
                HoldRequest request;
                request.keep = {{source, 0}};
                request.r.strategy = SPAWN_STRATEGY_STAGED;
                spawn_result result{};
                round = i;
                if (spawn_run(&request.get(), &result) != 0)
                  wrong = 3;
                else
                  Held{result.pid};
                while (replaced != i) sched_yield();
                char byte;
                if (read(ends[0], &byte, 1) != 0) wrong = 4;  // EAGAIN: a writer is left
                close(ends[0]);
                close(source);
              }
              stop = true;
              other.join();
              return wrong;
            }),
            0);
}

// A number of the window is a placeholder if a request names it as a source, and the child's own if as a target.
TEST(Window, ARequestMayNameItsNumbers) {
  EXPECT_EQ(
      status_of([] {
        if (spawn_window_reserve(3) != 0) return 1;  // 58 to 63, and 57 for itself
        const int a = high("a"), b = high("b");
        const auto before = descriptors_of(getpid());
        for (const uint32_t strategy : {SPAWN_STRATEGY_AUTOMATIC, SPAWN_STRATEGY_COPY, SPAWN_STRATEGY_UNSHARE,
                                        SPAWN_STRATEGY_STAGED, SPAWN_STRATEGY_FETCHED})
          for (int number = 57; number < 64; ++number) {
            if (spawn_of({{number, 0}, {a, 1}}, {"spawn window", "a"}, strategy) < 0) return 2;
            if (spawn_of({{a, number}, {b, 3}}, {"a", "b"}, strategy) < 0) return 3;
            if (spawn_of({{number, number}, {a, 3}, {number, 5}}, {"spawn window", "a", "spawn window"}, strategy) < 0)
              return 4;
            if (spawn_of({{number, 70}, {a, number}}, {"spawn window", "a"}, strategy) < 0) return 5;
          }
        if (spawn_of({{58, 0}, {59, 1}, {60, 2}, {61, 3}, {a, 4}},
                     {"spawn window", "spawn window", "spawn window", "spawn window", "a"}) != SPAWN_STRATEGY_STAGED)
          return 6;
        if (spawn_of({{58, 0}, {59, 1}, {60, 2}, {61, 3}, {62, 4}, {a, 5}},
                     {"spawn window", "spawn window", "spawn window", "spawn window", "spawn window", "a"}) !=
            SPAWN_STRATEGY_FETCHED)
          return 7;
        if (__builtin_popcountll(spawn_abilities_probed().window) != 6 || descriptors_of(getpid()) != before) return 8;
        close(60);
        if (spawn_of({{60, 0}}, {""}) != -EBADF) return 9;
        dup3(a, 60, O_CLOEXEC);  // another file's, by mistake
        if (spawn_of({{60, 0}}, {"a"}) < 0) return 10;
        return spawn_window_release() == 0 && is_open(60) ? 0 : 11;
      }),
      0);
}

// A spawn that names numbers of the window as sources gets placeholders, even while other threads stage there.
TEST(Window, ANumberIsThePlaceholderWhateverOthersStageThere) {
  EXPECT_EQ(status_of([] {
              if (spawn_window_reserve(2) != 0) return 1;  // 60 to 63, and 59 for itself
              static std::atomic<int> wrong{0};
              static std::atomic<bool> stop{false};
              static const int a = high("a"), b = high("b");
              std::vector<std::thread> threads;
              for (int t = 0; t < 2; ++t)
                threads.emplace_back([] {
                  while (!stop) wrong += spawn_of({{a, 0}, {b, 1}}, {"a", "b"}) < 0;
                });
              for (const uint32_t strategy :
                   {SPAWN_STRATEGY_AUTOMATIC, SPAWN_STRATEGY_COPY, SPAWN_STRATEGY_UNSHARE, SPAWN_STRATEGY_FETCHED}) {
                // By then the threads have found that the window is not available.
                if (strategy == SPAWN_STRATEGY_FETCHED && !has_thread_pidfds()) continue;
                for (int i = 0; i < 40; ++i)
                  wrong += spawn_of({{60, 0}, {61, 1}, {62, 2}, {63, 3}},
                                    {"spawn window", "spawn window", "spawn window", "spawn window"}, strategy) < 0;
              }
              stop = true;
              for (std::thread& thread : threads) thread.join();
              if (wrong != 0) return 2;
              return __builtin_popcountll(spawn_abilities_probed().window) == 4 && spawn_window_release() == 0 ? 0 : 3;
            }),
            0);
}

}  // namespace
}  // namespace spawncheck
