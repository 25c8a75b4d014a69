// SPDX-License-Identifier: MIT
#include "impl/reproducer/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "impl/peers/implementation.h"
#include "impl/reproducer/calls.h"
#include "impl/reproducer/frame.h"
#include "impl/reproducer/order.h"
#include "impl/reproducer/owed.h"
#include "impl/reproducer/spawn_text.h"
#include "impl/session/finding.h"
#include "impl/session/scheduled.h"
#include "model/scenario/words.h"

namespace spawncheck {

namespace {

// The clauses that tail.c judges.
constexpr Clause judged_clauses[] = {Clause::fd_exact,
                                     Clause::fd_kept,
                                     Clause::fd_snapshot,
                                     Clause::fd_untouched,
                                     Clause::sig_mask,
                                     Clause::sig_disposition,
                                     Clause::sig_no_handler_in_child,
                                     Clause::sig_parent_restored,
                                     Clause::mm_unwritten,
                                     Clause::proc_child,
                                     Clause::proc_unzombied,
                                     Clause::err_exact};

class Writer {
 public:
  Writer(const Recorded& r, const Session& session, const ProgramOptions& options)
      : r_(r), s_(r.scenario), session_(session), options_(options), has_turns_(s_.threads.size() > 1) {}

  // Says why the program cannot be written; empty if it can.
  std::string why_not() {
    if (const std::string why = why_no_run(); !why.empty()) return why;
    if (const std::string why = why_no_clause(); !why.empty()) return why;
    for (std::uint32_t i = 0; i < s_.world.line_count; ++i)
      if (s_.world.line[i].kind == SC_WORLD_MQUEUE)
        return "a message queue, which the program cannot tell from another one";
    if (s_.fault.kind != SC_FAULT_NONE && s_.fault.kind != SC_FAULT_ERROR)
      return "a fault other than an error of a call";
    for (const Thread& thread : s_.threads)
      for (const sc_operation& op : thread.operations)
        if (const std::string why = why_no_operation(op); !why.empty()) return why;
    choose_form();
    events_ = order_of(r_, form_ != Form::calls);
    if (const std::string why = why_no_order(); !why.empty()) return why;
    owed_ = owed_of(r_, session_);
    return owed_.why_unknown.empty() && has_full_child() ? "a child without a free number: its loader needs one"
                                                         : owed_.why_unknown;
  }

  std::string write(std::string& why) {
    std::string spawns = form_text(form_, std::filesystem::absolute(session_.options().implementation).string());
    std::string threads;
    for (unsigned t = 0; t < s_.threads.size(); ++t) {
      for (unsigned o = 0; o < s_.threads[t].operations.size(); ++o) {
        operations_[t][o] = operation_count_++;
        if (!is_spawn(s_, t, o)) continue;
        const SpawnPlace place{t, o, spawn_count_++};
        spawn_index_[t][o] = place.index;
        std::string text = print(s_.threads[t].operations[o]);
        if (!text.empty() && text.back() == '\n') text.pop_back();
        spawns += fmt::format("/* {} */\n", text) + spawn_text(r_, events_, place, form_, has_turns_, why) + "\n";
        if (!why.empty()) return {};
      }
      threads += thread_text(t, why);
      if (!why.empty()) return {};
    }
    std::string out =
        header() + fmt::format("enum {{ OPERATIONS = {}, SPAWNS = {}, THREADS = {}, NEEDS_PROGRAMS = {} }};\n\n",
                               operation_count_, spawn_count_, s_.threads.size(), needs_programs() ? 1 : 0);
    out += frame_head;
    out +=
        "\n/* ---- the scenario "
        "------------------------------------------------------------------------------------------------- */\n\n";
    for (unsigned t = 0; t < s_.threads.size(); ++t)
      out += fmt::format("static int tid_{}, v{}[{}];\n", t, t, SC_VARIABLES_MAX);
    out += cells() + "\n" + spawns + threads + run_text() + owed_text() + std::string(frame_tail);
    return out;
  }

