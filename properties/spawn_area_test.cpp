// SPDX-License-Identifier: MIT
//
// Concurrent spawns share no memory area; each area has a guard page, and few areas are kept.
#include <gtest/gtest.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "impl/spawn/area.h"
#include "properties/rounds.h"

namespace {

using spawncheck_spawn::Area;

constexpr std::size_t few_steps = 1000, many_steps = 1 << 20;

bool is_readable(const char* at) {
  char byte;
  iovec here = {&byte, 1}, there = {const_cast<char*>(at), 1};
  return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
}

TEST(Area, HasAGuardBelowTheStackNewOrUsedAgain) {
  for (const std::size_t steps : {few_steps, few_steps, many_steps}) {
    const Area area(steps);
    ASSERT_EQ(area.error(), 0);
    std::memset(area.stack(), 1, Area::stack_size);
    std::memset(static_cast<void*>(area.steps()), 2, steps);
    EXPECT_TRUE(is_readable(area.stack()));
    EXPECT_FALSE(is_readable(area.stack() - 1));
    EXPECT_FALSE(is_readable(area.stack() - 65536));
    EXPECT_GE(reinterpret_cast<char*>(area.steps()), area.stack() + Area::stack_size);
  }
}

TEST(Area, ThoseThatLiveAtTheSameTimeAreDifferent) {
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<Area>> areas;
    std::set<char*> stacks;
    for (int i = 0; i < 40; ++i) {
      areas.push_back(std::make_unique<Area>(few_steps));
      stacks.insert(areas.back()->stack());
    }
    EXPECT_EQ(stacks.size(), areas.size());
  }
}

TEST(Area, IsOneThreadsAtATime) {
  constexpr int thread_count = 4;
  const unsigned areas_per_thread = spawncheck::rounds(2'000'000, 100'000);
  std::atomic<int> shared{0};
  std::barrier start(thread_count);
  std::vector<std::thread> threads;
  for (int t = 1; t <= thread_count; ++t)
    threads.emplace_back([t, areas_per_thread, &shared, &start] {
      start.arrive_and_wait();
      for (unsigned i = 0; i < areas_per_thread; ++i) {
        const Area area(few_steps);
        volatile char* mine = area.stack();
        *mine = static_cast<char>(t);
        if (i % 1024 == 0) std::this_thread::yield();
        if (*mine != t) ++shared;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(shared, 0);
}

char* stack_of_handler;
TEST(Area, IsNotTheInterruptedThreadsInAHandler) {
  { const Area in_a_slot(few_steps); }
  struct sigaction action {
  }, before{};
  action.sa_handler = [](int) {
    const Area area(few_steps);
    stack_of_handler = area.stack();
  };
  sigaction(SIGUSR1, &action, &before);
  const Area area(few_steps);
  raise(SIGUSR1);
  EXPECT_NE(stack_of_handler, nullptr);
  EXPECT_NE(stack_of_handler, area.stack());
  sigaction(SIGUSR1, &before, nullptr);
}

// Guards are the only mappings of their size without any right.
int guards() {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);) {
    unsigned long start = 0, end = 0;
    char rights[5] = "";
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &start, &end, rights) == 3)
      count += end - start == 65536 && std::strcmp(rights, "---p") == 0;
  }
  return count;
}

TEST(Area, AtMostSixteenAreKeptAndNoneWithManySteps) {
  {
    std::vector<std::unique_ptr<Area>> areas;
    for (int i = 0; i < 200; ++i) areas.push_back(std::make_unique<Area>(i % 2 == 0 ? few_steps : many_steps));
    EXPECT_GE(guards(), 200);
  }
  EXPECT_EQ(guards(), 16);
  for (int i = 0; i < 1000; ++i) const Area area(i % 2 == 0 ? few_steps : many_steps);
  EXPECT_EQ(guards(), 16);
}

// The child's area is at the address of the one that its parent has kept, in a copy of the memory.
TEST(Area, AForkedProcessHasItsOwn) {
  char* kept;
  {
    const Area area(few_steps);
    kept = area.stack();
    *kept = 1;
  }
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const Area area(few_steps);
    if (area.error() != 0 || area.stack() != kept) _exit(1);
    *area.stack() = 2;
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(*kept, 1);
}

}  // namespace
