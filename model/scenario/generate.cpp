// SPDX-License-Identifier: MIT
#include "model/scenario/generate.h"

#include "impl/peers/implementation.h"
#include "model/scenario/words.h"

#include <algorithm>

namespace spawncheck {

namespace {

constexpr int sig_chld = 17, sig_urg = 23, sig_winch = 28, sig_usr1 = 10, sig_usr2 = 12, sig_kill = 9;

class Generator {
 public:
  Generator(Random& random, const GenerateOptions& options) : random_(random), options_(options) {}
  Scenario run();

 private:
  // The initial world.
  void add_window();
  void open_standard();
  void open_some(std::uint32_t count);
  void open_at(std::int32_t number, bool cloexec);
  void open_wide();
  void set_signals();

  // Threads.
  std::vector<sc_operation>& thread() {
    scenario_.threads.emplace_back();
    variable_ = 0;
    return scenario_.threads.back().operations;
  }
  sc_operation op(std::uint8_t kind, std::int32_t a = 0, std::int32_t b = 0);
  sc_operation creating(std::uint8_t kind, bool cloexec, std::int32_t a = 0, std::int32_t b = 0);
  sc_operation spawn();
  void add_keep(sc_request& r);
  void add_permutation(sc_request& r);
  void add_attributes(sc_request& r, std::uint32_t one_in);
  std::uint64_t some_signals();
  std::int32_t some_open();
  std::int32_t some_target();
  sc_operand result_of(const sc_operation& creator, int which = 0) const;
  bool allows(std::uint32_t bit) const { return (options_.sets & bit) != 0; }
  std::uint8_t policy();
  void opener(std::vector<sc_operation>& ops, std::uint32_t count);
  void disturber(std::vector<sc_operation>& ops);

  // Families.
  void keep_list();
  void policies();
  void close_range();
  void calls();
  void signals();
  void errors();
  void attributes();
  void races();
  void two_spawns();
  void released();
  void limits();

  struct Row {
    Family family;
    std::string_view name;
    std::uint32_t weight;
    void (Generator::*make)();
  };
  static const Row rows[family_count];
  friend std::string_view spawncheck::name(Family);

