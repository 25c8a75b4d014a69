// SPDX-License-Identifier: MIT
#include "model/audit/suppressions.h"

#include <algorithm>
#include <sstream>

namespace spawncheck::audit {

namespace {

constexpr const char* fields[] = {"created", "cloned", "path", "program"};

bool is_rule(const std::string& name_of_rule) {
  for (int r = 0; r <= static_cast<int>(last_rule); ++r)
    if (name_of_rule == name(static_cast<Rule>(r))) return true;
  return false;
}

bool any_matches(const std::string& pattern, const std::vector<std::string>& texts) {
  return std::any_of(texts.begin(), texts.end(), [&](const std::string& t) { return matches_pattern(pattern, t); });
}

std::string trimmed(const std::string& line) {
  const std::size_t first = line.find_first_not_of(" \t\r"), last = line.find_last_not_of(" \t\r");
  return first == std::string::npos ? std::string() : line.substr(first, last - first + 1);
}

// Makes a pattern that matches the text: special and control characters become "any one character".
std::string literal(std::string text) {
  for (char& c : text)
    if (c == '*' || static_cast<unsigned char>(c) < ' ') c = '?';
  return text;
}

std::string without_offset(const std::string& place) {
  const std::size_t at = place.rfind("+0x");
  return at == std::string::npos ? literal(place) : literal(place.substr(0, at)) + "+*";
}

}  // namespace

bool matches_pattern(const std::string& pattern, const std::string& text) {
  std::size_t p = 0, t = 0, star = std::string::npos, from = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string::npos) {
      p = star + 1;
      t = ++from;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string::npos;
}

std::variant<std::vector<Suppression>, SuppressionError> parse_suppressions(const std::string& text) {
  std::vector<Suppression> out;
  std::istringstream lines(text);
  enum { outside, at_name, at_rule, at_patterns } state = outside;
  unsigned number = 0;
  for (std::string raw; std::getline(lines, raw);) {
    ++number;
    const std::string line = trimmed(raw);
    if (line.empty() || line[0] == '#') continue;
    switch (state) {
      case outside:
        if (line != "{") return SuppressionError{number, "{"};
        out.emplace_back();
        state = at_name;
        break;
      case at_name:
        if (line == "}") return SuppressionError{number, "a name"};
        out.back().name = line;
        state = at_rule;
        break;
      case at_rule:
        if (!is_rule(line)) return SuppressionError{number, "a rule, as in fd.inherited"};
        out.back().rule = line;
        state = at_patterns;
        break;
      case at_patterns: {
        if (line == "}") {
          state = outside;
          break;
        }
        const std::size_t colon = line.find(':');
        const std::string field = line.substr(0, colon);
        if (colon == std::string::npos || std::find(std::begin(fields), std::end(fields), field) == std::end(fields))
          return SuppressionError{number, "created:, cloned:, path:, program: or }"};
        out.back().patterns.emplace_back(field, line.substr(colon + 1));
      }
    }
  }
  if (state != outside) return SuppressionError{number, "}"};
  return out;
}

bool matches(const Suppression& s, const Described& d) {
  if (s.rule != name(d.finding.rule)) return false;
  return std::all_of(s.patterns.begin(), s.patterns.end(), [&](const auto& pattern) {
    if (pattern.first == "created") return any_matches(pattern.second, d.created);
    if (pattern.first == "cloned") return any_matches(pattern.second, d.cloned);
    return matches_pattern(pattern.second, pattern.first == "path" ? d.finding.path : d.finding.program);
  });
}

std::string suggest(const Described& d, unsigned number) {
  std::string out = "{\n   suggested-" + std::to_string(number) + "\n   " + name(d.finding.rule) + "\n";
  if (!d.created.empty()) out += "   created:" + without_offset(d.created.back()) + "\n";
  if (!d.cloned.empty()) out += "   cloned:" + without_offset(d.cloned.back()) + "\n";
  if (!d.finding.path.empty()) out += "   path:" + literal(d.finding.path) + "\n";
  if (!d.finding.program.empty()) out += "   program:" + literal(d.finding.program) + "\n";
  return out + "}\n";
}

}  // namespace spawncheck::audit
