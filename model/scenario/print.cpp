// SPDX-License-Identifier: MIT
#include <cstring>

#include "model/scenario/request_fields.h"
#include "model/scenario/scenario.h"
#include "model/scenario/visible.h"
#include "model/scenario/words.h"

namespace spawncheck {

namespace {

char name_letter(std::uint8_t name) { return static_cast<char>('a' + name); }

void put_number(std::string& out, std::int64_t n) { out += std::to_string(n); }

void put_operand(std::string& out, const sc_operand& operand) {
  if (operand.variable) out += '$';
  put_number(out, operand.value);
}

void put_word(std::string& out, std::string_view word) {
  out += ' ';
  out += word;
}

void put_letter_operand(std::string& out, char letter, const sc_operand& operand, const sc_operation& op) {
  out += ' ';
  const auto index = static_cast<std::size_t>(operand.value);
  switch (letter) {
    case 'N':
      out += name_letter(static_cast<std::uint8_t>(operand.value));
      break;
    case 'd':
      out += direction_words()[index];
      break;
    case 's':
      out += signal_name(operand.value);
      break;
    case 'S':
      out += signal_set_text(op.signals);
      break;
    case 'h':
      out += how_words()[index];
      break;
    case 'D':
      out += disposition_words()[index];
      break;
    case 'o':
      out += operand.value != 0 ? "on" : "off";
      break;
    case 'r':
      if (operand.value == SC_RANGE_MAX)
        out += "max";
      else
        put_number(out, operand.value);
      break;
    default:
      put_operand(out, operand);
  }
}

void put_value(std::string& out, std::uint64_t set) { out += signal_set_text(set); }
void put_value(std::string& out, std::uint8_t name) { out += name_letter(name); }
void put_value(std::string& out, std::uint16_t count) { put_number(out, count); }
void put_value(std::string& out, const sc_operand& group) { put_operand(out, group); }

void put_request(std::string& out, const sc_request& r) {
  put_word(out, policy_words()[r.policy]);
  put_word(out, program_rows()[r.program].word);
  if (r.program == SC_PROGRAM_WRITTEN) put_word(out, std::string(1, name_letter(r.name)));
  for (std::uint32_t i = 0; i < r.keep_count; ++i) {
    out += i == 0 ? " keep " : ",";
    put_operand(out, r.keep[i].source);
    if (r.keep[i].more > 0) {
      out += "..";
      put_number(out, r.keep[i].source.value + r.keep[i].more);
    }
    out += '>';
    put_number(out, r.keep[i].target);
  }
  for (const RequestField& field : request_fields) {
    if (!is_given(field, r)) continue;
    put_word(out, field.word);
    const auto put = [&](const auto& value) {
      out += ' ';
      put_value(out, value);
    };
    with_value(field, put, r);
  }
}

void put_operation(std::string& out, const sc_operation& op) {
  const OperationRow& row = row_of(op);
  out += row.word;
  for (std::size_t i = 0; i < row.operands.size(); ++i) {
    if (row.operands[i] == 'R')
      put_request(out, op.request);
    else
      put_letter_operand(out, row.operands[i], op.operand[i], op);
  }
  if (row.flags == "C" && (op.flags & SC_FLAG_CLOEXEC)) out += " cloexec";
  if (row.flags == "U") {  // close_range(2): UNSHARE is 2, CLOEXEC is 4
    if ((op.flags & ~6u) != 0) {
      out += " flags=" + std::to_string(op.flags);
    } else {
      if (op.flags & 2) out += " unshare";
      if (op.flags & 4) out += " cloexec";
    }
  }
  if (op.result[0] >= 0) out += " -> $" + std::to_string(op.result[0]);
  if (op.result[0] >= 0 && op.result[1] >= 0) out += " $" + std::to_string(op.result[1]);
}

void put_world(std::string& out, const sc_world& world) {
  if (world.limit != 0) out += "limit " + std::to_string(world.limit) + "\n";
  if (world.mask != 0) out += "mask " + signal_set_text(world.mask) + "\n";
  for (int signal = 1; signal <= SC_SIGNAL_MAX; ++signal) {
    if (world.ignored & signal_bit(signal)) out += "disposition " + signal_name(signal) + " ignore\n";
    if (world.handled & signal_bit(signal)) out += "disposition " + signal_name(signal) + " handler\n";
  }
  for (std::uint32_t i = 0; i < world.refusal_count; ++i) {
    put_word(out += "refuse", sc_visible_calls[world.refusal[i].call].name);
    put_word(out, errno_name(world.refusal[i].error));
    out += '\n';
  }
  for (std::uint32_t i = 0; i < world.line_count; ++i) {
    const sc_world_line& line = world.line[i];
    const WorldRow& row = world_rows()[line.kind];
    out += row.line;
    out += ' ';
    put_number(out, line.number);
    if (line.second >= 0) {
      out += ' ';
      put_number(out, line.second);
    }
    if (!row.word.empty()) put_word(out, row.word);
    if (row.named) put_word(out, std::string(1, name_letter(line.name)));
    if (line.cloexec && line.kind != SC_WORLD_WINDOW) out += " cloexec";
    out += '\n';
  }
}

}  // namespace

std::string print(const sc_operation& op) {
  std::string out;
  put_operation(out, op);
  return out;
}

std::string print(const Scenario& s) {
  std::string out;
  out.reserve(512);
  put_world(out, s.world);
  for (const Thread& thread : s.threads) {
    out += "thread\n";
    for (const sc_operation& op : thread.operations) {
      out += "  ";
      put_operation(out, op);
      out += '\n';
    }
  }
  if (!s.schedule.empty()) {
    out += "schedule";
    out += ' ' + print(s.schedule) + '\n';
  }
  if (s.fault.kind != SC_FAULT_NONE) out += "fault " + print(s.fault) + '\n';
  for (const Expectation& e : s.expectations) {
    put_word(out += "expect", name(e.status));
    if (!e.clause.empty()) put_word(out, e.clause);
    if (!e.implementation.empty()) put_word(out += " by", e.implementation);
    if (!e.kernel.empty()) put_word(out += " on", e.kernel);
    out += '\n';
  }
  return out;
}

bool operator==(const Scenario& a, const Scenario& b) {
  if (std::memcmp(&a.world.limit, &b.world.limit, sizeof a.world.limit) != 0 || a.world.mask != b.world.mask ||
      a.world.ignored != b.world.ignored || a.world.handled != b.world.handled ||
      a.world.line_count != b.world.line_count || a.threads.size() != b.threads.size() || a.schedule != b.schedule ||
      a.expectations != b.expectations)
    return false;
  return print(a) == print(b);  // the text contains everything that matters
}

std::string print(const std::vector<Turn>& schedule) {
  std::string out;
  for (std::size_t i = 0; i < schedule.size();) {
    std::size_t end = i + 1;
    while (end < schedule.size() && schedule[end] == schedule[i]) ++end;
    std::string word = std::to_string(schedule[i].thread);
    if (schedule[i].child >= 0) word += '.' + std::to_string(schedule[i].child);
    const std::size_t times = end - i;
    for (std::size_t n = 0; n < (times > 2 ? 1 : times); ++n) {
      if (!out.empty()) out += ' ';
      out += word;
    }
    if (times > 2) out += '*' + std::to_string(times);
    i = end;
  }
  return out;
}

std::string ParseError::message() const {
  return "line " + std::to_string(line) + ", column " + std::to_string(column) + ": expected " + expected;
}

std::uint64_t hash(const Scenario& s) {
  std::uint64_t h = 0xcbf29ce484222325u;  // FNV-1a over the text
  for (const char c : print(s)) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h;
}

}  // namespace spawncheck
