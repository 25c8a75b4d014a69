# SPDX-License-Identifier: MIT
"""What a campaign reads, keeps and bounds, without an engine. `python3 -B fuzz/campaign/campaign_test.py`"""

import hashlib
import os
import tempfile
import threading
import time
import unittest
from pathlib import Path

import campaign
import command
import engines
import findings
from store import Busy, Store

ROOT = Path(__file__).resolve().parents[2]


class WithStore(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.directory = Path(place.name)
        self.store = Store(ROOT, self.directory)
        self.addCleanup(self.store.close)


class KindOf(unittest.TestCase):
    def test_a_violation_is_told_by_its_clause(self):
        output = b"noise\nspawncheck finding: kernel: violated fd.exact\n  observed: 3\n"
        self.assertEqual(findings.kind_of(output, -6), "violated fd.exact")

    def test_a_sanitizer_is_told_by_its_summary(self):
        output = b"==1==ERROR\nSUMMARY: AddressSanitizer: heap-use-after-free a.cpp:3 in f()\n"
        self.assertEqual(findings.kind_of(output, 1), "AddressSanitizer: heap-use-after-free")

    def test_ends_are_told_apart(self):
        self.assertEqual(findings.kind_of(b"", None), f"ran longer than {findings.TRY_SECONDS} s")
        self.assertEqual(findings.kind_of(b"", -11), "ended by SIGSEGV")
        self.assertIsNone(findings.kind_of(b"1 executions, no finding", 0))


class Figures(WithStore):
    def test_libfuzzer_last_line_counts(self):
        log = b"#10\tINITED cov: 5 ft: 6 corp: 2/4b exec/s: 0 rss: 3Mb\n#900\tNEW    cov: 7 ft: 11 corp: 3/9b lim: 9 exec/s: 450 rss: 3Mb\n#1000\tDONE\n"
        figures = engines.LibFuzzer(ROOT, self.store).figures("model", 0, log)
        self.assertEqual((figures.executions, figures.edges, figures.features, figures.rate), (1000, 7, 11, 450))

    def test_afl_figures_come_from_its_file(self):
        engine = engines.Afl(ROOT, self.store)
        engine.directory("model", 0).mkdir(parents=True)
        (engine.directory("model", 0) / "fuzzer_stats").write_text("execs_done        : 77\nexecs_per_sec     : 3.50\nedges_found       : 9\n")
        figures = engine.figures("model", 0, b"")
        self.assertEqual((figures.executions, figures.rate, figures.edges), (77, 3.5, 9))

    def test_afl_inputs_from_elsewhere_are_not_new(self):
        engine = engines.Afl(ROOT, self.store)
        queue = engine.directory("model", 0) / "queue"
        queue.mkdir(parents=True)
        for name in ("id:0,time:0,orig:seed", "id:1,sync:main,src:0", "id:2,src:0,op:havoc", ".state"):
            (queue / name).write_bytes(name.encode())
        self.assertEqual([p.name for p in engine.found("model", 0)], ["id:2,src:0,op:havoc"])
        self.store.corpus("model").mkdir(parents=True)
        self.store.gather(engine, "model", 0)
        self.store.gather(engine, "model", 0)
        self.assertEqual(self.store.count_inputs("model"), 1)


class Canary(WithStore):
    def test_an_engine_starts_from_the_seed_alone(self):
        self.store.prepare("races", [b"seed"])
        self.store.add("races", b"what another engine found")
        self.store.start_from("races", [b"seed"])
        self.assertEqual([p.read_bytes() for p in self.store.corpus("races").iterdir()], [b"seed"])


class AnotherMachine(WithStore):
    def setUp(self):
        super().setUp()
        self.other = self.directory / "mounted"
        (self.other / "corpus/model").mkdir(parents=True)

    def put(self, data: bytes, name=None):
        (self.other / "corpus/model" / (name or hashlib.sha1(data).hexdigest())).write_bytes(data)

    def test_its_inputs_are_taken_and_it_is_only_read(self):
        self.store.prepare("model", seeds=[b"own"])
        self.put(b"theirs")
        self.put(b"half", name=".partial")
        self.put(b"x" * 9000)
        there = sorted(p.name for p in (self.other / "corpus/model").iterdir())
        self.store.gather_from(self.other, "model", engines.INPUT_BYTES_MAX)
        self.assertEqual({p.read_bytes() for p in self.store.corpus("model").iterdir()}, {b"own", b"theirs"})
        self.put(b"later")
        self.store.gather_from(self.other, "model", engines.INPUT_BYTES_MAX)
        self.assertEqual(self.store.count_inputs("model"), 3)
        (self.other / "corpus/model" / hashlib.sha1(b"later").hexdigest()).unlink()
        self.assertEqual(sorted(p.name for p in (self.other / "corpus/model").iterdir()), there)

    def test_what_failed_here_does_not_come_back(self):
        self.store.prepare("model", seeds=[])
        self.put(b"fails")
        self.store.gather_from(self.other, "model", engines.INPUT_BYTES_MAX)
        self.store.remove("model", b"fails")
        self.store.gather_from(self.other, "model", engines.INPUT_BYTES_MAX)
        self.assertEqual(self.store.count_inputs("model"), 0)

    def test_one_that_is_not_there_is_no_error(self):
        self.store.prepare("model", seeds=[b"own"])
        self.store.gather_from(Path("/nonexistent"), "model", engines.INPUT_BYTES_MAX)
        self.assertEqual(self.store.count_inputs("model"), 1)


class Kept(WithStore):
    def test_a_second_campaign_in_one_directory_is_refused(self):
        with self.assertRaises(Busy):
            Store(ROOT, self.directory)

    def test_seeds_are_the_corpus(self):
        self.store.prepare("model")
        scenarios = {p.read_bytes() for p in (ROOT / "corpus").rglob("*.scenario")}
        self.assertEqual(self.store.count_inputs("model"), len(scenarios))

    def test_an_input_that_fails_leaves_the_corpus(self):
        self.store.prepare("model", [b"thread\n", b"fd 3 memfd\n"])
        self.store.remove("model", b"thread\n")
        self.assertEqual([p.read_bytes() for p in self.store.corpus("model").iterdir()], [b"fd 3 memfd\n"])

    def test_a_corpus_that_was_being_exchanged_comes_back(self):
        self.store.prepare("model", [b"thread\n"])
        self.store.corpus("model").rename(self.store.corpus("model").with_name(".model-old"))
        self.store.prepare("model", [])
        self.assertEqual(self.store.count_inputs("model"), 1)



class Booked(unittest.TestCase):
    """What a campaign books of an ended process, tested without a process."""

    class Ended:
        def __init__(self, pair, returncode):
            self.pair, self.instance, self.log_path = pair, 0, "log"
            self.process = type("Process", (), {"returncode": returncode})
            self.started = time.monotonic()
            self.deadline = self.started + 1000
            pair.processes[0] = self

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.directory = Path(place.name)
        options = campaign.parse(["--target", "model", "--disk", "1"])
        options.directory = place.name
        self.campaign = campaign.Campaign(options, ROOT)
        self.addCleanup(self.campaign.store.close)
        self.addCleanup(self.campaign.findings.end)

    def end(self, engine, executions, returncode):
        """Lets a process of the engine end after this many executions by its own count."""
        pair = next((p for p in self.campaign.pairs if p.engine.name == engine), None)
        if pair is None:
            self.skipTest(f"{engine} is not installed")
        process = self.Ended(pair, returncode)
        self.campaign.look_at = lambda _: pair.figures.update({0: engines.Figures(executions=executions)})
        self.campaign.ended(process)
        return pair

    def test_a_finding_is_no_failed_start(self):
        for _ in range(campaign.FAILED_STARTS_MAX + 1):
            pair = self.end("libfuzzer", 100, 77)
        self.assertFalse(pair.is_given_up)
        self.assertEqual(self.campaign.executions_of(pair), 100 * (campaign.FAILED_STARTS_MAX + 1))

    def test_who_ends_as_it_starts_is_given_up(self):
        for engine in ("libfuzzer", "afl"):
            for _ in range(campaign.FAILED_STARTS_MAX):
                pair = self.end(engine, 0, 1)
            self.assertTrue(pair.is_given_up)

    def test_a_count_that_goes_on_is_booked_once(self):
        self.end("afl", 100, 1)
        pair = self.end("afl", 150, 1)
        self.assertEqual(self.campaign.executions_of(pair), 150)

    def test_the_directory_has_a_bound(self):
        self.assertFalse(self.campaign.is_full())
        (self.directory / "logs" / "large").write_bytes(os.urandom(2 << 20))
        self.campaign.next_measure = 0.0
        self.assertTrue(self.campaign.is_full())


class Commands(unittest.TestCase):
    def test_one_that_runs_too_long_is_killed(self):
        status, output = command.run(["sh", "-c", "echo begun; exec sleep 1000"], os.environ, 1, threading.Event())
        self.assertEqual((status, output), (None, b"begun\n"))

    def test_one_ends_with_the_campaign(self):
        stopped = threading.Event()
        threading.Timer(0.3, stopped.set).start()
        with self.assertRaises(command.Stopped):
            command.run(["sleep", "1000"], os.environ, 1000, stopped)


class Work(WithStore):
    """The way of a finding from the artifact to the file, with a script as the target."""

    def setUp(self):
        super().setUp()
        self.root = self.directory / "root"
        binaries = self.root / "build" / "dev" / "bin"
        binaries.mkdir(parents=True)
        self.script = binaries / "fuzz-language"
        self.artifact = self.directory / "artifact"
        self.artifact.write_bytes(b"input")

    def looked_at(self, script):
        self.script.write_text("#!/bin/sh\n" + script)
        self.script.chmod(0o755)
        said = []
        work = findings.Findings(self.root, self.store, lambda target: os.environ, None, threading.Event(), said.append)
        self.assertTrue(work.add("language", "afl", self.artifact))
        self.assertFalse(work.add("language", "afl", self.artifact))
        work.finish()
        work.end()
        return said

    def test_one_that_fails_is_written(self):
        said = self.looked_at("echo 'spawncheck finding: language: prints another text'; kill -ABRT $$\n")
        (key, entry), = self.store.state["findings"].items()
        self.assertEqual(key, "language: prints another text")
        self.assertEqual(Path(entry["files"][0]).read_bytes(), b"input")
        self.assertIn("fuzz-language", said[0])
        self.assertFalse(self.store.is_new(self.artifact))

    def test_one_that_fails_in_no_try_is_suspected(self):
        said = self.looked_at("exit 0\n")
        self.assertEqual(self.store.state["findings"], {})
        self.assertEqual([p.read_bytes() for p in self.store.suspected.iterdir()], [b"input"])
        self.assertIn("suspected", said[0])

    def test_one_that_was_not_looked_at_is_there_for_the_next_campaign(self):
        stopped = threading.Event()
        stopped.set()
        work = findings.Findings(self.root, self.store, lambda target: os.environ, None, stopped, print)
        work.add("language", "afl", self.artifact)
        work.end()
        self.assertTrue(self.store.is_new(self.artifact))


class Arguments(unittest.TestCase):
    def test_the_canary_is_looked_for_where_an_implementation_is_asked(self):
        options = campaign.parse(["--canary", "--minutes", "2"])
        self.assertEqual((options.target, options.implementation, options.seconds), (list(engines.RACING_TARGETS), "canary", 120))


if __name__ == "__main__":
    unittest.main()
