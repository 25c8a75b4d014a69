// SPDX-License-Identifier: MIT
//
// close_range(2) as the kernel's code computes it, bit by bit over the words of a small table, against what its flags
// mean: every table of one and two words, every range, every combination of flags that the call takes, shared and
// private.
//
// The properties, the sizes and the unit of a state are those of the TLA+ models in brauner/linux-formal
// (kernel/close_range), so that the counts can be compared one to one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/kernel/call.h"

namespace spawncheck::refine {

inline constexpr std::uint32_t flag_unshare = model::close_range_unshare, flag_cloexec = model::close_range_cloexec,
                               flag_except = model::close_range_except,
                               flag_cloexec_only = model::close_range_cloexec_only;
inline constexpr std::uint32_t infinity = ~0u;

// A table of `words` words of `word_bits` slots. A slot is free, claimed (open_fds bit, no file yet) or open; in each
// case the close-on-exec bit may be set, since close(2) leaves it.
struct Bits {
  std::uint32_t open = 0, file = 0, cloexec = 0;
  std::uint8_t words = 1;
  bool operator==(const Bits&) const = default;
};

struct Arguments {
  std::uint32_t first = 0, last = infinity, flags = 0;
  bool is_shared = false;  // the table has another user
};

struct Outcome {
  int error = 0;
  Bits mine, theirs;  // afterwards: the caller's table; the table of the old table's other user
  bool is_copy = false;
  std::uint32_t referenced = 0;  // slots whose file the copy referenced (dup_fd, get_file)
};

// Computes the call as the kernel's code does.
Outcome run(const model::Kernel&, const Bits&, const Arguments&, unsigned word_bits);

// Table `number` of all tables with so many words: `number` in base six, one digit for each slot.
Bits table_number(std::uint64_t number, unsigned words, unsigned word_bits);
std::uint64_t table_count(unsigned words, unsigned word_bits);

// Returns true if the call acts on slot n of the table.
bool is_selected(const Bits&, const Arguments&, unsigned n);

// The size of a copy in words (sane_fdtable_size). `drops`: the copy need not have what the range drops.
unsigned words_of_copy(const model::Kernel&, const Bits&, const Arguments&, bool drops, unsigned word_bits);

// All pairs first <= last of 0 to the last slot of two words and infinity.
std::vector<Arguments> all_ranges(unsigned word_bits);

enum class Property : std::uint8_t {
  refines,   // the caller's table afterwards is what the flags mean
  clone_ok,  // every file has its open bit, and a copy has no claimed slot
  sized,     // a copy reaches the last descriptor that it carries over; one that leaves the dropped behind, no further
  untransient,    // the copy references nothing that it drops
  old_untouched,  // the other user of the old table sees no change
  count
};
std::string_view name(Property);

// The first property that does not hold; nullopt: all hold. Ask for `untransient` only if the code claims it.
std::optional<Property> broken(const model::Kernel&, const Bits&, const Arguments&, const Outcome&, unsigned word_bits,
                               bool ask_untransient);

struct Example {
  Bits table;
  Arguments arguments;
  Property property{};
};
std::string print(const Bits&, const Arguments&, unsigned word_bits);
std::string print(const Example&, unsigned word_bits);

struct Report {
  std::uint64_t tables = 0, states = 0, checks = 0;  // a state is a table with a range, or without one yet
  std::uint64_t transient = 0;                       // checks in which the copy referenced something dropped
  std::optional<Example> violation, transient_example;
};

// Checks all tables of one and of two words, with this many threads.
Report check_all(const model::Kernel&, unsigned word_bits, unsigned threads, bool ask_untransient);

}  // namespace spawncheck::refine
