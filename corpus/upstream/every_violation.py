#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each clause that the scoreboard has as violated, or seen, is explained by a program of README.md, or by a stated reason."""
import json
import pathlib
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BOARD = HERE.parent.parent / "impl/peers/scoreboard.json"


def rows_of(table):
    """The cells of each row, of all tables of a page."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")]


def explained_by(page):
    """What is named, as (peer, clause): by a program's fifth column, or in the table of reasons."""
    named = set()
    for row in rows_of(page):
        if row[0].startswith("`") and len(row) == 6:
            names = row[4]
        elif len(row) == 2 and row[0] != "on the scoreboard" and not set(row[0]) <= {"-"}:
            names = row[0].replace(", every clause", " *")
        else:
            continue
        named |= {tuple(name.split()) for name in names.split(",") if name.strip()}
    return named


def unexplained(board, page):
    named = explained_by(page)
    violated = {
        (row["implementation"], cell["clause"])
        for row in board["implementations"]
        for cell in row["cells"]
        if cell["result"] in ("violated", "seen")
    }
    return sorted(pair for pair in violated if pair not in named and (pair[0], "*") not in named)


class EveryViolation(unittest.TestCase):
    def test_has_a_program_or_a_reason(self):
        if not BOARD.exists():
            self.skipTest(f"{BOARD} is missing: ci/scoreboard makes it")
        missing = unexplained(json.loads(BOARD.read_text()), (HERE / "README.md").read_text())
        self.assertEqual(missing, [], "on the scoreboard, and in no row of corpus/upstream/README.md")

    def test_names_programs_and_clauses_that_exist(self):
        page = (HERE / "README.md").read_text()
        for row in rows_of(page):
            if row[0].startswith("`") and len(row) == 6:
                self.assertTrue((HERE / row[0].strip("`")).exists(), row[0])
        clauses = set(json.loads(BOARD.read_text())["clauses"]) if BOARD.exists() else set()
        for peer, clause in explained_by(page):
            self.assertTrue(clause == "*" or not clauses or clause in clauses, f"{peer} {clause}")

    def test_is_told_when_its_row_is_taken_out(self):
        board = {
            "implementations": [
                {"implementation": "libx", "cells": [{"clause": "fd.kept", "result": "seen"}, {"clause": "fd.exact", "result": "holds"}]},
                {"implementation": "liby", "cells": [{"clause": "sig.mask", "result": "violated"}]},
            ]
        }
        program = "| `libx-loses.c` | libx | 1.0 BUG | check | libx fd.exact, libx fd.kept | none found |\n"
        reason = "| liby sig.mask | ours |\n"
        self.assertEqual(unexplained(board, program + reason), [])
        self.assertEqual(unexplained(board, reason), [("libx", "fd.kept")])
        self.assertEqual(unexplained(board, program), [("liby", "sig.mask")])


if __name__ == "__main__":
    unittest.main()