 private:
  std::string why_no_run() const {
    if (r_.verdict.status == Status::broken || r_.history->end == SC_RUN_BROKEN || r_.history->end == SC_RUN_REFUSED)
      return "no run could be made: " + r_.verdict.observed;
    if (r_.history->end == SC_RUN_MISLED) return bad_turn_text(s_, *r_.trace);
    if (r_.history->end == SC_RUN_CUT) return "the run made more calls than a trace holds";
    if (r_.history->end != SC_RUN_COMPLETE)
      return "its process did not complete (" + end_of_run(*r_.history) + "), so there is no child to observe";
    if (r_.verdict.status == Status::inconclusive) return "the run decided nothing: " + r_.verdict.observed;
    if (r_.verdict.status == Status::unsupported && !r_.verdict.is_limited())
      return "the run is not supported: " + r_.verdict.observed;
    return {};
  }

  bool has_limit(Clause c) const {
    const auto& limits = session_.implementation().limits;
    return std::any_of(limits.begin(), limits.end(), [&](const auto& l) { return l.clause == name(c); });
  }

  bool is_judged(Clause c) const {
    if (std::find(std::begin(judged_clauses), std::end(judged_clauses), c) == std::end(judged_clauses)) return false;
    if (has_limit(c) && !(r_.verdict.status == Status::violated && r_.verdict.violates(c))) return false;
    if (is_promised(c)) return Clauses::promised_by(session_.implementation().promises).has(c);
    // The recorded calls do not show what the implementation writes to its caller's memory.
    if (c == Clause::mm_unwritten) return form_ == Form::object;
    return true;
  }

  std::string why_no_clause() {
    if (r_.verdict.status != Status::violated) return {};
    choose_form();
    const Clause c = *r_.verdict.clause;
    if (!is_judged(c))
      return fmt::format("{} cannot be judged by a program that looks from outside: {}", name(c), r_.verdict.observed);
    if (c == Clause::mm_unwritten && r_.verdict.observed.find("errno") == std::string::npos)
      return "of mm.unwritten a program sees errno alone: " + r_.verdict.observed;
    if (c == Clause::sig_parent_restored && r_.verdict.observed.find("the mask") == std::string::npos)
      return "of sig.parent_restored a program sees the mask alone: " + r_.verdict.observed;
    return {};
  }

  static std::string why_no_operation(const sc_operation& op) {
    switch (op.kind) {
      case SC_OP_MQUEUE:
        return "a message queue, which the program cannot tell from another one";
      case SC_OP_LISTEN:
        return "a listening socket, which the program cannot tell from another one";
      case SC_OP_CLOSE_RANGE:
        return (op.flags & 2u) != 0 ? "a thread with a table of its own" : "";
      case SC_OP_SPAWN:
        if (op.request.argument_count != 0) return "a program with arguments";
        if ((op.request.set & SPAWNCHECK_SET_PGROUP) != 0 &&
            (op.request.pgroup.variable != 0 || op.request.pgroup.value != 0))
          return "the process group of another process";
        if (sc_kept_count(&op.request) > 1024) return "a keep-list of thousands";
        return {};
      default:
        return {};
    }
  }

  std::string why_no_order() const {
    for (const RecordedEvent& e : events_)
      if (e.kind == RecordedKind::call && e.step->outcome == SC_OUTCOME_UNKNOWN)
        return "a call whose result was not recorded";
    for (std::size_t i = 0; i < events_.size(); ++i)
      for (std::size_t j = i + 1; j < events_.size(); ++j)
        if (events_[i].kind == RecordedKind::call && events_[j].kind == RecordedKind::call &&
            events_[i].task == events_[j].task && events_[i].operation == events_[j].operation &&
            events_[i].block != events_[j].block && !is_spawn(s_, events_[i].thread, events_[i].operation))
          return "an operation of several calls, between which another task goes";
    return {};
  }

