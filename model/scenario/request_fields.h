// SPDX-License-Identifier: MIT
//
// THE table of what a spawn line may set beside its policy, its program and its list. Parser, printer, repair, the
// features of a scenario and the shapes of a finding are made from it. A row whose value has a new type does not
// compile before each of them knows the type.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>
#include <variant>

#include "impl/peers/implementation.h"
#include "model/scenario/operation.h"

namespace spawncheck {

struct RequestField {
  std::string_view word;
  std::uint32_t bit;  // of sc_request::set; 0: has none, and is given unless its value is 0
  // The member with the value that follows the word: a set of signals, a group, a name or a count; or none follows.
  std::variant<std::monostate, std::uint64_t sc_request::*, sc_operand sc_request::*, std::uint8_t sc_request::*,
               std::uint16_t sc_request::*>
      value;
};

// In the order in which they are printed.
inline constexpr RequestField request_fields[] = {
    {"mask", SPAWNCHECK_SET_MASK, &sc_request::mask},
    {"default", SPAWNCHECK_SET_DEFAULT, &sc_request::dflt},
    {"ignore", SPAWNCHECK_SET_IGNORE, &sc_request::ignore},
    {"pgroup", SPAWNCHECK_SET_PGROUP, &sc_request::pgroup},
    {"session", SPAWNCHECK_NEW_SESSION, {}},
    {"cwd", SPAWNCHECK_SET_CWD, &sc_request::cwd},
    {"arguments", 0, &sc_request::argument_count},
    {"pidfd", SPAWNCHECK_WANT_PIDFD, {}},
};

inline constexpr std::uint32_t request_bits = [] {
  std::uint32_t all = 0;
  for (const RequestField& field : request_fields) all |= field.bit;
  return all;
}();

// Calls visit(value...) with references to the field's value in each request, if the field has a value.
template <typename Visit, typename... Request>
void with_value(const RequestField& field, Visit visit, Request&... request) {
  std::visit(
      [&](auto member) {
        if constexpr (!std::is_same_v<decltype(member), std::monostate>) visit(request.*member...);
      },
      field.value);
}

inline bool is_given(const RequestField& field, const sc_request& request) {
  bool given = (request.set & field.bit) != 0;
  const auto look = [&](const auto& value) {
    if constexpr (std::is_integral_v<std::remove_cvref_t<decltype(value)>>) given |= field.bit == 0 && value != 0;
  };
  with_value(field, look, request);
  return given;
}

// Sets the value of each field that is not given to 0, so that equal requests are equal byte by byte.
inline void clear_not_given(sc_request& request) {
  const auto clear = [](auto& value) { value = {}; };
  for (const RequestField& field : request_fields)
    if (!is_given(field, request)) with_value(field, clear, request);
}

}  // namespace spawncheck
