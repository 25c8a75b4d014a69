// SPDX-License-Identifier: MIT
#include "model/audit/rules.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace spawncheck::audit {

namespace {

constexpr std::size_t of_a_site_max = 64;  // windows, and clones, of one site that are compared
// Signals that the C library reserves (nptl(7)): its posix_spawn(3) ignores them in the child.
constexpr std::uint64_t own_signals = 1ull << 31 | 1ull << 32;
constexpr std::uint32_t clone_vm = 0x100, clone_thread = 0x10000;

struct RuleRow {
  const char* name;
  const char* text;
};

constexpr RuleRow rules[] = {
    {"fd.inherited",
     "A descriptor that lacks close-on-exec is copied by a clone of another thread, and exec keeps it (fork(2), "
     "execve(2)). O_CLOEXEC and its like set the flag in the creating call (open(2))."},
    {"exec.busy",
     "execve(2) fails with ETXTBSY while a file is open for writing; a child that another thread has cloned holds a "
     "copy "
     "of the descriptor until its own exec, close-on-exec or not."},
    {"sig.handler_in_child",
     "A signal's handler ran in a child that shares its parent's memory, before its exec (vfork(2), Caveats)."},
    {"sig.handler_may_run",
     "A child that shares its parent's memory began with a caught signal that it does not block (vfork(2), Caveats)."},
    {"fd.late_end",
     "The last writer closed its end while a child of another thread, not yet at its exec, held a copy: the reader "
     "sees "
     "the end of file only after that exec (pipe(7))."},
    {"fd.held_by_helper", "An intermediate program inherited the descriptor, and closed it before it ran another."},
    {"proc.zombie", "A process ended without waiting for a child that had ended (wait(2))."},
    {"proc.pidfd_left", "A process ended with a pidfd that nobody had closed (pidfd_open(2))."},
    {"sig.blocked", "A program began with signals blocked that the audited program did not begin with (execve(2))."},
    {"sig.ignored", "A program began with signals ignored that its parent ignored (execve(2))."},
    {"not_followed", "What the audit did not see."},
};
static_assert(std::size(rules) == static_cast<std::size_t>(last_rule) + 1);

std::string signals_text(std::uint64_t set) {
  std::string out;
  for (int s = 1; s <= 64; ++s)
    if (set >> (s - 1) & 1) out += (out.empty() ? "" : " ") + std::to_string(s);
  return out;
}

// The copy by which a descriptor of the window's table came to the child. is_asked: a child in between asked for the
// number.
std::uint32_t copy_across(const Follower& f, std::uint32_t copy, const Window& window, bool& is_asked) {
  for (std::size_t bound = f.copies().size() + 1; copy != nothing && bound != 0; --bound) {
    if (f.copies()[copy].asked.count(window.number) != 0) is_asked = true;
    if (f.copies()[copy].table == window.table) return copy;
    copy = f.copy_that_made(f.copies()[copy].table);
  }
  return nothing;
}

class Judge {
 public:
  explicit Judge(const Follower& follower) : f_(follower), recording_(follower.recording()) {}

  std::vector<Finding> findings() {
    observe_inherited();
    predict();
    observe_rest();
    observe_signals();
    remark();
    std::vector<Finding> out;
    for (auto& [key, finding] : found_) out.push_back(std::move(finding));
    std::stable_sort(out.begin(), out.end(), [](const Finding& a, const Finding& b) {
      return std::tie(a.certainty, a.rule) < std::tie(b.certainty, b.rule);
    });
    return out;
  }

 private:
  using Key = std::tuple<Rule, Certainty, Site, Site, std::string>;

  Site site(std::uint32_t of) const { return of == nothing ? Site{} : recording_.sites[of]; }
  const Event& event(std::uint32_t of) const { return recording_.events[of]; }
  std::uint32_t site_of(std::uint32_t of) const { return of == nothing ? nothing : event(of).site; }

  void add(Finding finding, const std::string& more = {}) {
    const Key key{finding.rule, finding.certainty, site(finding.create_site), site(finding.clone_site), more};
    const auto [at, is_new] = found_.emplace(key, finding);
    if (!is_new) ++at->second.times;
  }

  Finding about(Rule rule, std::uint32_t window, std::uint32_t copy) const {
    Finding out;
    out.rule = rule;
    out.window = window;
    out.copy = copy;
    if (window != nothing) {
      const Window& w = f_.windows()[window];
      const Event& create = event(w.create_event);
      out.create_site = create.site;
      out.number = w.number;
      out.what = create.what;
      if (create.text != nothing) out.path = recording_.texts[create.text];
      out.creator = w.creator;
      out.end = w.end;
      if (w.end != Window::End::open) {
        out.window_ns = w.end_ns - w.begin_ns;
        out.window_calls = w.calls;
      }
    }
    if (copy != nothing) {
      out.clone_site = site_of(f_.copies()[copy].event);
      out.cloner = f_.copies()[copy].task;
      out.child = f_.copies()[copy].child;
    }
    return out;
  }

