// SPDX-License-Identifier: MIT
//
// The same headers with the next standard, in the same program; results are std::expected if the library has it.
#include <spawncheck/spawn/capture.hpp>
#include <type_traits>

using namespace spawncheck::spawn;

#if defined(__cpp_lib_expected)
static_assert(std::is_same_v<Expected<int, Error>, std::expected<int, Error>>);
#endif

int newer() {
  auto child = Request("/bin/sh").argument("-c").argument("exit 6").spawn();
  if (!child) return 1;
  if (child->wait()->status != 6) return 2;
  auto missing = Request("/no/such/program").spawn();
  if (missing.has_value() || missing.error().describe() != "exec: No such file or directory (errno 2)") return 3;
  auto result = capture(Request("/bin/sh").argument("-c").argument("echo 1"), std::chrono::seconds(60));
  return !result || result->output != "1\n" ? 4 : 0;
}
