// SPDX-License-Identifier: MIT
//
// Looks for an order of the same run in which a program inherits what it should not: runs the program again and holds
// the creator at the exit of the creating call while the other tasks go on.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "impl/audit/tracer.h"
#include "model/audit/rules.h"

namespace spawncheck::audit {

// The name of a site, the same in every run: the call, the file and offset, the caller's file and offset.
std::string key_of(const Recording&, std::uint32_t site);

struct Pair {
  std::string create, clone;  // keys
  auto operator<=>(const Pair&) const = default;
};

// What a replay needs, and what the confirmed run showed.
struct Witness {
  std::vector<std::string> command;
  Pair pair;
  std::int32_t number = -1;
  std::string path, program;
};

// The text of a witness file, and its parser, which returns nullopt for any other text.
std::string print(const Witness&);
std::optional<Witness> parse_witness(const std::string& text);

// What trials of a pair have shown.
struct Outcome {
  std::optional<Witness> witness;  // confirmed
  unsigned holds = 0;              // of the creator
  unsigned futex = 0, other = 0;   // holds during which the thread that cloned next waited in a futex, in another call
  unsigned open = 0;               // undecided holds: some task could always go on, or that thread did not wait
  std::string waited_in;           // the name of the last such other call
};

class Trial final : public Holder {
 public:
  Trial(std::set<Pair> pairs, std::vector<std::string> command);

  bool wants(const Follower&, const Event&, std::uint32_t window) override;
  void exec(const Follower&, const Exec&, pid_t child, const std::function<pid_t(TaskId)>& tid_of) override;
  void cloned(const Follower&, const Copy&) override;
  bool releases(std::uint64_t held_ns, const std::vector<Other>&) override;

  void next_run();  // each create may be held anew
  bool is_decided() const;
  const std::map<Pair, Outcome>& outcomes() const { return outcomes_; }

 private:
  std::map<Pair, Outcome>::iterator find(const Pair&);
  std::set<Pair> pairs_;
  std::vector<std::string> command_;
  std::map<Pair, Outcome> outcomes_;
  std::map<std::string, unsigned> holds_;  // by Pair::create
  // Of the current hold, else of the last:
  std::string create_;
  std::uint32_t window_ = nothing, table_ = nothing;
  TaskId creator_ = -1;
  bool is_holding_ = false, is_confirmed_ = false, awaits_clone_ = false;
  std::map<TaskId, long> waited_;  // who slept without a timeout at the release, and in which call
  unsigned looks_ = 0;
  std::map<TaskId, unsigned> looks_awake_;
};

// Runs the command again, at most `runs` times, and replaces predicted or possible by what the trials showed. Drops a
// finding that is still only possible, and merges equal ones. Returns a witness for each finding that is left, in their
// order; nullopt if the trials did not confirm it.
struct Confirmed {
  std::vector<std::optional<Witness>> witnesses;
  unsigned runs = 0;
};
Confirmed confirm(std::vector<Finding>&, const Recording&, const TraceOptions&, unsigned runs);

}  // namespace spawncheck::audit
