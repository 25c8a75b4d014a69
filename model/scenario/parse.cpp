// SPDX-License-Identifier: MIT
//
// A line is cut into words; the first word selects the kind of line; the signature of the operation's
// row tells how to read the others. The first error ends the parse, with its place.
#include <algorithm>
#include <array>
#include <charconv>

#include "model/scenario/request_fields.h"
#include "model/scenario/scenario.h"
#include "model/scenario/validate.h"
#include "model/scenario/visible.h"
#include "model/scenario/words.h"

namespace spawncheck {

namespace {

struct Word {
  std::string_view text;
  int column = 1;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::variant<Scenario, ParseError> run() {
    if (text_.size() > text_bytes_max) return ParseError{1, 1, "at most " + std::to_string(text_bytes_max) + " bytes"};
    while (!text_.empty() && !error_) {
      const std::size_t end = text_.find('\n');
      ++line_;
      parse_line(text_.substr(0, end));
      text_ = end == std::string_view::npos ? std::string_view{} : text_.substr(end + 1);
    }
    for (const ThreadUse& use : thread_uses_) {
      line_ = use.line;
      if (use.thread >= static_cast<int>(scenario_.threads.size())) fail(use.column, "a thread of the scenario");
    }
    check_refusals();
    if (error_) return *std::move(error_);
    return std::move(scenario_);
  }

 private:
  struct ThreadUse {  // threads may be named before they are written
    int thread, line, column;
  };
  struct Place {  // of a line that depends on later operations
    int line = 0, column = 0;
  };

  enum class Part { world, threads, schedule, expectations };

  void parse_line(std::string_view line);
  void parse_world(const Word& first);
  void parse_world_line(const Word& first);
  void parse_operation(const Word& first);
  void parse_operand(char letter, int index, sc_operation& op);
  void parse_request(sc_request& r);
  void parse_request_field(const Word& word, sc_request& r);
  void read(const Word& word, std::uint64_t& set) { set = signals(word); }
  void read(const Word& word, std::uint8_t& directory) { directory = letter(word, "a directory"); }
  void read(const Word& word, std::uint16_t& count);
  void read(const Word& word, sc_operand& group);
  void parse_keep(const Word& list, sc_request& r);
  void parse_flags(const OperationRow& row, sc_operation& op);
  void parse_results(const OperationRow& row, sc_operation& op);
  void parse_refusal();
  void parse_schedule();
  void parse_fault(const Word& first);
  void parse_expectation();
  void check_refusals();

  // Words of the current line.
  bool at_end() const { return next_ >= words_.size(); }
  Word peek() const { return at_end() ? Word{{}, end_column_} : words_[next_]; }
  Word take() {
    const Word word = peek();
    if (!at_end()) ++next_;
    return word;
  }
  bool take_if(std::string_view text) {
    if (at_end() || words_[next_].text != text) return false;
    ++next_;
    return true;
  }

  void fail(int column, std::string expected) {
    if (!error_) error_ = ParseError{line_, column, std::move(expected)};
  }
  std::int32_t number(const Word& word, std::int32_t low, std::int32_t high, std::string_view what);
  std::uint8_t letter(const Word& word, std::string_view what);
  std::int32_t choice(const Word& word, std::span<const std::string_view> words);
  int signal(const Word& word);
  std::uint64_t signals(const Word& word);
  sc_operand descriptor(const Word& word, bool variable_only);