  // The program that is exec'd is linked dynamically, unlike the one of the recorded run: its loader needs a number.
  bool has_full_child() const {
    std::size_t limit = s_.world.limit != 0 ? static_cast<std::size_t>(s_.world.limit) : SC_NUMBER_MAX;
    for (const Thread& thread : s_.threads)
      for (const sc_operation& op : thread.operations)
        if (op.kind == SC_OP_LIMIT) limit = std::min(limit, static_cast<std::size_t>(op.operand[0].value));
    for (const auto& [at, spawn] : owed_.spawns)
      for (const OwedTable& table : spawn.instants)
        if (table.size() >= limit) return true;
    return false;
  }

  bool has_kills() const {
    for (const Thread& thread : s_.threads)
      for (const sc_operation& op : thread.operations)
        if (op.kind == SC_OP_KILL_GROUP || op.kind == SC_OP_KILL_CHILD) return true;
    return false;
  }

  void choose_form() {
    const std::string& name = session_.options().implementation;
    const bool is_object = name.find('/') != std::string::npos;
    form_ = options_.writes_calls   ? Form::calls
            : is_object             ? Form::object
            : name == "posix_spawn" ? Form::posix_spawn
                                    : Form::calls;
    if (form_ != Form::posix_spawn) return;
    for (const RecordedEvent& e :
         order_of(r_, true))  // the order within the call matters, and only written calls can force it
      if (e.is_open) form_ = Form::calls;
  }

  bool needs_programs() const {
    for (const Thread& thread : s_.threads)
      for (const sc_operation& op : thread.operations)
        if (op.kind == SC_OP_PROGRAM || (op.kind == SC_OP_SPAWN && op.request.program == SC_PROGRAM_WRITTEN))
          return true;
    return false;
  }

  std::string cells() const {
    for (const Thread& thread : s_.threads)
      for (const sc_operation& op : thread.operations) {
        if (op.kind == SC_OP_STORE || op.kind == SC_OP_LOAD)
          return fmt::format("static int cell[{}];\n", SC_CELLS_MAX) + stacks();
      }
    return stacks();
  }

  std::string stacks() const {
    for (const Thread& thread : s_.threads)
      for (const sc_operation& op : thread.operations)
        if (op.kind == SC_OP_ALTSTACK)
          return fmt::format(
              "static long set_alternate_stack(int thread, int is_on) {{\n  static char stack[{}][524288];\n"
              "  const stack_t to = {{.ss_sp = stack[thread], .ss_size = sizeof stack[0], .ss_flags = is_on ? 0 : "
              "SS_DISABLE}};\n  return sigaltstack(&to, NULL);\n}}\n",
              s_.threads.size());
    return {};
  }

  std::vector<RecordedEvent> events_of(unsigned t, unsigned o) const {
    std::vector<RecordedEvent> out;
    for (const RecordedEvent& e : events_)
      if (e.thread == t && e.operation == o && e.task == t) out.push_back(e);
    return out;
  }

  // Returns the index of the thread's spawn that stored the pid in the variable; -1 if none did.
  int spawn_of(unsigned t, unsigned o, const sc_operand& operand) const {
    for (unsigned i = o; i-- > 0;)
      if (s_.threads[t].operations[i].result[0] == operand.value && is_spawn(s_, t, i))
        return static_cast<int>(spawn_index_[t][i]);
    return -1;
  }

  std::string thread_text(unsigned t, std::string& why) const {
    std::string out = fmt::format(
        "static void* thread_{0}(void* unused) {{\n  int pair[2];\n  (void)unused;\n  (void)pair;\n  tid_{0} = "
        "(int)syscall(SYS_gettid);\n  set_mask(SIG_SETMASK, {1});\n  pass_the_gate();\n",
        t, hex(s_.world.mask));
    for (unsigned o = 0; o < s_.threads[t].operations.size() && why.empty(); ++o) {
      const sc_operation& op = s_.threads[t].operations[o];
      if (op.kind == SC_OP_SPAWN) {
        out += fmt::format("  spawn_{}_{}();\n", t, o);
        if (op.result[0] >= 0)
          out += fmt::format("  v{}[{}] = shared->spawned[{}].error == 0 ? shared->spawned[{}].pid : -1;\n", t,
                             static_cast<int>(op.result[0]), spawn_index_[t][o], spawn_index_[t][o]);
        if (op.result[1] >= 0)
          out += fmt::format(
              "  v{}[{}] = {};\n", t, static_cast<int>(op.result[1]),
              (op.request.set & SPAWNCHECK_WANT_PIDFD) != 0
                  ? fmt::format("shared->spawned[{0}].error == 0 ? shared->spawned[{0}].pidfd : -1", spawn_index_[t][o])
                  : "-1");
        continue;
      }
      out += plain_text(t, o, why);
    }
    return out + "  return finish();\n}\n\n";
  }

