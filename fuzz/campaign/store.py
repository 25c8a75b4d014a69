# SPDX-License-Identifier: MIT
"""The directory of a campaign. Everything that a resumed campaign needs is in files; each is whole at any instant."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import threading
from pathlib import Path

import command

PAIR_BYTES = 64 * 64 * 4  # fuzz/pairs.h: a byte for each pair of operations that overlapped, and how


class Busy(Exception):
    pass


_INPUT_NAME = re.compile(r"[0-9a-f]{40}")  # as named by add(); not a file that is still being written


class Store:
    def __init__(self, root: Path, directory: Path):
        self.root, self.directory = root, directory
        self.findings, self.suspected = directory / "findings", directory / "suspected"
        self._partial = directory / "partial"
        for place in (directory, self.findings, self.suspected, directory / "logs", self._partial):
            place.mkdir(parents=True, exist_ok=True)
        self._lock = open(directory / "lock", "w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            self._lock.close()
            raise Busy(f"{directory}: another campaign runs here") from e
        self.guard = threading.Lock()  # of `state`, which the findings thread changes too
        self._gathered = set()  # the engines' files that are in the shared corpus already
        try:
            self.state = json.loads((directory / "campaign.json").read_text())
        except (OSError, ValueError):
            self.state = {"seconds": {}, "executions": {}, "findings": {}, "looked_at": []}
        self._looked_at = set(self.state["looked_at"])

    def close(self):
        """Releases the directory to another campaign."""
        self._lock.close()

    def save(self):
        with self.guard:
            self.state["looked_at"] = sorted(self._looked_at)
            text = json.dumps(self.state, indent=1)
        self._write_whole(self.directory / "campaign.json", text.encode())

    def _write_whole(self, path: Path, data: bytes):
        """Writes the file atomically: a reader sees the old file or the new one, and no engine takes a part for an input."""
        partial = self._partial / f"{path.name}-{threading.get_ident()}"
        partial.write_bytes(data)
        partial.replace(path)

    # ---- the corpus of a target: files named by their content -------------------------------------------

    def corpus(self, target):
        return self.directory / "corpus" / target

    def _aside(self, target):
        return self.directory / "corpus" / f".{target}-old"

    def pairs(self, target):
        return self.directory / f"pairs-{target}"

    def prepare(self, target, seeds=None):
        """The corpus is there, with at least the project's own inputs, or with `seeds` (bytes) in their place."""
        place, aside = self.corpus(target), self._aside(target)
        if aside.exists() and not place.exists():  # minimise() ended between its two renames
            aside.rename(place)
        place.mkdir(parents=True, exist_ok=True)
        source = self.root / "corpus"
        files = source.glob("requests/*") if target == "request" else source.rglob("*.scenario")
        for data in seeds if seeds is not None else [file.read_bytes() for file in files if file.is_file()]:
            self.add(target, data)
        if not self.pairs(target).exists():
            self._write_whole(self.pairs(target), bytes(PAIR_BYTES))

    def start_from(self, target, seeds):
        """The corpus is these seeds alone. No process of the target runs."""
        shutil.rmtree(self.corpus(target), ignore_errors=True)
        self.prepare(target, seeds)

    def add(self, target, data: bytes):
        path = self.corpus(target) / hashlib.sha1(data).hexdigest()
        if not path.exists():
            self._write_whole(path, data)

    def remove(self, target, data: bytes):
        """An input that fails by itself would end each process as it starts."""
        (self.corpus(target) / hashlib.sha1(data).hexdigest()).unlink(missing_ok=True)

    def gather(self, engine, target, instance):
        """What an engine keeps for itself goes to the shared corpus."""
        for file in engine.found(target, instance):
            if file not in self._gathered:
                self.add(target, file.read_bytes())
                self._gathered.add(file)

    def gather_from(self, other: Path, target, bytes_max):
        """The inputs of another campaign's directory, which is only read: another machine's, mounted here or copied."""
        try:
            names = sorted(entry.name for entry in os.scandir(other / "corpus" / target))
        except OSError:
            return  # not there yet, or not now
        for file in (other / "corpus" / target / name for name in names if _INPUT_NAME.fullmatch(name)):
            if file in self._gathered:
                continue
            self._gathered.add(file)
            try:
                data = file.read_bytes()
            except OSError:
                continue  # dropped as superfluous meanwhile
            if len(data) <= bytes_max:
                self.add(target, data)

    def forget_gathered(self):
        """The engines' own files are gone: the same names may come again."""
        self._gathered.clear()

    def count_inputs(self, target):
        try:
            return sum(1 for entry in os.scandir(self.corpus(target)) if not entry.name.startswith("."))
        except OSError:
            return 0

    def newest_input(self):
        newest = 0.0
        for place in (self.directory / "corpus").glob("[!.]*"):
            for entry in os.scandir(place):
                try:
                    newest = max(newest, entry.stat().st_mtime)
                except OSError:
                    pass  # a partial file that has been renamed meanwhile
        return newest

    def count_pairs(self, target):
        try:
            return sum(1 for byte in self.pairs(target).read_bytes() if byte)
        except OSError:
            return 0

    # ---- findings: each artifact is looked at once ------------------------------------------------------

    def is_new(self, artifact: Path):
        return self._key(artifact) not in self._looked_at

    def looked_at(self, artifact: Path):
        self._looked_at.add(self._key(artifact))

    def _key(self, artifact: Path):
        return hashlib.sha1(str(artifact.relative_to(self.directory)).encode() + artifact.read_bytes()).hexdigest()

    # ---- the bound of the disk --------------------------------------------------------------------------

    def megabytes(self):
        total = 0
        for place, _, names in os.walk(self.directory):
            for name in names:
                try:
                    total += os.lstat(os.path.join(place, name)).st_blocks * 512
                except OSError:
                    pass
        return total / (1 << 20)

    def minimise(self, target, merger, environment, seconds, stopped):
        """Keeps the fewest inputs with every feature of libFuzzer's (-merge=1). Returns before and after, or None: as it was.

        No process of the target may run. prepare() mends what is left where this is ended in between.
        """
        old, new = self.corpus(target), self.directory / "corpus" / f".{target}-merged"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        arguments = [str(merger), "-merge=1", f"-max_len={1 << 16}", f"-artifact_prefix={self.directory}/logs/", str(new), str(old)]
        try:
            status, output = command.run(arguments, environment, seconds, stopped)
        except command.Stopped:
            status, output = None, b""
        (self.directory / "logs" / f"minimise-{target}").write_bytes(output)
        before, after = self.count_inputs(target), sum(1 for _ in new.iterdir())
        if status != 0 or after == 0:
            shutil.rmtree(new, ignore_errors=True)
            return None
        aside = self._aside(target)
        shutil.rmtree(aside, ignore_errors=True)
        old.rename(aside)
        new.rename(old)
        shutil.rmtree(aside, ignore_errors=True)
        return before, after