  // True if the window surrounds the copy in every order, and close-on-exec was never set: it was meant.
  static bool is_meant(const Window& w, const Copy& c) {
    if (w.end == Window::End::flagged || !is_before(w.start[Follower::all], c.at[Follower::all])) return false;
    return w.end == Window::End::open || is_before(c.at[Follower::all], w.stop[Follower::all]);
  }

  bool is_closed_by_helper(const Exec& exec, std::int32_t number) const {
    if (exec.copy == nothing) return false;
    const auto& execs = f_.copies()[exec.copy].execs;
    const Exec& last = f_.execs()[execs.back()];
    if (&last == &exec) return false;
    return std::none_of(last.inherited.begin(), last.inherited.end(),
                        [&](const Inherited& i) { return i.number == number; });
  }

  void observe_inherited() {
    for (std::uint32_t e = 0; e < f_.execs().size(); ++e) {
      const Exec& exec = f_.execs()[e];
      for (const Inherited& item : exec.inherited) {
        const std::uint32_t c = raced_copy(f_, exec, item);
        if (c == nothing || is_meant(f_.windows()[item.window], f_.copies()[c])) continue;
        const bool helper = is_closed_by_helper(exec, item.number);
        Finding finding = about(helper ? Rule::held_by_helper : Rule::inherited, item.window, c);
        finding.certainty = helper ? Certainty::note : Certainty::observed;
        finding.exec = e;
        finding.child = exec.task;
        finding.number = item.number;
        if (finding.path.empty()) finding.path = item.link;
        finding.program = recording_.execs[event(exec.event).facts].program;
        seen_.insert({site(finding.create_site), site(finding.clone_site)});
        add(finding);
      }
    }
  }

  static bool overlap(const Window& w, const Copy& c) {
    return w.begin_ns <= c.end_ns && (w.end == Window::End::open || c.begin_ns <= w.end_ns);
  }

  void predict() {
    // By table and site, so that the number of comparisons is bounded.
    std::map<std::uint32_t, std::map<Site, std::vector<std::uint32_t>>> windows, copies;
    for (std::uint32_t w = 0; w < f_.windows().size(); ++w) {
      const Window& window = f_.windows()[w];
      if (!window.is_shared || window.number <= 2) continue;
      auto& list = windows[window.table][site(site_of(window.create_event))];
      if (list.size() < of_a_site_max) list.push_back(w);
    }
    for (std::uint32_t c = 0; c < f_.copies().size(); ++c) {
      const Copy& copy = f_.copies()[c];
      if (!copy.is_table_shared || copy.execs.empty() || copy.lists_all) continue;
      auto& list = copies[copy.table][site(site_of(copy.event))];
      if (list.size() < of_a_site_max) list.push_back(c);
    }
    for (const auto& [table, window_sites] : windows) {
      const auto copy_sites = copies.find(table);
      if (copy_sites == copies.end()) continue;
      for (const auto& [create, list] : window_sites)
        for (const auto& [clone, clones] : copy_sites->second)
          if (seen_.count({create, clone}) == 0) predict_pairs(list, clones);
    }
  }

  void predict_pairs(const std::vector<std::uint32_t>& windows, const std::vector<std::uint32_t>& copies) {
    for (const std::uint32_t w : windows)
      for (const std::uint32_t c : copies) {
        const Window& window = f_.windows()[w];
        const Copy& copy = f_.copies()[c];
        if (copy.task == window.creator || copy.asked.count(window.number) != 0 || copy.sweeps(window.number)) continue;
        if (overlap(window, copy)) continue;
        const auto is_ordered = [&](int by) {
          const auto i = static_cast<std::size_t>(by);
          return is_before(copy.at[i], window.start[i]) ||
                 (window.end != Window::End::open && is_before(window.stop[i], copy.at[i]));
        };
        if (is_ordered(Follower::strict)) continue;
        Finding finding = about(Rule::inherited, w, c);
        finding.certainty = is_ordered(Follower::all) ? Certainty::possible : Certainty::predicted;
        finding.exec = copy.execs.back();
        finding.program = recording_.execs[event(f_.execs()[finding.exec].event).facts].program;
        add(finding);
      }
  }

  void observe_rest() {
    for (const BusyExec& busy : f_.busy_execs()) {
      Finding finding = about(Rule::text_busy, nothing, busy.copy);
      finding.certainty = Certainty::observed;
      finding.create_site = site_of(busy.create_event);
      finding.creator = event(busy.create_event).task;
      finding.number = busy.number;
      finding.what = What::file;
      finding.path = recording_.texts[event(busy.event).text];
      add(finding);
    }
    for (const LateEnd& late : f_.late_ends()) {
      Finding finding = about(Rule::late_end, nothing, late.copy);
      finding.create_site = site_of(late.create_event);
      finding.creator = event(late.create_event).task;
      finding.number = late.number;
      finding.what = event(late.create_event).what;
      const Copy& copy = f_.copies()[late.copy];
      if (!copy.execs.empty())
        finding.window_ns = event(f_.execs()[copy.execs.front()].event).end_ns - event(late.event).begin_ns;
      add(finding);
    }
  }

