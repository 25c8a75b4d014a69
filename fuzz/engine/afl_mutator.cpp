// SPDX-License-Identifier: MIT
//
// The mutator as AFL++ loads it: AFL_CUSTOM_MUTATOR_LIBRARY (docs/custom_mutators.md).
#include <cstring>

#include "fuzz/mutator.h"
#include "model/scenario/random.h"

namespace {

struct State {
  spawncheck::Random random;
  std::string text;
};

std::string_view view(const unsigned char* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

extern "C" void* afl_custom_init(void*, unsigned seed) { return new State{spawncheck::Random(seed), {}}; }

extern "C" std::size_t afl_custom_fuzz(void* data, unsigned char* buffer, std::size_t size, unsigned char** out,
                                       unsigned char* add, std::size_t add_size, std::size_t size_max) {
  auto* state = static_cast<State*>(data);
  const std::uint64_t seed = state->random.next();
  state->text = add != nullptr && add_size > 0 && seed % 4 == 0
                    ? spawncheck::fuzz::cross_text(view(buffer, size), view(add, add_size), size_max, seed)
                    : spawncheck::fuzz::mutate_text(view(buffer, size), size_max, seed);
  *out = reinterpret_cast<unsigned char*>(state->text.data());
  return state->text.size();
}

extern "C" void afl_custom_deinit(void* data) { delete static_cast<State*>(data); }
