// SPDX-License-Identifier: MIT
#include <nlohmann/json.hpp>

#include "impl/schedules/exhaustive.h"

namespace spawncheck {

namespace {

using nlohmann::json;

json to_json(const std::vector<Access>& accesses) {
  json out = json::array();
  for (const Access& a : accesses) out.push_back({a.kind, a.mode, a.id, a.low, a.high});
  return out;
}

std::vector<Access> accesses_of(const json& in) {
  std::vector<Access> out;
  for (const json& a : in)
    out.push_back({static_cast<Access::Kind>(a.at(0).get<int>()), static_cast<Access::Mode>(a.at(1).get<int>()),
                   a.at(2).get<std::uint16_t>(), a.at(3).get<std::int32_t>(), a.at(4).get<std::int32_t>()});
  return out;
}

}  // namespace

std::string ExhaustiveSearch::checkpoint() const {
  json nodes = json::array();
  for (const Node& n : nodes_) {
    json sleep = json::array();
    for (const auto& [task, asleep] : n.sleep) sleep.push_back({task, asleep.tasks, to_json(asleep.accesses)});
    nodes.push_back({{"turn", {n.turn.thread, n.turn.child}},
                     {"task", n.task},
                     {"enabled", n.enabled},
                     {"backtrack", n.backtrack},
                     {"done", n.done},
                     {"sleep", sleep}});
  }
  Scenario plain = scenario_;
  plain.schedule.clear();
  return json{{"scenario", print(plain)},
              {"implementation", session_.options().implementation},
              {"strategy", session_.options().strategy},
              {"reduce", limits_.reduce},
              {"preemptions", limits_.preemptions},
              {"schedules", result_.schedules},
              {"pruned", result_.pruned},
              {"by_status", result_.by_status},
              {"tasks", result_.tasks},
              {"steps", result_.steps},
              {"complete", result_.is_complete},
              {"begun", has_begun_},
              {"nodes", nodes}}
             .dump(1) +
         "\n";
}

std::string ExhaustiveSearch::load(const std::string& text) {
  try {
    const json in = json::parse(text);
    Scenario plain = scenario_;
    plain.schedule.clear();
    if (in.at("scenario").get<std::string>() != print(plain)) return "the checkpoint is of another scenario";
    if (in.at("implementation") != session_.options().implementation ||
        in.at("strategy") != session_.options().strategy)
      return "the checkpoint is of another implementation";
    if (in.at("reduce") != limits_.reduce || in.at("preemptions") != limits_.preemptions)
      return "the checkpoint is of another kind of search";
    std::vector<Node> nodes;
    for (const json& n : in.at("nodes")) {
      Node node;
      node.turn = {n.at("turn").at(0).get<std::uint8_t>(), n.at("turn").at(1).get<std::int8_t>()};
      node.task = n.at("task").get<std::uint8_t>();
      node.enabled = n.at("enabled").get<std::uint32_t>();
      node.backtrack = n.at("backtrack").get<std::uint32_t>();
      node.done = n.at("done").get<std::uint32_t>();
      for (const json& s : n.at("sleep"))
        node.sleep[s.at(0).get<std::uint8_t>()] = {s.at(1).get<std::uint32_t>(), accesses_of(s.at(2))};
      nodes.push_back(std::move(node));
    }
    nodes_ = std::move(nodes);
    result_.schedules = in.at("schedules").get<std::uint64_t>();
    result_.pruned = in.at("pruned").get<std::uint64_t>();
    for (int i = 0; i < 5; ++i)
      result_.by_status[i] = in.at("by_status").at(static_cast<std::size_t>(i)).get<std::uint64_t>();
    result_.tasks = in.at("tasks").get<unsigned>();
    result_.steps = in.at("steps").get<unsigned>();
    result_.is_complete = in.at("complete").get<bool>();
    has_begun_ = in.at("begun").get<bool>();
  } catch (const json::exception&) {
    return "this is not a checkpoint";
  }
  return {};
}

}  // namespace spawncheck