  std::string plain_text(unsigned t, unsigned o, std::string& why) const {
    const sc_operation& op = s_.threads[t].operations[o];
    const std::vector<RecordedEvent> events = events_of(t, o);
    const bool is_of_child = op.kind == SC_OP_WAIT || op.kind == SC_OP_KILL_CHILD;
    if (events.empty() && is_of_child)
      return fmt::format("  /* {} : there is no such child, and no call is made */\n", operation_rows()[op.kind].word);
    if (events.empty()) return why = "an operation that made no call", "";
    std::string out;
    const int spawn = is_of_child ? spawn_of(t, o, op.operand[0]) : -1;
    if (is_of_child && spawn < 0) return why = "an operation on a child that no spawn of its thread gave", "";
    if (is_of_child) out += fmt::format("  have_looked_at({});\n", spawn);
    for (const RecordedEvent& e : events) out += begin_turn(e, has_turns_);
    const bool sleeps = events.back().step->outcome == SC_OUTCOME_SLEEPS;
    if (sleeps && has_turns_ && events.back().is_last) out += "  done_asleep();\n";
    out += operation_text(r_, t, o, operations_[t][o]);
    if (op.kind == SC_OP_WAIT) out += fmt::format("  shared->spawned[{}].is_gone = 1;\n", spawn);
    return sleeps ? out : out + end_turn(events.back(), has_turns_);
  }

  std::string run_text() const {
    std::string out =
        "/* The process under test. */\nstatic void run(void) {\n  pthread_t thread;\n  int pair[2];\n  (void)pair;\n  "
        "prctl(PR_SET_PDEATHSIG, SIGKILL);\n  set_mask(SIG_SETMASK, ~0ull);\n  setpgid(0, 0);\n  shared->process = "
        "getpid();\n";
    if (form_ == Form::object) out += "  load();\n";
    out += "  if (close_range(0, ~0u, 0) != 0) give_up(__LINE__);\n" + world_text(s_.world);
    out += fmt::format("  if (set_limit({}) != 0) give_up(__LINE__);\n", s_.world.limit != 0 ? s_.world.limit : 1024);
    for (unsigned t = 0; t < s_.threads.size(); ++t)
      out += fmt::format("  if (pthread_create(&thread, NULL, thread_{}, NULL) != 0) give_up(__LINE__);\n", t);
    out += "  while (__atomic_load_n(&shared->ready, __ATOMIC_SEQ_CST) < THREADS) sched_yield();\n";
    for (int signal = 1; signal <= SC_SIGNAL_MAX; ++signal) {
      if ((s_.world.ignored >> (signal - 1) & 1) != 0)
        out += fmt::format("  set_disposition({}, SIG_IGN);\n", signal_text(signal));
      if ((s_.world.handled >> (signal - 1) & 1) != 0) out += fmt::format("  set_handler({});\n", signal_text(signal));
    }
    return out + "  __atomic_store_n(&shared->gate, 1, __ATOMIC_SEQ_CST);\n  for (;;) pause();\n}\n\n";
  }

  // --- what is owed

  std::string operation_name(unsigned t, unsigned o) const {
    std::string text = print(s_.threads[t].operations[o]);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return fmt::format("thread {}, {}", t, text);
  }

