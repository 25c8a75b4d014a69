// SPDX-License-Identifier: MIT
#include "impl/session/refine_on_kernel.h"

#include <array>

#include "impl/session/scheduled.h"

namespace spawncheck {

namespace {

constexpr unsigned word = 3, slots = 2 * word;
constexpr unsigned slot_states = 3;  // closed, open, open with close-on-exec
constexpr unsigned flag_sets = 4;
constexpr unsigned tables = slot_states * slot_states * slot_states * slot_states * slot_states * slot_states;
static_assert(slots == 6);

const std::vector<refine::Arguments>& ranges() {
  static const std::vector<refine::Arguments> all = refine::all_ranges(word);
  return all;
}

std::string number_text(std::uint32_t slot, const char* beyond) {
  return slot == refine::infinity ? beyond : std::to_string(slot / word * 64 + slot % word);
}

}  // namespace

std::uint64_t kernel_case_count() { return std::uint64_t{tables} * ranges().size() * flag_sets * 2; }

KernelCase kernel_case(std::uint64_t number) {
  KernelCase c{};
  c.arguments = ranges()[number % ranges().size()];
  number /= ranges().size();
  c.arguments.flags = static_cast<std::uint32_t>(number % flag_sets) * refine::flag_unshare;
  number /= flag_sets;
  c.arguments.is_shared = number % 2 != 0;
  number /= 2;
  c.table.words = 2;
  for (unsigned n = 0; n < slots; ++n, number /= slot_states) {
    if (number % slot_states == 0) continue;
    c.table.open |= 1u << n;
    if (number % slot_states == 2) c.table.cloexec |= 1u << n;
  }
  c.table.file = c.table.open;
  return c;
}

// To have its table for itself, the thread first unshares it, by a range above every open number: it closes nothing.
std::string scenario_text(const KernelCase& c) {
  std::string text;
  for (unsigned n = 0; n < slots; ++n)
    if ((c.table.file >> n & 1) != 0)
      text += "fd " + number_text(n, "") + " memfd" + ((c.table.cloexec >> n & 1) != 0 ? " cloexec\n" : "\n");
  constexpr std::array<const char*, flag_sets> flags = {"", " unshare", " cloexec", " unshare cloexec"};
  text += "thread\n";
  if (!c.arguments.is_shared) text += "  close_range 19999 max unshare\n";
  text += "  close_range " + number_text(c.arguments.first, "19999") + " " + number_text(c.arguments.last, "max") +
          flags[c.arguments.flags / refine::flag_unshare];
  return text + "\n  getfd 0\nthread\n  getfd 0\n";
}

KernelCheck check_on_kernel(Session& session, std::uint64_t first, std::uint64_t stride,
                            const std::function<bool()>& is_over) {
  KernelCheck check;
  sc_policy policy = policy_of(Turns::lenient);
  policy.snapshot_every = 1;
  for (std::uint64_t n = first; n < kernel_case_count() && !(is_over && is_over()); n += stride) {
    const std::string text = scenario_text(kernel_case(n));
    auto parsed = parse(text);
    if (!std::holds_alternative<Scenario>(parsed)) {
      check.disagreement = "no scenario: " + std::get<ParseError>(parsed).message() + "\n" + text;
      return check;
    }
    const lockstep::Comparison c = session.run_lockstep(std::get<Scenario>(parsed), policy);
    ++check.cases;
    check.snapshots += c.snapshots;
    if (c.disagreement)
      check.disagreement =
          "the kernel: " + c.disagreement->kernel + "; the model: " + c.disagreement->model + "\n" + text;
    else if (!c.unknown.empty())
      check.disagreement = "not compared: " + c.unknown + "\n" + text;
    if (!check.disagreement.empty()) return check;
  }
  return check;
}

}  // namespace spawncheck
