# SPDX-License-Identifier: MIT
"""Failed inputs: each is run again, classified, shrunk, and written as a regression candidate."""

import hashlib
import queue
import re
import signal
import threading
import time
from pathlib import Path

import command

TRIES = 5  # an input that fails in none of these is suspected
TRY_SECONDS = 60
SHRINK_SECONDS = 60
FINISH_SECONDS = 300  # after the campaign's own time
KEPT_OF_ONE_KIND = 3  # further inputs of one kind are counted, not shrunk

_finding = re.compile(rb"spawncheck finding: (?P<target>[^:]*): (?P<what>.*)")
_summary = re.compile(rb"SUMMARY: (?P<what>\w+: [\w-]+)")
_clause = re.compile(r"violated (?P<clause>[a-z]+\.[a-z_]+)")


def kind_of(output: bytes, returncode):
    """What went wrong, in words that are the same for every input of one bug; None: nothing."""
    if found := _finding.search(output):
        return found["what"].decode(errors="replace").strip()
    if found := _summary.search(output):
        return found["what"].decode(errors="replace")
    if returncode is None:
        return f"ran longer than {TRY_SECONDS} s"
    if returncode < 0:
        return f"ended by {signal.Signals(-returncode).name}"
    return f"status {returncode}" if returncode != 0 else None


class Findings:
    """A separate thread works on failed inputs, one after the other, while the engines continue."""

    def __init__(self, root: Path, store, environment, implementation, stopped, say):
        self.root, self.store, self.environment, self.say = root, store, environment, say
        self.implementation = implementation
        self._stopped = stopped  # the next campaign here looks at the rest
        self._queue, self._queued = queue.Queue(), set()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def count(self):
        return len(self.store.state["findings"])

    def waiting(self):
        return self._queue.unfinished_tasks

    def newest(self):
        with self.store.guard:
            return max((f["time"] for f in self.store.state["findings"].values()), default=0.0)

    def add(self, target, engine, artifact: Path):
        """Returns false if the artifact is known."""
        if artifact in self._queued:
            return False
        self._queued.add(artifact)
        if not self.store.is_new(artifact):
            return False
        data = artifact.read_bytes()
        self.store.remove(target, data)  # so that no process starts from it again
        copy = self.store.directory / "inputs" / f"{target}-{hashlib.sha1(data).hexdigest()[:12]}"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(data)
        self._queue.put((target, engine, artifact, copy))
        return True

    def finish(self):
        """Waits until the queue is empty, the campaign is stopped, or FINISH_SECONDS are over."""
        deadline = time.monotonic() + FINISH_SECONDS
        while self.waiting() and time.monotonic() < deadline and not self._stopped.wait(0.2):
            pass

    def end(self):
        self._stopped.set()
        self._queue.put(None)
        self._thread.join()

    def _work(self):
        while (item := self._queue.get()) is not None:
            if not self._stopped.is_set():
                try:
                    self._look_at(*item)
                except command.Stopped:
                    pass
            self._queue.task_done()
        self._queue.task_done()

    def _look_at(self, target, engine, artifact, copy):
        kind, output = self._rerun(target, copy)
        if kind is None:
            kept = self.store.suspected / copy.name
            copy.replace(kept)
            self.say(f"suspected: {target} under {engine}: the input fails in none of {TRIES} tries; it is kept: {kept}")
            return self.store.looked_at(artifact)
        key = f"{target}: {kind}"
        with self.store.guard:
            entry = self.store.state["findings"].setdefault(key, {"inputs": 0, "time": time.time(), "engine": engine, "files": []})
            entry["inputs"] += 1
        if entry["inputs"] <= KEPT_OF_ONE_KIND:
            written = self._write(target, kind, copy, output)
            if written not in entry["files"]:
                with self.store.guard:
                    entry["files"].append(written)
                self.say(f"finding: {key}\n  {self.replay(target, written)}")
        copy.unlink(missing_ok=True)
        self.store.looked_at(artifact)
        self.store.save()

    def replay(self, target, file):
        if file.endswith(".scenario"):
            return f"build/dev/bin/spawncheck run --runs 500{self._of_implementation()} {file}"
        return f"SPAWNCHECK_BIN=build/dev/bin build/dev/bin/fuzz-{target} {file}"

    def _of_implementation(self):
        return f" --implementation {self.implementation}" if self.implementation else ""

    def _run(self, arguments, target, seconds):
        return command.run(arguments, self.environment(target), seconds, self._stopped)

    def _rerun(self, target, file):
        """Runs the input with the build without sanitizers first, then with libFuzzer's."""
        runners = [self.root / "build" / preset / "bin" / f"fuzz-{target}" for preset in ("dev", "libfuzzer")]
        runners = [r for r in runners if r.exists()]
        for attempt in range(TRIES):
            runner = runners[attempt % len(runners)]
            returncode, output = self._run([str(runner), str(file)], target, TRY_SECONDS)
            if kind := kind_of(output, returncode):
                return kind, output
        return None, b""

    def _write(self, target, kind, input_file: Path, output: bytes):
        """Writes the smallest form that was reached, with its report beside it. Returns the file's name."""
        clause = _clause.search(kind)
        if clause and target in ("kernel", "races"):
            before = set(self.store.findings.glob("*.scenario"))
            arguments = [str(self.root / "build/dev/bin/spawncheck"), "shrink", "--runs", "100", "--seconds", str(SHRINK_SECONDS)]
            arguments += ["--save", str(self.store.findings)] + self._of_implementation().split() + [str(input_file)]
            _, report = self._run(arguments, target, SHRINK_SECONDS + 30)
            new = sorted(set(self.store.findings.glob("*.scenario")) - before)
            if new:
                new[0].with_suffix(".report").write_bytes(report)
                return str(new[0])
        small = self.store.findings / input_file.name
        minimiser = self.root / "build" / "libfuzzer" / "bin" / f"fuzz-{target}"
        if minimiser.exists():
            self._run([str(minimiser), "-minimize_crash=1", f"-max_total_time={SHRINK_SECONDS}", f"-exact_artifact_path={small}", str(input_file)],
                      target, SHRINK_SECONDS + 30)
        if not small.exists():
            small.write_bytes(input_file.read_bytes())
        small.with_name(small.name + ".report").write_bytes(output)
        return str(small)
