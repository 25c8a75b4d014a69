# SPDX-License-Identifier: MIT
"""What the tool writes for machines is what its schemas say: --json, --sarif, --junit, of findings, of runs that hold and of runs that decide nothing.
`python3 -B properties/reports_test.py BIN [UNITTEST ARGUMENTS]`, BIN as build/dev/bin. Needs python3-jsonschema and xmllint.

The schemas are the project's own (impl/tool/schemas), narrower than the published ones. $SPAWNCHECK_PUBLISHED_SCHEMAS names a directory that may have
these too, as sarif.json and *.xsd; then the output is validated against them as well."""

import copy
import json
import os
import resource
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import jsonschema
from jsonschema.exceptions import best_match

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "build/dev/bin"
SCHEMAS = ROOT / "impl/tool/schemas"
PUBLISHED = Path(os.environ.get("SPAWNCHECK_PUBLISHED_SCHEMAS", "/nonexistent"))
SWAP = ROOT / "corpus/seeds/keep/swap.scenario"
ENDED = b"fd 0 null\nthread\n  kill TERM\n"  # decides nothing: its process is gone
XML_ATTACK = b"b \x01\x1b[0m&<\"'\xff]]>\xc3\xa4.scenario"


def unique(pairs):
    assert len(dict(pairs)) == len(pairs), [name for name, _ in pairs]
    return dict(pairs)


def load(path):
    return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique)


OUTPUT, SARIF = load(SCHEMAS / "output.schema.json"), load(SCHEMAS / "sarif.schema.json")


def errors_of(schema, value):
    checker = jsonschema.validators.validator_for(schema)(schema, format_checker=jsonschema.FormatChecker())
    worst = best_match(checker.iter_errors(value))
    return [] if worst is None else [f"{worst.json_path}: {worst.message[:300]} ({list(worst.absolute_schema_path)})"]


def output_errors(command, value):
    return errors_of({**OUTPUT, "$ref": f"#/$defs/{command}"}, value)


def sarif_errors(log):
    published = PUBLISHED / "sarif.json"
    return errors_of(SARIF, log) + (errors_of(load(published), log) if published.exists() else [])


def junit_errors(path):
    told = []
    for schema in [SCHEMAS / "junit.xsd", *sorted(PUBLISHED.glob("*.xsd"))]:
        done = subprocess.run(["xmllint", "--noout", "--nonet", "--schema", schema, path], capture_output=True, text=True)
        told += [f"{schema}: {done.stderr}"] if done.returncode != 0 else []
    return told


class Reports(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="spawncheck-reports-")
        self.addCleanup(place.cleanup)
        self.directory = Path(place.name)
        self.junit, self.sarif = self.directory / "r.xml", self.directory / "r.sarif"

    def tool(self, *arguments, **how):
        how = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 300, **how}
        return subprocess.run([BIN / "spawncheck", *arguments], **how)

    def file(self, name, text):
        path = os.path.join(os.fsencode(self.directory), name)
        with open(path, "wb") as out:
            out.write(text)
        return path

    def once(self):  # an implementation that violates once
        os.environ["SPAWNCHECK_ONCE"] = str(self.directory / "once.done")
        self.addCleanup(os.environ.pop, "SPAWNCHECK_ONCE")
        scenario = self.file(b"once", b"fd 0 null\nfd 5 memfd\nthread\n  spawn only hold keep 5>3 -> $0\n")
        return ["--implementation", BIN / "provoke/once.so", scenario]

    def bare_swap(self):  # without what it expects
        text = b"".join(line for line in SWAP.read_bytes().splitlines(True) if not line.startswith(b"expect"))
        return self.file(b"swap.scenario", text)

    def reported(self, status, *arguments):
        """Runs it with both reports: valid, and the exit status is the wanted one. The SARIF run and the JUnit text."""
        done = self.tool(*arguments, "--junit", self.junit, "--sarif", self.sarif)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        log = load(self.sarif)
        self.assertEqual(sarif_errors(log), [])
        self.assertEqual(junit_errors(self.junit), [])
        run = log["runs"][0]
        self.assertEqual(run["invocations"][0]["exitCode"], status)
        rules = run["tool"]["driver"]["rules"]
        for result in run["results"]:  # 3.27.6: the index is of the rule with that identifier
            self.assertEqual(rules[result["ruleIndex"]]["id"], result["ruleId"])
            place = result["locations"][0]["physicalLocation"]["artifactLocation"]
            self.assertEqual(run["artifacts"][place["index"]]["location"]["uri"], place["uri"])
        self.assertEqual(sorted(p.name for p in self.directory.glob("r.*")), ["r.sarif", "r.xml"])
        return run, self.junit.read_text(encoding="utf-8")

    def cases(self, kind):  # the names of the cases that have such a child
        path = f"//testcase[{kind}]/@name" if kind != "passed" else "//testcase[not(*)]/@name"
        done = subprocess.run(["xmllint", "--xpath", path, self.junit], capture_output=True, text=True)
        return [line.strip()[len('name="'):-1] for line in done.stdout.splitlines()]