  std::string owed_text() const {
    std::string judged;
    for (int c = 0; c < clause_count; ++c)
      if (is_judged(static_cast<Clause>(c)))
        judged += (judged.empty() ? "" : " ") + std::string(name(static_cast<Clause>(c)));
    std::string out =
        "/* ---- what is owed, in this order of calls "
        "-------------------------------------------------------------------------- */\n\n";
    out += fmt::format("static const char judged[] = \"{}\";\nstatic const struct owed_result owed_results[] = {{\n",
                       judged);
    for (unsigned t = 0; t < s_.threads.size(); ++t)
      for (unsigned o = 0; o < s_.threads[t].operations.size(); ++o)
        for (int i = 0; i < 2; ++i)
          if (const auto& value = owed_.result[t][o][i])
            out += fmt::format("    {{{}, {}, {}, \"{}\"}},\n", operations_[t][o], i,
                               *value < 0 ? "-" + errno_name(static_cast<int>(-*value)) : std::to_string(*value),
                               operation_name(t, o));
    out += "    {0, 0, 0, NULL}};\nstatic const struct owed_entry owed_final[] = {\n" + entries(-1, owed_.final_table) +
           "    {0, 0, 0, NULL}};\n";
    for (const auto& [at, spawn] : owed_.spawns) {
      const unsigned index = spawn_index_[at.first][at.second];
      out += fmt::format("static const struct owed_entry owed_table_{}[] = {{\n", index);
      for (std::size_t i = 0; i < spawn.instants.size(); ++i) out += entries(static_cast<int>(i), spawn.instants[i]);
      out += "    {0, 0, 0, NULL}};\n" + fmt::format("static const int kept_{}[] = {{", index);
      for (const int target : spawn.kept) out += std::to_string(target) + ", ";
      out += "-1};\n";
    }
    out += "static const struct owed_spawn owed_spawns[] = {\n";
    for (unsigned t = 0; t < s_.threads.size(); ++t)
      for (unsigned o = 0; o < s_.threads[t].operations.size(); ++o)
        if (is_spawn(s_, t, o)) out += owed_spawn_text(t, o);
    return out + "    {.text = NULL}};\n\n";
  }

  static std::string entries(int instant, const OwedTable& table) {
    std::string out;
    for (const auto& [number, entry] : table)
      out += fmt::format("    {{{}, {}, {}, \"{}\"}},\n", instant, number, entry.cloexec ? 1 : 0, entry.file);
    return out;
  }

  std::string owed_spawn_text(unsigned t, unsigned o) const {
    const sc_request& q = s_.threads[t].operations[o].request;
    const unsigned index = spawn_index_[t][o];
    const OwedSpawn& spawn = owed_.spawns.at({t, o});
    std::string errors;
    if (spawn.errors.count(-1) != 0 || spawn.errors.size() > 6)
      errors = "ANY";
    else {
      std::vector<int> first;  // the program names the first as owed: resource errors come last
      for (const int e : spawn.errors)
        if (e == EMFILE || e == ENFILE || e == ENOMEM || e == EAGAIN)
          first.push_back(e);
        else
          first.insert(first.begin(), e);
      for (const int e : first) errors += (errors.empty() ? "" : ", ") + errno_name(e);
    }
    const bool is_held = q.program == SC_PROGRAM_HOLD || q.program == SC_PROGRAM_WRITTEN;
    const bool must_be_seen = is_held && !has_kills() && r_.history->op[t][o].error == 0;
    const bool must_run = r_.verdict.status == Status::violated && r_.verdict.violates(Clause::proc_child) &&
                          q.program == SC_PROGRAM_HOLD;
    const bool is_at_once = Clauses::promised_by(session_.implementation().promises).has(Clause::fd_snapshot);
    return fmt::format(
        "    {{.text = \"{}\", .may_succeed = {}, .error = {{{}}}, .instants = {}, .is_of_one_instant = {}, .entry = "
        "owed_table_{},\n     .kept_count = {}, .kept = kept_{}, .mask = {}, .ignored_always = {}, .ignored_maybe = "
        "{}, .leads_group = {}, .leads_session = {}, .must_run = {}, .must_be_seen = {}, .directory = {}}},\n",
        operation_name(t, o), spawn.may_succeed ? 1 : 0, errors.empty() ? "0" : errors, spawn.instants.size(),
        is_at_once ? 1 : 0, index, spawn.kept.size(), index, hex(spawn.mask), hex(spawn.ignored_always),
        hex(spawn.ignored_maybe), (q.set & SPAWNCHECK_SET_PGROUP) != 0 ? 1 : 0,
        (q.set & SPAWNCHECK_NEW_SESSION) != 0 ? 1 : 0, must_run ? 1 : 0, must_be_seen ? 1 : 0,
        (q.set & SPAWNCHECK_SET_CWD) != 0 ? fmt::format("directory[{}]", static_cast<int>(q.cwd)) : "NULL");
  }

