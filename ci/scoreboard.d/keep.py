#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""keep.py OLD.json NEW SPAWNCHECK: what the board OLD.json has as violated, and the search that made the folder NEW has not found, is run again.
Where the scenario still shows the clause, the cell goes into NEW, with its file: a short search, or a busy machine, takes nothing away. Where it
shows a documented limit of that clause by now, the cell says limit. Kernel and version of the library must be the same. NEW has scoreboard.json,
scoreboard.md and PEER/CLAUSE-*.scenario."""
import json
import pathlib
import re
import shutil
import subprocess
import sys

RUNS = "200"
SECONDS_MAX = 300
FOUND = ("violated", "seen")


def shown_by(spawncheck, peer, cell):
    """The cell as the scenario of it shows it today; None: it does not. A machine too busy to tell in SECONDS_MAX leaves the cell as it is."""
    objects = pathlib.Path(spawncheck).parent / "peers"
    implementation = objects / f"{peer}.so"
    name = str(implementation) if implementation.exists() else peer
    try:
        run = subprocess.run(
            [spawncheck, "run", "--runs", RUNS, "--implementation", name, cell["file"]],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS_MAX, check=False,
        )
    except subprocess.TimeoutExpired:
        print(f"spawncheck: {peer}, {cell['clause']}: {RUNS} runs of {cell['file']} take over {SECONDS_MAX} s; the cell stays, though not shown again", file=sys.stderr)
        return cell
    clause = re.escape(cell["clause"])
    if re.search(rf"(: violated |also violated, ){clause}\b", run.stdout):
        return cell
    limit = re.search(rf"a documented limit, {clause}: (.*)", run.stdout)
    return limit and {"clause": cell["clause"], "limit": limit[1], "policy": cell["policy"], "result": "limit"}


def merge(old, new, shown):
    """The cells of `old` that go into `new`, as (row of new, cell); `new` has them afterwards."""
    kept = []
    if old["kernel"] != new["kernel"]:
        return kept
    for row in new["implementations"]:
        before = next((r for r in old["implementations"] if r["implementation"] == row["implementation"]), None)
        if before is None or before["version"] != row["version"] or before["promises"] != row["promises"]:
            continue
        for at, cell in enumerate(row["cells"]):
            earlier = next((c for c in before["cells"] if (c["clause"], c["policy"]) == (cell["clause"], cell["policy"])), None)
            if earlier is None or earlier["result"] not in FOUND or cell["result"] not in FOUND + ("holds", "limit"):
                continue
            is_better = cell["result"] not in FOUND or (cell["result"] == "seen" and earlier["result"] == "violated")
            today = shown(row["implementation"], earlier) if is_better else None
            if today is not None and today["result"] != cell["result"]:
                row["cells"][at] = today
                kept.append((row, today))
    return kept


def summary(row, clause):
    """As the tool's: one word where all policies agree."""
    offered = [c for c in row["cells"] if c["clause"] == clause and c["result"] != "not offered"]
    words = [(c["policy"], c["result"].replace("violated", "**violated**")) for c in offered]
    if all(word == "not promised" for _, word in words):
        return "-"
    if len({word for _, word in words}) == 1:
        return words[0][1]
    return "; ".join(f"{policy}: {word}" for policy, word in words)


def how_often(cell):
    if cell["violations"] == cell["tries"]:
        return ""
    return f" (seen in {cell['violations']} of {cell['tries']} tries of {cell['runs_per_try']} runs)"


def put(page, board, kept):
    """The page with the cells that were kept: in the table of clauses, and as rows of the table of violations."""
    lines = page.splitlines()
    rows = board["implementations"]
    for at, line in enumerate(lines):
        clause = line.split("|")[1].strip() if line.startswith("| ") else ""
        if clause in board["clauses"] and line.count("|") == len(rows) + 2:
            cells = line.strip("|").split("|")
            for column, row in enumerate(rows):
                if any(r is row and c["clause"] == clause for r, c in kept):
                    cells[column + 1] = f" {summary(row, clause)} "
            lines[at] = "|" + "|".join(cells) + "|"
    for row, cell in kept:
        peer = row["implementation"]
        if cell["result"] == "limit":
            text = f"| {peer} | {cell['clause']} | {cell['limit']} |"
            if text not in lines:
                lines.append(text)  # the last table is that of limits
            continue
        text = f"| {peer} | {cell['clause']} | {cell['policy']} | {cell['observed']}{how_often(cell)} | `{cell['file']}` |"
        start = f"| {peer} | {cell['clause']} | {cell['policy']} | "
        lines = [line for line in lines if not (line.startswith(start) and ".scenario" in line)]
        after = [i for i, line in enumerate(lines) if line.startswith(f"| {peer} | ") and ".scenario" in line]
        header = next(i for i, line in enumerate(lines) if line.startswith("| violated by |")) + 1
        lines.insert((after[-1] if after else header) + 1, text)
    violated = sum(cell["result"] in FOUND for _, cell in kept)
    if violated:
        note = f"Of the violations, {violated} were found by an earlier search and shown again by their files, not found by this search."
        header = next(i for i, line in enumerate(lines) if line.startswith("| violated by |"))
        lines[header:header] = [note, ""]
    return "\n".join(lines) + "\n"


def move(cell, to):
    """Copies the scenario of the cell there, and names it so."""
    source = cell["file"]
    to.mkdir(exist_ok=True)
    shutil.copy(source, to)
    cell["file"] = str(to / pathlib.Path(source).name)
    cell["replay"] = cell["replay"].replace(source, cell["file"])


def main(old_file, new_folder, spawncheck):
    new_folder = pathlib.Path(new_folder)
    old = json.loads(pathlib.Path(old_file).read_text())
    new = json.loads((new_folder / "scoreboard.json").read_text())
    kept = merge(old, new, lambda peer, cell: shown_by(spawncheck, peer, cell))
    for row, cell in kept:
        if cell["result"] in FOUND:
            move(cell, new_folder / row["implementation"])
    page = new_folder / "scoreboard.md"
    page.write_text(put(page.read_text(), new, kept))
    (new_folder / "scoreboard.json").write_text(json.dumps(new, indent=1, ensure_ascii=False) + "\n")
    named = {pathlib.Path(cell["file"]) for row in new["implementations"] for cell in row["cells"] if cell.get("file")}
    for file in new_folder.glob("*/*.scenario"):
        if file not in named:
            file.unlink()  # the file of a cell that was replaced
    print(f"{len(kept)} cells of the last board are kept, or are limits by now")


if __name__ == "__main__":
    main(*sys.argv[1:])