  Random& random_;
  const GenerateOptions& options_;
  Scenario scenario_;
  std::vector<std::int32_t> open_;  // numbers of the world
  std::int8_t variable_ = 0;
};

const Generator::Row Generator::rows[family_count] = {
    {Family::keep_list, "keep-list", 4, &Generator::keep_list},   {Family::policies, "policies", 3, &Generator::policies},
    {Family::close_range, "close_range", 2, &Generator::close_range}, {Family::calls, "calls", 2, &Generator::calls},
    {Family::signals, "signals", 3, &Generator::signals},         {Family::errors, "errors", 3, &Generator::errors},
    {Family::attributes, "attributes", 3, &Generator::attributes}, {Family::races, "races", 5, &Generator::races},
    {Family::two_spawns, "two-spawns", 3, &Generator::two_spawns}, {Family::released, "released", 3, &Generator::released},
    {Family::limits, "limits", 1, &Generator::limits},
};

Scenario Generator::run() {
  std::uint32_t total = 0;
  for (const Row& row : rows)
    if (options_.families >> static_cast<int>(row.family) & 1) total += row.weight;
  std::uint32_t pick = random_.below(total);
  const Row* chosen = &rows[0];
  for (const Row& row : rows) {
    if (!(options_.families >> static_cast<int>(row.family) & 1)) continue;
    if (pick < row.weight) {
      chosen = &row;
      break;
    }
    pick -= row.weight;
  }
  (this->*chosen->make)();
  add_window();
  repair(scenario_);
  return std::move(scenario_);
}

void Generator::open_at(std::int32_t number, bool cloexec) {
  sc_world& world = scenario_.world;
  if (world.line_count >= SC_WORLD_MAX || std::find(open_.begin(), open_.end(), number) != open_.end()) return;
  sc_world_line line{};
  constexpr std::uint8_t kinds[] = {SC_WORLD_MEMFD, SC_WORLD_MEMFD, SC_WORLD_MEMFD, SC_WORLD_EVENTFD, SC_WORLD_NULL, SC_WORLD_MQUEUE, SC_WORLD_FILE};
  line.kind = kinds[random_.below(std::size(kinds))];
  line.name = world_rows()[line.kind].named ? static_cast<std::uint8_t>(random_.below(SC_NAMES_MAX)) : std::uint8_t{0};
  line.number = number;
  line.second = -1;
  line.cloexec = cloexec;
  if (random_.chance(1, 8) && !open_.empty()) {
    line.kind = SC_WORLD_ALIAS;
    line.name = 0;
    line.second = open_[random_.below(static_cast<std::uint32_t>(open_.size()))];
  } else if (random_.chance(1, 8)) {
    const std::int32_t other = number + 1 + random_.between(0, 3);
    if (std::find(open_.begin(), open_.end(), other) == open_.end()) {
      line.kind = random_.chance(1, 2) ? SC_WORLD_PIPE : SC_WORLD_SOCKETPAIR;
      line.name = 0;
      line.second = other;
      open_.push_back(other);
    }
  }
  world.line[world.line_count++] = line;
  open_.push_back(number);
}

// Where something of 64 and above is open there is mostly a window, for two sources. Draws nothing.
void Generator::add_window() {
  sc_world& world = scenario_.world;
  const bool has_high = std::any_of(world.line, world.line + world.line_count, [](const sc_world_line& l) { return l.number >= 64 && l.kind != SC_WORLD_FILL; });
  if (!has_high || world.line_count % 4 == 0 || world.line_count >= SC_WORLD_MAX) return;
  sc_world_line line{};
  line.kind = SC_WORLD_WINDOW;
  line.number = 45;
  line.second = 49;
  line.cloexec = 1;
  world.line[world.line_count++] = line;
}

// Mostly all three, but any subset of them.
void Generator::open_standard() {
  const std::uint32_t subset = random_.chance(1, 2) ? 7 : random_.below(8);
  for (std::int32_t n = 0; n < 3; ++n)
    if (subset >> n & 1) open_at(n, random_.chance(1, 6));
}

void Generator::open_some(std::uint32_t count) {
  constexpr std::int32_t edges[] = {62, 63, 64, 65, 127, 128, 191, 200, 255, 256};
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::int32_t number = random_.chance(1, 6) ? edges[random_.below(std::size(edges))] : random_.between(3, 14);
    open_at(number, random_.chance(1, 2));
  }
}

// Many descriptors: what closes them one by one takes long, and races get their time.
void Generator::open_wide() {
  sc_world& world = scenario_.world;
  if (world.line_count >= SC_WORLD_MAX) return;
  sc_world_line line{};
  line.kind = SC_WORLD_FILL;
  line.number = 300;
  line.second = 300 + random_.between(50, 600);
  line.cloexec = 1;
  world.line[world.line_count++] = line;
}

void Generator::set_signals() {
  sc_world& world = scenario_.world;
  if (random_.chance(1, 3)) world.mask = some_signals();
  for (const int s : {sig_usr1, sig_usr2, sig_winch, 33, 34, 40}) {
    if (random_.chance(1, 2)) world.handled |= signal_bit(s);
    else if (random_.chance(1, 4)) world.ignored |= signal_bit(s);
  }
}

sc_operation Generator::op(std::uint8_t kind, std::int32_t a, std::int32_t b) {
  sc_operation o = blank_operation(kind);
  o.operand[0].value = a;
  o.operand[1].value = b;
  return o;
}

sc_operation Generator::creating(std::uint8_t kind, bool cloexec, std::int32_t a, std::int32_t b) {
  sc_operation o = op(kind, a, b);
  if (cloexec) o.flags = SC_FLAG_CLOEXEC;
  for (int i = 0; i < operation_rows()[kind].results; ++i)
    if (variable_ < SC_VARIABLES_MAX) o.result[i] = variable_++;
  return o;
}

sc_operand Generator::result_of(const sc_operation& creator, int which) const {
  return {creator.result[which] < 0 ? 0 : creator.result[which], std::uint8_t{1}};
}

std::uint64_t Generator::some_signals() {
  switch (random_.below(6)) {
    case 0: return 0;
    case 1: return ~0ull;
    case 2: return random_.next();
    default: {
      std::uint64_t set = 0;
      constexpr int interesting[] = {1, 2, 10, 12, 13, 15, 17, 28, 32, 33, 34, 64};
      for (const int s : interesting)
        if (random_.chance(1, 3)) set |= signal_bit(s);
      return set;
    }
  }
}

std::int32_t Generator::some_open() {
  if (open_.empty() || random_.chance(1, 20)) return random_.between(0, 20);
  return open_[random_.below(static_cast<std::uint32_t>(open_.size()))];
}

// Small numbers collide most: with sources, with what an implementation opens itself, with 0 to 2.
std::int32_t Generator::some_target() {
  switch (random_.below(6)) {
    case 0: return random_.between(0, 2);
    case 1: return some_open();
    case 2: return random_.between(60, 70);
    default: return random_.between(0, 14);
  }
}

std::uint8_t Generator::policy() {
  if ((options_.policies & 7) == 0) return SPAWNCHECK_FDS_ONLY;
  for (;;) {
    const std::uint32_t p = random_.below(4);  // `only` twice
    const std::uint32_t policy = p == 3 ? 2 : p;
    if (options_.policies >> policy & 1) return static_cast<std::uint8_t>(policy);
  }
}

// Sources of the world onto one another's numbers: swaps, cycles, chains.
void Generator::add_permutation(sc_request& r) {
  std::vector<std::int32_t> from;
  for (const std::int32_t n : open_)
    if (from.size() < 6 && random_.chance(2, 3)) from.push_back(n);
  std::vector<std::int32_t> to = from;
  for (std::size_t i = to.size(); i > 1; --i) std::swap(to[i - 1], to[random_.below(static_cast<std::uint32_t>(i))]);
  if (!to.empty() && random_.chance(1, 3)) to[random_.below(static_cast<std::uint32_t>(to.size()))] = 15 + random_.between(0, 3);
  for (std::size_t i = 0; i < from.size() && r.keep_count < SC_KEEP_MAX; ++i) r.keep[r.keep_count++] = {{from[i], 0}, to[i], 0};
}

void Generator::add_keep(sc_request& r) {
  const std::uint32_t count = random_.below(5);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::int32_t source = some_open();
    const std::int32_t target = random_.chance(1, 4) ? source : some_target();
    const bool is_taken = std::any_of(r.keep, r.keep + r.keep_count, [&](const sc_keep& k) { return k.target == target; });
    if (is_taken && !random_.chance(1, 30)) continue;
    r.keep[r.keep_count++] = {{source, 0}, target, 0};
  }
}

