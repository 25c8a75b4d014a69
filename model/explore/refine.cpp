// SPDX-License-Identifier: MIT
#include "model/explore/refine.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <thread>
#include <vector>

namespace spawncheck::refine {

using model::Kernel;
using model::Sizing;

namespace {

constexpr std::uint32_t slot(unsigned n) { return 1u << n; }

// The bits of word `w` that first..last covers (GENMASK), with the word's first slot as bit 0.
std::uint32_t range_in_word(std::uint32_t first, std::uint32_t last, unsigned w, unsigned bits) {
  const std::uint32_t low = w * bits, high = low + bits - 1;
  if (first > high || last < low) return 0;
  const std::uint32_t from = std::max(first, low) - low, to = std::min(last, high) - low;
  return ((1u << (to - from + 1)) - 1) << from;
}

std::uint32_t word_of(std::uint32_t all, unsigned w, unsigned bits) { return all >> (w * bits) & ((1u << bits) - 1); }

// The slots of one word that the call acts on, by the current bits.
std::uint32_t selected_in_word(const Bits& t, const Arguments& a, unsigned w, unsigned bits) {
  std::uint32_t selected = range_in_word(a.first, a.last, w, bits);
  if ((a.flags & flag_except) != 0) selected = ~selected & ((1u << bits) - 1);
  if ((a.flags & flag_cloexec_only) != 0) selected &= word_of(t.cloexec, w, bits);
  return selected;
}

int last_bit(std::uint32_t set) { return set == 0 ? -1 : 31 - std::countl_zero(set); }

}  // namespace

unsigned words_of_copy(const Kernel& code, const Bits& t, const Arguments& a, bool drops, unsigned bits) {
  const unsigned capacity = t.words * bits;
  int last = last_bit(t.open);
  switch (code.sizing()) {
    case Sizing::capacity: {
      // count_open_files is in whole words already; max_unshare_fds is the range's begin, aligned up.
      const unsigned open_words = last < 0 ? 1 : static_cast<unsigned>(last) / bits + 1;
      if (!drops || a.last < capacity - 1) return open_words;
      const unsigned bound = a.first >= capacity ? t.words : (a.first + bits - 1) / bits;
      return std::min(open_words, std::max(bound, 1u));
    }
    case Sizing::last_open:
      if (last >= 0 && drops && a.first <= static_cast<unsigned>(last) && a.last >= static_cast<unsigned>(last))
        last = last_bit(t.open & (slot(a.first) - 1));
      break;
    case Sizing::last_kept: {
      std::uint32_t kept = t.open;
      if (drops)
        for (unsigned w = 0; w < t.words; ++w) kept &= ~(selected_in_word(t, a, w, bits) << (w * bits));
      last = last_bit(kept);
      break;
    }
  }
  return last < 0 ? 1 : static_cast<unsigned>(last) / bits + 1;
}

namespace {

// dup_fd: copies the bitmaps of the words that the size covers, then goes slot by slot: a file gets a reference, a
// claimed slot becomes free.
Bits duplicate(const Kernel& code, const Bits& old, const Arguments& a, bool drops, unsigned bits,
               std::uint32_t& referenced) {
  Bits copy;
  copy.words = static_cast<std::uint8_t>(words_of_copy(code, old, a, drops, bits));
  for (unsigned w = 0; w < copy.words && w < old.words; ++w) {
    std::uint32_t open = word_of(old.open, w, bits);
    if (drops && code.has(model::Behaviour::copy_leaves_dropped)) open &= ~selected_in_word(old, a, w, bits);
    copy.open |= open << (w * bits);
    copy.cloexec |= word_of(old.cloexec, w, bits) << (w * bits);
  }
  for (std::uint32_t rest = copy.open; rest != 0; rest &= rest - 1) {
    const std::uint32_t lowest = rest & -rest;
    if ((old.file & lowest) != 0) {
      referenced |= lowest;
      copy.file |= lowest;
    } else {
      copy.open &= ~lowest;
    }
  }
  return copy;
}

// __range_cloexec: one bitmap_set, with EXCEPT two. Free slots get the bit as well.
void set_cloexec(Bits& t, const Arguments& a, unsigned bits) {
  for (unsigned w = 0; w < t.words; ++w) t.cloexec |= selected_in_word(t, a, w, bits) << (w * bits);
}

// __range_close: closes slots with a file, in ascending order, without other threads.
void close_selected(Bits& t, const Arguments& a, unsigned bits) {
  for (unsigned w = 0; w < t.words; ++w)
    for (std::uint32_t rest = selected_in_word(t, a, w, bits) << (w * bits) & t.file; rest != 0; rest &= rest - 1) {
      const std::uint32_t lowest = rest & -rest;
      t.file &= ~lowest;
      t.open &= ~lowest;  // close_on_exec stays
    }
}

bool takes(const Kernel& code, const Arguments& a) {
  const std::uint32_t known = flag_unshare | flag_cloexec |
                              (code.has(model::Behaviour::close_range_except) ? flag_except | flag_cloexec_only : 0u);
  return a.first <= a.last && (a.flags & ~known) == 0 &&
         (a.flags & (flag_cloexec | flag_cloexec_only)) != (flag_cloexec | flag_cloexec_only);
}

}  // namespace

Outcome run(const Kernel& code, const Bits& table, const Arguments& a, unsigned bits) {
  Outcome out;
  out.mine = out.theirs = table;
  if (!takes(code, a)) {
    out.error = EINVAL;
    return out;
  }
  const bool sets = (a.flags & flag_cloexec) != 0;
  if ((a.flags & flag_unshare) != 0 && a.is_shared) {
    out.mine = duplicate(code, table, a, !sets, bits, out.referenced);
    out.is_copy = true;
    if (!sets && code.has(model::Behaviour::copy_leaves_dropped))
      return out;  // the close is skipped: the copy has nothing of the range
  }
  if (sets)
    set_cloexec(out.mine, a, bits);
  else
    close_selected(out.mine, a, bits);
  if (!out.is_copy) out.theirs = out.mine;
  return out;
}

// ---- what the flags mean ---------------------------------------------------------------------------

bool is_selected(const Bits& t, const Arguments& a, unsigned n) {
  const bool in_range = a.first <= n && n <= a.last;
  if (in_range == ((a.flags & flag_except) != 0)) return false;
  return (a.flags & flag_cloexec_only) == 0 || (t.cloexec & slot(n)) != 0;
}

namespace {

// Returns true if, of the descriptors before, exactly those that must stay are there, with the right flag.
bool refines(const Bits& before, const Arguments& a, const Outcome& out, unsigned slots) {
  for (unsigned n = 0; n < slots; ++n) {
    const bool was_open = (before.file & slot(n)) != 0, was_claimed = !was_open && (before.open & slot(n)) != 0;
    const bool is_open = (out.mine.file & slot(n)) != 0, is_claimed = !is_open && (out.mine.open & slot(n)) != 0;
    const bool acts = was_open && is_selected(before, a, n), sets = (a.flags & flag_cloexec) != 0;
    if (is_open != (was_open && (!acts || sets))) return false;
    if (is_claimed != (was_claimed && !out.is_copy)) return false;
    if (is_open && ((out.mine.cloexec & slot(n)) != 0) != (acts || (before.cloexec & slot(n)) != 0)) return false;
  }
  return true;
}

// Returns true if the copy has room for what it carries over. A copy that leaves out what the range drops must end
// with the last slot, open or claimed, that is not dropped.
bool is_sized(const Kernel& code, const Bits& before, const Arguments& a, const Outcome& out, unsigned bits) {
  const auto words_for = [&](int last) { return last < 0 ? 1u : static_cast<unsigned>(last) / bits + 1; };
  if (words_for(last_bit(out.mine.file)) > out.mine.words) return false;
  if (!code.has(model::Behaviour::copy_leaves_dropped)) return true;
  int last = -1;
  for (unsigned n = 0; n < before.words * bits; ++n)
    if ((before.open & slot(n)) != 0 && ((a.flags & flag_cloexec) != 0 || !is_selected(before, a, n)))
      last = static_cast<int>(n);
  return out.mine.words == words_for(last);
}

}  // namespace

std::string_view name(Property p) {
  constexpr std::string_view names[] = {"refines", "clone_ok", "sized", "untransient", "old_untouched"};
  return names[static_cast<std::size_t>(p)];
}

std::optional<Property> broken(const Kernel& code, const Bits& before, const Arguments& a, const Outcome& out,
                               unsigned bits, bool ask_untransient) {
  const unsigned slots = before.words * bits;
  if (!takes(code, a))
    return out.error == EINVAL && out.mine == before && out.theirs == before ? std::nullopt
                                                                             : std::optional(Property::refines);
  if (!refines(before, a, out, slots)) return Property::refines;
  if ((out.mine.file & ~out.mine.open) != 0) return Property::clone_ok;
  if (out.is_copy) {
    if ((out.mine.open & ~out.mine.file) != 0) return Property::clone_ok;
    if (!is_sized(code, before, a, out, bits)) return Property::sized;
    if (ask_untransient && (out.referenced & ~out.mine.file) != 0) return Property::untransient;
    if (out.theirs != before) return Property::old_untouched;
  }
  return std::nullopt;
}

std::string print(const Bits& table, const Arguments& a, unsigned bits) {
  std::string out;
  for (unsigned n = 0; n < table.words * bits; ++n) {
    const bool is_open = (table.file & slot(n)) != 0, is_claimed = (table.open & slot(n)) != 0;
    if (n != 0 && n % bits == 0) out += "|";
    out += is_open ? "o" : is_claimed ? "c" : ".";
    if ((table.cloexec & slot(n)) != 0) out += "'";
  }
  out += " close_range(" + std::to_string(a.first) + ", " + (a.last == infinity ? "~0" : std::to_string(a.last));
  for (const auto& [flag, word] : {std::pair{flag_unshare, "UNSHARE"}, std::pair{flag_cloexec, "CLOEXEC"},
                                   std::pair{flag_except, "EXCEPT"}, std::pair{flag_cloexec_only, "CLOEXEC_ONLY"}})
    if ((a.flags & flag) != 0) out += std::string(", ") + word;
  return out + "), " + (a.is_shared ? "shared" : "private");
}

std::string print(const Example& e, unsigned bits) {
  return print(e.table, e.arguments, bits) + ": not " + std::string(name(e.property));
}

// ---- all of them -----------------------------------------------------------------------------------

// Six states for each slot: 0 free, 2 claimed, 4 open; plus 1 for the close-on-exec bit.
Bits table_number(std::uint64_t number, unsigned words, unsigned bits) {
  Bits t;
  t.words = static_cast<std::uint8_t>(words);
  for (unsigned n = 0; n < words * bits; ++n, number /= 6) {
    const auto state = static_cast<std::uint32_t>(number % 6);
    if (state & 1) t.cloexec |= slot(n);
    if (state >= 2) t.open |= slot(n);
    if (state >= 4) t.file |= slot(n);
  }
  return t;
}

std::uint64_t table_count(unsigned words, unsigned bits) {
  std::uint64_t count = 1;
  for (unsigned n = 0; n < words * bits; ++n) count *= 6;
  return count;
}

std::vector<Arguments> all_ranges(unsigned bits) {
  std::vector<std::uint32_t> values;
  for (unsigned n = 0; n <= 2 * bits; ++n) values.push_back(n);
  values.push_back(infinity);
  std::vector<Arguments> all;
  for (std::size_t f = 0; f < values.size(); ++f)
    for (std::size_t l = f; l < values.size(); ++l) all.push_back({values[f], values[l]});
  return all;
}

namespace {

std::vector<Arguments> all_arguments(unsigned bits) {
  std::vector<Arguments> all;
  for (const Arguments& range : all_ranges(bits))
    for (std::uint32_t flags = 0; flags < 32; flags += 2) {
      if ((flags & (flag_cloexec | flag_cloexec_only)) == (flag_cloexec | flag_cloexec_only)) continue;
      for (const bool is_shared : {false, true}) all.push_back({range.first, range.last, flags, is_shared});
    }
  return all;
}

void check_table(const Kernel& code, const Bits& table, const std::vector<Arguments>& arguments, unsigned bits,
                 bool ask, Report& report) {
  ++report.tables;
  for (const Arguments& a : arguments) {
    const Outcome out = run(code, table, a, bits);
    ++report.checks;
    if ((out.referenced & ~out.mine.file) != 0) {
      ++report.transient;
      if (!report.transient_example) report.transient_example = Example{table, a, Property::untransient};
    }
    if (report.violation) continue;
    if (const auto property = broken(code, table, a, out, bits, ask)) report.violation = Example{table, a, *property};
  }
}

void merge(Report& into, const Report& from) {
  into.tables += from.tables;
  into.checks += from.checks;
  into.transient += from.transient;
  if (!into.violation) into.violation = from.violation;
  if (!into.transient_example) into.transient_example = from.transient_example;
}

}  // namespace

Report check_all(const Kernel& code, unsigned bits, unsigned threads, bool ask) {
  const std::vector<Arguments> arguments = all_arguments(bits);
  const std::uint64_t one = table_count(1, bits), all = one + table_count(2, bits);
  constexpr std::uint64_t batch = 512;
  std::atomic<std::uint64_t> next = 0;
  std::vector<Report> reports(std::max(threads, 1u));
  const auto work = [&](Report& report) {
    for (std::uint64_t begin; (begin = next.fetch_add(batch)) < all;)
      for (std::uint64_t i = begin; i < std::min(begin + batch, all); ++i)
        check_table(code, i < one ? table_number(i, 1, bits) : table_number(i - one, 2, bits), arguments, bits, ask,
                    report);
  };
  std::vector<std::thread> workers;
  for (std::size_t t = 1; t < reports.size(); ++t) workers.emplace_back(work, std::ref(reports[t]));
  work(reports[0]);
  for (std::thread& worker : workers) worker.join();
  Report total;
  for (const Report& report : reports) merge(total, report);
  total.states = total.tables * (arguments.size() / 24 + 1);
  return total;
}

}  // namespace spawncheck::refine
