// SPDX-License-Identifier: MIT
//
// The judge on what a spawn leaves in its caller and in its child, in histories written by hand: rows in which an
// observed value is right, and rows in which it is wrong.
#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>
#include <memory>

#include "model/judge/judge.h"
#include "properties/written.h"

namespace spawncheck {
namespace {

constexpr std::int32_t child_pid = 77, caller_pid = 70;
constexpr std::uint64_t bit(int signal) { return 1ull << (signal - 1); }

using Change = std::function<void(sc_history&)>;

// One thread, one spawn that succeeded after the operations before it, and a child as it should be; then `change`.
struct Row {
  const char* name;
  const char* scenario;
  Change change;
  std::optional<Clause> clause;  // the violated one; none: the run holds
  const char* rule = "";
};

const sc_operation& operation(const Scenario& s, std::size_t t, std::size_t o) { return s.threads[t].operations[o]; }

void fill_in_process(sc_process& p, std::int32_t pid) {
  p.pid = pid;
  p.observed = 1;
  p.sid = 1;
  p.pgid = 1;
  p.cwd = -1;
}

std::unique_ptr<sc_history> as_it_should_be(const Scenario& s) {
  auto h = std::make_unique<sc_history>();
  h->thread_count = static_cast<std::uint32_t>(s.threads.size());
  std::uint32_t stamp = 0;
  for (std::size_t t = 0; t < s.threads.size(); ++t)
    for (std::size_t o = 0; o < s.threads[t].operations.size(); ++o) {
      sc_op_record& r = h->op[t][o];
      r.child = -1;
      r.value[0] = r.value[1] = -1;
      r.begin = ++stamp;
      r.end = ++stamp;
      if (operation(s, t, o).kind != SC_OP_SPAWN) continue;
      r.value[0] = child_pid;
      r.child = static_cast<std::int16_t>(h->child_count);
      sc_process& child = h->child[h->child_count++];
      fill_in_process(child, child_pid);
      child.ppid = caller_pid;
      child.has_execed = 1;
      child.argument_count = 1u + operation(s, t, o).request.argument_count;
      child.argument.is_known = child.environment.is_known = 1;
      child.mask = s.world.mask;
    }
  for (std::size_t t = 0; t < s.threads.size(); ++t) h->thread_mask[t] = s.world.mask;
  fill_in_process(h->parent, caller_pid);
  h->inherited = ~0ull;
  h->tells_chld = 1;
  h->end = SC_RUN_COMPLETE;
  return h;
}

void know(sc_attributes& a, sc_attribute which, std::uint64_t value) {
  a.known |= 1ull << which;
  a.value[which] = value;
}

// The attribute's value in the caller at the start (`made`) and at the end (`left`), and in the child.
Change attribute(sc_attribute which, std::uint64_t made, std::uint64_t left, std::uint64_t child) {
  return [=](sc_history& h) {
    know(h.made[0], which, made);
    know(h.left[0], which, left);
    know(h.child[0].attributes, which, child);
  };
}

Change disturbed(std::uint32_t what) {
  return [=](sc_history& h) { h.op[0][0].disturbed = what; };
}

Change differs(sc_difference sc_process::*list, const char* asked, const char* seen) {
  return [=](sc_history& h) {
    sc_difference& d = h.child[0].*list;
    d.is_different = 1;
    std::strncpy(d.asked, asked, SC_STRING_MAX - 1);
    std::strncpy(d.seen, seen, SC_STRING_MAX - 1);
  };
}

Change pending(std::uint64_t before, std::uint64_t after, std::size_t operation = 0) {
  return [=](sc_history& h) {
    h.op[0][operation].pending_before = before;
    h.op[0][operation].pending_after = after;
  };
}

// The file of world line 0, at 5 in the caller and at 3 in the child.
Change description(std::uint32_t flags_of_caller, std::uint32_t flags_of_child, std::uint64_t position,
                   std::uint8_t kind = SC_FILE_MEMFD) {
  return [=](sc_history& h) {
    sc_entry e{};
    e.number = e.last = 5;
    e.key = {kind, 1};
    e.same_as_parent = -1;
    e.status_flags = flags_of_caller;
    e.position = position;
    h.parent.entry[h.parent.entry_count++] = e;
    e.number = e.last = 3;
    e.status_flags = flags_of_child;
    e.position = 0;
    h.child[0].entry[h.child[0].entry_count++] = e;
  };
}

constexpr const char* one = "thread\n  spawn only hold -> $0 $1\n";
constexpr const char* keeps = "fd 5 memfd\nthread\n  spawn only hold keep 5>3 -> $0 $1\n";
constexpr const char* blocked = "mask USR1,CHLD,TSTP\nthread\n  spawn only hold -> $0 $1\n";
constexpr const char* waits = "disposition CHLD handler\nthread\n  spawn only exit -> $0 $1\n  wait $0\n";

void is_waited_for(sc_history& h) {
  h.child[0].observed = 0;
  h.op[0][1].value[0] = 7;
}

const Row rows[] = {
    {"nothing", one, [](sc_history&) {}, {}},
    // Attributes.
    {"a nice value that stays", one, attribute(SC_ATTRIBUTE_NICE, 0, 0, 0), {}},
    {"a nice value left in the caller", one, attribute(SC_ATTRIBUTE_NICE, 0, 3, 0), Clause::sig_parent_restored,
     "sig.parent_restored/4"},
    {"a nice value of the child", one, attribute(SC_ATTRIBUTE_NICE, 0, 0, 3), Clause::proc_child, "proc.child/13"},
    {"what the machine does not hand down",
     one,
     [](sc_history& h) {
       attribute(SC_ATTRIBUTE_NICE, 0, 0, 3)(h);
       h.inherited = 0;
     },
     {}},
    {"a limit of the caller", one, attribute(SC_ATTRIBUTE_SOFT_NOFILE, 1024, 64, 1024), Clause::sig_parent_restored,
     "sig.parent_restored/4"},
    {"a limit that an operation sets",
     "thread\n  spawn only hold -> $0 $1\n  limit 64\n",
     attribute(SC_ATTRIBUTE_SOFT_NOFILE, 1024, 64, 1024),
     {}},
    {"the child's directory where it is asked for",
     "thread\n  spawn only hold cwd a -> $0 $1\n",
     [](sc_history& h) {
       attribute(SC_ATTRIBUTE_DIRECTORY, 1, 1, 2)(h);
       h.child[0].cwd = 0;
     },
     {}},
    {"the child's directory where it is not", one, attribute(SC_ATTRIBUTE_DIRECTORY, 1, 1, 2), Clause::proc_child,
     "proc.child/13"},
    // The caller.
    {"the flags of a handler", one, [](sc_history& h) { h.op[0][0].actions = bit(SIGUSR1); },
     Clause::sig_parent_restored, "sig.parent_restored/3"},
    {"the flags of a handler that an operation sets",
     "thread\n  spawn only hold -> $0 $1\nthread\n  disposition USR1 handler\n",
     [](sc_history& h) {
       h.op[0][0].actions = bit(SIGUSR1);
       h.parent.caught = bit(SIGUSR1);
     },
     {}},
    {"the alternate stack", one, disturbed(SC_DISTURBED_ALTSTACK), Clause::sig_parent_restored,
     "sig.parent_restored/1"},
    {"the cancel type", one, disturbed(SC_DISTURBED_CANCEL_TYPE), Clause::sig_parent_restored, "sig.parent_restored/3"},
    {"a timer", one, disturbed(SC_DISTURBED_TIMERS), Clause::sig_parent_restored, "sig.parent_restored/3"},
    {"the request", one, disturbed(SC_DISTURBED_REQUEST), Clause::mm_unwritten, "mm.unwritten/5"},
    {"the caller exits in a spawn", one,
     [](sc_history& h) {
       h.op[0][0].end = 0;
       h.end = SC_RUN_KILLED;
     },
     Clause::live_returns, "live.returns/1"},
    {"the caller exits afterwards", one, [](sc_history& h) { h.end = SC_RUN_KILLED; }, Clause::mm_unwritten,
     "mm.unwritten/6"},
    // Pending signals.
    {"what is pending stays", blocked, pending(bit(SIGUSR1), bit(SIGUSR1) | bit(SIGCHLD)), {}},
    {"what is pending is gone", blocked, pending(bit(SIGUSR1), 0), Clause::sig_none_lost, "sig.none_lost/3"},
    {"a pending CHLD is gone", blocked, pending(bit(SIGCHLD), 0), Clause::sig_none_lost, "sig.none_lost/3"},
    {"what was pending has been handled",
     "mask USR1\ndisposition USR1 handler\nthread\n  kill USR1\n  spawn only hold -> $0 $1\n",
     [](sc_history& h) {
       pending(bit(SIGUSR1), 0, 1)(h);
       h.handled[h.handled_count++] = {SIGUSR1, 0, 0};
       h.parent.caught = bit(SIGUSR1);
     },
     {}},
    {"another thread may take what is pending",
     "mask USR1\nthread\n  spawn only hold -> $0 $1\nthread\n  mask unblock USR1\n",
     [](sc_history& h) {
       pending(bit(SIGUSR1), 0)(h);
       h.thread_mask[1] = 0;
     },
     {}},
    {"CONT removes a pending stop signal",
     "mask TSTP\nthread\n  spawn only hold -> $0 $1\nthread\n  kill CONT\n",
     pending(bit(SIGTSTP), 0),
     {}},
    {"the handler of CHLD has run",
     waits,
     [](sc_history& h) {
       is_waited_for(h);
       h.handled[h.handled_count++] = {SIGCHLD, 0, 0};
       h.parent.caught = bit(SIGCHLD);
     },
     {}},
    {"the handler of CHLD has not run", waits,
     [](sc_history& h) {
       is_waited_for(h);
       h.parent.caught = bit(SIGCHLD);
     },
     Clause::sig_none_lost, "sig.none_lost/4"},
    {"CHLD is pending",
     waits,
     [](sc_history& h) {
       is_waited_for(h);
       h.parent.caught = h.parent.shared_pending = bit(SIGCHLD);
     },
     {}},
    // The result.
    {"another error in the result", one,
     [](sc_history& h) {
       disturbed(SC_DISTURBED_RESULT)(h);
       h.op[0][0].result_error = EBADF;
     },
     Clause::err_exact, "err.exact/3"},
    {"no pid", one, [](sc_history& h) { h.op[0][0].value[0] = 0; }, Clause::proc_child, "proc.child/10"},
    {"an unasked pidfd", one, [](sc_history& h) { h.op[0][0].value[1] = 4; }, Clause::proc_child, "proc.child/11"},
    {"no pidfd where one was asked for", "thread\n  spawn only hold pidfd -> $0 $1\n", [](sc_history&) {},
     Clause::proc_child, "proc.child/8"},
    // The child.
    {"an argument", one, differs(&sc_process::argument, "a", "b"), Clause::proc_child, "proc.child/7"},
    {"a string of the environment", one, differs(&sc_process::environment, "A=1", "A=2"), Clause::proc_child,
     "proc.child/12"},
    {"an exit handler in the child", one, [](sc_history& h) { h.ran_in_child = SC_RAN_EXIT_HANDLER; },
     Clause::proc_child, "proc.child/14"},
    {"a flush in the child", one, [](sc_history& h) { h.ran_in_child = SC_RAN_FLUSH; }, Clause::proc_child,
     "proc.child/14"},
    // Descriptions.
    {"a description as it was made", keeps, description(0, 0, 0), {}},
    {"a description that is non-blocking", keeps, description(04000, 04000, 0), Clause::fd_untouched, "fd.untouched/4"},
    {"a description at another position", keeps, description(0, 0, 3), Clause::fd_untouched, "fd.untouched/4"},
    {"a description of the child that is non-blocking", keeps, description(0, 04000, 0), Clause::fd_kept, "fd.kept/3"},
};

TEST(JudgeOfWhatIsLeft, NamesTheClauseAndTheRule) {
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const Scenario scenario = scenario_of(row.scenario);
    const std::unique_ptr<sc_history> history = as_it_should_be(scenario);
    row.change(*history);
    const Verdict v = judge(scenario, *history, {});
    EXPECT_EQ(v.status, row.clause ? Status::violated : Status::holds) << v.observed << "; allowed: " << v.allowed;
    EXPECT_EQ(v.clause, row.clause) << v.observed;
    if (row.clause) {
      EXPECT_EQ(v.rule.rfind("contract " + std::string(row.rule) + ";", 0), 0u) << v.rule;
    }
  }
}

TEST(JudgeOfWhatIsLeft, APidfdNamesTheChildOrAProcessThatIsGone) {
  const Scenario scenario = scenario_of("thread\n  spawn only hold pidfd -> $0 $1\n");
  for (const std::int32_t names : {child_pid, -1, caller_pid}) {
    const std::unique_ptr<sc_history> history = as_it_should_be(scenario);
    history->op[0][0].value[1] = 0;
    sc_entry& e = history->parent.entry[history->parent.entry_count++];
    e.key.kind = SC_FILE_PIDFD;
    e.cloexec = 1;
    e.same_as_parent = -1;
    e.pidfd_of = names;
    const Verdict v = judge(scenario, *history, {});
    EXPECT_EQ(v.status, names == caller_pid ? Status::violated : Status::holds)
        << v.observed << "; allowed: " << v.allowed;
    if (names == caller_pid) {
      EXPECT_EQ(v.clause, Clause::proc_child) << v.observed;
    }
  }
}

}  // namespace
}  // namespace spawncheck