void Generator::add_attributes(sc_request& r, std::uint32_t one_in) {
  auto sometimes = [&](std::uint32_t bit) {
    const bool taken = allows(bit) && random_.chance(1, one_in);
    if (taken) r.set |= bit;
    return taken;
  };
  if (sometimes(SPAWNCHECK_SET_MASK)) r.mask = some_signals();
  if (sometimes(SPAWNCHECK_SET_DEFAULT)) r.dflt = some_signals() & ~signal_bit(9) & ~signal_bit(19);
  if (sometimes(SPAWNCHECK_SET_IGNORE)) r.ignore = some_signals() & ~r.dflt & ~signal_bit(9) & ~signal_bit(19);
  if (sometimes(SPAWNCHECK_SET_CWD)) r.cwd = static_cast<std::uint8_t>(random_.below(SC_NAMES_MAX));
  if (!sometimes(SPAWNCHECK_SET_PGROUP) || random_.chance(1, 20)) sometimes(SPAWNCHECK_NEW_SESSION);
  sometimes(SPAWNCHECK_WANT_PIDFD);
  if (random_.chance(1, 4 * one_in)) r.argument_count = static_cast<std::uint16_t>(random_.chance(1, 2) ? random_.below(50) : 1000 + random_.below(3000));
}

sc_operation Generator::spawn() {
  sc_operation o = creating(SC_OP_SPAWN, false);
  o.request.policy = policy();
  o.request.program = SC_PROGRAM_HOLD;
  if (random_.chance(1, 3)) add_permutation(o.request);
  else add_keep(o.request);
  add_attributes(o.request, 8);
  return o;
}

