// SPDX-License-Identifier: MIT
//
// AFL++: persistent mode, input in shared memory (afl-clang-fast's macros).
#include <unistd.h>

#include <cstddef>

#include "fuzz/target.h"

__AFL_FUZZ_INIT();

int main() {
  __AFL_INIT();
  spawncheck::fuzz::start();
  const unsigned char* input = __AFL_FUZZ_TESTCASE_BUF;
  while (__AFL_LOOP(100'000)) spawncheck::fuzz::one(input, static_cast<std::size_t>(__AFL_FUZZ_TESTCASE_LEN));
  return 0;
}
