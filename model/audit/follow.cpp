// SPDX-License-Identifier: MIT
#include "model/audit/follow.h"

#include <algorithm>

namespace spawncheck::audit {

namespace {

// Flags of clone(2) and close_range(2), from the kernel's interface.
constexpr std::uint32_t clone_files = 0x400;
constexpr std::uint32_t range_unshare = 2, range_cloexec = 4;

constexpr std::int32_t text_busy = 26;  // ETXTBSY

bool is_strict(std::uint64_t object) {
  const auto kind = static_cast<ObjectKind>(object >> 48);
  return kind == ObjectKind::channel || kind == ObjectKind::process || kind == ObjectKind::signal;
}

}  // namespace

const char* name(What what) {
  static constexpr const char* names[] = {"a descriptor", "a file",     "a pipe",      "a socket",    "an eventfd",
                                          "an epoll",     "a signalfd", "a timerfd",   "an inotify",  "a memfd",
                                          "a pidfd",      "a terminal", "an io_uring", "another file"};
  static_assert(std::size(names) == static_cast<std::size_t>(What::other) + 1);
  return names[static_cast<std::size_t>(what)];
}

bool Copy::sweeps(std::int32_t number) const {
  if (asked.count(number) != 0) return false;
  return lists_all || std::any_of(swept.begin(), swept.end(),
                                  [&](const auto& range) { return range.first <= number && number <= range.second; });
}

void Follower::begin(TaskId first, const std::vector<OpenNumber>& open) {
  Table table;
  table.users = 1;
  for (const OpenNumber& o : open) {
    Entry entry;
    entry.number = o.number;
    entry.is_passed_through = true;
    entry.description = ++descriptions_;
    table.entries[o.number] = entry;
  }
  tables_.push_back(std::move(table));
  tasks_[first] = Task{0, nothing, false};
  for (Order& order : order_) order.born(-1, first);
}

std::array<Instant, 2> Follower::now(TaskId task) {
  const auto pid = static_cast<std::uint64_t>(recording_.tasks[static_cast<std::size_t>(task)].pid);
  order_[all].acquire(task, object(ObjectKind::exited, pid));
  return {order_[strict].now(task), order_[all].now(task)};
}

void Follower::apply(const Event& event) {
  recording_.events.push_back(event);
  apply(static_cast<std::uint32_t>(recording_.events.size() - 1));
}

void Follower::apply(std::uint32_t index) {
  const Event event = recording_.events[index];
  const auto at = tasks_.find(event.task);
  if (at == tasks_.end()) return;
  Task& task = at->second;
  date_past(task, event);
  Copy* copy = task.is_before_exec && task.copy != nothing ? &copies_[task.copy] : nullptr;
  Copy* const helper = copy != nullptr && !copy->execs.empty() ? copy : nullptr;
  if (helper != nullptr) copy = nullptr;
  switch (event.kind) {
    case EventKind::clone:
      return clone(event, index);
    case EventKind::exec:
      return exec(event, index);
    case EventKind::exec_failed:
      return note_busy(event, index);
    case EventKind::handler:
      return;
    case EventKind::exit:
      return leave(event.task, event);
    case EventKind::create:
    case EventKind::duplicate:
      return add(event, index, copy);
    case EventKind::flag:
      return flag(event, index, task, copy);
    case EventKind::close:
      ++tables_[task.table].calls;
      if (copy != nullptr) copy->swept.emplace_back(event.number, event.number);
      note_late_end(event, index, task.table);
      take(tables_[task.table], event, event.number, Window::End::closed);
      return;
    case EventKind::close_range:
      if (helper != nullptr) helper->swept_late.emplace_back(event.number, event.last);
      return close_range(event);
    case EventKind::unshare:
      if (tables_[task.table].users > 1) own_table(event.task, event);
      return;
    case EventKind::list:
      if (copy != nullptr) copy->lists_all = true;
      if (helper != nullptr) helper->lists_all_late = true;
      return;
    case EventKind::release:
    case EventKind::acquire:
      for (int of : {strict, all}) {
        if (of == strict && !is_strict(event.object)) continue;
        Order& order = order_[static_cast<std::size_t>(of)];
        event.kind == EventKind::release ? order.release(event.task, event.object)
                                         : order.acquire(event.task, event.object);
      }
      return;
  }
}

void Follower::add(const Event& event, std::uint32_t index, Copy* copy) {
  Entry entry;
  entry.what = event.what;
  entry.may_write = event.may_write;
  entry.channel = event.object;
  if (event.kind == EventKind::duplicate) {
    if (event.from == event.number && event.from >= 0) return;
    const Entry* from = find(event.task, event.from);
    if (from != nullptr) entry = *from;
    entry.window = nothing;
    entry.is_seen = from != nullptr;
  }
  if (entry.description == 0) entry.description = ++descriptions_;
  entry.number = event.number;
  entry.cloexec = event.cloexec;
  if (copy != nullptr) copy->asked.insert(event.number);
  put(event, index, entry);
}

void Follower::flag(const Event& event, std::uint32_t index, Task& task, Copy* copy) {
  Table& table = tables_[task.table];
  ++table.calls;
  if (copy != nullptr && !event.cloexec) copy->asked.insert(event.number);
  const auto found = table.entries.find(event.number);
  if (found == table.entries.end()) {
    if (event.cloexec) return;
    Entry entry;  // opened with close-on-exec by a call that was not followed
    entry.number = event.number;
    entry.description = ++descriptions_;
    put(event, index, entry);
    return;
  }
  Entry& entry = found->second;
  if (entry.cloexec == event.cloexec) return;
  if (event.cloexec) {
    if (table.users > 1) keep_past(table, event, entry);
    end_window(entry, event, Window::End::flagged);
    entry.cloexec = true;
  } else {
    entry.cloexec = false;
    open_window(entry, task.table, event, index, event.begin_ns);
  }
}

// Files are compared by name: if two names lead to one file, the exec's failure is seen but not its cause.
void Follower::note_busy(const Event& event, std::uint32_t index) {
  if (event.number != text_busy || event.text == nothing) return;
  const std::string& path = recording_.texts[event.text];
  const std::string file = path.substr(path.rfind('/') + 1);
  for (const std::uint32_t c : open_copies_) {
    if (copies_[c].child == event.task) continue;
    for (const auto& [number, entry] : tables_[tasks_[copies_[c].child].table].entries) {
      if (!entry.may_write || entry.create_event == nothing) continue;
      const std::uint32_t text = recording_.events[entry.create_event].text;
      if (text == nothing) continue;
      const std::string& other = recording_.texts[text];
      if (other.substr(other.rfind('/') + 1) == file) busy_execs_.push_back({index, c, entry.create_event, number});
    }
  }
}

void Follower::note_late_end(const Event& event, std::uint32_t index, std::uint32_t of) {
  const auto found = tables_[of].entries.find(event.number);
  if (found == tables_[of].entries.end()) return;
  const Entry& closed = found->second;
  if (!closed.cloexec || !closed.may_write || closed.channel == 0) return;
  for (const auto& [number, entry] : tables_[of].entries)
    if (number != event.number && entry.channel == closed.channel && entry.may_write) return;
  for (const std::uint32_t c : open_copies_) {
    if (copies_[c].table != of || copies_[c].task == event.task || !copies_[c].is_table_shared) continue;
    const Table& child = tables_[tasks_[copies_[c].child].table];
    const auto held = child.entries.find(event.number);
    if (held != child.entries.end() && held->second.description == closed.description && held->second.cloexec)
      late_ends_.push_back({index, c, closed.create_event, event.number});
  }
}

void Follower::open_window(Entry& entry, std::uint32_t table, const Event& event, std::uint32_t index,
                           std::uint64_t begin_ns) {
  Window window;
  window.table = table;
  window.number = entry.number;
  window.creator = event.task;
  window.create_event = index;
  window.begin_ns = begin_ns;
  window.calls = tables_[table].calls;
  window.description = entry.description;
  window.is_shared = tables_[table].users > 1;
  if (window.is_shared || tables_[table].was_shared)
    window.start = now(event.task);
  else
    window.start = {Instant{event.task, 0, nullptr}, Instant{event.task, 0, nullptr}};
  entry.window = static_cast<std::uint32_t>(windows_.size());
  windows_.push_back(std::move(window));
}

void Follower::put(const Event& event, std::uint32_t index, Entry entry) {
  const std::uint32_t number = tasks_[event.task].table;
  Table& table = tables_[number];
  ++table.calls;
  take(table, event, entry.number, Window::End::replaced);
  entry.create_event = index;
  if (!entry.cloexec) open_window(entry, number, event, index, event.begin_ns);
  table.entries[entry.number] = entry;
}

void Follower::end_window(Entry& entry, const Event& event, Window::End end) {
  if (entry.window == nothing) return;
  Window& window = windows_[entry.window];
  if (tables_[window.table].entries.count(entry.number) == 0 || &tables_[window.table].entries[entry.number] != &entry)
    return;  // an entry of a copy: its window belongs to the table it came from
  if (window.end != Window::End::open) return;
  window.end = end;
  window.end_ns = event.end_ns;
  window.calls = tables_[window.table].calls - window.calls;
  window.is_shared |= tables_[window.table].users > 1;
  if (window.is_shared || tables_[window.table].was_shared) window.stop = now(event.task);
}

void Follower::keep_past(Table& table, const Event& event, const Entry& entry) {
  const bool is_one = event.kind != EventKind::close_range;  // of many, it is unknown which one is waited for
  table.past[entry.number] = {entry, event.task, is_one ? std::numeric_limits<std::uint64_t>::max() : event.end_ns};
  if (is_one) tasks_[event.task].ended_number = entry.number;
}

void Follower::date_past(Task& task, const Event& event) {
  if (task.ended_number < 0) return;
  auto& past = tables_[task.table].past;
  const auto at = past.find(task.ended_number);
  if (at != past.end() && at->second.ended_by == event.task) at->second.end_ns = event.begin_ns;
  task.ended_number = -1;
}

void Follower::take(Table& table, const Event& event, std::int32_t number, Window::End end) {
  const auto found = table.entries.find(number);
  if (found == table.entries.end()) return;
  if (table.users > 1 && !found->second.cloexec) keep_past(table, event, found->second);
  end_window(found->second, event, end);
  table.entries.erase(found);
}

void Follower::clone(const Event& event, std::uint32_t index) {
  Task& parent = tasks_[event.task];
  const std::uint32_t from = parent.table;
  for (Order& order : order_) order.born(event.task, event.child);
  Task child;
  child.table = from;
  if ((event.flags & clone_files) != 0) {
    ++tables_[from].users;
    tables_[from].was_shared = true;
    child.copy = parent.copy;
    child.is_before_exec = parent.is_before_exec;
    child.process = event.task;
    tasks_[event.child] = child;
    return;
  }
  Copy copy;
  copy.task = event.task;
  copy.child = event.child;
  copy.event = index;
  copy.is_table_shared = tables_[from].users > 1;
  if (copy.is_table_shared || tables_[from].was_shared) copy.at = now(event.task);
  give_copy(child, std::move(copy), event);
  tasks_[event.child] = child;
}

// Gives the task a private copy of its shared table, as unshare(2), close_range(2) and exec do.
void Follower::own_table(TaskId id, const Event& event) {
  Task& task = tasks_[id];
  const std::uint32_t from = task.table;
  Copy copy;
  copy.task = task.process >= 0 ? task.process : id;
  copy.child = id;
  copy.event = static_cast<std::uint32_t>(recording_.events.size() - 1);
  copy.is_table_shared = true;
  copy.at = now(id);
  if (task.is_before_exec && task.copy != nothing) copy.asked = copies_[task.copy].asked;
  give_copy(task, std::move(copy), event);
  --tables_[from].users;
}

// Gives the task a private copy of its table, with which it has not reached an exec yet.
void Follower::give_copy(Task& task, Copy copy, const Event& event) {
  copy.table = task.table;
  copy.begin_ns = event.begin_ns;
  copy.end_ns = event.end_ns;
  Table copied;
  copied.users = 1;
  copied.entries = tables_[task.table].entries;
  copied.copied_from = task.table;
  copied.copied_begin_ns = event.begin_ns;
  copied.copied_end_ns = event.end_ns;
  copied.made_by = static_cast<std::uint32_t>(copies_.size());
  task.table = static_cast<std::uint32_t>(tables_.size());
  task.copy = copied.made_by;
  task.is_before_exec = true;
  open_copies_.insert(task.copy);
  tables_.push_back(std::move(copied));
  copies_.push_back(std::move(copy));
}

void Follower::close_range(const Event& event) {
  if ((event.flags & range_unshare) != 0 && tables_[tasks_[event.task].table].users > 1) own_table(event.task, event);
  Task& task = tasks_[event.task];
  Table& table = tables_[task.table];
  ++table.calls;
  if (task.is_before_exec && task.copy != nothing && copies_[task.copy].execs.empty())
    copies_[task.copy].swept.emplace_back(event.number, event.last);
  for (auto at = table.entries.lower_bound(event.number); at != table.entries.end() && at->first <= event.last;) {
    const std::int32_t number = at->first;
    if ((event.flags & range_cloexec) != 0) {
      if (!at->second.cloexec) {
        end_window(at->second, event, Window::End::flagged);
        at->second.cloexec = true;
      }
      ++at;
      continue;
    }
    ++at;
    take(table, event, number, Window::End::closed);
  }
}

// For overlapping calls of two tasks the kernel's order may differ from the order in which stops are seen. A descriptor
// that the child should not have by the order seen may come from a call in flight when its table was copied.
void Follower::explain(Table& table, Inherited& item) {
  item.is_seen = false;
  if (table.copied_from == nothing) return;
  const Table& from = tables_[table.copied_from];
  if (const auto at = from.entries.find(item.number); at != from.entries.end() && at->second.create_event != nothing) {
    const Event& create = recording_.events[at->second.create_event];
    if (create.begin_ns <= table.copied_end_ns && at->second.window != nothing) {
      item.window = at->second.window;
      item.is_seen = true;
      return;
    }
  }
  const auto past = from.past.find(item.number);
  if (past == from.past.end() || past->second.end_ns < table.copied_begin_ns) return;
  item.window = past->second.entry.window;
  item.is_seen = item.window != nothing;
}

void Follower::exec(const Event& event, std::uint32_t index) {
  if (tables_[tasks_[event.task].table].users > 1) own_table(event.task, event);
  Task& task = tasks_[event.task];
  Table& table = tables_[task.table];
  Exec out;
  out.task = event.task;
  out.event = index;
  out.copy = task.copy;
  std::erase_if(table.entries, [](const auto& e) { return e.second.cloexec; });
  const ExecFacts& facts = recording_.execs[event.facts];
  std::map<std::int32_t, Entry> rest = table.entries;
  for (const OpenNumber& open : facts.open) {
    Inherited item;
    item.number = open.number;
    item.link = open.link;
    item.is_standard = open.number <= 2;
    const auto at = rest.find(open.number);
    if (at == rest.end()) {
      explain(table, item);
      Entry entry;
      entry.number = open.number;
      entry.window = item.window;
      entry.is_seen = item.is_seen;
      if (item.window != nothing) entry.create_event = windows_[item.window].create_event;
      entry.description = ++descriptions_;
      table.entries[open.number] = entry;
    } else {
      item.window = at->second.window;
      item.is_seen = at->second.is_seen;
      item.is_passed_through = at->second.is_passed_through;
      rest.erase(at);
    }
    item.is_own = item.window != nothing && windows_[item.window].creator == event.task;
    item.is_asked = std::find(facts.named.begin(), facts.named.end(), open.number) != facts.named.end() ||
                    (task.copy != nothing && copies_[task.copy].asked.count(open.number) != 0);
    out.inherited.push_back(std::move(item));
  }
  for (const auto& [number, entry] : rest) {
    out.lost.push_back(number);
    table.entries.erase(number);
  }
  if (task.copy != nothing) {
    Copy& copy = copies_[task.copy];
    copy.swept.insert(copy.swept.end(), copy.swept_late.begin(), copy.swept_late.end());
    copy.lists_all |= copy.lists_all_late;
    copies_[task.copy].execs.push_back(static_cast<std::uint32_t>(execs_.size()));
    open_copies_.erase(task.copy);
  }
  execs_.push_back(std::move(out));
}

void Follower::leave(TaskId id, const Event& event) {
  const Task task = tasks_[id];
  Table& table = tables_[task.table];
  if (task.copy != nothing && copies_[task.copy].child == id) open_copies_.erase(task.copy);
  tasks_.erase(id);
  if (--table.users != 0) return;
  for (auto& [number, entry] : table.entries) end_window(entry, event, Window::End::closed);
  table.entries.clear();
}

const Entry* Follower::find(TaskId id, std::int32_t number) const {
  const auto task = tasks_.find(id);
  if (task == tasks_.end()) return nullptr;
  const Table& table = tables_[task->second.table];
  const auto at = table.entries.find(number);
  return at == table.entries.end() ? nullptr : &at->second;
}

std::vector<Entry> Follower::entries(TaskId id) const {
  std::vector<Entry> out;
  const auto task = tasks_.find(id);
  if (task == tasks_.end() || tables_[task->second.table].users != 1) return out;
  for (const auto& [number, entry] : tables_[task->second.table].entries) out.push_back(entry);
  return out;
}

}  // namespace spawncheck::audit
