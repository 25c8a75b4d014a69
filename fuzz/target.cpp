// SPDX-License-Identifier: MIT
#include "fuzz/target.h"

#include <cstdio>
#include <cstdlib>

namespace spawncheck::fuzz {

std::optional<Scenario> scenario_of(const std::uint8_t* data, std::size_t size) {
  if (size > input_bytes_max) return std::nullopt;
  auto parsed = parse({reinterpret_cast<const char*>(data), size});
  if (Scenario* scenario = std::get_if<Scenario>(&parsed)) return std::move(*scenario);
  return std::nullopt;
}

void finding(std::string_view what, const Scenario& scenario, const Verdict& v) {
  const std::string clause = v.clause ? std::string(name(*v.clause)) : "";
  std::fprintf(stderr, "spawncheck finding: %.*s: %s %s\n  observed: %s\n  allowed:  %s\n%s",
               static_cast<int>(what.size()), what.data(), std::string(name(v.status)).c_str(), clause.c_str(),
               v.observed.c_str(), v.allowed.c_str(), print(scenario).c_str());
  std::abort();
}

std::string_view setting(const char* name, std::string_view otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != 0 ? std::string_view(value) : otherwise;
}

}  // namespace spawncheck::fuzz