  std::string_view text_;
  Scenario scenario_;
  std::optional<ParseError> error_;
  Part part_ = Part::world;
  int line_ = 0, end_column_ = 1;
  std::vector<Word> words_;
  std::size_t next_ = 0;
  std::uint32_t defined_ = 0;  // variables of the current thread
  std::vector<ThreadUse> thread_uses_;
  Place refusal_place_[SC_REFUSALS_MAX], fault_place_;
};

std::int32_t Parser::number(const Word& word, std::int32_t low, std::int32_t high, std::string_view what) {
  std::int32_t n = 0;
  const char* end = word.text.data() + word.text.size();
  const auto [stop, error] = std::from_chars(word.text.data(), end, n);
  if (word.text.empty() || error != std::errc{} || stop != end || n < low || n > high) {
    fail(word.column, std::string(what) + " " + std::to_string(low) + ".." + std::to_string(high));
    return low;
  }
  return n;
}

std::uint8_t Parser::letter(const Word& word, std::string_view what) {
  if (word.text.size() == 1 && word.text[0] >= 'a' && word.text[0] < 'a' + SC_NAMES_MAX)
    return static_cast<std::uint8_t>(word.text[0] - 'a');
  fail(word.column, std::string(what) + " a, b, c or d");
  return 0;
}

std::int32_t Parser::choice(const Word& word, std::span<const std::string_view> words) {
  const int index = index_of(words, word.text);
  if (index >= 0) return index;
  std::string expected;
  for (std::size_t i = 0; i < words.size(); ++i)
    expected += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + std::string(words[i]);
  fail(word.column, expected);
  return 0;
}

int Parser::signal(const Word& word) {
  const int number = signal_named(word.text);
  if (number == 0) fail(word.column, "a signal: a name or a number 1..64");
  return number == 0 ? 1 : number;
}

std::uint64_t Parser::signals(const Word& word) {
  if (word.text == "none") return 0;
  if (word.text == "all") return ~0ull;
  std::uint64_t set = 0;
  std::size_t at = 0;
  while (at <= word.text.size() && !error_) {
    const std::size_t comma = std::min(word.text.find(',', at), word.text.size());
    const int number = signal_named(word.text.substr(at, comma - at));
    if (number == 0)
      fail(word.column + static_cast<int>(at), "signals joined by commas, none or all");
    else
      set |= signal_bit(number);
    at = comma + 1;
  }
  return set;
}

sc_operand Parser::descriptor(const Word& word, bool variable_only) {
  sc_operand operand{};
  if (!word.text.empty() && word.text[0] == '$') {
    operand.variable = 1;
    operand.value = number({word.text.substr(1), word.column + 1}, 0, SC_VARIABLES_MAX - 1, "a variable $N, N in");
    if (!error_ && (defined_ >> operand.value & 1) == 0)
      fail(word.column, "a variable that an earlier operation of the thread gave");
    return operand;
  }
  if (variable_only) {
    fail(word.column, "$N, the result of an earlier spawn of the thread");
    return operand;
  }
  operand.value = number(word, 0, SC_NUMBER_MAX, "$N or a number");
  return operand;
}

void Parser::parse_line(std::string_view line) {
  line = line.substr(0, line.find('#'));
  words_.clear();
  next_ = 0;
  std::size_t at = 0;
  const std::string_view blanks = " \t\r";
  while ((at = line.find_first_not_of(blanks, at)) != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(blanks, at), line.size());
    words_.push_back({line.substr(at, end - at), static_cast<int>(at) + 1});
    at = end;
  }
  end_column_ = static_cast<int>(line.size()) + 1;
  if (words_.empty()) return;
  const Word first = take();
  if (first.text == "expect") {
    part_ = Part::expectations;
    parse_expectation();
  } else if (part_ <= Part::schedule && first.text == "schedule") {
    if (part_ == Part::schedule && !scenario_.schedule.empty()) fail(first.column, "one schedule");
    part_ = Part::schedule;
    parse_schedule();
  } else if (part_ <= Part::schedule && first.text == "fault") {
    part_ = Part::schedule;
    parse_fault(first);
  } else if (part_ <= Part::threads && first.text == "thread") {
    part_ = Part::threads;
    defined_ = 0;
    if (scenario_.threads.size() >= SC_THREADS_MAX)
      fail(first.column, "at most " + std::to_string(SC_THREADS_MAX) + " threads");
    else
      scenario_.threads.emplace_back();
  } else if (part_ == Part::world) {
    parse_world(first);
  } else if (part_ == Part::threads) {
    parse_operation(first);
  } else {
    fail(first.column, part_ == Part::schedule ? "schedule, fault or expect" : "expect, or the end");
  }
  if (!at_end()) fail(peek().column, "the end of the line");
}

void Parser::parse_world(const Word& first) {
  sc_world& world = scenario_.world;
  if (first.text == "limit") {
    world.limit = number(take(), 1, SC_NUMBER_MAX, "a limit");
  } else if (first.text == "mask") {
    world.mask |= signals(take());
  } else if (first.text == "disposition") {
    const Word word = take();
    const int number = signal(word);
    const std::int32_t how = choice(take(), disposition_words());
    if (error_) return;
    if (number == 9 || number == 19) return fail(word.column, "a signal other than KILL and STOP");
    world.ignored &= ~signal_bit(number);
    world.handled &= ~signal_bit(number);
    if (how == SC_DISPOSITION_IGNORE) world.ignored |= signal_bit(number);
    if (how == SC_DISPOSITION_HANDLER) world.handled |= signal_bit(number);
  } else if (first.text == "refuse") {
    parse_refusal();
  } else {
    parse_world_line(first);
  }
}

void Parser::parse_refusal() {
  sc_world& world = scenario_.world;
  const Word call = take(), error = take();
  const int named = call_named(call.text), number = errno_named(error.text);
  if (named < 0) return fail(call.column, "a system call that another task can see, as in `refuse close_range ENOSYS`");
  if (number == 0) return fail(error.column, "the name of an errno");
  if (world.refusal_count >= SC_REFUSALS_MAX)
    return fail(call.column, "at most " + std::to_string(SC_REFUSALS_MAX) + " calls that are refused");
  for (std::uint32_t i = 0; i < world.refusal_count; ++i)
    if (world.refusal[i].call == named) return fail(call.column, "a call that no earlier line refuses");
  refusal_place_[world.refusal_count] = {line_, call.column};
  world.refusal[world.refusal_count++] = {static_cast<std::uint8_t>(named), number};
}

void Parser::parse_fault(const Word& first) {
  const Word word = take();
  if (scenario_.fault.kind != SC_FAULT_NONE) return fail(first.column, "one fault");
  const std::optional<sc_fault> fault = fault_named(word.text);
  if (!fault) return fail(word.column, "WHAT@THREAD.OPERATION.CALL, as in EMFILE@0.0.3");
  scenario_.fault = *fault;
  fault_place_ = {line_, word.column};
}

void Parser::check_refusals() {
  for (std::uint32_t i = 0; i < scenario_.world.refusal_count && !error_; ++i) {
    line_ = refusal_place_[i].line;
    if (const char* breach = refusal_breach(scenario_, scenario_.world.refusal[i]))
      fail(refusal_place_[i].column, breach);
  }
  if (error_ || scenario_.fault.kind == SC_FAULT_NONE) return;
  line_ = fault_place_.line;
  if (const char* breach = fault_breach(scenario_, scenario_.fault)) fail(fault_place_.column, breach);
}

void Parser::parse_world_line(const Word& first) {
  bool known = false;
  for (const WorldRow& row : world_rows()) known |= row.line == first.text;
  if (!known)
    return fail(first.column,
                "limit, mask, disposition, refuse, fd, fds, alias, fill, memfds, window, thread, schedule or expect");
  sc_world& world = scenario_.world;
  if (world.line_count >= SC_WORLD_MAX)
    return fail(first.column, "at most " + std::to_string(SC_WORLD_MAX) + " lines that open descriptors");
  sc_world_line line{};
  const Word at = peek();
  line.number = number(take(), 0, SC_NUMBER_MAX, "a number");
  line.second = first.text == "fd" ? -1 : number(take(), 0, SC_NUMBER_MAX, "a second number");
  if (error_) return;
  const Word word = first.text == "fd" || first.text == "fds" ? take() : Word{};
  known = false;
  for (std::size_t kind = 0; kind < world_rows().size(); ++kind) {
    const WorldRow& row = world_rows()[kind];
    if (row.line != first.text || row.word != word.text) continue;
    line.kind = static_cast<std::uint8_t>(kind);
    if (row.named) line.name = letter(take(), "a name");
    known = true;
  }
  if (!known)
    return fail(word.column, first.text == "fd" ? "memfd, null, eventfd, mqueue or file" : "pipe or socketpair");
  line.cloexec = line.kind == SC_WORLD_WINDOW || take_if("cloexec") ? 1 : 0;
  if (error_) return;
  if (const char* breach = world_breach(world, line)) return fail(at.column, breach);
  world.line[world.line_count++] = line;
}

void Parser::parse_operation(const Word& first) {
  int kind = -1;
  for (int i = 0; i < SC_OP_COUNT; ++i)
    if (operation_rows()[static_cast<std::size_t>(i)].word == first.text) kind = i;
  if (kind < 0) return fail(first.column, "an operation, thread, schedule or expect");
  std::vector<sc_operation>& operations = scenario_.threads.back().operations;
  if (operations.size() >= SC_OPS_MAX)
    return fail(first.column, "at most " + std::to_string(SC_OPS_MAX) + " operations in a thread");
  sc_operation op = blank_operation(static_cast<std::uint8_t>(kind));
  const OperationRow& row = row_of(op);
  for (std::size_t i = 0; i < row.operands.size() && !error_; ++i)
    parse_operand(row.operands[i], static_cast<int>(i), op);
  if (!error_) parse_flags(row, op);
  if (!error_) parse_results(row, op);
  if (!error_) operations.push_back(op);
}

void Parser::parse_operand(char letter_, int index, sc_operation& op) {
  if (letter_ == 'R') return parse_request(op.request);
  const Word word = take();
  sc_operand& operand = op.operand[index];
  switch (letter_) {
    case 'f':
      operand = descriptor(word, false);
      break;
    case 'k':
      operand = descriptor(word, true);
      break;
    case 'n':
      operand.value = number(word, 0, SC_NUMBER_MAX, "a number");
      break;
    case 'r':
      operand.value = word.text == "max" ? SC_RANGE_MAX : number(word, 0, SC_NUMBER_MAX, "max or a number");
      break;
    case 'N':
      operand.value = letter(word, "a name");
      break;
    case 'd':
      operand.value = choice(word, direction_words());
      break;
    case 's':
      operand.value = signal(word);
      break;
    case 'S':
      op.signals = signals(word);
      break;
    case 'h':
      operand.value = choice(word, how_words());
      break;
    case 'D':
      operand.value = choice(word, disposition_words());
      break;
    case 'o': {
      constexpr std::string_view words[] = {"off", "on"};
      operand.value = choice(word, words);
      break;
    }
    case 't':
      operand.value = number(word, 0, SC_THREADS_MAX - 1, "a thread");
      thread_uses_.push_back({operand.value, line_, word.column});
      break;
    case 'c':
      operand.value = number(word, 0, SC_CELLS_MAX - 1, "a cell");
      break;
    default:
      operand.value = number(word, 0, INT32_MAX, "a value");
      break;
  }
}

void Parser::parse_flags(const OperationRow& row, sc_operation& op) {
  if (row.flags == "C" && take_if("cloexec")) op.flags = SC_FLAG_CLOEXEC;
  if (row.flags != "U") return;
  if (peek().text.starts_with("flags=")) {
    const Word word = take();
    op.flags = static_cast<std::uint32_t>(number({word.text.substr(6), word.column + 6}, 0, INT32_MAX, "flag bits"));
    return;
  }
  if (take_if("unshare")) op.flags |= 2;
  if (take_if("cloexec")) op.flags |= 4;
}

void Parser::parse_results(const OperationRow& row, sc_operation& op) {
  if (row.results == 0 || !take_if("->")) return;
  for (int i = 0; i < row.results; ++i) {
    if (i > 0 && at_end()) break;
    const Word word = take();
    if (word.text.empty() || word.text[0] != '$') return fail(word.column, "a variable $N");
    op.result[i] = static_cast<std::int8_t>(
        number({word.text.substr(1), word.column + 1}, 0, SC_VARIABLES_MAX - 1, "a variable $N, N in"));
    if (error_) return;
    defined_ |= 1u << op.result[i];
  }
}

void Parser::parse_request(sc_request& r) {
  r.policy = static_cast<std::uint8_t>(choice(take(), policy_words()));
  if (error_) return;
  std::vector<std::string_view> words;
  for (const ProgramRow& row : program_rows()) words.push_back(row.word);
  r.program = static_cast<std::uint8_t>(choice(take(), words));
  if (r.program == SC_PROGRAM_WRITTEN && !error_) r.name = letter(take(), "a name");
  while (!at_end() && peek().text != "->" && !error_) parse_request_field(take(), r);
}

// What may stand where a field begins: the list, a field, or the end of the request, at which parse_request() stops.
constexpr auto request_words = [] {
  std::array<std::string_view, std::size(request_fields) + 2> words{"keep"};
  std::transform(std::begin(request_fields), std::end(request_fields), words.begin() + 1,
                 [](const RequestField& field) { return field.word; });
  words.back() = "->";
  return words;
}();

void Parser::parse_request_field(const Word& word, sc_request& r) {
  const auto index = static_cast<std::size_t>(choice(word, request_words));
  if (error_) return;
  if (index == 0) return parse_keep(take(), r);
  const RequestField& field = request_fields[index - 1];
  r.set |= field.bit;
  const auto read_next = [&](auto& value) { read(take(), value); };
  with_value(field, read_next, r);
}

void Parser::read(const Word& word, sc_operand& group) {
  if (word.text.starts_with('$'))
    group = descriptor(word, true);
  else
    group = {number(word, 0, INT32_MAX, "$N, or a process group"), 0};
}

void Parser::read(const Word& word, std::uint16_t& count) {
  count = static_cast<std::uint16_t>(number(word, 0, SC_ARGUMENTS_MAX, "a number of arguments"));
}

void Parser::parse_keep(const Word& list, sc_request& r) {
  std::size_t at = 0;
  while (!error_) {
    const std::size_t comma = std::min(list.text.find(',', at), list.text.size());
    const std::string_view entry = list.text.substr(at, comma - at);
    const std::size_t arrow = entry.find('>');
    const int column = list.column + static_cast<int>(at);
    if (arrow == std::string_view::npos) return fail(column, "SOURCE>TARGET or FIRST..LAST>TARGET, joined by commas");
    if (r.keep_count >= SC_KEEP_MAX)
      return fail(column, "at most " + std::to_string(SC_KEEP_MAX) + " entries to keep, or runs of them");
    const std::string_view source = entry.substr(0, arrow);
    const std::size_t dots = source.find("..");
    const bool is_run = dots != std::string_view::npos;
    sc_keep keep{};
    if (is_run)
      keep.source.value = number({source.substr(0, dots), column}, 0, SC_NUMBER_MAX, "a number");
    else
      keep.source = descriptor({source, column}, false);
    if (is_run)
      keep.more = number({source.substr(dots + 2), column + static_cast<int>(dots) + 2}, 0, SC_NUMBER_MAX, "a number") -
                  keep.source.value;
    keep.target = number({entry.substr(arrow + 1), column + static_cast<int>(arrow) + 1}, 0, SC_NUMBER_MAX, "a target");
    if (error_) return;
    if (const char* breach = keep_breach(r, keep)) return fail(column, breach);
    r.keep[r.keep_count++] = keep;
    if (comma == list.text.size()) return;
    at = comma + 1;
  }
}

void Parser::parse_schedule() {
  while (!at_end() && !error_) {
    const Word word = take();
    const auto after = [&](std::size_t at) {
      return Word{word.text.substr(at + 1), word.column + static_cast<int>(at) + 1};
    };
    const std::size_t star = word.text.find('*');
    const std::string_view who = word.text.substr(0, star);
    const std::size_t dot = who.find('.');
    std::size_t times = 1;
    Turn turn;
    turn.thread =
        static_cast<std::uint8_t>(number({who.substr(0, dot), word.column}, 0, SC_THREADS_MAX - 1, "a thread"));
    if (dot != std::string_view::npos)
      turn.child = static_cast<std::int8_t>(
          number({who.substr(dot + 1), word.column + static_cast<int>(dot) + 1}, 0, schedule_child_max, "a child"));
    if (star != std::string_view::npos)
      times = static_cast<std::size_t>(number(after(star), 1, schedule_turns_max, "how many turns"));
    if (error_) return;
    if (turn.thread >= scenario_.threads.size()) return fail(word.column, "a thread of the scenario");
    if (scenario_.schedule.size() + times > schedule_turns_max)
      return fail(word.column, "at most " + std::to_string(schedule_turns_max) + " turns");
    scenario_.schedule.insert(scenario_.schedule.end(), times, turn);
  }
}

void Parser::parse_expectation() {
  const Word word = take();
  if (scenario_.expectations.size() >= expectations_max)
    return fail(word.column, "at most " + std::to_string(expectations_max) + " expectations");
  const auto status = status_named(word.text);
  if (!status) return fail(word.column, "holds, violated, inconclusive, unsupported or broken");
  Expectation e;
  e.status = *status;
  if (!at_end() && peek().text != "by" && peek().text != "on") e.clause = take().text;
  const auto after = [&](const char* mark, const char* what, std::string& to) {
    if (!take_if(mark)) return;
    const Word name = take();
    if (name.text.empty()) fail(name.column, what);
    to = name.text;
  };
  after("by", "an implementation", e.implementation);
  after("on", "a release or behaviours of a kernel", e.kernel);
  scenario_.expectations.push_back(std::move(e));
}

}  // namespace

std::variant<Scenario, ParseError> parse(std::string_view text) { return Parser(text).run(); }

}  // namespace spawncheck
