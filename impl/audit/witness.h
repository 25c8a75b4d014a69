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

// A site, named as in every run: the call, the file and offset, the caller's file and offset.
std::string key_of(const Recording&, std::uint32_t site);

struct Pair {
  std::string create, clone;  // keys
  auto operator<=>(const Pair&) const = default;
};

// What must be there to make a witness again.
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
  unsigned futex = 0, other = 0;   // after which the other thread had waited in a futex, in something else
  unsigned open = 0;               // undecided: some task could always go on
  std::string waited_in;           // the last such call's name
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
  std::map<std::string, unsigned> holds_;  // by create
  // Of the hold that is, or was the last:
  std::string create_;
  std::uint32_t window_ = nothing, table_ = nothing;
  TaskId creator_ = -1;
  bool is_holding_ = false, is_confirmed_ = false, awaits_clone_ = false;
  std::map<TaskId, long> waited_;  // who slept for ever at the release, and in which call
  unsigned looks_ = 0;
  std::map<TaskId, unsigned> looks_awake_;
};

// Runs the command again, at most `runs` times, and replaces predicted or possible by what the trials showed; a finding
// that is still only possible is dropped. Returns the witnesses of the confirmed ones, in the findings' order.
struct Confirmed {
  std::vector<std::optional<Witness>> witnesses;
  unsigned runs = 0;
};
Confirmed confirm(std::vector<Finding>&, const Recording&, const TraceOptions&, unsigned runs);

}  // namespace spawncheck::audit
