# SPDX-License-Identifier: MIT
"""A campaign as a user runs it: it finds the canary, is stopped in the middle, and resumes. Needs the builds of both engines."""

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOUND_SECONDS = 240  # of each wait; no time is asserted


class Run(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.directory = Path(place.name)

    def start(self, *arguments):
        command = [sys.executable, "-B", str(ROOT / "fuzz/campaign/campaign.py"), "--directory", str(self.directory), *arguments]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def state(self):
        try:
            return json.loads((self.directory / "campaign.json").read_text())
        except OSError:
            return {"findings": {}, "executions": {}}

    def wait_for(self, holds):
        deadline = time.monotonic() + BOUND_SECONDS
        while not holds():
            self.assertLess(time.monotonic(), deadline, "it did not come")
            time.sleep(0.2)

    def left_behind(self):
        """Processes that were started with the campaign's directory."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            try:
                if str(self.directory).encode() in entry.read_bytes():
                    found.append(int(entry.parent.name))
            except OSError:
                pass  # it has ended, or is another user's
        return found

    def test_what_it_finds_is_a_file_that_fails_again_and_nothing_is_left(self):
        campaign = self.start("--implementation", "canary", "--target", "races", "--seconds", "600", "--jobs", "2")
        self.wait_for(lambda: any(f["files"] for f in self.state()["findings"].values()))
        campaign.send_signal(signal.SIGINT)
        output, _ = campaign.communicate(timeout=BOUND_SECONDS)
        self.assertEqual(campaign.returncode, 1, output)
        self.assertEqual(self.left_behind(), [])
        replay = re.search(r"spawncheck run .*\.scenario", output)
        self.assertTrue(replay, output)
        again = subprocess.run(["build/dev/bin/" + replay[0]], shell=True, cwd=ROOT, capture_output=True, text=True, timeout=BOUND_SECONDS, check=False)
        self.assertIn("violated", again.stdout)

        # The same directory again: findings and counts are still there.
        before = self.state()
        campaign = self.start("--target", "language", "--seconds", "12", "--jobs", "2")
        output, _ = campaign.communicate(timeout=BOUND_SECONDS)
        after = self.state()
        self.assertEqual(campaign.returncode, 1, output)
        self.assertEqual(after["findings"].keys(), before["findings"].keys())
        for key, count in before["executions"].items():
            self.assertGreaterEqual(after["executions"][key], count)
        for engine in ("libfuzzer", "afl"):
            worked = [count for key, count in after["executions"].items() if key.startswith(f"language/{engine}")]
            self.assertGreater(sum(worked), 0, output)
        self.assertEqual(self.left_behind(), [])

    def test_a_corpus_that_is_made_small_keeps_its_features(self):
        minimise = self.start("--minimise", "--target", "language")
        output, _ = minimise.communicate(timeout=BOUND_SECONDS)
        small = re.search(r"language: (\d+) inputs are (\d+) now", output)
        self.assertTrue(small, output)
        self.assertLess(int(small[2]), int(small[1]))
        whole = self.features((ROOT / "corpus").rglob("*.scenario"))
        self.assertTrue(whole)
        self.assertEqual(self.features((self.directory / "corpus" / "language").iterdir()), whole)

    def features(self, files):
        scenarios = self.directory / "inputs-of-features"
        scenarios.mkdir(exist_ok=True)
        for old in scenarios.iterdir():
            old.unlink()
        for number, file in enumerate(sorted(files)):
            (scenarios / str(number)).write_bytes(file.read_bytes())
        fuzzer = ROOT / "build/libfuzzer/bin/fuzz-language"
        done = subprocess.run([str(fuzzer), str(scenarios), "-runs=0", "-max_len=65536"], capture_output=True, timeout=BOUND_SECONDS, check=False)
        return re.findall(rb"INITED cov: (\d+) ft: (\d+)", done.stderr)


if __name__ == "__main__":
    unittest.main()
