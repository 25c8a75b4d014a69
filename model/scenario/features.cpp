// SPDX-License-Identifier: MIT
//
// The features of a scenario: operations and options by their words, and situations, each a row of one table.
#include <algorithm>
#include <bitset>
#include <cerrno>
#include <iterator>

#include "impl/peers/implementation.h"
#include "model/scenario/generate.h"
#include "model/scenario/generate/tables.h"
#include "model/scenario/request_fields.h"
#include "model/scenario/validate.h"
#include "model/scenario/words.h"

namespace spawncheck {

namespace {

constexpr int sig_chld = 17, sig_first_realtime = 34;
constexpr std::int32_t default_limit = 1024, reference_keep_max = 4096;

// ---- what the situations ask ---------------------------------------------------------------------

std::int32_t limit_of(const sc_world& world) { return world.limit != 0 ? world.limit : default_limit; }

bool is_edge(std::int32_t number) {
  return std::find(std::begin(generating::edge_numbers), std::end(generating::edge_numbers), number) !=
         std::end(generating::edge_numbers);
}

// One spawn of a scenario.
struct Asked {
  const Scenario& scenario;
  std::size_t thread, operation;
  const sc_request& request() const { return scenario.threads[thread].operations[operation].request; }

  // Tests each entry, of a run the first and last, whose source is a number.
  template <typename Test>
  bool any_kept(Test test) const {
    const sc_request& r = request();
    for (std::uint32_t i = 0; i < r.keep_count; ++i) {
      const sc_keep& k = r.keep[i];
      if (k.source.variable) continue;
      if (test(k.source.value, k.target) || (k.more > 0 && test(k.source.value + k.more, k.target + k.more)))
        return true;
    }
    return false;
  }
  // The target to which a single entry moves the number, -1: none.
  std::int32_t next(std::int32_t number) const {
    const sc_request& r = request();
    for (std::uint32_t i = 0; i < r.keep_count; ++i)
      if (!r.keep[i].source.variable && r.keep[i].source.value == number && r.keep[i].target != number)
        return r.keep[i].target;
    return -1;
  }
  template <typename Test>
  bool any_before(Test test) const {
    const auto& ops = scenario.threads[thread].operations;
    return std::any_of(ops.begin(), ops.begin() + static_cast<std::ptrdiff_t>(operation), test);
  }
  template <typename Test>
  bool any_elsewhere(Test test) const {
    for (std::size_t t = 0; t < scenario.threads.size(); ++t)
      if (t != thread &&
          std::any_of(scenario.threads[t].operations.begin(), scenario.threads[t].operations.end(), test))
        return true;
    return false;
  }
  bool asks(std::uint32_t bit) const { return (request().set & bit) != 0; }
  // Returns true if the thread did such an operation on the child before.
  bool was_before(std::uint8_t kind, const sc_operand& child) const {
    return any_before([&](const sc_operation& o) {
      return o.kind == kind && o.operand[0].variable == child.variable && o.operand[0].value == child.value;
    });
  }
};

bool ends_child(const sc_operation& o) { return o.kind == SC_OP_KILL_CHILD || o.kind == SC_OP_WAIT; }
bool puts_at(const sc_operation& o, std::int32_t number) {
  return (o.kind == SC_OP_DUP2 || o.kind == SC_OP_DUP3) && o.operand[1].value == number;
}

std::uint32_t kept(const Asked& a) { return sc_kept_count(&a.request()); }
bool has_target_twice(const Asked& a) {
  std::bitset<SC_NUMBER_MAX + 1 + SC_KEPT_MAX> seen;
  const sc_request& r = a.request();
  for (std::uint32_t i = 0; i < r.keep_count; ++i)
    for (std::int32_t n = 0; n <= r.keep[i].more; ++n) {
      const std::int32_t target = r.keep[i].target + n;
      if (seen[target]) return true;
      seen.set(target);
    }
  return false;
}
bool has_source_twice(const Asked& a) {
  const sc_request& r = a.request();
  for (std::uint32_t i = 0; i < r.keep_count; ++i)
    for (std::uint32_t j = 0; j < i; ++j)
      if (!r.keep[i].source.variable && !r.keep[j].source.variable && r.keep[i].source.value == r.keep[j].source.value)
        return true;
  return false;
}
bool is_group(const Asked& a, bool of_child, bool is_gone) {
  const sc_operand& g = a.request().pgroup;
  return a.asks(SPAWNCHECK_SET_PGROUP) && (g.variable != 0) == of_child &&
         (!of_child || (a.was_before(SC_OP_KILL_CHILD, g) || a.was_before(SC_OP_WAIT, g)) == is_gone);
}

// Columns: word, test whether a spawn has the feature.
struct SpawnFeature {
  std::string_view word;
  bool (*has)(const Asked&);
};

constexpr SpawnFeature spawn_features[] = {
    {"list:none", [](const Asked& a) { return kept(a) == 0; }},
    {"list:short", [](const Asked& a) { return kept(a) >= 1 && kept(a) <= 16; }},
    {"list:tens", [](const Asked& a) { return kept(a) >= 17 && kept(a) <= 64; }},
    {"list:hundreds", [](const Asked& a) { return kept(a) > 64 && kept(a) <= reference_keep_max; }},
    {"list:beyond", [](const Asked& a) { return kept(a) > reference_keep_max; }},
    {"identity", [](const Asked& a) { return a.any_kept([](std::int32_t s, std::int32_t t) { return s == t; }); }},
    {"chain",
     [](const Asked& a) {
       return a.any_kept([&](std::int32_t s, std::int32_t t) { return s != t && a.next(t) >= 0; });
     }},
    {"swap",
     [](const Asked& a) {
       return a.any_kept([&](std::int32_t s, std::int32_t t) { return s != t && a.next(t) == s; });
     }},
    {"cycle",
     [](const Asked& a) {
       return a.any_kept(
           [&](std::int32_t s, std::int32_t t) { return s != t && a.next(t) >= 0 && a.next(a.next(t)) == s; });
     }},
    {"fan-out", has_source_twice},
    {"duplicate-target", has_target_twice},
    {"source:of-thread",
     [](const Asked& a) {
       return std::any_of(a.request().keep, a.request().keep + a.request().keep_count,
                          [](const sc_keep& k) { return k.source.variable != 0; });
     }},
    {"source:failed",
     [](const Asked& a) {
       return std::any_of(a.request().keep, a.request().keep + a.request().keep_count, [&](const sc_keep& k) {
         return k.source.variable != 0 && a.any_before([&](const sc_operation& o) {
           return o.kind == SC_OP_DUP && o.result[0] == k.source.value && !o.operand[0].variable &&
                  !is_open(a.scenario.world, o.operand[0].value);
         });
       });
     }},
    {"source:of-window",
     [](const Asked& a) {
       const sc_world& w = a.scenario.world;
       return a.any_kept([&](std::int32_t s, std::int32_t) {
         return std::any_of(w.line, w.line + w.line_count, [&](const sc_world_line& l) {
           return l.kind == SC_WORLD_WINDOW && l.number <= s && s <= l.second;
         });
       });
     }},
    {"program:busy",
     [](const Asked& a) {
       return a.request().program == SC_PROGRAM_WRITTEN && a.any_before([&](const sc_operation& o) {
         return o.kind == SC_OP_PROGRAM && o.operand[0].value == a.request().name;
       });
     }},
    {"source:edge", [](const Asked& a) { return a.any_kept([](std::int32_t s, std::int32_t) { return is_edge(s); }); }},
    {"source:above-limit",
     [](const Asked& a) {
       return a.any_kept([&](std::int32_t s, std::int32_t) { return s >= limit_of(a.scenario.world); });
     }},
    {"source:closed-low",
     [](const Asked& a) {
       return a.any_kept([&](std::int32_t s, std::int32_t) { return s < 64 && !is_open(a.scenario.world, s); });
     }},
    {"source:closed-high",
     [](const Asked& a) {
       return a.any_kept([&](std::int32_t s, std::int32_t) { return s >= 64 && !is_open(a.scenario.world, s); });
     }},
    {"source:pidfd's",
     [](const Asked& a) {
       return a.asks(SPAWNCHECK_WANT_PIDFD) &&
              a.any_kept([&](std::int32_t s, std::int32_t) { return s == lowest_closed(a.scenario.world, 0); });
     }},
    {"source:replaced",
     [](const Asked& a) {
       return a.any_kept([&](std::int32_t s, std::int32_t) {
         return a.any_elsewhere([&](const sc_operation& o) { return puts_at(o, s); });
       });
     }},
    {"source:closed-meanwhile",
     [](const Asked& a) {
       return a.any_kept([&](std::int32_t s, std::int32_t) {
         return a.any_elsewhere([&](const sc_operation& o) {
           return o.kind == SC_OP_CLOSE && !o.operand[0].variable && o.operand[0].value == s;
         });
       });
     }},
    {"target:standard", [](const Asked& a) { return a.any_kept([](std::int32_t, std::int32_t t) { return t <= 2; }); }},
    {"target:edge", [](const Asked& a) { return a.any_kept([](std::int32_t, std::int32_t t) { return is_edge(t); }); }},
    {"target:below-limit",
     [](const Asked& a) {
       return a.any_kept([&](std::int32_t, std::int32_t t) { return t == limit_of(a.scenario.world) - 1; });
     }},
    {"target:at-limit",
     [](const Asked& a) {
       return a.any_kept([&](std::int32_t, std::int32_t t) { return t >= limit_of(a.scenario.world); });
     }},
    {"target:high",
     [](const Asked& a) { return a.any_kept([](std::int32_t, std::int32_t t) { return t >= default_limit; }); }},
    {"group:new", [](const Asked& a) { return is_group(a, false, false) && a.request().pgroup.value == 0; }},
    {"group:foreign", [](const Asked& a) { return is_group(a, false, false) && a.request().pgroup.value != 0; }},
    {"group:of-child", [](const Asked& a) { return is_group(a, true, false); }},
    {"group:of-gone", [](const Asked& a) { return is_group(a, true, true); }},
    {"some-arguments",
     [](const Asked& a) { return a.request().argument_count >= 1 && a.request().argument_count < 1000; }},
    {"long-arguments", [](const Asked& a) { return a.request().argument_count >= 1000; }},
    {"child-ended-before", [](const Asked& a) { return a.any_before(ends_child); }},
    {"child-ends-meanwhile", [](const Asked& a) { return a.any_elsewhere(ends_child); }},
    {"pending:thread",
     [](const Asked& a) {
       return a.any_before([](const sc_operation& o) {
         return o.kind == SC_OP_MASK && o.operand[0].value != SC_HOW_UNBLOCK;
       }) && a.any_before([&](const sc_operation& o) {
         return o.kind == SC_OP_TGKILL && o.operand[0].value == static_cast<std::int32_t>(a.thread);
       });
     }},
    {"pending:process",
     [](const Asked& a) {
       return a.any_before([](const sc_operation& o) {
         return o.kind == SC_OP_MASK && o.operand[0].value != SC_HOW_UNBLOCK;
       }) && a.any_before([](const sc_operation& o) { return o.kind == SC_OP_KILL; });
     }},
    {"pending:chld",
     [](const Asked& a) {
       return a.any_before([](const sc_operation& o) {
         return o.kind == SC_OP_MASK && o.operand[0].value == SC_HOW_BLOCK && (o.signals & signal_bit(sig_chld)) != 0;
       }) && a.any_before(ends_child);
     }},
};

template <typename Test>
bool any_operation(const Scenario& s, Test test) {
  return std::any_of(s.threads.begin(), s.threads.end(),
                     [&](const Thread& t) { return std::any_of(t.operations.begin(), t.operations.end(), test); });
}
template <typename Test>
std::size_t threads_with(const Scenario& s, Test test) {
  return static_cast<std::size_t>(std::count_if(s.threads.begin(), s.threads.end(), [&](const Thread& t) {
    return std::any_of(t.operations.begin(), t.operations.end(), test);
  }));
}
bool is_spawn(const sc_operation& o) { return o.kind == SC_OP_SPAWN; }
bool has_fill(const Scenario& s, bool cloexec) {
  return std::any_of(s.world.line, s.world.line + s.world.line_count,
                     [&](const sc_world_line& l) { return l.kind == SC_WORLD_FILL && (l.cloexec != 0) == cloexec; });
}
bool refuses(const Scenario& s, int error) {
  return std::any_of(s.world.refusal, s.world.refusal + s.world.refusal_count,
                     [&](const sc_refusal& r) { return r.error == error; });
}
bool is_tight(const Scenario& s) {
  return s.world.limit != 0 && any_operation(s, [&](const sc_operation& o) {
           return is_spawn(o) &&
                  s.world.limit - highest_open(s.world) < 2 * static_cast<std::int32_t>(sc_kept_count(&o.request)) + 9;
         });
}
// Masks are set by the first operation of a thread.
bool have_masks_of_their_own(const Scenario& s) {
  return s.threads.size() > 1 && threads_with(s, [](const sc_operation& o) { return o.kind == SC_OP_MASK; }) > 0;
}

struct ScenarioFeature {
  std::string_view word;
  bool (*has)(const Scenario&);
};

constexpr ScenarioFeature scenario_features[] = {
    {"race", [](const Scenario& s) { return s.threads.size() > 1 && any_operation(s, is_spawn); }},
    {"two-spawns", [](const Scenario& s) { return threads_with(s, is_spawn) > 1; }},
    {"limit:set", [](const Scenario& s) { return s.world.limit != 0; }},
    {"limit:tight", is_tight},
    {"limit:changes",
     [](const Scenario& s) {
       return any_operation(s, is_spawn) &&
              any_operation(s, [](const sc_operation& o) { return o.kind == SC_OP_LIMIT; });
     }},
    {"limit:high", [](const Scenario& s) { return s.world.limit > default_limit; }},
    {"limit:passed", [](const Scenario& s) { return highest_open(s.world) >= limit_of(s.world); }},
    {"wide:cloexec", [](const Scenario& s) { return has_fill(s, true); }},
    {"wide:open", [](const Scenario& s) { return has_fill(s, false); }},
    {"masks-differ", have_masks_of_their_own},
    {"stacks-differ",
     [](const Scenario& s) {
       const std::size_t n = threads_with(s, [](const sc_operation& o) { return o.kind == SC_OP_ALTSTACK; });
       return n > 0 && n < s.threads.size();
     }},
    {"handled", [](const Scenario& s) { return s.world.handled != 0; }},
    {"handled:realtime", [](const Scenario& s) { return s.world.handled >> (sig_first_realtime - 1) != 0; }},
    {"handled:chld", [](const Scenario& s) { return (s.world.handled & signal_bit(sig_chld)) != 0; }},
    {"handled:many", [](const Scenario& s) { return std::bitset<64>(s.world.handled).count() > 32; }},
    {"ignored", [](const Scenario& s) { return s.world.ignored != 0; }},
    {"ignored:chld", [](const Scenario& s) { return (s.world.ignored & signal_bit(sig_chld)) != 0; }},
    {"refused:ENOSYS", [](const Scenario& s) { return refuses(s, ENOSYS); }},
    {"refused:EPERM", [](const Scenario& s) { return refuses(s, EPERM); }},
    {"refused:EMFILE", [](const Scenario& s) { return refuses(s, EMFILE); }},
    {"refused:ENOMEM", [](const Scenario& s) { return refuses(s, ENOMEM); }},
    {"refused:EINTR", [](const Scenario& s) { return refuses(s, EINTR); }},
};

std::string world_word(std::size_t kind) {
  const WorldRow& row = world_rows()[kind];
  return "world:" + std::string(row.word.empty() ? row.line : row.word);
}
std::string policy_word(std::size_t policy) { return "policy:" + std::string(policy_words()[policy]); }
std::string field_word(const RequestField& field) { return "set:" + std::string(field.word); }
std::string program_word(std::size_t program) { return "program:" + std::string(program_rows()[program].word); }

}  // namespace

const std::vector<std::string>& feature_words() {
  static const std::vector<std::string> words = [] {
    std::vector<std::string> all;
    for (const OperationRow& row : operation_rows()) all.emplace_back(row.word);
    for (std::size_t i = 0; i < policy_words().size(); ++i) all.push_back(policy_word(i));
    for (std::size_t i = 0; i < program_rows().size(); ++i) all.push_back(program_word(i));
    for (std::size_t i = 0; i < world_rows().size(); ++i) all.push_back(world_word(i));
    for (const RequestField& field : request_fields) all.push_back(field_word(field));
    for (const SpawnFeature& f : spawn_features) all.emplace_back(f.word);
    for (const ScenarioFeature& f : scenario_features) all.emplace_back(f.word);
    std::sort(all.begin(), all.end());
    return all;
  }();
  return words;
}

std::vector<std::string> features(const Scenario& s) {
  std::vector<std::string> out;
  for (std::size_t t = 0; t < s.threads.size(); ++t)
    for (std::size_t o = 0; o < s.threads[t].operations.size(); ++o) {
      const sc_operation& op = s.threads[t].operations[o];
      out.emplace_back(row_of(op).word);
      if (!is_spawn(op)) continue;
      out.push_back(policy_word(op.request.policy));
      out.push_back(program_word(op.request.program));
      for (const RequestField& field : request_fields)
        if (is_given(field, op.request)) out.push_back(field_word(field));
      const Asked asked{s, t, o};
      for (const SpawnFeature& f : spawn_features)
        if (f.has(asked)) out.emplace_back(f.word);
    }
  for (std::uint32_t i = 0; i < s.world.line_count; ++i) out.push_back(world_word(s.world.line[i].kind));
  for (const ScenarioFeature& f : scenario_features)
    if (f.has(s)) out.emplace_back(f.word);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace spawncheck