// What another thread does to the table meanwhile: opens and closes, now and then without close-on-exec.
void Generator::opener(std::vector<sc_operation>& ops, std::uint32_t count) {
  constexpr std::uint8_t kinds[] = {SC_OP_MEMFD, SC_OP_MEMFD, SC_OP_NULL_DEVICE, SC_OP_EVENTFD, SC_OP_PIPE, SC_OP_SOCKETPAIR, SC_OP_MQUEUE, SC_OP_FILE, SC_OP_DUP, SC_OP_DUPFD};
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint8_t kind = kinds[random_.below(std::size(kinds))];
    std::int32_t a = 0, b = 0;
    if (kind == SC_OP_DUP || kind == SC_OP_DUPFD) a = some_open();
    else if (kind == SC_OP_MQUEUE || kind == SC_OP_FILE) a = random_.between(0, SC_NAMES_MAX - 1);
    if (kind == SC_OP_DUPFD) b = random_.chance(1, 2) ? 0 : random_.between(3, 130);
    const sc_operation made = creating(kind, random_.chance(1, 2), a, b);
    ops.push_back(made);
    if (random_.chance(1, 4)) {
      sc_operation mark = op(SC_OP_SETFD);
      mark.operand[0] = result_of(made);
      if (random_.chance(2, 3)) mark.flags = SC_FLAG_CLOEXEC;
      ops.push_back(mark);
    }
    if (random_.chance(2, 3)) {
      sc_operation close = op(SC_OP_CLOSE);
      close.operand[0] = result_of(made, made.result[1] >= 0 && random_.chance(1, 2) ? 1 : 0);
      ops.push_back(close);
    }
  }
}

// Changes the very numbers that another thread is keeping.
void Generator::disturber(std::vector<sc_operation>& ops) {
  const std::uint32_t count = 1 + random_.below(4);
  for (std::uint32_t i = 0; i < count; ++i) {
    sc_operation o = op(SC_OP_CLOSE, some_open());
    switch (random_.below(7)) {
      case 0: break;
      case 1: case 2: {
        const sc_operation made = creating(random_.chance(1, 2) ? SC_OP_MEMFD : SC_OP_EVENTFD, random_.chance(1, 2));
        ops.push_back(made);
        o = creating(SC_OP_DUP2, false, 0, some_open());
        o.operand[0] = result_of(made);
        break;
      }
      case 3: o = creating(SC_OP_DUP3, random_.chance(1, 2), some_open(), some_target()); break;
      case 4:
        o = op(SC_OP_SETFD, some_open());
        if (random_.chance(1, 2)) o.flags = SC_FLAG_CLOEXEC;
        break;
      case 5: o = op(SC_OP_GETFD, some_open()); break;
      default: {
        o = op(SC_OP_CLOSE_RANGE, random_.between(0, 12), 0);
        o.operand[1].value = o.operand[0].value + random_.between(0, 4);
        o.flags = random_.chance(1, 3) ? 4 : 0;
      }
    }
    ops.push_back(o);
  }
}

void Generator::keep_list() {
  open_standard();
  open_some(1 + random_.below(6));
  if (random_.chance(1, 10)) open_wide();
  auto& ops = thread();
  sc_operation o = spawn();
  o.request.keep_count = 0;
  if (random_.chance(1, 2)) add_permutation(o.request);
  add_keep(o.request);
  ops.push_back(o);
}

