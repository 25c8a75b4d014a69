// SPDX-License-Identifier: MIT
#include "model/scenario/shrink.h"

#include <algorithm>
#include <bit>

#include "model/scenario/words.h"

namespace spawncheck {

namespace {

std::uint64_t size_of_request(const sc_request& r) {
  std::uint64_t size =
      40u * r.keep_count + (r.pgroup.variable != 0 ? 10u : static_cast<unsigned>(std::min(r.pgroup.value, 9))) +
      30u * static_cast<unsigned>(std::popcount(r.set)) + (r.program != 0 ? 5u : 0u) + r.argument_count + r.policy;
  size += static_cast<unsigned>(std::popcount(r.mask) + std::popcount(r.dflt) + std::popcount(r.ignore));
  for (std::uint32_t i = 0; i < r.keep_count; ++i)
    size += static_cast<unsigned>(std::min(r.keep[i].target, 39) + r.keep[i].more);
  return size;
}

}  // namespace

std::uint64_t size_of(const Scenario& s) {
  std::uint64_t size = 100'000 * s.threads.size() + 10 * s.schedule.size() + s.expectations.size();
  if (s.fault.kind != SC_FAULT_NONE) size += 4'000u + s.fault.at;
  size += 2'000 * s.world.refusal_count;
  for (const Thread& t : s.threads)
    for (const sc_operation& op : t.operations) {
      size += 5'000 + static_cast<unsigned>(std::popcount(op.signals)) + (op.flags != 0 ? 1u : 0u);
      if (op.kind == SC_OP_SPAWN) size += size_of_request(op.request);
    }
  const sc_world& w = s.world;
  size += 1'000 * w.line_count + (w.limit != 0 ? 50u : 0u);
  size += 10u * static_cast<unsigned>(std::popcount(w.mask) + std::popcount(w.ignored) + std::popcount(w.handled));
  for (std::uint32_t i = 0; i < w.line_count; ++i) {
    size += (w.line[i].cloexec ? 2u : 0u) + (w.line[i].kind != SC_WORLD_MEMFD ? 4u : 0u) +
            static_cast<unsigned>(std::min(w.line[i].number, 64));
    if (w.line[i].kind == SC_WORLD_FILL) size += 10u + static_cast<unsigned>(w.line[i].second - w.line[i].number) / 16;
    if (w.line[i].kind == SC_WORLD_MEMFDS) size += 10u + static_cast<unsigned>(w.line[i].second - w.line[i].number);
  }
  return size;
}

namespace {

class Shrinker {
 public:
  explicit Shrinker(const Scenario& s) : s_(s), size_(size_of(s)) {}

  std::vector<Scenario> run() {
    drop_threads();
    drop_runs_of_operations();
    drop_world_lines();
    drop_refusals();
    simplify_fault();
    simplify_rest();
    for (std::size_t t = 0; t < s_.threads.size(); ++t)
      for (std::size_t o = 0; o < s_.threads[t].operations.size(); ++o) simplify_operation(t, o);
    return std::move(out_);
  }

 private:
  void offer(Scenario candidate) {
    repair(candidate);
    if (size_of(candidate) < size_) out_.push_back(std::move(candidate));
  }
  template <typename Change>
  void with(Change change) {
    Scenario candidate = s_;
    change(candidate);
    offer(std::move(candidate));
  }

