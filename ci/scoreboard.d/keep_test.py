#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What keep.py takes over from the last board, on boards made by hand."""
import unittest

import keep


def board(result, version="1", **more):
    cell = {"clause": "fd.kept", "policy": "only", "result": result, **more}
    return {
        "kernel": "6",
        "clauses": ["fd.kept"],
        "implementations": [{"implementation": "x", "version": version, "promises": "", "cells": [cell]}],
    }


FOUND = {"file": "f", "observed": "o", "tries": 20, "violations": 20, "runs_per_try": 1}
PAGE = (
    "| clause | x |\n|---|---|\n| fd.kept | only: holds |\n\n| violated by | clause |\n|---|---|\n\n"
    "| implementation | clause | limit |\n|---|---|---|\n"
)


class Keep(unittest.TestCase):
    def test_a_violation_that_the_file_still_shows_stays(self):
        new = board("holds")
        kept = keep.merge(board("violated", **FOUND), new, lambda peer, cell: cell)
        self.assertEqual(new["implementations"][0]["cells"][0]["result"], "violated")
        page = keep.put(PAGE, new, kept)
        self.assertIn("| fd.kept | **violated** |", page)
        self.assertIn("| x | fd.kept | only | o | `f` |", page)
        self.assertIn("1 were found by an earlier search", page)

    def test_one_that_the_file_shows_no_more_goes(self):
        new = board("holds")
        self.assertEqual(keep.merge(board("violated", **FOUND), new, lambda peer, cell: None), [])
        self.assertEqual(new, board("holds"))

    def test_one_that_is_a_documented_limit_by_now_is_a_limit(self):
        new = board("holds")
        limit = {"clause": "fd.kept", "limit": "says so", "policy": "only", "result": "limit"}
        page = keep.put(PAGE, new, keep.merge(board("violated", **FOUND), new, lambda peer, cell: limit))
        self.assertIn("| fd.kept | limit |", page)
        self.assertIn("| x | fd.kept | says so |", page)
        self.assertNotIn("earlier search", page)

    def test_nothing_is_taken_over_from_another_version(self):
        new = board("holds", version="2")
        self.assertEqual(keep.merge(board("violated", **FOUND), new, lambda peer, cell: cell), [])

    def test_what_the_search_has_found_itself_stays_as_it_is(self):
        new = board("violated", **{**FOUND, "file": "g"})
        self.assertEqual(keep.merge(board("violated", **FOUND), new, lambda peer, cell: cell), [])
        self.assertEqual(new["implementations"][0]["cells"][0]["file"], "g")


if __name__ == "__main__":
    unittest.main()
