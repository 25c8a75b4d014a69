// SPDX-License-Identifier: MIT
//
// The language: any bytes parse or are refused at a place that exists; what parses prints canonically, and
// has nothing that repair() would change.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "fuzz/target.h"

namespace spawncheck::fuzz {

namespace {

[[noreturn]] void wrong(const char* what, const std::string& text) {
  std::fprintf(stderr, "spawncheck finding: language: %s\n%s", what, text.c_str());
  std::abort();
}

}  // namespace

void start() {}

void one(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = parse(text);
  if (const ParseError* e = std::get_if<ParseError>(&parsed)) {
    const auto lines = static_cast<int>(std::count(text.begin(), text.end(), '\n')) + 1;
    if (e->line < 1 || e->line > lines || e->column < 1 || e->expected.empty())
      wrong("an error without a place", std::string(text));
    return;
  }
  const Scenario& scenario = std::get<Scenario>(parsed);
  if (!is_valid(scenario)) wrong("what was printed is another scenario, or none", print(scenario));
  Scenario repaired = scenario;
  repair(repaired);
  if (!(repaired == scenario)) wrong("what parses was repaired", print(scenario));
}

}  // namespace spawncheck::fuzz
