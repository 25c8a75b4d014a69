// SPDX-License-Identifier: MIT
#include <cstring>

#include "fuzz/mutator.h"
#include "fuzz/target.h"

using namespace spawncheck::fuzz;

// The judge recurses: if ASan kept the whole stack of each allocation, its own memory would grow for ever.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "malloc_context_size=2"; }

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  start();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  one(data, size);
  return 0;
}

#ifndef SPAWNCHECK_INPUT_IS_BYTES  // otherwise the engine's own mutators work

namespace {

std::size_t store(const std::string& text, std::uint8_t* data, std::size_t size_max) {
  const std::size_t size = text.size() < size_max ? text.size() : size_max;
  std::memcpy(data, text.data(), size);
  return size;
}

std::string_view view(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                               unsigned seed) {
  return store(mutate_text(view(data, size), size_max, seed), data, size_max);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* a, std::size_t a_size, const std::uint8_t* b,
                                                 std::size_t b_size, std::uint8_t* out, std::size_t out_max,
                                                 unsigned seed) {
  return store(cross_text(view(a, a_size), view(b, b_size), out_max, seed), out, out_max);
}

#endif
