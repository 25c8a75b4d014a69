# SPDX-License-Identifier: MIT
"""The build script of ClusterFuzzLite and OSS-Fuzz, as their base image runs it: with its environment, Debian's clang in the place of theirs.
`python3 -B fuzz/build_script_test.py`; $SPAWNCHECK_FUZZ_TARGETS: which targets."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGETS = os.environ.get("SPAWNCHECK_FUZZ_TARGETS", "language model explorer kernel races request").split()
EXECUTIONS = 50  # of each target besides its seeds
# The image has -O1. Not optimised the targets compile in half the time.
SANITIZED = "-O0 -fno-omit-frame-pointer -gline-tables-only -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION -fsanitize=address -fsanitize-address-use-after-scope -fsanitize=fuzzer-no-link"


class BuildScript(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory(prefix="spawncheck-clusterfuzz-")
        cls.addClassCleanup(cls.place.cleanup)
        top = Path(cls.place.name)
        cls.out = top / "out"
        for name in ("src", "out", "work"):
            (top / name).mkdir()
        # The image copies the tree to $SRC/spawncheck; a link is enough, since nothing is written there.
        (top / "src/spawncheck").symlink_to(ROOT)
        shutil.copy(ROOT / ".clusterfuzzlite/build.sh", top / "src/build.sh")
        environment = {
            "HOME": os.environ.get("HOME", "/root"), "PATH": os.environ["PATH"], "LANG": "C",
            "SRC": str(top / "src"), "OUT": str(cls.out), "WORK": str(top / "work"),
            "CC": "clang", "CXX": "clang++", "CFLAGS": SANITIZED, "CXXFLAGS": SANITIZED, "LIB_FUZZING_ENGINE": "-fsanitize=fuzzer",
            "SANITIZER": "address", "FUZZING_ENGINE": "libfuzzer", "ARCHITECTURE": "x86_64", "FUZZING_LANGUAGE": "c++",
            "SPAWNCHECK_FUZZ_TARGETS": " ".join(TARGETS),
            # Paths are relative to the build's folder, so that a later test reuses what an earlier one compiled.
            "CCACHE_BASEDIR": str(top), "CCACHE_NOHASHDIR": "1", "CCACHE_SLOPPINESS": "pch_defines,time_macros",
        }
        done = subprocess.run(["bash", "-eu", str(top / "src/build.sh")], cwd=top / "src/spawncheck", env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=3000)
        if done.returncode != 0:
            raise AssertionError(done.stdout[-8000:])

    def seeds(self, target):
        place = tempfile.TemporaryDirectory(prefix="spawncheck-seeds-")
        self.addCleanup(place.cleanup)
        with zipfile.ZipFile(self.out / f"fuzz-{target}_seed_corpus.zip") as packed:
            packed.extractall(place.name)
        return Path(place.name)

    def run_target(self, target, *arguments, **more):
        # As their runner does: from another folder, with nothing of this project in the environment.
        environment = {"PATH": os.environ["PATH"], "ASAN_OPTIONS": "detect_leaks=0", **more}
        with tempfile.TemporaryDirectory(prefix="spawncheck-runner-") as elsewhere:
            return subprocess.run([self.out / f"fuzz-{target}", *arguments], cwd=elsewhere, env=environment, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=900)

    def test_each_target_runs_over_its_seeds(self):
        for target in TARGETS:
            with self.subTest(target):
                seeds = self.seeds(target)
                count = len(list(seeds.iterdir()))
                self.assertGreater(count, 50)
                options = dict(line.split(" = ") for line in (self.out / f"fuzz-{target}.options").read_text().splitlines()[1:])
                done = self.run_target(target, f"-runs={count + EXECUTIONS}", "-seed=1", *[f"-{k}={v}" for k, v in options.items()], seeds)
                self.assertEqual(done.returncode, 0, done.stdout[-4000:])
                executed = max(int(n) for n in re.findall(r"^#(\d+)\s", done.stdout, re.MULTILINE))
                self.assertGreaterEqual(executed, count)

    def test_a_finding_ends_a_target(self):
        if "kernel" not in TARGETS:
            self.skipTest("no target on the kernel")
        done = self.run_target("kernel", "-runs=2000", self.seeds("kernel"), SPAWNCHECK_IMPLEMENTATION="canary")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("spawncheck finding: kernel: violated", done.stdout)

    def test_nothing_is_needed_that_the_runner_may_lack(self):
        libraries = re.compile(r"^(linux-vdso|libstdc\+\+|libm|libgcc_s|libc|libc\+\+|libc\+\+abi|libunwind|libpthread|libdl|librt|ld-linux-x86-64)\.so")
        for target in TARGETS:
            told = subprocess.run(["ldd", self.out / f"fuzz-{target}"], capture_output=True, text=True).stdout
            names = [Path(line.split()[0]).name for line in told.splitlines()]
            self.assertEqual([n for n in names if not libraries.match(n)], [], target)


class Files(unittest.TestCase):
    def test_no_file_names_a_registry(self):
        text = (ROOT / ".clusterfuzzlite/Dockerfile").read_text()
        self.assertIn("FROM ${BASE_BUILDER}", text)
        self.assertEqual(re.findall(r"^FROM \S*[./]\S*$", text, re.MULTILINE), [])

    def test_the_script_builds_every_target(self):
        named = re.search(r"^all=\((.*)\)$", (ROOT / ".clusterfuzzlite/build.sh").read_text(), re.MULTILINE).group(1).split()
        self.assertEqual(sorted(named), sorted(p.stem for p in (ROOT / "fuzz/targets").glob("*.cpp")))


if __name__ == "__main__":
    unittest.main()