  void observe_signals() {
    for (const Event& e : recording_.events) {
      if (e.kind == EventKind::handler) {
        Finding finding;
        finding.rule = Rule::handler_in_child;
        finding.certainty = Certainty::observed;
        finding.child = e.task;
        finding.number = e.number;
        finding.text = "signal " + std::to_string(e.number);
        add(finding, finding.text);
      }
      if (e.kind == EventKind::clone && (e.flags & clone_vm) != 0 && (e.flags & clone_thread) == 0) {
        const TaskFacts& facts = recording_.tasks[static_cast<std::size_t>(e.child)];
        const std::uint64_t open = facts.caught_at_birth & ~facts.blocked_at_birth & ~own_signals;
        if (open == 0) continue;
        Finding finding;
        finding.rule = Rule::handler_may_run;
        finding.clone_site = e.site;
        finding.cloner = e.task;
        finding.child = e.child;
        finding.text = "signals " + signals_text(open);
        add(finding);
      }
    }
    for (const Exec& exec : f_.execs()) {
      if (exec.copy == nothing) continue;
      const Copy& copy = f_.copies()[exec.copy];
      if (&f_.execs()[copy.execs.front()] != &exec) continue;
      const ExecFacts& facts = recording_.execs[event(exec.event).facts];
      const TaskFacts& birth = recording_.tasks[static_cast<std::size_t>(exec.task)];
      const auto tell = [&](Rule rule, std::uint64_t set) {
        set &= ~own_signals;
        if (set == 0) return;
        Finding finding = about(rule, nothing, exec.copy);
        finding.program = facts.program;
        finding.text = "signals " + signals_text(set);
        add(finding, finding.text);
      };
      tell(Rule::blocked_signals, facts.blocked & ~recording_.blocked_at_start);
      tell(Rule::ignored_signals, facts.ignored & birth.ignored_at_birth & ~recording_.ignored_at_start);
    }
  }

  void remark() {
    for (const Exec& exec : f_.execs())
      for (const Inherited& item : exec.inherited)
        if (!item.is_seen && !item.is_standard && !item.is_passed_through && item.window == nothing) {
          Finding finding;
          finding.rule = Rule::not_followed;
          finding.number = item.number;
          finding.child = exec.task;
          finding.program = recording_.execs[event(exec.event).facts].program;
          finding.path = item.link;
          finding.text = "a descriptor came by a call that is not followed (io_uring, an ioctl, another architecture)";
          add(finding, finding.program);
        }
    for (const Remark& r : recording_.remarks) {
      Finding finding;
      finding.rule = r.kind == Remark::Kind::zombie       ? Rule::zombie
                     : r.kind == Remark::Kind::pidfd_left ? Rule::pidfd_left
                                                          : Rule::not_followed;
      finding.child = r.task;
      finding.text = r.text;
      add(finding, r.text);
    }
  }

  const Follower& f_;
  const Recording& recording_;
  std::map<Key, Finding> found_;
  std::set<std::pair<Site, Site>> seen_;
};

}  // namespace

const char* name(Certainty certainty) {
  static constexpr const char* names[] = {"confirmed",      "observed", "predicted", "possible",
                                          "lock-protected", "ordered",  "note"};
  static_assert(std::size(names) == static_cast<std::size_t>(Certainty::note) + 1);
  return names[static_cast<std::size_t>(certainty)];
}

const char* name(Rule rule) { return rules[static_cast<std::size_t>(rule)].name; }
const char* explain(Rule rule) { return rules[static_cast<std::size_t>(rule)].text; }

std::uint32_t raced_copy(const Follower& follower, const Exec& exec, const Inherited& item) {
  if (item.window == nothing || item.is_standard || item.is_asked || item.is_passed_through || item.is_own)
    return nothing;
  const Window& window = follower.windows()[item.window];
  bool is_asked = false;
  const std::uint32_t c = copy_across(follower, exec.copy, window, is_asked);
  if (c == nothing || is_asked) return nothing;
  const Copy& copy = follower.copies()[c];
  return copy.task == window.creator || !copy.is_table_shared ? nothing : c;
}

std::vector<Finding> judge(const Follower& follower) { return Judge(follower).findings(); }

int exit_status(const std::vector<Finding>& findings) {
  int status = 0;
  for (const Finding& f : findings) {
    if (f.certainty == Certainty::confirmed || f.certainty == Certainty::observed) return 1;
    if (f.certainty == Certainty::predicted) status = 3;
  }
  return status;
}

}  // namespace spawncheck::audit
