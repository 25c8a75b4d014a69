// SPDX-License-Identifier: MIT
#include "model/kernel/behaviours.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace spawncheck::model {

namespace {

constexpr BehaviourRow behaviour_rows[] = {
#define JUDGES true
#define ASIDE false
#define PROBED true
#define ASSUMED false
#define SPAWNCHECK_ROW(id, word, judges, meaning, source, since, until, asked, how, with) \
  {word, judges, meaning, source, since, until, asked, how, Behaviour::with},
    SPAWNCHECK_BEHAVIOURS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
#undef JUDGES
#undef ASIDE
#undef PROBED
#undef ASSUMED
};

// Calls `each` with the parts between separators.
template <typename Each>
void split(std::string_view text, char separator, Each each) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    each(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

bool has_patch(std::string_view release) { return std::count(release.begin(), release.end(), '.') == 2; }

// A release in a row of the table: a mainline one, or one of a stable series, which tells nothing about other series.
struct Point {
  Release release;
  bool is_of_series;
};
using Points = std::vector<Point>;

Points points_of(std::string_view list) {
  Points points;
  split(list, ' ', [&](std::string_view text) { points.push_back({release_in(text).value(), has_patch(text)}); });
  return points;
}

bool is_reached(const Points& points, Release release) {
  return std::any_of(points.begin(), points.end(), [&](const Point& p) {
    const bool is_same_series = p.release.major == release.major && p.release.minor == release.minor;
    return release >= p.release && (is_same_series || !p.is_of_series);
  });
}

// The rows' releases, parsed once: every model::Kernel computes its behaviours from them.
struct Lifetime {
  Points since, until;
};
const std::vector<Lifetime>& lifetimes() {
  static const std::vector<Lifetime> all = [] {
    std::vector<Lifetime> read;
    for (const BehaviourRow& r : behaviour_rows) read.push_back({points_of(r.since), points_of(r.until)});
    return read;
  }();
  return all;
}

}  // namespace

const BehaviourRow& row(Behaviour b) { return behaviour_rows[static_cast<std::size_t>(b)]; }

std::string behaviour_words() {
  std::string out;
  for (const BehaviourRow& r : behaviour_rows) out += (out.empty() ? "" : ", ") + std::string(r.word);
  return out;
}

std::optional<Behaviour> behaviour_named(std::string_view word) {
  for (int b = 0; b < behaviour_count; ++b)
    if (behaviour_rows[b].word == word) return static_cast<Behaviour>(b);
  return std::nullopt;
}

std::optional<Release> release_in(std::string_view text, bool whole) {
  Release release;
  const char *at = text.data(), *const end = text.data() + text.size();
  int count = 0;
  for (unsigned* number : {&release.major, &release.minor, &release.patch}) {
    if (count != 0 && (at == end || *at != '.')) break;
    const auto [after, error] = std::from_chars(at + (count != 0), end, *number);
    if (error != std::errc()) break;
    at = after;
    ++count;
  }
  if (count < 2 || (whole && at != end)) return std::nullopt;
  return release;
}

Behaviours behaviours_of(Release release) {
  Behaviours all;
  for (int b = 0; b < behaviour_count; ++b)
    all.set(static_cast<Behaviour>(b),
            is_reached(lifetimes()[b].since, release) && !is_reached(lifetimes()[b].until, release));
  return all;
}

std::variant<Behaviours, std::string> behaviours_in(std::string_view text) {
  Behaviours all;
  std::string error;
  bool is_first = true;
  if (text.empty() || text.back() == ',') error = "a release or a behaviour is missing";
  split(text, ',', [&](std::string_view part) {
    const std::optional<Release> release = release_in(part);
    const bool is_without = part.starts_with('-');
    const std::optional<Behaviour> behaviour = behaviour_named(is_without ? part.substr(1) : part);
    if (release && is_first)
      all = behaviours_of(*release);
    else if (behaviour)
      all.set(*behaviour, !is_without);
    else if (error.empty())
      error = release ? "the release " + std::string(part) + " comes first, and there is one"
                      : std::string(part) + " is neither a release, as 6.12 or 6.1.192, nor a behaviour";
    is_first = false;
  });
  if (error.empty()) return all;
  return error + "; the behaviours are " + behaviour_words() + "; after a comma, and with - before it: without";
}

}  // namespace spawncheck::model
