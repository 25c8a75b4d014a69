// SPDX-License-Identifier: MIT
#include "impl/report/junit.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "impl/report/html.h"
#include "impl/report/utc.h"

namespace spawncheck {

namespace {

constexpr std::string_view no_character = "\xef\xbf\xbd";  // U+FFFD

// The first character of a text: its value and its length. 0 bytes: the text does not begin with one (RFC 3629,
// section 4).
struct Decoded {
  std::uint32_t value = 0;
  std::size_t bytes = 0;
};

Decoded decoded(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (bytes == 0 || first > 0xf4 || text.size() < bytes) return {};
  std::uint32_t value = first & (0x7fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3fu);
  }
  constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < least[bytes] || value > 0x10ffff || is_surrogate) return {};
  return {value, bytes};
}

std::string character(std::uint32_t value, std::string_view as_is) {
  // XML 1.0, section 2.2, allows these control characters and no others. A reader would turn a plain carriage return
  // into a line feed (2.11).
  if (value == '\r') return "&#13;";
  if (value < 0x20 && value != '\n' && value != '\t') return fmt::format("\\x{:02x}", value);
  if (value == 0xfffe || value == 0xffff) return std::string(no_character);
  return escaped(as_is);
}

// In an attribute a reader would turn a plain line feed into a space (XML 1.0, section 3.3.3).
std::string attribute(std::string_view text) {
  std::string out;
  for (const char c : xml_escaped(text)) out += c == '\n' ? "&#10;" : c == '\t' ? "&#9;" : std::string(1, c);
  return out;
}

std::string own_host() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 && name[0] != 0 ? name : "localhost";
}

std::string element(const JUnitCase& c) {
  const auto child = [&](const char* name, const char* type) {
    const std::string of_type = type[0] == 0 ? std::string() : fmt::format(" type=\"{}\"", type);
    return fmt::format("      <{} message=\"{}\"{}>{}</{}>\n", name, attribute(c.message), of_type, xml_escaped(c.text),
                       name);
  };
  switch (c.outcome) {
    case CaseOutcome::passed:
      return "";
    case CaseOutcome::failed:
      return child("failure", "violated");
    case CaseOutcome::skipped:
      return child("skipped", "");
    case CaseOutcome::broken:
      return child("error", "broken");
  }
  return "";
}

}  // namespace

std::string xml_escaped(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Decoded d = decoded(text.substr(at));
    out += d.bytes == 0 ? std::string(no_character) : character(d.value, text.substr(at, d.bytes));
    at += std::max<std::size_t>(d.bytes, 1);
  }
  return out;
}

std::string to_junit(const JUnitSuite& suite) {
  const auto count = [&](CaseOutcome o) {
    return std::count_if(suite.cases.begin(), suite.cases.end(), [o](const JUnitCase& c) { return c.outcome == o; });
  };
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
  out += fmt::format(
      "  <testsuite name=\"{}\" package=\"{}\" id=\"0\" timestamp=\"{}\" hostname=\"{}\" tests=\"{}\" failures=\"{}\" "
      "errors=\"{}\" skipped=\"{}\" time=\"{:.3f}\">\n    <properties>\n",
      attribute(suite.name), attribute(suite.package), utc(suite.start), attribute(own_host()), suite.cases.size(),
      count(CaseOutcome::failed), count(CaseOutcome::broken), count(CaseOutcome::skipped), suite.seconds);
  for (const auto& [name, value] : suite.properties)
    out += fmt::format("      <property name=\"{}\" value=\"{}\"/>\n", attribute(name), attribute(value));
  out += "    </properties>\n";
  for (const JUnitCase& c : suite.cases) {
    const std::string child = element(c);
    out += fmt::format("    <testcase name=\"{}\" classname=\"{}\" time=\"{:.3f}\"", attribute(c.name),
                       attribute(suite.name), c.seconds);
    out += child.empty() ? "/>\n" : ">\n" + child + "    </testcase>\n";
  }
  return out + "    <system-out>" + xml_escaped(suite.output) +
         "</system-out>\n    <system-err></system-err>\n  </testsuite>\n</testsuites>\n";
}

}  // namespace spawncheck
