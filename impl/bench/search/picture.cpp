// SPDX-License-Identifier: MIT
#include "impl/bench/search/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace spawncheck {

namespace {

constexpr double panel_width = 300, panel_height = 190, margin = 36, plot_width = panel_width - margin - 10,
                 plot_height = panel_height - 2 * margin + 10;
constexpr unsigned columns = 4;
constexpr const char* colours[] = {"#777777", "#e69f00", "#009e73", "#0072b2", "#d55e00", "#cc79a7"};

double x_of(double schedules, double schedules_max) {
  return margin + plot_width * std::log10(std::max(schedules, 1.0)) / std::log10(std::max(schedules_max, 10.0));
}
double y_of(double left) { return margin - 10 + plot_height * (1 - left); }

std::string curve(const std::vector<Trial>& trials, double schedules_max, const char* colour) {
  std::string path = fmt::format("M{:.1f} {:.1f}", x_of(1, schedules_max), y_of(1));
  for (const Fall& fall : kaplan_meier(trials))
    path += fmt::format("H{:.1f}V{:.1f}", x_of(fall.time, schedules_max), y_of(fall.left));
  double end = 1;
  for (const Trial& t : trials) end = std::max(end, t.time);
  return fmt::format("<path d=\"{}H{:.1f}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\"/>\n", path,
                     x_of(end, schedules_max), colour);
}

std::string axes(double schedules_max) {
  std::string out = fmt::format("<path d=\"M{:.1f} {:.1f}V{:.1f}H{:.1f}\" fill=\"none\" stroke=\"#444\"/>\n", margin,
                                y_of(1), y_of(0), margin + plot_width);
  for (double at = 1; at <= schedules_max; at *= 10)
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:.0f}</text>\n",
                       x_of(at, schedules_max), y_of(0) + 13, at);
  for (const double left : {0.0, 0.5, 1.0})
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{:.1f}</text>\n", margin - 4,
                       y_of(left) + 4, left);
  return out;
}

}  // namespace

std::string curves_svg(const std::vector<Panel>& panels, double schedules_max) {
  const auto rows = static_cast<unsigned>((panels.size() + columns - 1) / columns);
  const double width = panel_width * columns, height = panel_height * rows + 40;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"10\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
      "<text x=\"10\" y=\"16\">Searches that have found nothing yet (Kaplan-Meier), against schedules run</text>\n",
      width, height);
  for (std::size_t p = 0; p < panels.size(); ++p) {
    const std::size_t column = p % columns, row = p / columns;
    out += fmt::format(
        "<g transform=\"translate({:.0f} {:.0f})\">\n<text x=\"{:.0f}\" y=\"16\" "
        "font-weight=\"bold\">{}</text>\n",
        panel_width * static_cast<double>(column), 40 + panel_height * static_cast<double>(row), margin,
        panels[p].title);
    out += axes(schedules_max);
    for (std::size_t c = 0; c < panels[p].curves.size(); ++c)
      out += curve(panels[p].curves[c].second, schedules_max, colours[c % std::size(colours)]);
    out += "</g>\n";
  }
  for (std::size_t c = 0; !panels.empty() && c < panels[0].curves.size(); ++c)
    out += fmt::format("<text x=\"{}\" y=\"32\" fill=\"{}\" font-weight=\"bold\">{}</text>\n", 10 + 90 * c,
                       colours[c % std::size(colours)], panels[0].curves[c].first);
  return out + "</svg>\n";
}

}  // namespace spawncheck
