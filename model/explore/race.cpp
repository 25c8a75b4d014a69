// SPDX-License-Identifier: MIT
#include "model/explore/race.h"

#include <algorithm>
#include <bit>
#include <deque>
#include <unordered_set>
#include <vector>

namespace spawncheck::refine {

namespace {

// Three words if a word is one slot, so that a table can outgrow an allocation; else two.
unsigned slots_max(unsigned bits) { return bits == 1 ? 3 : 2 * bits; }

enum class At : std::uint8_t { start, walking, size, allocate, copy, finish, done };

struct Node {
  Bits table, copy;
  At at = At::start;
  std::uint8_t cursor = 0, limit = 0;  // the closing walk's next slot and end; the copy's next slot and size
  std::uint8_t room = 0;               // slots allocated for the copy
  std::uint32_t kept = 0;              // installed and not dropped when the size was last computed
  std::uint32_t referenced = 0;

  std::uint64_t packed() const {
    std::uint64_t out = 0;
    const auto put = [&](std::uint64_t value, unsigned width) { out = out << width | value; };
    for (const Bits* b : {&table, &copy}) {
      put(b->open, 6);
      put(b->file, 6);
      put(b->cloexec, 6);
      put(b->words, 2);
    }
    put(static_cast<std::uint64_t>(at), 3);
    put(cursor, 3);
    put(limit, 3);
    put(room, 3);
    put(kept, 6);
    return out ^ static_cast<std::uint64_t>(referenced) << 58;
  }
};

std::uint32_t bit(unsigned n) { return 1u << n; }

class Race {
 public:
  Race(Walk walk, unsigned bits, const Arguments& arguments, RaceReport& report)
      : walk_(walk),
        bits_(bits),
        a_(arguments),
        report_(report),
        kernel_(model::kernel_named(walk == Walk::copy_new ? "7.4" : "6.18")) {}

  // Explores from every table of one word.
  void run() {
    for (std::uint64_t number = 0; number < table_count(1, bits_); ++number) {
      Node node;
      node.table = table_number(number, 1, bits_);
      reach(node);
    }
    while (!rest_.empty() && !report_.violation) {
      const Node node = rest_.front();
      rest_.pop_front();
      expand(node);
    }
    report_.states += seen_.size();
  }

 private:
  bool copies() const { return walk_ != Walk::close && walk_ != Walk::close_no_hop; }
  bool leaves_dropped() const { return kernel_.has(model::Behaviour::copy_leaves_dropped); }

  void reach(const Node& node) {
    if (seen_.insert(node.packed()).second) rest_.push_back(node);
  }

  void broken(const Node& node, RaceProperty property) {
    report_.violation = property;
    report_.example = print(node.table, a_, bits_);
  }

  bool selects(const Bits& t, unsigned n) const { return is_selected(t, a_, n); }

  void expand(const Node& node) {
    const bool has_lock_dropped =
        node.at == At::start || node.at == At::walking || node.at == At::size || node.at == At::allocate;
    if (node.at != At::done && node.at != At::finish) others(node, has_lock_dropped);
    if (copies())
      copy_step(node);
    else
      close_step(node);
  }

  // ---- the other threads ------------------------------------------------------------------------

  void others(const Node& node, bool may_lock) {
    const unsigned slots = node.table.words * bits_;
    for (unsigned n = 0; n < slots; ++n) {
      const bool is_open = (node.table.file & bit(n)) != 0, is_claimed = !is_open && (node.table.open & bit(n)) != 0;
      Node next = node;
      if (is_claimed) {  // fd_install takes no lock
        next.table.file |= bit(n);
        reach(next);
      }
      if (!is_open || !may_lock) continue;
      next.table.file &= ~bit(n);
      next.table.open &= ~bit(n);
      reach(next);
      next = node;
      next.table.cloexec ^= bit(n);
      reach(next);
    }
    if (!may_lock) return;
    const auto lowest = static_cast<unsigned>(std::countr_one(node.table.open));
    if (lowest < slots) {
      for (const std::uint32_t flag : {0u, bit(lowest)}) {
        Node next = node;
        next.table.open |= bit(lowest);
        next.table.cloexec = (next.table.cloexec & ~bit(lowest)) | flag;
        reach(next);
      }
    } else if (node.table.words * bits_ + bits_ <= slots_max(bits_)) {  // expand_fdtable
      Node next = node;
      ++next.table.words;
      reach(next);
    }
  }

  // ---- __range_close ----------------------------------------------------------------------------

  void close_step(const Node& node) {
    Node next = node;
    const unsigned slots = node.table.words * bits_;
    if (node.at == At::start) {  // reads the bounds once, under the lock
      next.at = At::walking;
      const bool is_except = (a_.flags & flag_except) != 0;
      next.cursor = static_cast<std::uint8_t>(is_except ? 0 : std::min(a_.first, slots));
      next.limit =
          static_cast<std::uint8_t>(is_except ? slots : std::min<std::uint64_t>(std::uint64_t{a_.last} + 1, slots));
      reach(next);
      return;
    }
    if (node.at != At::walking) return;
    if (node.limit > slots) return broken(node, RaceProperty::stays_inside);
    unsigned n = node.cursor;
    for (; n < node.limit; ++n) {
      const bool in_window = (a_.flags & flag_except) != 0 && a_.first <= n && n <= a_.last;
      if (in_window && walk_ == Walk::close) continue;  // the hop
      if ((node.table.open & bit(n)) == 0) continue;
      if ((a_.flags & flag_cloexec_only) != 0 && (node.table.cloexec & bit(n)) == 0) continue;
      break;
    }
    if (n >= node.limit) {
      next.at = At::done;
      reach(next);
      return;
    }
    if ((node.table.file & bit(n)) != 0) {
      if (!selects(node.table, n)) return broken(node, RaceProperty::closes_selected);
      next.table.file &= ~bit(n);
      next.table.open &= ~bit(n);
    }
    next.cursor = static_cast<std::uint8_t>(n + 1);
    reach(next);
  }

