// SPDX-License-Identifier: MIT
#include "impl/audit/witness.h"

#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace spawncheck::audit {

namespace {

constexpr unsigned holds_max = 3;  // of one create in one run
// A hold ends when no other task can go on; for a program that polls, after this time, which alone decides nothing.
constexpr std::uint64_t hold_ns_max = 4'000'000'000;
constexpr const char* file_kind = "spawncheck audit witness 1";

std::string place_key(const Recording& recording, const Place& place) {
  if (place.module == nothing) return "-";
  char offset[32];
  std::snprintf(offset, sizeof offset, "+0x%llx", static_cast<unsigned long long>(place.offset));
  const std::string& module = recording.texts[place.module];
  // Code that is generated at run time has another offset in each run.
  return module[0] == '[' && module != "[vdso]" ? module : module + offset;
}

}  // namespace

std::string key_of(const Recording& recording, std::uint32_t site) {
  if (site == nothing) return "-";
  const Site& s = recording.sites[site];
  return recording.texts[s.call] + "\t" + place_key(recording, s.at) + "\t" + place_key(recording, s.caller);
}

std::string print(const Witness& w) {
  const nlohmann::json json = {{"kind", file_kind},     {"command", w.command}, {"create", w.pair.create},
                               {"clone", w.pair.clone}, {"number", w.number},   {"path", w.path},
                               {"program", w.program}};
  return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::optional<Witness> parse_witness(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || json.value("kind", "") != file_kind) return std::nullopt;
  try {
    Witness out;
    out.command = json.at("command").get<std::vector<std::string>>();
    out.pair = {json.at("create").get<std::string>(), json.at("clone").get<std::string>()};
    out.number = json.at("number").get<std::int32_t>();
    out.path = json.at("path").get<std::string>();
    out.program = json.at("program").get<std::string>();
    if (out.command.empty()) return std::nullopt;
    return out;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

Trial::Trial(std::set<Pair> pairs, std::vector<std::string> command)
    : pairs_(std::move(pairs)), command_(std::move(command)) {
  for (const Pair& pair : pairs_) outcomes_[pair];
}

void Trial::next_run() {
  holds_.clear();
  is_holding_ = awaits_clone_ = false;
}

bool Trial::is_decided() const {
  return std::all_of(outcomes_.begin(), outcomes_.end(), [](const auto& o) {
    return o.second.witness || (o.second.open == 0 && o.second.futex + o.second.other > 0);
  });
}

// The stack that names a clone's caller may hold stale words (memory.h): if only the caller differs, a pair with the
// same clone call at the same place counts. The key of the creating call must be equal in full.
std::map<Pair, Outcome>::iterator Trial::find(const Pair& pair) {
  const auto exact = outcomes_.find(pair);
  if (exact != outcomes_.end()) return exact;
  const auto place = [](const std::string& key) { return key.substr(0, key.rfind('\t')); };
  return std::find_if(outcomes_.begin(), outcomes_.end(), [&](const auto& o) {
    return o.first.create == pair.create && !o.second.witness && place(o.first.clone) == place(pair.clone);
  });
}

bool Trial::wants(const Follower& follower, const Event& event, std::uint32_t window) {
  if (is_holding_) return false;
  const Window& w = follower.windows()[window];
  if (w.number <= 2 || follower.users_of(w.table) < 2 || w.end != Window::End::open) return false;
  const std::string create = key_of(follower.recording(), event.site);
  const bool is_open = std::any_of(outcomes_.begin(), outcomes_.end(), [&](const auto& o) {
    return o.first.create == create && !o.second.witness.has_value();
  });
  if (!is_open || holds_[create] >= holds_max) return false;
  ++holds_[create];
  for (auto& [pair, outcome] : outcomes_)
    if (pair.create == create) ++outcome.holds;
  create_ = create;
  window_ = window;
  table_ = w.table;
  creator_ = w.creator;
  is_holding_ = true;
  is_confirmed_ = awaits_clone_ = false;
  waited_.clear();
  looks_ = 0;
  looks_awake_.clear();
  return true;
}

void Trial::exec(const Follower& follower, const Exec& exec, pid_t child, const std::function<pid_t(TaskId)>& tid_of) {
  if (!is_holding_) return;
  for (const Inherited& item : exec.inherited) {
    if (item.window != window_) continue;
    const std::uint32_t c = raced_copy(follower, exec, item);
    if (c == nothing) continue;
    const Recording& recording = follower.recording();
    const auto outcome = find({create_, key_of(recording, recording.events[follower.copies()[c].event].site)});
    if (outcome == outcomes_.end() || outcome->second.witness) continue;
    // The same number alone proves nothing: the held creator and the program must refer to the same open file
    // description (kcmp(2)).
    const pid_t creator = tid_of(creator_);
    if (creator == 0 || syscall(SYS_kcmp, child, creator, KCMP_FILE, item.number, item.number) != 0) continue;
    outcome->second.witness = Witness{command_, outcome->first, item.number, item.link,
                                      recording.execs[recording.events[exec.event].facts].program};
    is_confirmed_ = true;
  }
}

// A runtime's monitor thread may sleep with a timeout and wake again for ever. If each task slept in at least three of
// four looks, the hold still decides: by the task that clones next, which must have waited without a timeout.
bool Trial::releases(std::uint64_t held_ns, const std::vector<Other>& others) {
  ++looks_;
  bool is_idle = true;
  for (const Other& o : others) {
    is_idle &= o.is_for_ever;
    if (!o.is_asleep) ++looks_awake_[o.task];
  }
  if (!is_confirmed_ && !is_idle && held_ns < hold_ns_max) return false;
  is_holding_ = false;
  if (is_confirmed_) return true;
  const bool is_quiet = std::all_of(looks_awake_.begin(), looks_awake_.end(),
                                    [&](const auto& awake) { return awake.second * 4 <= looks_; });
  if (is_idle || is_quiet) {
    awaits_clone_ = true;
    for (const Other& o : others)
      if (o.is_for_ever) waited_[o.task] = o.call;
  } else {
    for (auto& [pair, outcome] : outcomes_)
      if (pair.create == create_) ++outcome.open;
  }
  return true;
}

// Counts the first clone after such a release: had its task waited?
void Trial::cloned(const Follower& follower, const Copy& copy) {
  if (!awaits_clone_ || copy.table != table_ || copy.task == creator_) return;
  const Recording& recording = follower.recording();
  const auto outcome = find({create_, key_of(recording, recording.events[copy.event].site)});
  if (outcome == outcomes_.end()) return;
  awaits_clone_ = false;
  const auto waited = waited_.find(copy.task);
  if (waited == waited_.end()) {
    ++outcome->second.open;
    return;
  }
  if (waited->second == SYS_futex) {
    ++outcome->second.futex;
    return;
  }
  ++outcome->second.other;
  outcome->second.waited_in = "system call " + std::to_string(waited->second);
  for (const CallRow& row : calls())
    if (row.number == waited->second) outcome->second.waited_in = row.name;
}

Confirmed confirm(std::vector<Finding>& findings, const Recording& recording, const TraceOptions& options,
                  unsigned runs) {
  const auto pair_of = [&](const Finding& f) {
    return Pair{key_of(recording, f.create_site), key_of(recording, f.clone_site)};
  };
  const auto is_open = [](const Finding& f) {
    return f.certainty == Certainty::predicted || f.certainty == Certainty::possible;
  };
  Confirmed out;
  std::set<Pair> pairs;
  for (const Finding& f : findings)
    if (is_open(f)) pairs.insert(pair_of(f));
  Trial trial(pairs, options.command);
  while (!pairs.empty() && out.runs < runs && !trial.is_decided() && !options.is_interrupted()) {
    trial.next_run();
    TraceOptions again = options;
    again.streams = Streams::none;
    again.holder = &trial;
    Tracer tracer(again);
    ++out.runs;
    if (!tracer.run()) break;
  }
  std::vector<Finding> kept;
  for (Finding& f : findings) {
    std::optional<Witness> witness;
    if (is_open(f)) {
      const Outcome& outcome = trial.outcomes().at(pair_of(f));
      const unsigned holds = outcome.holds;
      if (outcome.witness) {
        f.certainty = Certainty::confirmed;
        witness = outcome.witness;
        f.number = witness->number;
        f.program = witness->program;
      } else if (outcome.open == 0 && outcome.futex > 0) {
        f.certainty = Certainty::lock_protected;
        f.text = "the other thread waited in a futex until the held creator went on, in " +
                 std::to_string(outcome.futex) + " of " + std::to_string(holds) + " holds";
      } else if (outcome.open == 0 && outcome.other > 0) {
        f.certainty = Certainty::ordered;
        f.text = "the other thread waited for the held creator: " + outcome.waited_in;
      } else if (f.certainty == Certainty::possible) {
        continue;
      } else {
        f.text = holds == 0 ? "the creating call was not seen again with another thread beside it"
                            : "the creator was held " + std::to_string(holds) +
                                  " times: the program went another way, or on, and nothing was decided";
      }
    }
    // Two findings of one pair, one predicted and one possible before, are one finding now.
    const auto same = std::find_if(kept.begin(), kept.end(), [&](const Finding& k) {
      return k.rule == Rule::inherited && f.rule == k.rule && k.certainty == f.certainty && pair_of(k) == pair_of(f);
    });
    if (same != kept.end()) {
      same->times += f.times;
      continue;
    }
    kept.push_back(std::move(f));
    out.witnesses.push_back(std::move(witness));
  }
  findings = std::move(kept);
  return out;
}

}  // namespace spawncheck::audit
