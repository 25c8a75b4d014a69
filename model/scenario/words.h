// SPDX-License-Identifier: MIT
//
// The words of the language as tables: operation.h, for C++. Parser, printer, generator, mutator and
// the tool's lists read only these.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "model/scenario/operation.h"

namespace spawncheck {

struct OperationRow {
  std::string_view word, operands, flags;
  int results;
  std::string_view summary;
};

struct ProgramRow {
  std::string_view word, summary;
};

// The form of a line of the initial world.
struct WorldRow {
  std::string_view line;  // fd, fds, alias, fill, memfds or window
  std::string_view word;  // of fd and fds: the kind of file
  bool named;
};

std::span<const OperationRow, SC_OP_COUNT> operation_rows();
std::span<const ProgramRow, SC_PROGRAM_COUNT> program_rows();
std::span<const WorldRow, SC_WORLD_KIND_COUNT> world_rows();
std::span<const std::string_view> how_words();
std::span<const std::string_view> disposition_words();
std::span<const std::string_view> direction_words();
std::span<const std::string_view> policy_words();

inline const OperationRow& row_of(const sc_operation& op) { return operation_rows()[op.kind]; }

// The index of a word in a list; -1: not in it.
int index_of(std::span<const std::string_view> words, std::string_view word);

// 1..64 for a name with or without SIG, or a number; 0: none.
int signal_named(std::string_view word);
std::string signal_name(int signal);         // USR1; 34
std::string signal_set_text(std::uint64_t);  // none, all, or names joined by commas
std::uint64_t signal_bit(int signal);

int errno_named(std::string_view word);  // of EMFILE; 0: no errno has the name
std::string errno_name(int error);       // empty: it has no name
int call_named(std::string_view word);   // enum sc_visible, -1: no visible call

// An operation with all fields zero, whose results no variable takes.
sc_operation blank_operation(std::uint8_t kind);

}  // namespace spawncheck
