// SPDX-License-Identifier: MIT
//
// Results of the C++ interface: a value or an error, no exceptions. std::expected where the language has it (C++23),
// else tl::expected (https://github.com/TartanLlama/expected, Debian's libexpected-dev).
//
// One program may use both, in files compiled for different standards. Their types differ, but the functions that
// return them would have the same names: the inline namespace tells them apart.
#pragma once

#include <string>
#include <system_error>
#include <utility>
#include <version>

#if defined(__cpp_lib_expected)
#include <expected>
#define SPAWNCHECK_SPAWN_INLINE_NAMESPACE with_std_expected
#elif __has_include(<tl/expected.hpp>)
#include <tl/expected.hpp>
#define SPAWNCHECK_SPAWN_INLINE_NAMESPACE with_tl_expected
#else
#error "spawncheck/spawn: needs std::expected (C++23) or tl/expected.hpp (Debian: libexpected-dev)"
#endif

namespace spawncheck::spawn {
inline namespace SPAWNCHECK_SPAWN_INLINE_NAMESPACE {

#if defined(__cpp_lib_expected)
template <typename T, typename E>
using Expected = std::expected<T, E>;
template <typename E>
using Unexpected = std::unexpected<E>;
#else
template <typename T, typename E>
using Expected = tl::expected<T, E>;
template <typename E>
using Unexpected = tl::unexpected<E>;
#endif

struct Error {
  int code = 0;  // errno
  std::string
      step;  // the failing step's word (plan.h), or request, memory, clone, killed; of capture(): pipe, poll, ...
  std::string field;  // of a bad request: which field and why
  int signal = 0;     // of a child that was killed before exec

  // "exec: No such file or directory (errno 2)"; "request, keep: a target twice: Invalid argument (errno 22)"
  std::string describe() const {
    std::string text = step;
    if (!field.empty()) text += ", " + field;
    if (signal != 0) text += ", by signal " + std::to_string(signal);
    return text + ": " + std::generic_category().message(code) + " (errno " + std::to_string(code) + ")";
  }
};

}  // namespace SPAWNCHECK_SPAWN_INLINE_NAMESPACE
}  // namespace spawncheck::spawn
