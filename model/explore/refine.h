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

// A table of `words` words of `word_bits` slots. A slot is free, claimed (open_fds bit, no file yet) or open; each with
// the close-on-exec bit set or not, which close(2) leaves behind.
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
  Bits mine, theirs;  // the caller's table afterwards; what the other user of the old one has
  bool is_copy = false;
  std::uint32_t referenced = 0;  // the copy took a reference (dup_fd, get_file)
};

// As the code does it.
Outcome run(const model::Kernel&, const Bits&, const Arguments&, unsigned word_bits);

// The number-th table of so many words, counted in base six, a digit a slot.
Bits table_number(std::uint64_t number, unsigned words, unsigned word_bits);
std::uint64_t table_count(unsigned words, unsigned word_bits);

// Does the call act on slot n, as the table is now?
bool is_selected(const Bits&, const Arguments&, unsigned n);

// How large a copy is, in words (sane_fdtable_size). `drops`: what the range drops need not be in it.
unsigned words_of_copy(const model::Kernel&, const Bits&, const Arguments&, bool drops, unsigned word_bits);

// 0 to all slots of two words, and infinity: each first with each last that is not below it.
std::vector<Arguments> all_ranges(unsigned word_bits);

enum class Property : std::uint8_t {
  refines,   // the caller's table is what the flags mean
  clone_ok,  // no file without its open bit, and in a copy no claimed slot
  sized,     // a copy reaches the last descriptor that it carries over; one that leaves the dropped behind, no further
  untransient,    // the copy references nothing that it drops
  old_untouched,  // who shared the old table sees no change
  count
};
std::string_view name(Property);

// The first property that does not hold, empty: all do. `untransient` is asked only when the code claims it.
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
  std::uint64_t tables = 0, states = 0, checks = 0;  // a state is a table with a range, or with none yet
  std::uint64_t transient = 0;                       // checks in which something dropped was referenced
  std::optional<Example> violation, transient_example;
};

// All tables of one and of two words. `threads` of them share the work.
Report check_all(const model::Kernel&, unsigned word_bits, unsigned threads, bool ask_untransient);

}  // namespace spawncheck::refine