  void drop_threads() {
    for (std::size_t t = 0; t < s_.threads.size(); ++t)
      with([&](Scenario& c) {
        c.threads.erase(c.threads.begin() + static_cast<std::ptrdiff_t>(t));
        c.schedule.clear();
        if (c.fault.thread == t)
          c.fault = {};
        else if (c.fault.thread > t)
          --c.fault.thread;
      });
  }
  // Drops halves, quarters, ... and single operations.
  void drop_runs_of_operations() {
    for (std::size_t t = 0; t < s_.threads.size(); ++t) {
      const std::size_t n = s_.threads[t].operations.size();
      for (std::size_t length = n; length > 0; length /= 2)
        for (std::size_t first = 0; first + length <= n; first += length)
          with([&](Scenario& c) {
            auto& ops = c.threads[t].operations;
            ops.erase(ops.begin() + static_cast<std::ptrdiff_t>(first),
                      ops.begin() + static_cast<std::ptrdiff_t>(first + length));
            if (c.fault.thread != t || c.fault.operation < first) return;
            if (c.fault.operation < first + length)
              c.fault = {};
            else
              c.fault.operation = static_cast<std::uint8_t>(c.fault.operation - length);
          });
    }
  }
  void drop_world_lines() {
    for (std::uint32_t i = 0; i < s_.world.line_count; ++i) {
      with([&](Scenario& c) {
        std::copy(c.world.line + i + 1, c.world.line + c.world.line_count, c.world.line + i);
        --c.world.line_count;
      });
      with([&](Scenario& c) { c.world.line[i].cloexec = 0; });
      if (s_.world.line[i].second < 0) with([&](Scenario& c) { c.world.line[i].kind = SC_WORLD_MEMFD; });
      if (s_.world.line[i].kind == SC_WORLD_FILL)
        with([&](Scenario& c) { c.world.line[i].second = (c.world.line[i].number + c.world.line[i].second) / 2; });
      if (s_.world.line[i].kind == SC_WORLD_MEMFDS) shrink_memfds(i);
    }
  }
  // Reduces the line to its first half, its second half, or one number.
  void shrink_memfds(std::uint32_t i) {
    const std::int32_t middle = (s_.world.line[i].number + s_.world.line[i].second) / 2;
    with([&](Scenario& c) { c.world.line[i].second = middle; });
    with([&](Scenario& c) { c.world.line[i].number = std::min(middle + 1, c.world.line[i].second); });
    with([&](Scenario& c) {
      c.world.line[i].kind = SC_WORLD_MEMFD;
      c.world.line[i].second = -1;
    });
  }
  void drop_refusals() {
    for (std::uint32_t i = 0; i < s_.world.refusal_count; ++i)
      with([&](Scenario& c) {
        std::copy(c.world.refusal + i + 1, c.world.refusal + c.world.refusal_count, c.world.refusal + i);
        --c.world.refusal_count;
      });
  }
  // A smaller spawn makes fewer calls, so the fault moves to an earlier one.
  void simplify_fault() {
    if (s_.fault.kind == SC_FAULT_NONE) return;
    with([](Scenario& c) { c.fault = {}; });
    for (const int less : {1, 2, 3, 8})
      if (s_.fault.at >= less) with([&](Scenario& c) { c.fault.at = static_cast<std::uint16_t>(c.fault.at - less); });
    with([](Scenario& c) { c.fault.at /= 2; });
  }
  void simplify_rest() {
    with([](Scenario& c) { c.schedule.clear(); });
    with([](Scenario& c) { c.schedule.resize(c.schedule.size() / 2); });
    with([](Scenario& c) { c.expectations.clear(); });
    with([](Scenario& c) { c.world.limit = 0; });
    with([](Scenario& c) { c.world.mask = 0; });
    for (int signal = 1; signal <= SC_SIGNAL_MAX; ++signal) {
      const std::uint64_t bit = signal_bit(signal);
      if ((s_.world.ignored | s_.world.handled | s_.world.mask) & bit)
        with([&](Scenario& c) {
          c.world.ignored &= ~bit;
          c.world.handled &= ~bit;
          c.world.mask &= ~bit;
        });
    }
  }
  void simplify_operation(std::size_t t, std::size_t o) {
    auto at = [t, o](Scenario& c) -> sc_operation& { return c.threads[t].operations[o]; };
    const sc_operation& op = s_.threads[t].operations[o];
    if (op.flags != 0) with([&](Scenario& c) { at(c).flags = 0; });
    if (op.signals != 0) with([&](Scenario& c) { at(c).signals = 0; });
    if (op.kind != SC_OP_SPAWN) return;
    const sc_request& r = op.request;
    for (std::uint32_t i = 0; i < r.keep_count; ++i)
      with([&](Scenario& c) {
        sc_request& request = at(c).request;
        std::copy(request.keep + i + 1, request.keep + request.keep_count, request.keep + i);
        --request.keep_count;
      });
    for (std::uint32_t i = 0; i < r.keep_count; ++i)
      if (r.keep[i].more > 0) halve_run(t, o, i);
    if (r.pgroup.variable || r.pgroup.value != 0) with([&](Scenario& c) { at(c).request.pgroup = {}; });
    for (int bit = 0; bit < 7; ++bit)
      if (r.set >> bit & 1) with([&](Scenario& c) { at(c).request.set &= ~(1u << bit); });
    if (r.argument_count != 0) with([&](Scenario& c) { at(c).request.argument_count /= 2; });
    if (r.program != 0) with([&](Scenario& c) { at(c).request.program = SC_PROGRAM_HOLD; });
    with([&](Scenario& c) { at(c).request.mask &= at(c).request.mask - 1; });
    with([&](Scenario& c) { at(c).request.dflt &= at(c).request.dflt - 1; });
    with([&](Scenario& c) { at(c).request.ignore &= at(c).request.ignore - 1; });
  }
  void halve_run(std::size_t t, std::size_t o, std::uint32_t i) {
    const sc_keep whole = s_.threads[t].operations[o].request.keep[i];
    const auto put = [&](sc_keep smaller) {
      with([&](Scenario& c) { c.threads[t].operations[o].request.keep[i] = smaller; });
    };
    sc_keep first = whole, second = sc_kept_of(whole, whole.more / 2 + 1);
    first.more = whole.more / 2;
    second.more = whole.more - whole.more / 2 - 1;
    put(first);
    put(second);
  }

  const Scenario& s_;
  const std::uint64_t size_;
  std::vector<Scenario> out_;
};

}  // namespace

std::vector<Scenario> smaller(const Scenario& s) { return Shrinker(s).run(); }

Scenario shrink(Scenario s, const std::function<bool(const Scenario&)>& still_fails, unsigned tries_max) {
  unsigned tries = 0;
  for (bool moved = true; moved;) {
    moved = false;
    for (Scenario& candidate : smaller(s)) {
      if (tries++ >= tries_max) return s;
      if (!still_fails(candidate)) continue;
      s = std::move(candidate);
      moved = true;
      break;
    }
  }
  return s;
}

}  // namespace spawncheck