class Finding(Reports):
    def test_a_finding_of_check_stands_in_both(self):
        run, junit = self.reported(1, "check", "--implementation", "canary", "--runs", "2000", "--save", self.directory)
        first = run["results"][0]
        self.assertEqual((first["kind"], first["level"]), ("fail", "error"))
        self.assertIn(first["ruleId"], self.cases("failure"))
        self.assertEqual(self.cases("error"), [])
        uri = first["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        saved = uri[len("file://"):]
        self.assertTrue(Path(saved).exists(), uri)
        self.assertEqual(self.tool("run", "--implementation", "canary", saved).returncode, 0)  # it expects what it shows
        self.assertIn("violated " + first["ruleId"], junit)

    def test_one_that_is_stored_nowhere_is_in_the_log(self):
        run, _ = self.reported(1, "check", "--implementation", "canary", "--mode", "scheduled", "--runs", "2000")
        text = run["artifacts"][0]["contents"]["text"]
        again = self.tool("run", "--implementation", "canary", "--runs", "200", self.file(b"again", text.encode()))
        self.assertEqual(again.returncode, 1)

    def test_what_run_is_given_is_the_place(self):
        run, _ = self.reported(1, "run", "--implementation", "canary", self.bare_swap(), SWAP)
        self.assertEqual([r["ruleId"] for r in run["results"]], ["fd.kept"])  # SWAP expects it of the canary
        self.assertIn("swap.scenario", run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])
        self.assertEqual(self.cases("passed"), [str(SWAP)])

    def test_a_fingerprint_is_that_of_clause_step_and_shape(self):
        prints = []
        for numbers in ("3>4,4>3", "7>8,8>7"):
            a, b = numbers[0], numbers[2]
            text = f"fd {a} memfd\nfd {b} memfd\nthread\n  spawn only hold keep {numbers} -> $0\n"
            run, _ = self.reported(1, "run", "--implementation", "canary", self.file(b"numbers", text.encode()))
            prints.append(run["results"][0]["partialFingerprints"])
        self.assertEqual(prints[0], prints[1])

    def test_an_expectation_that_is_not_met_is_a_failure(self):
        text = SWAP.read_bytes().replace(b"expect holds", b"expect violated fd.kept")
        run, _ = self.reported(1, "run", self.file(b"wrong", text))
        self.assertEqual([r["ruleId"] for r in run["results"]], ["scenario.expectation"])
        self.assertEqual(len(self.cases("failure")), 1)

    def test_what_is_only_suspected_accuses_nobody(self):
        run, _ = self.reported(3, "run", *self.once())
        self.assertEqual([(r["kind"], r["level"]) for r in run["results"]], [("review", "none")])
        self.assertEqual(self.cases("failure"), [])
        self.assertEqual(len(self.cases("skipped")), 1)


