// SPDX-License-Identifier: MIT
//
// A run as a picture: a lane for each task with what it did, time goes down; and the descriptor tables at both ends.
#pragma once

#include <string>
#include <vector>

#include "model/scenario/scenario.h"
#include "model/scenario/trace.h"

namespace spawncheck {

enum class MarkKind { call, begin, end, wakes, signal, program };  // begin, end: of an operation of a free run

struct Mark {
  unsigned lane = 0;
  MarkKind kind = MarkKind::call;
  std::string text;
  bool is_spawn = false;                        // belongs to a spawn under test
  bool starts_wait = false, ends_wait = false;  // the lane sleeps, or is suspended, from here or until here
};

struct TableRow {
  int first, last;  // numbers
  std::string text;
};

struct NamedTable {
  std::string name;
  bool is_seen = true;  // false: it could not be observed
  std::vector<TableRow> rows;
};

struct Lanes {
  std::vector<std::string> lane;  // "thread 0", "child 0.1"
  std::vector<Mark> marks;        // in the order of time
  std::vector<NamedTable> before, after;
  bool is_of_calls = false;  // every visible call of a scheduled run; else the operations of a free one
};

// `trace`: of a scheduled run; null: marks are the begins and ends of operations in the history. If there are more than
// `marks_max` marks, leaves out the middle ones, and a mark says so.
Lanes lanes_of(const Scenario&, const sc_history&, const sc_trace* trace, unsigned marks_max = 400);

std::string to_html(const Lanes&);  // two tables and a grid, for a page with the style of html.h

}  // namespace spawncheck
