# SPDX-License-Identifier: MIT
"""report.py [--also-properties] CORPUS.json MORE.json REASONS [ROOT]: a line for each folder, then each rule that the corpus leaves out, with its reason.

CORPUS.json, MORE.json: `llvm-cov export` of the corpus alone, and of the corpus and what else ran. What makes scenarios (MAKERS) no corpus can run: there
MORE.json decides; with --also-properties it decides everywhere. REASONS: lines of `KEY: why nothing runs it`, where * in KEY stands for anything; empty
lines and those with # are none. A rule is

    FILE FUNCTION             a function of which no instance ran
    FILE case LABEL           a case of the model that never ran, in a function that did: an operation, a call, a step, a clause
    FILE Rule::NAME           a row of the contract or of the audit that no verdict cited: no line with Rule::NAME ran

Exit status 1: a rule has no reason, or a reason has no rule (unless it starts with "by chance", or --also-properties).
"""

import bisect
import fnmatch
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

# The header that declares the rows of a table, and the folders whose lines cite them.
TABLES = {"model/contract/rules.h": ("model/contract", "model/judge", "model/explore"), "model/audit/rules.h": ("model/audit",)}
MAKERS = tuple("model/scenario/" + name for name in ("generate", "random.h", "mutate.cpp", "own.cpp", "features.cpp"))
ROW = re.compile(r"^\s*X\((\w+), ", re.MULTILINE)
CITED = re.compile(r"(?<!\w)Rule::(\w+)")
LIFTED = re.compile(r"lifts\([^()]*$")  # asks whether a rule is waived: cites nothing
CASE = re.compile(r"\bcase\s+([\w:]+):(?!:)")


def without(text, opening, closing):
    """Without what the brackets enclose."""
    kept, depth = [], 0
    for c in text:
        depth += c == opening
        if depth == 0:
            kept.append(c)
        depth -= c == closing and depth > 0
    return "".join(kept)


def plain(names):
    """Demangled, without arguments and name spaces: what a reader calls the function. A lambda is called as what it is in."""
    text = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    return [plain_name(line) for line in text.splitlines()]


def plain_name(demangled):
    name = demangled.replace("(anonymous namespace)", "").replace("[abi:cxx11]", "").replace(" const", "")
    for operator in ("operator<=>", "operator<<", "operator<", "operator->", "operator()"):
        name = name.replace(operator, operator.translate({ord(c): f"{{{i}}}" for i, c in enumerate("<=>-()")}))
    for brackets in ("()", "<>"):
        name = without(name, *brackets)
    for i, c in enumerate("<=>-()"):
        name = name.replace(f"{{{i}}}", c)
    parts = [part for part in name.split(" ")[-1].split("::") if part]
    enclosing = [i for i, part in enumerate(parts) if part.startswith(("$_", "{lambda", "'lambda"))]
    return parts[enclosing[0] - 1] + " lambda" if enclosing and enclosing[0] > 0 else parts[-1]


def place_in(root, path):
    """The path from the root; None: it is elsewhere. A compiler's cache makes .. of the way to the root."""
    path = Path(os.path.normpath(path))
    return str(path.relative_to(root)) if path.is_relative_to(root) else None


class Coverage:
    def __init__(self, data, root):
        self.functions = data["functions"]
        self.files = {}  # name -> (lines covered, lines, [(line, column)...], [count...])
        for file in data["files"]:
            segments = file["segments"]
            places = [(s[0], s[1]) for s in segments]
            counts = [s[2] if s[3] else None for s in segments]
            lines = file["summary"]["lines"]
            self.files[place_in(root, file["filename"])] = (lines["covered"], lines["count"], places, counts)

    def ran(self, file, line, column):
        """None: no code."""
        _, _, places, counts = self.files[file]
        at = bisect.bisect_right(places, (line, column)) - 1
        return None if at < 0 or counts[at] is None else counts[at] > 0

    def folders(self):
        counts = defaultdict(lambda: [0, 0])
        for file, (covered, count, _, _) in self.files.items():
            counts[folder(file)][0] += covered
            counts[folder(file)][1] += count
        return counts

    def rules_never_run(self, root):
        """Keys."""
        dead = functions_never_run(self.functions, self.files, root)
        return {f"{file} {name}" for file, name, _, _ in dead} | set(cases_never_run(self, root, dead)) | set(rows_never_cited(self, root))


def folder(file):
    if file.startswith(MAKERS):
        return "model/scenario: what makes and measures scenarios"
    return file if file.startswith("impl/") else "/".join(file.split("/")[:2])


def share(counts, width=7):
    covered, count = (sum(c[i] for c in counts) for i in (0, 1))
    return f"{100 * covered / max(count, 1):{width}.1f} %"