class NoFinding(Reports):
    def test_of_what_holds_every_clause_that_is_owed_passes(self):
        run, junit = self.reported(0, "check", "--runs", "200")
        self.assertEqual(run["results"], [])
        self.assertTrue(run["invocations"][0]["executionSuccessful"])
        self.assertIn("fd.kept", self.cases("passed"))
        self.assertEqual(self.cases("failure") + self.cases("error"), [])
        self.assertIn(" hold", junit)

    def test_what_decides_nothing_is_skipped_with_its_reason(self):
        run, junit = self.reported(3, "run", self.file(b"ended", ENDED))
        self.assertEqual(run["results"], [])
        self.assertEqual([n["level"] for n in run["invocations"][0]["toolExecutionNotifications"]], ["warning"])
        self.assertEqual(len(self.cases("skipped")), 1)
        self.assertIn("ended or stopped its own process", junit)

    def test_what_an_implementation_does_not_offer_is_skipped(self):
        self.reported(4, "run", "--implementation", "posix_spawn", self.bare_swap())
        self.assertEqual(len(self.cases("skipped")), 1)

    def test_a_documented_limit_passes_with_a_note(self):
        scenario = self.file(b"limit", b"fd 0 null\nthread\n  disposition 32 ignore\n  spawn inherit hold default 32 -> $0\n")
        run, junit = self.reported(4, "run", "--implementation", "posix_spawn", scenario)
        self.assertIn("within a documented limit", junit)
        self.assertEqual((len(self.cases("passed")), run["results"]), (1, []))

    def test_any_name_is_escaped(self):
        run, junit = self.reported(1, "run", "--implementation", "canary", self.file(XML_ATTACK, Path(os.fsdecode(self.bare_swap())).read_bytes()))
        self.assertIn("\\x01\\x1b[0m&amp;&lt;&quot;'\ufffd]]&gt;\u00e4.scenario", junit)
        uri = run["artifacts"][0]["location"]["uri"]
        self.assertTrue(uri.endswith("b%20%01%1B%5B0m%26%3C%22%27%FF%5D%5D%3E%C3%A4.scenario"), uri)


class Whole(Reports):
    def test_a_report_that_cannot_be_written_is_told_before_anything_runs(self):
        for option in ("--junit", "--sarif"):
            done = self.tool("check", "--seconds", "200", option, "/nonexistent/r")
            self.assertEqual((done.returncode, done.stdout), (2, b""))
            self.assertIn(b"/nonexistent/r: No such file", done.stderr)

    def test_one_that_fails_half_way_leaves_the_old_one_and_nothing_else(self):
        self.sarif.write_text("old")
        limit = 4096  # bytes of a file: less than the report has

        def bounded():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        # Python ignores SIGXFSZ, and so does what it starts then: write(2) fails.
        done = self.tool("run", SWAP, "--sarif", self.sarif, preexec_fn=bounded, restore_signals=False)
        self.assertEqual(done.returncode, 5, done.stdout + done.stderr)
        self.assertIn(b"File too large", done.stderr)
        self.assertEqual([(p.name, p.read_text()) for p in self.directory.iterdir()], [("r.sarif", "old")])

    def test_what_is_no_file_is_written_to(self):
        done = self.tool("run", "--json", SWAP, "--sarif", "/dev/stderr")
        self.assertEqual(sarif_errors(json.loads(done.stderr)), [])

    def test_modes_that_judge_nothing_have_no_reports(self):
        for arguments in (("check", "--mode", "lockstep"), ("run", "--lockstep", SWAP), ("run", "--watch", SWAP)):
            self.assertEqual(self.tool(*arguments, "--sarif", self.sarif).returncode, 2)


class Json(Reports):
    def said(self, command, *arguments, statuses=(0,)):
        done = self.tool(command, "--json", *arguments, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE, capture_output=False)
        self.assertIn(done.returncode, statuses, done.stdout)
        objects = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertTrue(objects, arguments)
        for value in objects:
            self.assertEqual(output_errors(command, value), [], (command, arguments))
        return objects

    def test_run(self):
        self.said("run", SWAP, self.file(b"ended", ENDED), statuses=(3,))
        self.said("run", "--implementation", "canary", SWAP, self.bare_swap(), statuses=(1,))
        self.said("run", "--implementation", "posix_spawn", self.bare_swap(), statuses=(4,))

    def test_a_suspicion_with_its_evidence(self):
        (told,) = self.said("run", *self.once(), statuses=(3,))
        self.assertTrue(told["suspected"])

    def test_check(self):
        self.said("check", "--coverage", "--runs", "60")
        self.said("check", "--implementation", "canary", "--runs", "2000", statuses=(1,))
        self.said("check", "--implementation", "canary", "--all", "--runs", "12", statuses=(1,))
        self.said("check", "--mode", "scheduled", "--replays", "1", "--runs", "20")
        self.said("check", "--mode", "lockstep", "--runs", "20")

    def test_schedules_shrink_and_reproduce(self):
        self.said("schedules", SWAP)
        self.said("schedules", "--search", "pct", "--runs", "5", SWAP)
        self.said("schedules", "--faults", SWAP)
        self.said("schedules", "--implementation", "canary", SWAP, statuses=(1,))
        self.said("schedules", "--faults", "--implementation", "canary", SWAP, statuses=(1,))
        self.said("shrink", "--implementation", "canary", SWAP, statuses=(1,))
        self.said("reproduce", "-o", self.directory / "x.c", SWAP)

    def test_what_is_asked_of_the_model(self):
        self.said("explore", SWAP)
        self.said("explore", "--way", "fork", "--model-only", ROOT / "corpus/seeds/claims/error-pipe.scenario", statuses=(0, 1, 4))
        self.said("explore", "--claims", ROOT / "corpus/seeds/claims/error-pipe.scenario", statuses=(0, 1, 4))
        self.said("refine", "--word", "2")
        self.said("litmus", "--seconds", "1")
        self.assertNotIn("allowed", self.said("litmus", "--list")[0])
        self.assertIn("allowed", self.said("litmus", "--allowed", "--tests", "memfd | null")[0])

    def test_lists_kernel_matrix_and_audit(self):
        self.said("list")
        self.said("kernel")
        self.said("matrix", "--implementation", "canary", "--seconds", "1")
        self.said("audit", "--", "/bin/sh", "-c", "exec /bin/true")
        self.said("audit", "--", BIN / "audited/race_observed", statuses=(1,))