void Generator::policies() {
  open_standard();
  open_some(random_.below(8));
  if (random_.chance(1, 8)) open_wide();
  auto& ops = thread();
  if (random_.chance(1, 2)) opener(ops, 1 + random_.below(2));
  ops.push_back(spawn());
  if (random_.chance(1, 3)) ops.push_back(spawn());
  if (random_.chance(1, 3)) opener(ops, 1);
}

void Generator::close_range() {
  open_standard();
  open_some(2 + random_.below(6));
  auto& ops = thread();
  const std::uint32_t count = 1 + random_.below(4);
  for (std::uint32_t i = 0; i < count; ++i) {
    sc_operation o = op(SC_OP_CLOSE_RANGE, random_.chance(1, 3) ? random_.between(60, 130) : random_.between(0, 16), SC_RANGE_MAX);
    if (random_.chance(2, 3)) o.operand[1].value = random_.chance(1, 8) ? std::max(0, o.operand[0].value - 1) : o.operand[0].value + random_.between(0, 70);
    constexpr std::uint32_t flags[] = {0, 0, 2, 4, 6, 1, 8, 16, 64};
    o.flags = flags[random_.below(std::size(flags))];
    ops.push_back(o);
    if (random_.chance(1, 2)) ops.push_back(op(SC_OP_GETFD, some_open()));
    if (random_.chance(1, 3)) opener(ops, 1);
  }
  if (random_.chance(1, 2)) ops.push_back(spawn());
  if (options_.threads_max > 1 && random_.chance(1, 3)) opener(thread(), 1 + random_.below(3));
}

void Generator::calls() {
  open_standard();
  open_some(random_.below(5));
  auto& ops = thread();
  opener(ops, 1 + random_.below(3));
  disturber(ops);
  if (random_.chance(1, 3)) ops.push_back(op(SC_OP_LIMIT, random_.between(1, 40)));
  if (random_.chance(1, 3)) ops.push_back(creating(SC_OP_PROGRAM, random_.chance(1, 2), random_.between(0, 3)));
  if (random_.chance(1, 3)) {
    const sc_operation file = creating(SC_OP_FILE, true, 0);
    ops.push_back(file);
    sc_operation lock = op(SC_OP_FLOCK);
    lock.operand[0] = result_of(file);
    ops.push_back(lock);
  }
  if (random_.chance(1, 2)) {
    ops.push_back(op(SC_OP_STORE, 1, random_.between(0, 99)));
    ops.push_back(op(SC_OP_LOAD, 1));
  }
  if (options_.threads_max > 1 && random_.chance(1, 2)) {
    auto& other = thread();
    opener(other, 1 + random_.below(3));
    disturber(other);
  }
  if (options_.threads_max > 1 && random_.chance(1, 3)) {
    const std::int32_t name = random_.between(0, SC_NAMES_MAX - 1);
    scenario_.threads[0].operations.push_back(creating(SC_OP_FIFO, random_.chance(1, 2), name, SC_DIRECTION_READ));
    if (!random_.chance(1, 10)) thread().push_back(creating(SC_OP_FIFO, random_.chance(1, 2), name, SC_DIRECTION_WRITE));
  }
}

