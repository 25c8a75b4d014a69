// SPDX-License-Identifier: MIT
//
// The generator: one member function for each family and variation, and what they share.
#pragma once

#include <vector>

#include "impl/peers/implementation.h"
#include "model/scenario/generate.h"
#include "model/scenario/generate/tables.h"
#include "model/scenario/validate.h"
#include "model/scenario/words.h"

namespace spawncheck::generating {

inline constexpr int sig_usr1 = 10, sig_usr2 = 12, sig_kill = 9, sig_chld = 17, sig_cont = 18, sig_stop = 19,
                     sig_urg = 23, sig_winch = 28;
inline constexpr std::uint64_t unblockable = 1ull << (sig_kill - 1) | 1ull << (sig_stop - 1);

class Generator {
 public:
  Generator(Random& random, const GenerateOptions& options) : random_(random), options_(options) {}
  Scenario run();

 private:
  using Operations = std::vector<sc_operation>;

  bool happens(Chance c) {
    return random_.chance(chances[static_cast<std::size_t>(c)].times, chances[static_cast<std::size_t>(c)].of);
  }
  std::uint32_t below(std::size_t n) { return random_.below(static_cast<std::uint32_t>(n)); }
  template <typename T, std::size_t n>
  T pick(const Weighted<T> (&table)[n]) {
    std::uint32_t sum = 0;
    for (const Weighted<T>& row : table) sum += row.weight;
    std::uint32_t drawn = random_.below(sum);
    for (const Weighted<T>& row : table) {
      if (drawn < row.weight) return row.value;
      drawn -= row.weight;
    }
    return table[0].value;
  }

  // world.cpp: the initial world.
  void add_window();
  void open_standard();
  void open_some(std::uint32_t count);
  void open_at(std::int32_t number, bool cloexec);
  void open_wide();
  std::int32_t open_numbered(std::int32_t count);  // opens a file at each; returns the first, -1: no room
  std::int32_t open_alike(std::int32_t count);     // all on one file; raises the limit
  void set_signals();
  bool is_open(std::int32_t number) const { return spawncheck::is_open(scenario_.world, number); }
  std::int32_t highest_open() const { return spawncheck::highest_open(scenario_.world); }
  std::int32_t lowest_closed(std::int32_t from) const { return spawncheck::lowest_closed(scenario_.world, from); }
  std::int32_t edge() { return edge_numbers[below(std::size(edge_numbers))]; }

  // operations.cpp: operations and requests.
  Operations& thread();               // a new thread
  Operations& enter(std::size_t at);  // an earlier thread; what it creates gets new variables
  bool has_room_for_thread() const { return scenario_.threads.size() < options_.threads_max; }
  sc_operation op(std::uint8_t kind, std::int32_t a = 0, std::int32_t b = 0);
  sc_operation creating(std::uint8_t kind, bool cloexec, std::int32_t a = 0, std::int32_t b = 0);
  sc_operation spawn();
  sc_operation plain_spawn(sc_program program);
  void keep(sc_request& r, sc_operand source, std::int32_t target);
  void add_keep(sc_request& r);
  void add_permutation(sc_request& r);
  void add_attributes(sc_request& r, std::uint32_t one_in);
  std::uint64_t some_signals();
  std::int32_t some_open();
  std::int32_t some_target();
  sc_operand result_of(const sc_operation& creator, int which = 0) const;
  bool allows(std::uint32_t bit) const { return (options_.sets & bit) != 0; }
  std::uint8_t policy();
  sc_operation exec_error();
  void opener(Operations& ops, std::uint32_t count);
  void disturber(Operations& ops);
  void sender(Operations& ops, std::uint32_t count, std::uint64_t harmless, bool to_group);

  struct Place {
    std::size_t thread, operation;
  };
  std::vector<Place> spawns() const;
  std::optional<Place> some_spawn();  // none: no spawn
  sc_request& request(Place p) { return scenario_.threads[p.thread].operations[p.operation].request; }
  // Inserts operations before a spawn, whose place moves on. Returns false if the thread has no room.
  bool insert(Place& at, const Operations& before);

#define SPAWNCHECK_ROW(id, word, weight, what) void id();
  SPAWNCHECK_FAMILIES(SPAWNCHECK_ROW)  // families.cpp
#undef SPAWNCHECK_ROW
#define SPAWNCHECK_ROW(id, weight, what) void id();
  SPAWNCHECK_VARIATIONS(SPAWNCHECK_ROW)  // variations.cpp
#undef SPAWNCHECK_ROW
  void vary();

  Random& random_;
  const GenerateOptions& options_;
  Scenario scenario_;
  std::vector<std::int32_t> open_;  // numbers of the world, without runs
  std::int8_t variable_ = 0;
};

}  // namespace spawncheck::generating