class SarifOfAudit(Reports):
    def test_it_is_valid_too(self):
        self.tool("audit", "--sarif", self.sarif, "--", BIN / "audited/race_observed")
        self.assertEqual(sarif_errors(load(self.sarif)), [])
        self.assertNotEqual(load(self.sarif)["runs"][0]["results"], [])


class WhatIsWrongIsRefused(Reports):
    def test_sarif(self):
        self.tool("run", "--implementation", "canary", self.bare_swap(), "--sarif", self.sarif)
        good = load(self.sarif)
        self.assertEqual(errors_of(SARIF, good), [])
        run, result, rule = ["runs", 0], ["runs", 0, "results", 0], ["runs", 0, "tool", "driver", "rules", 0]
        place = [*result, "locations", 0, "physicalLocation"]
        for path, value in (
            ([*result, "level"], "fatal"),
            ([*result, "kind"], "review"),  # goes with the level none alone
            ([*result, "severity"], 7),
            ([*result, "message"], "text"),
            ([*result, "partialFingerprints", "clauseStepShape/v1"], 12),
            ([*place, "region", "startLine"], 0),
            ([*place, "artifactLocation", "uri"], "a file"),
            ([*rule, "help"], {"markdown": "alone"}),
            ([*run, "invocations", 0, "startTimeUtc"], "yesterday"),
            ([*run, "automationDetails", "id"], "no-slash"),
            (["version"], "2.2.0"),
            (["$schema"], "elsewhere"),
        ):
            bad = copy.deepcopy(good)
            at = bad
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = value
            self.assertNotEqual(errors_of(SARIF, bad), [], path)

    def test_junit(self):
        self.tool("run", "--implementation", "canary", self.bare_swap(), "--junit", self.junit)
        good = self.junit.read_text(encoding="utf-8")
        self.assertEqual(junit_errors(self.junit), [])
        for old, new in (
            ("<failure ", "<fatal "),
            (' tests="1"', ' tests="many"'),
            (' tests="1"', ""),
            ("</failure>", "</failure><skipped message=''/>"),
            ("<system-err></system-err>", ""),
            ("violated fd.kept", "violated \x01 fd.kept"),
            ("violated fd.kept", "violated & fd.kept"),
        ):
            self.junit.write_text(good.replace(old, new), encoding="utf-8")
            self.assertNotEqual(junit_errors(self.junit), [], new)

    def test_json(self):
        done = self.tool("run", "--json", "--implementation", "canary", self.bare_swap())
        good = json.loads(done.stdout)
        self.assertEqual(output_errors("run", good), [])
        for key, value in (("verdict", "perfect"), ("clause", "fd"), ("suspected", True), ("also", None), ("runs", -1), ("new", 1)):
            self.assertNotEqual(output_errors("run", {**good, key: value}), [], key)
        for key in good:
            self.assertNotEqual(output_errors("run", {k: v for k, v in good.items() if k != key}), [], key)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