void Generator::signals() {
  open_at(0, false);
  set_signals();
  const std::uint64_t quiet = scenario_.world.handled | scenario_.world.ignored;  // nobody is killed by these
  auto& ops = thread();
  if (random_.chance(1, 3)) {
    sc_operation mask = op(SC_OP_MASK, random_.between(0, 2));
    mask.signals = some_signals();
    ops.push_back(mask);
  }
  if (random_.chance(1, 4)) ops.push_back(op(SC_OP_ALTSTACK, 1));
  const std::uint32_t spawns = 1 + random_.below(3);
  const bool group = random_.chance(1, 2);
  for (std::uint32_t i = 0; i < spawns; ++i) {
    sc_operation o = creating(SC_OP_SPAWN, false);
    o.request.policy = policy();
    o.request.program = random_.chance(1, 6) ? SC_PROGRAM_MISSING : SC_PROGRAM_HOLD;
    add_attributes(o.request, 3);
    if (group && allows(SPAWNCHECK_SET_MASK)) {  // what may reach the child must not end it
      o.request.set |= SPAWNCHECK_SET_MASK;
      o.request.mask |= quiet & ~signal_bit(sig_winch);
      o.request.set &= ~(SPAWNCHECK_SET_PGROUP | SPAWNCHECK_NEW_SESSION);
    }
    ops.push_back(o);
  }
  if (options_.threads_max < 2 || random_.chance(1, 6)) return;
  auto& storm = thread();
  const std::uint32_t count = 2 + random_.below(14);
  for (std::uint32_t i = 0; i < count; ++i) {
    constexpr int candidates[] = {sig_usr1, sig_usr2, sig_winch, 33, 34, 40};
    const int s = candidates[random_.below(std::size(candidates))];
    if ((quiet & signal_bit(s)) == 0) continue;
    if (group && allows(SPAWNCHECK_SET_MASK)) storm.push_back(op(SC_OP_KILL_GROUP, s));
    else if (random_.chance(1, 3)) storm.push_back(op(SC_OP_TGKILL, 0, s));
    else storm.push_back(op(SC_OP_KILL, s));
  }
  if (random_.chance(1, 4)) storm.push_back(op(SC_OP_DISPOSITION, sig_urg, random_.between(0, 2)));
}

void Generator::errors() {
  open_standard();
  open_some(1 + random_.below(4));
  if (random_.chance(1, 3)) scenario_.world.mask = some_signals();
  auto& ops = thread();
  sc_operation o = spawn();
  sc_request& r = o.request;
  switch (random_.below(5)) {
    case 0: case 1: case 2: r.program = static_cast<std::uint8_t>(SC_PROGRAM_MISSING + random_.below(SC_PROGRAM_COUNT - SC_PROGRAM_MISSING)); break;
    case 3:
      if (r.keep_count < SC_KEEP_MAX) r.keep[r.keep_count++] = {{random_.between(15, 40), 0}, random_.between(30, 50), 0};
      break;
    default:
      if (r.keep_count > 0 && r.keep_count < SC_KEEP_MAX) {
        r.keep[r.keep_count] = r.keep[0];
        ++r.keep_count;
      }
  }
  ops.push_back(o);
  ops.push_back(creating(SC_OP_MEMFD, true));
  if (random_.chance(1, 2)) ops.push_back(spawn());
  if (options_.threads_max > 1 && random_.chance(1, 3)) opener(thread(), 2);
}

void Generator::attributes() {
  open_standard();
  open_some(random_.below(3));
  set_signals();
  if (random_.chance(1, 8)) scenario_.world.ignored |= signal_bit(sig_chld);
  auto& ops = thread();
  const std::uint32_t spawns = 1 + random_.below(2);
  for (std::uint32_t i = 0; i < spawns; ++i) {
    sc_operation o = spawn();
    add_attributes(o.request, 2);
    o.request.ignore &= ~o.request.dflt;
    if (random_.chance(1, 4)) o.request.program = SC_PROGRAM_EXIT;
    ops.push_back(o);
    sc_operation end = op(SC_OP_KILL_CHILD, 0, sig_kill);
    end.operand[0] = result_of(o);
    const bool exits = o.request.program == SC_PROGRAM_EXIT;
    if (!exits && !random_.chance(1, 3)) continue;
    if (!exits) ops.push_back(end);
    sc_operation wait = op(SC_OP_WAIT);
    wait.operand[0] = result_of(o);
    ops.push_back(wait);
  }
}

