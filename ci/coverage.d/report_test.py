# SPDX-License-Identifier: MIT
"""What the report says of a small export made by hand. `python3 -B ci/coverage.d/report_test.py`"""

import contextlib
import io
import json
import tempfile
import unittest
import unittest.mock
from pathlib import Path

import report

STEP = """int step(int call) {
  switch (call) {
    case OPEN:
      return 1;
    case CLOSE:
      return lifts(habits, Rule::waived) ? 2 : cite(Rule::kept);
  }
}
int unused() { return 3; }
"""
RULES = """#define SPAWNCHECK_RULES(X) \\
  X(kept, "a")              \\
  X(waived, "b")

enum class Rule {};
"""
# Line and column at which a region starts, and how often it ran; the last one ends the code of the file.
STARTS = [(1, 20, 1), (3, 5, 1), (5, 5, 0), (9, 14, 0)]
FILE, UNUSED = "model/judge/step.cpp", "_Z6unusedv"


def export(root, starts, functions):
    segments = [[line, column, count, True, True, False] for line, column, count in starts] + [[9, 26, 0, False, False, False]]
    lines = {"covered": 6, "count": 9, "percent": 66.7}
    return {"data": [{"files": [{"filename": f"{root}/{FILE}", "segments": segments, "summary": {"lines": lines}}],
                      "functions": [{"name": name, "count": count, "filenames": [f"{root}/{FILE}"], "regions": [[line, 1, line + length, 1, count, 0, 0, 0]]}
                                    for name, count, line, length in functions]}]}


class Report(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = Path(place.name).resolve()
        for name, text in ((FILE, STEP), ("model/contract/rules.h", RULES)):
            (self.root / name).parent.mkdir(parents=True)
            (self.root / name).write_text(text)
        self.starts, self.functions = list(STARTS), [("_Z4stepi", 1, 1, 7), (UNUSED, 0, 9, 0)]
        self.reasons = [f"{FILE} unused: nothing asks", f"{FILE} case CLOSE: no scenario closes", "model/contract/rules.h Rule::kept: nobody breaks it",
                        "model/contract/rules.h Rule::waived: cited nowhere"]

    def told(self, *options, more=None):
        """With `more` as the functions of what ran besides the corpus."""
        (self.root / "export").write_text(json.dumps(export(self.root, self.starts, self.functions)))
        (self.root / "more").write_text(json.dumps(export(self.root, self.starts, more or self.functions)))
        (self.root / "reasons").write_text("# what is left\n\n" + "\n".join(self.reasons) + "\n")
        with contextlib.redirect_stdout(io.StringIO()) as text:
            status = report.main([*options, str(self.root / "export"), str(self.root / "more"), str(self.root / "reasons"), str(self.root)])
        return status, text.getvalue()

    def test_all_is_well_where_each_rule_that_never_ran_has_a_reason(self):
        status, text = self.told()
        self.assertEqual(status, 0, text)
        self.assertIn("4 rules never ran", text)
        self.assertIn(f"  {FILE} unused: nothing asks\n", text)

    def test_each_folder_has_its_share_of_lines(self):
        _, text = self.told()
        self.assertRegex(text, r" 66\.7 % +66\.7 % +9  model/judge\n")
        self.assertRegex(text, r" 66\.7 % +66\.7 % +9  together\n")

    def test_each_kind_of_rule_without_a_reason_fails(self):
        for line in list(self.reasons):
            with self.subTest(line):
                self.reasons.remove(line)
                status, text = self.told()
                self.assertEqual(status, 1)
                self.assertIn(line.split(": ")[0] + ": NO REASON IS GIVEN", text)
                self.reasons.append(line)

    def test_a_reason_for_what_runs_fails_and_is_named(self):
        self.functions[1] = (UNUSED, 2, 9, 0)
        status, text = self.told()
        self.assertEqual(status, 1)
        self.assertIn(f"{FILE} unused runs, or is no more", text)

    def test_a_reason_for_what_is_no_more_fails(self):
        self.reasons.append("model/judge/gone.cpp gone: it was here")
        self.assertEqual(self.told()[0], 1)

    def test_what_runs_by_chance_may_run(self):
        self.functions[1] = (UNUSED, 2, 9, 0)
        self.reasons[0] = f"{FILE} unused: by chance: the race comes in one run of ten"
        self.assertEqual(self.told()[0], 0)

    def test_with_the_properties_more_may_run_than_the_reasons_say(self):
        self.functions[1] = (UNUSED, 2, 9, 0)
        self.assertEqual(self.told("--also-properties")[0], 0)
        self.reasons.pop()
        self.assertEqual(self.told("--also-properties")[0], 1)

    def test_what_only_the_properties_run_is_told_of_the_corpus(self):
        self.assertEqual(self.told(more=[self.functions[0], (UNUSED, 1, 9, 0)])[0], 0)

    def test_what_makes_scenarios_need_not_run_by_the_corpus(self):
        with unittest.mock.patch.object(report, "MAKERS", (FILE,)):
            status, text = self.told(more=[self.functions[0], (UNUSED, 1, 9, 0)])
        self.assertEqual(status, 1)
        self.assertIn(f"{FILE} unused runs, or is no more", text)
        self.assertRegex(text, r" 66\.7 % +66\.7 % +9  model/scenario: what makes and measures scenarios\n")
        self.assertRegex(text, r" 0\.0 % +0\.0 % +0  together, but for what makes scenarios\n")

    def test_a_star_in_a_reason_stands_for_several(self):
        self.reasons = [f"{FILE} *: all of it", "model/contract/rules.h Rule::*: none is cited"]
        self.assertEqual(self.told()[0], 0)

    def test_one_instance_that_ran_is_enough(self):
        self.functions.append((UNUSED, 1, 9, 0))
        self.assertNotIn("unused: ", self.told()[1])

    def test_a_row_that_is_cited_where_it_ran_is_covered_and_a_waiver_cites_nothing(self):
        self.starts[2] = (5, 5, 4)
        text = self.told()[1]
        self.assertNotIn("Rule::kept: ", text)
        self.assertIn("Rule::waived: ", text)

    def test_the_cases_of_a_function_that_never_ran_are_not_told_one_by_one(self):
        self.functions[0] = ("_Z4stepi", 0, 1, 7)
        text = self.told()[1]
        self.assertIn(f"  {FILE} step: NO REASON", text)
        self.assertNotIn("case CLOSE: no scenario", text)


class Names(unittest.TestCase):
    def test_functions_are_called_what_a_reader_calls_them(self):
        for mangled, name in (("_ZN10spawncheck5model4stepERKNS0_5StateEi", "step"), ("_ZN10spawncheck12_GLOBAL__N_13oneISt6vectorIiSaIiEEEEbT_", "one"),
                              ("_ZN10spawncheck5StateC2Ev", "State"), ("_ZNK10spawncheck3KeyltERKS0_", "operator<"),
                              ("_ZZN10spawncheck4stepEiENK3$_0clEv", "step lambda"), ("main", "main")):
            self.assertEqual(report.plain([mangled]), [name])


if __name__ == "__main__":
    unittest.main()
