# SPDX-License-Identifier: MIT
"""The engines: how to start a process, how to read its figures, and where it puts what it found."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

INPUT_BYTES_MAX = 8192  # fuzz/target.h input_bytes_max
INPUT_SECONDS_MAX = 30  # an input that runs longer is a hang
MEMORY_MB_MAX = 4096


@dataclass
class Figures:
    """The figures that a process has reported so far."""

    executions: int = 0
    rate: float = 0
    edges: int = 0  # the engine's own count: libFuzzer's edges and AFL++'s differ
    features: int = 0


class LibFuzzer:
    name = "libfuzzer"
    preset = "libfuzzer"
    goes_on_counting = False  # from process to process

    def __init__(self, root: Path, store):
        self.root, self.store = root, store

    def is_missing(self):
        return None if shutil.which("clang++") else "libFuzzer needs clang++ (clang, libclang-rt-14-dev)"

    def directory(self, target, instance):
        return self.store.directory / self.name / f"{target}-{instance}"

    def command(self, target, instance, seconds):
        """Arguments and environment of one process."""
        place = self.directory(target, instance)
        (place / "artifacts").mkdir(parents=True, exist_ok=True)
        return [
            str(self.root / "build" / self.preset / "bin" / f"fuzz-{target}"),
            str(self.store.corpus(target)),
            f"-max_total_time={seconds}",
            "-reload=1",
            "-entropic=0",
            f"-max_len={INPUT_BYTES_MAX}",
            f"-timeout={INPUT_SECONDS_MAX}",
            f"-rss_limit_mb={MEMORY_MB_MAX}",
            f"-artifact_prefix={place}/artifacts/",
        ], {}

    _status = re.compile(rb"#(\d+)\s.*?cov: (\d+) ft: (\d+).*?exec/s: (\d+)")
    _counted = re.compile(rb"#(\d+)\s")

    def figures(self, target, instance, log: bytes):
        found = self._status.findall(log)
        counted = self._counted.findall(log)
        if not found:
            return Figures(executions=int(counted[-1]) if counted else 0)
        executions, edges, features, rate = (int(x) for x in found[-1])
        return Figures(max(executions, int(counted[-1])), rate, edges, features)

    def artifacts(self, target, instance):
        place = self.directory(target, instance) / "artifacts"
        if not place.is_dir():
            return []
        return sorted(p for p in place.iterdir() if not p.name.startswith("slow-unit-"))  # a slow input is not a failure

    def found(self, target, instance):
        """New inputs: libFuzzer writes them into the shared corpus by itself."""
        return []

    def forget(self, target):
        """Drops what the pair keeps besides the shared corpus: nothing."""


class Afl:
    name = "afl"
    preset = "afl"
    goes_on_counting = True

    def __init__(self, root: Path, store):
        self.root, self.store = root, store

    def is_missing(self):
        return None if shutil.which("afl-fuzz") and shutil.which("afl-clang-fast++") else "AFL++ is missing (afl++)"

    def output(self, target):
        return self.store.directory / self.name / target

    def _name(self, instance):
        return "main" if instance == 0 else f"secondary{instance}"

    def directory(self, target, instance):
        return self.output(target) / self._name(instance)

    def command(self, target, instance, seconds):
        output = self.output(target)
        output.mkdir(parents=True, exist_ok=True)
        is_resumed = (self.directory(target, instance) / "fuzzer_stats").exists()
        arguments = ["afl-fuzz", "-i", "-" if is_resumed else str(self.store.corpus(target)), "-o", str(output)]
        # The main instance also reads what libFuzzer found; the secondaries read the main one.
        arguments += ["-M", "main", "-F", str(self.store.corpus(target))] if instance == 0 else ["-S", self._name(instance)]
        arguments += ["-V", str(seconds), "-t", "20000", "-m", "none", "--"]
        arguments += [str(self.root / "build" / self.preset / "bin" / f"fuzz-{target}")]
        environment = {
            "AFL_NO_UI": "1",
            "AFL_SKIP_CPUFREQ": "1",
            "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES": "1",
            "AFL_NO_AFFINITY": "1",
            "AFL_NO_CRASH_README": "1",
            "AFL_NO_STARTUP_CALIBRATION": "1",  # would run hundreds of inputs at the start of each slice
            "AFL_IMPORT_FIRST": "1",
            "AFL_FORKSRV_INIT_TMOUT": "20000",
        }
        if target != "request":  # its inputs are bytes, for AFL++'s own mutators
            environment["AFL_CUSTOM_MUTATOR_LIBRARY"] = str(self.root / "build" / "dev" / "bin" / "afl-mutator.so")
            environment["AFL_CUSTOM_MUTATOR_ONLY"] = "1"
        return arguments, environment

    def figures(self, target, instance, log: bytes):
        try:
            text = (self.directory(target, instance) / "fuzzer_stats").read_text(errors="replace")
        except OSError:
            return Figures()
        stats = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        stats = {key.strip(): value.strip() for key, value in stats.items()}

        def number(key):
            try:
                return float(stats.get(key, 0))
            except ValueError:
                return 0.0

        return Figures(int(number("execs_done")), number("execs_per_sec"), int(number("edges_found")), 0)

    def artifacts(self, target, instance):
        place = self.directory(target, instance)
        return sorted(p for kind in ("crashes", "hangs") for p in place.glob(f"{kind}/id:*"))

    def found(self, target, instance):
        """New inputs, without those that came from elsewhere."""
        queue = self.directory(target, instance) / "queue"
        if not queue.is_dir():
            return []
        return [p for p in queue.iterdir() if p.name.startswith("id:") and "orig:" not in p.name and "sync:" not in p.name]

    def forget(self, target):
        """Removes the queue: its inputs are in the shared corpus, from which the next process starts."""
        shutil.rmtree(self.output(target), ignore_errors=True)


ENGINES = {engine.name: engine for engine in (LibFuzzer, Afl)}
TARGETS = ("language", "model", "explorer", "kernel", "races", "request")
RACING_TARGETS = ("kernel", "races")  # those that run an implementation, which the canary can replace


def environment_of_target(root: Path, store, target):
    """The environment of every process of a target (fuzz/kernel_target.cpp, fuzz/pairs.cpp)."""
    return dict(
        os.environ,
        SPAWNCHECK_BIN=str(root / "build" / "dev" / "bin"),
        SPAWNCHECK_SAVE=str(store.suspected),
        SPAWNCHECK_PAIRS=str(store.pairs(target)),
    )
