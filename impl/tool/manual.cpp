// SPDX-License-Identifier: MIT
#include "impl/tool/manual.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

namespace spawncheck::tool {

namespace {

// Escapes text for roff: hyphens, which stay copyable, backslashes, and lines that would begin with a request.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out;
}

std::string names_of(const CLI::Option& option) {
  std::string out;
  for (const std::string& name : option.get_snames()) out += fmt::format("\\-{}, ", name);
  for (const std::string& name : option.get_lnames()) out += fmt::format("\\-\\-{}, ", roff(name));
  if (out.empty()) return roff(option.get_name(true)) + ", ";  // a positional
  return out;
}

std::string entry(const CLI::Option& option) {
  std::string names = names_of(option);
  names.resize(names.size() - 2);
  const bool has_value = option.nonpositional() && option.get_expected_max() > 0;
  return fmt::format(".TP\n.B {}{}\n{}\n", names, has_value ? " \\fIVALUE\\fR" : "", roff(option.get_description()));
}

}  // namespace

std::string manual(const CLI::App& app) {
  std::string out =
      ".TH SPAWNCHECK 1\n"
      ".SH NAME\nspawncheck \\- is a way of starting processes correct while other threads open descriptors?\n"
      ".SH SYNOPSIS\n.B spawncheck\n\\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n"
      ".SH DESCRIPTION\n"
      "Runs small concurrent programs (scenarios) that start processes, by an implementation that is chosen, on the "
      "running "
      "kernel, and judges by a model whether what came of it is allowed.\n"
      ".SH COMMANDS\n";
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    out += fmt::format(".SS {}\n{}\n", roff(command->get_name()), roff(command->get_description()));
    for (const CLI::Option* option : command->get_options()) out += entry(*option);
  }
  out += ".SH OPTIONS\n";
  for (const CLI::Option* option : app.get_options()) out += entry(*option);
  out += fmt::format(".SH EXIT STATUS\n{}\n", roff(app.get_footer()));
  out +=
      ".SH ENVIRONMENT\n.TP\n.B SPAWNCHECK_BIN\nThe directory of what scenarios run in; otherwise that of the command "
      "itself.\n"
      ".SH EXAMPLES\n.nf\n"
      "spawncheck check \\-\\-implementation ./mine.so \\-\\-seconds 60\n"
      "spawncheck audit \\-\\-confirm \\-\\- make \\-j8\n"
      "spawncheck help fd.kept\n.fi\n";
  return out;
}

}  // namespace spawncheck::tool
