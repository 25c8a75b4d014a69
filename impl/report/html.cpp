// SPDX-License-Identifier: MIT
#include "impl/report/html.h"

namespace spawncheck {

namespace {

constexpr std::string_view style = R"(
:root { color-scheme: light dark; --back: #ffffff; --text: #1b1f24; --soft: #59636e; --line: #d1d9e0; --panel: #f6f8fa;
  --good: #116329; --good-back: #dafbe1; --bad: #a40e26; --bad-back: #ffebe9; --limit: #7d4e00; --limit-back: #fff8c5;
  --spawn: #0550ae; --spawn-back: #ddf4ff; --focus: #0969da; }
@media (prefers-color-scheme: dark) { :root { --back: #0d1117; --text: #e6edf3; --soft: #9198a1; --line: #3d444d;
  --panel: #151b23; --good: #7ee787; --good-back: #12261e; --bad: #ffa198; --bad-back: #301a1d; --limit: #e3b341;
  --limit-back: #272115; --spawn: #79c0ff; --spawn-back: #121d2f; --focus: #58a6ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 90rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0.5rem 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 0.5rem; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 0.5rem; }
p, dl { max-width: 46rem; }
a { color: var(--focus); }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
code, pre, .lanes, .fds td { font-family: ui-monospace, monospace; font-size: 0.85rem; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 0.75rem; overflow-x: auto; }
dt { font-weight: 600; margin-top: 0.5rem; }
dd { margin: 0; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; }
.board { width: 100%; }
.board th, .board td { border-bottom: 1px solid var(--line); padding: 0.35rem 0.6rem; text-align: left;
  vertical-align: top; font-size: 0.9rem; }
.board thead th { background: var(--panel); }
.board tbody th { font-weight: 600; position: sticky; left: 0; background: var(--back); white-space: nowrap; }
.board td .word { display: inline-block; padding: 0 0.4rem; border-radius: 4px; white-space: nowrap; }
.holds { color: var(--good); background: var(--good-back); }
.violated { color: var(--bad); background: var(--bad-back); font-weight: 600; }
.seen { color: var(--bad); }
.limit { color: var(--limit); background: var(--limit-back); }
.none { color: var(--soft); }
section.finding { border-top: 2px solid var(--line); margin-top: 2rem; }
.tables { display: flex; flex-wrap: wrap; gap: 1.5rem; margin: 0.75rem 0; }
.fds caption { text-align: left; color: var(--soft); font-size: 0.9rem; }
.fds th, .fds td { border: 1px solid var(--line); padding: 0.15rem 0.5rem; text-align: left; }
.fds th { background: var(--panel); font-variant-numeric: tabular-nums; }
.lanes { width: 100%; }
.lanes th { text-align: left; background: var(--panel); border-bottom: 1px solid var(--line); padding: 0.35rem 0.6rem; }
.lanes td { padding: 0 0.6rem; border-left: 1px solid var(--line); height: 1.6rem; white-space: nowrap; }
.lanes td.waits { background: repeating-linear-gradient(45deg, transparent 0 5px, var(--panel) 5px 9px); }
.lanes span { display: inline-block; padding: 0 0.35rem; border-radius: 3px; background: var(--panel); border: 1px solid var(--line); }
.lanes .spawn span { background: var(--spawn-back); color: var(--spawn); }
.lanes .signal span { background: var(--limit-back); color: var(--limit); }
.lanes .wakes span, .lanes .end span { border-style: dashed; }
@media (max-width: 40rem) { body { padding: 0.6rem; } .board th, .board td { padding: 0.25rem 0.35rem; }
  .board tbody th { white-space: normal; } .tables { gap: 0.75rem; } }
@media print { body { max-width: none; } .scroll { overflow: visible; } }
)";

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  return out;
}

std::string page(std::string_view title, std::string_view body) {
  std::string out = "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n";
  out +=
      "<meta name=viewport content=\"width=device-width, initial-scale=1\">\n<title>" + escaped(title) + "</title>\n";
  out += "<style>" + std::string(style) + "</style>\n<body>\n";
  return out + std::string(body) + "\n";
}

}  // namespace spawncheck