  // ---- dup_fd -----------------------------------------------------------------------------------

  std::uint32_t dropped(const Bits& t) const {
    std::uint32_t all = 0;
    for (unsigned n = 0; n < t.words * bits_; ++n)
      if (selects(t, n)) all |= bit(n);
    return all;
  }

  unsigned size_of(const Bits& t) const { return words_of_copy(kernel_, t, a_, true, bits_) * bits_; }

  // The allocation is large enough: copies the bitmaps, then slot by slot, all under the lock.
  void begin_copy(Node next) {
    next.limit = static_cast<std::uint8_t>(std::min<unsigned>(size_of(next.table), next.room));
    if (walk_ == Walk::copy_unlocked) next.limit = next.room;
    next.kept = next.table.file & ~dropped(next.table);
    next.copy = {};
    next.copy.words = static_cast<std::uint8_t>(next.limit / bits_);
    const std::uint32_t covered = bit(next.limit) - 1, left = leaves_dropped() ? dropped(next.table) : 0;
    next.copy.open = next.table.open & covered & ~left;
    next.copy.cloexec = next.table.cloexec & covered;
    next.at = At::copy;
    next.cursor = 0;
    reach(next);
  }

  void copy_step(const Node& node) {
    Node next = node;
    switch (node.at) {
      case At::start:
        next.at = At::size;
        next.room = static_cast<std::uint8_t>(bits_);  // NR_OPEN_DEFAULT slots are embedded
        reach(next);
        return;
      case At::size:
        if (size_of(node.table) <= node.room) return begin_copy(next);
        next.at = At::allocate;
        next.limit = static_cast<std::uint8_t>(size_of(node.table));
        reach(next);
        return;
      case At::allocate:  // without the lock; then the size is computed again
        next.room = node.limit;
        if (walk_ == Walk::copy_unlocked) return begin_copy(next);
        next.at = At::size;
        reach(next);
        return;
      case At::copy:
        return copy_slot(next);
      case At::finish:
        return finish(next);
      default:
        return;
    }
  }

  void copy_slot(Node next) {
    if (next.cursor >= next.limit) {
      next.at = At::finish;
      reach(next);
      return;
    }
    const std::uint32_t slot = bit(next.cursor++);
    if ((next.copy.open & slot) != 0) {
      if ((next.table.file & slot) != 0) {
        next.copy.file |= slot;
        next.referenced |= slot;
        if (leaves_dropped() && (slot & dropped(next.table)) != 0) return broken(next, RaceProperty::untransient);
      } else {
        next.copy.open &= ~slot;
      }
    }
    reach(next);
  }

  void finish(Node next) {
    if ((next.copy.file & ~next.copy.open) != 0) return broken(next, RaceProperty::copy_ok);
    if ((next.kept & ~next.copy.file) != 0) return broken(next, RaceProperty::kept_copied);
    if (!leaves_dropped())
      for (unsigned n = 0; n < next.limit; ++n)
        if (selects(next.copy, n) && (next.copy.file & bit(n)) != 0) {
          next.copy.file &= ~bit(n);
          next.copy.open &= ~bit(n);
        }
    for (unsigned n = 0; n < next.limit; ++n)
      if ((next.copy.file & bit(n)) != 0 && selects(next.copy, n)) return broken(next, RaceProperty::dropped_left);
    next.at = At::done;
    reach(next);
  }

  const Walk walk_;
  const unsigned bits_;
  const Arguments a_;
  RaceReport& report_;
  const model::Kernel kernel_;
  std::unordered_set<std::uint64_t> seen_;
  std::deque<Node> rest_;
};

}  // namespace

std::string_view name(RaceProperty p) {
  constexpr std::string_view names[] = {"closes_selected", "stays_inside", "copy_ok",
                                        "kept_copied",     "dropped_left", "untransient"};
  return names[static_cast<std::size_t>(p)];
}

std::string_view name(Walk walk) {
  constexpr std::string_view names[] = {"close, 7.4", "close, without its hop", "copy, 6.18", "copy, 7.4",
                                        "copy, sized once only"};
  return names[static_cast<std::size_t>(walk)];
}

RaceReport explore_walk(Walk walk, unsigned bits) {
  RaceReport report;
  const bool has_new_flags = walk != Walk::copy_old && walk != Walk::copy_unlocked;
  for (const Arguments& range : all_ranges(bits))
    for (const std::uint32_t flags : {0u, flag_except, flag_cloexec_only, flag_except | flag_cloexec_only}) {
      if (flags != 0 && !has_new_flags) continue;
      Race(walk, bits, {range.first, range.last, flags | flag_unshare, true}, report).run();
      if (report.violation) return report;
    }
  return report;
}

}  // namespace spawncheck::refine