def table(corpus, more):
    """A line for each folder, and the sums."""
    print(f"{'corpus':>9}{'and more':>11}{'lines':>8}")
    of_corpus, of_more = corpus.folders(), more.folders()
    replayed = [place for place in of_corpus if ":" not in place]
    rows = [(place, [place]) for place in sorted(of_corpus)] + [("together, but for what makes scenarios", replayed), ("together", list(of_corpus))]
    for name, places_of in rows:
        count = sum(of_corpus[place][1] for place in places_of)
        print(f"{share([of_corpus[p] for p in places_of])}{share([of_more[p] for p in places_of], 9)}{count:>8}  {name}")


def functions_never_run(functions, files, root):
    """(file, name, first line, last line) of those of which no instance ran."""
    ran, known = set(), set()
    named = [(f, place_in(root, f["filenames"][0])) for f in functions]
    named = [(f, file) for f, file in named if file in files]
    for (function, file), name in zip(named, plain([f["name"].split(":")[-1] for f, _ in named])):
        # A function is its first line: instances of a template and copies in several objects are one.
        key = (file, name, function["regions"][0][0], function["regions"][0][2])
        known.add(key)
        if function["count"] > 0:
            ran.add(key)
    return sorted(known - ran)


def places(text, pattern):
    """(line, column, match) of each, comments aside; both count from 1."""
    for number, line in enumerate(text.splitlines(), 1):
        for match in pattern.finditer(line.split("//")[0]):
            yield number, match.start() + 1, match


def cases_never_run(coverage, root, dead):
    """Keys of cases that never ran, but for those in functions that did not."""
    for file in sorted(coverage.files):
        if not file.startswith("model/"):
            continue
        asleep = [(first, last) for f, _, first, last in dead if f == file]
        seen = defaultdict(bool)
        for line, column, match in places((root / file).read_text(), CASE):
            if any(first <= line <= last for first, last in asleep):
                continue
            ran = coverage.ran(file, line, column)
            if ran is not None:
                seen[match[1]] |= ran
        yield from (f"{file} case {label}" for label, ran in seen.items() if not ran)


def rows_never_cited(coverage, root):
    for table, folders in TABLES.items():
        if not (root / table).exists():
            continue
        cited = defaultdict(bool)
        for file in coverage.files:
            if not file.startswith(tuple(folder + "/" for folder in folders)):
                continue
            for line, column, match in places((root / file).read_text(), CITED):
                if not LIFTED.search(match.string[: match.start()]):
                    cited[match[1]] |= bool(coverage.ran(file, line, column))
        yield from (f"{table} Rule::{name}" for name in rows_of((root / table).read_text()) if not cited[name])


def rows_of(text):
    """The rows of the first table of a header, or where it has none the names of `enum class Rule`."""
    table = re.search(r"#define \w+_RULES\(X\)(?:.*\\\n)+.*\n", text)
    body = table[0] if table else re.search(r"enum class Rule\b[^{]*\{(.*?)\}", text, re.DOTALL)[1]
    return ROW.findall(body) if table else re.findall(r"^\s*(\w+)\s*(?:,|=|$)", re.sub("//.*", "", body), re.MULTILINE)


def read_reasons(path):
    reasons = {}
    for line in Path(path).read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            key, why = line.split(": ", 1)
            reasons[key] = why
    return reasons


def reason_for(rule, reasons):
    """The line that speaks of it."""
    return next((key for key in reasons if fnmatch.fnmatchcase(rule, key)), None)


def load(path, root):
    return Coverage(json.loads(Path(path).read_text())["data"][0], root)


def main(arguments):
    also_properties = "--also-properties" in arguments
    corpus_path, more_path, reasons_path, *rest = [a for a in arguments if a != "--also-properties"]
    root = Path(rest[0]).resolve() if rest else Path(__file__).resolve().parents[2]
    corpus, more = load(corpus_path, root), load(more_path, root)
    table(corpus, more)

    reasons = read_reasons(reasons_path)
    of_more = more.rules_never_run(root)
    missing = of_more if also_properties else {rule for rule in corpus.rules_never_run(root) if rule in of_more or not rule.startswith(MAKERS)}
    print(f"{len(missing)} rules never ran")
    used, unexplained = set(), 0
    for rule in sorted(missing):
        key = reason_for(rule, reasons)
        used.add(key)
        unexplained += key is None
        print(f"  {rule}: {'NO REASON IS GIVEN' if key is None else reasons[key]}")
    stale = [] if also_properties else sorted(key for key in reasons.keys() - used if not reasons[key].startswith("by chance"))
    for key in stale:
        print(f"  {key} runs, or is no more: its line in {reasons_path} can go")
    return 1 if stale or unexplained else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