  // --- the comment in front

  std::string header() const {
    const SessionOptions& o = session_.options();
    std::string out = fmt::format("/* What {}{} does when its process runs this:\n *\n", o.implementation,
                                  o.strategy.empty() ? "" : " (strategy " + o.strategy + ")");
    std::string text = print(s_), line;
    for (const char c : text)
      if (c == '\n')
        out += " *   " + line + "\n", line.clear();
      else
        line += c;
    out += " *\n";
    if (r_.verdict.status == Status::violated)
      out += fmt::format(" * Violated, {}: {}.\n * Observed: {}\n * Allowed:  {}\n * Rule:     {}\n *\n",
                         name(*r_.verdict.clause), meaning(*r_.verdict.clause), r_.verdict.observed, r_.verdict.allowed,
                         r_.verdict.rule);
    else
      out += fmt::format(" * Recorded with the verdict: {}{}\n *\n", name(r_.verdict.status),
                         r_.verdict.observed.empty() ? "" : ", " + r_.verdict.observed);
    if (form_ == Form::calls)
      out += " * The spawn is written out as the system calls that it made; what it does between them is not here.\n";
    else if (form_ == Form::posix_spawn)
      out += " * The spawn is a call of posix_spawn(3).\n";
    else
      out += " * The spawn is a call of the shared object named below, which must be there.\n";
    if (has_turns_)
      out += form_ == Form::calls
                 ? " * Calls of different tasks are made in the order of that run: blocks between turn(N) and done().\n"
                 : " * Operations of different threads are made in the order of that run; within the library's call no "
                   "order is forced, only around it: what others do\n * meanwhile begins when the call does.\n";
    if (r_.orders != 0)
      out +=
          r_.verdict.status == Status::violated
              ? fmt::format(" * It is order {} of those that were tried.\n", r_.orders)
              : fmt::format(" * None of {} orders that were tried violates anything: this is the first.\n", r_.orders);
    for (const auto& limit : session_.implementation().limits)
      if (const auto c = clause_named(limit.clause); c && !is_judged(*c))
        out += fmt::format(" * Not judged here, since it is a documented limit: {}: {} ({}).\n", limit.clause,
                           limit.what, limit.source);
    out += fmt::format(
        " * Recorded on Linux {}, {}.\n *\n *   cc -o {} {}.c -pthread && ./{}\n *\n * Exit status: 1 violated, 0 "
        "nothing of what is judged is violated, 3 it could not tell. */\n",
        kernel_release(), libc_version(), options_.name, options_.name, options_.name);
    return out;
  }

  const Recorded& r_;
  const Scenario& s_;
  const Session& session_;
  const ProgramOptions& options_;
  const bool has_turns_;
  Form form_ = Form::calls;
  std::vector<RecordedEvent> events_;
  Owed owed_;
  unsigned operations_[SC_THREADS_MAX][SC_OPS_MAX] = {}, spawn_index_[SC_THREADS_MAX][SC_OPS_MAX] = {};
  unsigned operation_count_ = 0, spawn_count_ = 0;
};

}  // namespace

Program program_of(Session& session, const Scenario& scenario, const ProgramOptions& options) {
  Program out;
  out.recorded = record(session, scenario, options.orders_max);
  const auto writer = std::make_unique<Writer>(out.recorded, session, options);
  out.refused = writer->why_not();
  if (out.refused.empty()) out.text = writer->write(out.refused);
  if (!out.refused.empty()) out.text.clear();
  return out;
}

}  // namespace spawncheck