void Generator::races() {
  open_standard();
  open_some(1 + random_.below(4));
  if (random_.chance(1, 4)) open_wide();
  thread().push_back(spawn());
  if (random_.chance(1, 3)) scenario_.threads[0].operations.push_back(spawn());
  const std::uint32_t others = std::min(options_.threads_max, 2 + random_.below(2)) - 1;
  for (std::uint32_t i = 0; i < others; ++i) {
    auto& other = thread();
    if (random_.chance(2, 3)) opener(other, 1 + random_.below(4));
    if (random_.chance(1, 2) || other.empty()) disturber(other);
  }
}

void Generator::two_spawns() {
  open_standard();
  open_some(1 + random_.below(3));
  const std::uint32_t threads = std::max(1u, std::min(options_.threads_max, 2 + random_.below(2)));
  for (std::uint32_t t = 0; t < threads; ++t) {
    auto& ops = thread();
    const std::uint32_t spawns = 1 + random_.below(2);
    for (std::uint32_t i = 0; i < spawns; ++i) {
      sc_operation o = spawn();
      if (random_.chance(1, 5)) o.request.program = SC_PROGRAM_MISSING;
      ops.push_back(o);
    }
  }
}

// Take something, spawn, give it back, take it again: it must be free.
void Generator::released() {
  open_standard();
  open_some(random_.below(3));
  if (random_.chance(1, 2)) open_wide();
  const std::int32_t name = random_.between(0, SC_NAMES_MAX - 1);
  const std::uint32_t what = random_.below(3);
  auto& ops = thread();
  constexpr std::uint8_t makers[] = {SC_OP_FILE, SC_OP_LISTEN, SC_OP_PROGRAM};
  const sc_operation made = creating(makers[what], !random_.chance(1, 4), name);
  ops.push_back(made);
  sc_operation lock = op(SC_OP_FLOCK), close = op(SC_OP_CLOSE);
  lock.operand[0] = close.operand[0] = result_of(made);
  if (what == 0) ops.push_back(lock);
  const bool elsewhere = options_.threads_max > 1 && random_.chance(1, 2);
  if (!elsewhere) ops.push_back(spawn());
  ops.push_back(close);
  if (what == 2) {
    sc_operation run = spawn();
    run.request.program = SC_PROGRAM_WRITTEN;
    run.request.name = static_cast<std::uint8_t>(name);
    ops.push_back(run);
  } else {
    const sc_operation again = creating(makers[what], true, name);
    ops.push_back(again);
    lock.operand[0] = result_of(again);
    if (what == 0) ops.push_back(lock);
  }
  if (!elsewhere) return;
  auto& other = thread();
  other.push_back(spawn());
  if (random_.chance(1, 2)) other.push_back(spawn());
}

void Generator::limits() {
  open_standard();
  open_some(1 + random_.below(4));
  std::int32_t highest = 0;
  for (const std::int32_t n : open_) highest = std::max(highest, n);
  scenario_.world.limit = std::max(1, highest + random_.between(0, 3));
  auto& ops = thread();
  if (random_.chance(1, 3)) ops.push_back(op(SC_OP_LIMIT, random_.between(1, highest + 4)));
  sc_operation o = spawn();
  if (o.request.keep_count > 0 && random_.chance(1, 2)) o.request.keep[0].target = std::max(0, scenario_.world.limit - random_.between(0, 1));
  ops.push_back(o);
  opener(ops, 1 + random_.below(2));
  if (options_.threads_max > 1 && random_.chance(1, 3)) {
    auto& other = thread();
    other.push_back(op(SC_OP_LIMIT, random_.between(1, 30)));
    opener(other, 1);
  }
}

}  // namespace

std::string_view name(Family family) { return Generator::rows[static_cast<std::size_t>(family)].name; }

Scenario generate(Random& random, const GenerateOptions& options) {
  GenerateOptions usable = options;
  if ((usable.families & ((1u << family_count) - 1)) == 0) usable.families = 1;
  usable.threads_max = std::clamp(usable.threads_max, 1u, static_cast<std::uint32_t>(SC_THREADS_MAX));
  return Generator(random, usable).run();
}

}  // namespace spawncheck
