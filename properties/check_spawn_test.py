# SPDX-License-Identifier: MIT
"""How an author of a library checks a spawn: ci/check-spawn, and the action that calls it. `python3 -B properties/check_spawn_test.py BIN`"""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "build/dev/bin"
ACTION = ROOT / ".github/actions/check/action.yml"
ENVIRONMENT = {**os.environ, "SPAWNCHECK_BIN": str(BIN)}


def run(command, directory, **environment):
    return subprocess.run(command, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
                          env={**ENVIRONMENT, **environment})


class WithDirectory(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="spawncheck-author-")
        self.addCleanup(place.cleanup)
        self.directory = Path(place.name)

    def results(self, name="r.sarif"):
        return json.loads((self.directory / name).read_text(encoding="utf-8"))["runs"][0]["results"]


class Script(WithDirectory):
    def test_a_spawn_that_is_wrong_is_found(self):
        done = run([ROOT / "ci/check-spawn", BIN / "canary.so", "--runs", "60", "--sarif", "r.sarif", "--junit", "r.xml"], self.directory)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("error", [r["level"] for r in self.results()])
        self.assertIn("<failure ", (self.directory / "r.xml").read_text(encoding="utf-8"))

    def test_one_that_is_right_is_not_accused(self):
        done = run([ROOT / "ci/check-spawn", BIN / "mutants/control.so", "--runs", "200", "--sarif", "r.sarif"], self.directory)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.results(), [])

    def test_a_path_is_relative_to_the_caller(self):
        (self.directory / "mine.so").symlink_to(BIN / "mutants/control.so")
        self.assertEqual(run([ROOT / "ci/check-spawn", "mine.so", "--runs", "20"], self.directory).returncode, 0)

    def test_bad_usage_is_two(self):
        for arguments in ([], ["--sarif", "x"], ["no-such.so"]):
            self.assertEqual(run([ROOT / "ci/check-spawn", *arguments], self.directory).returncode, 2, arguments)


def steps():
    """What the action runs: a step is its environment, by the inputs' names, and its command."""
    text = ACTION.read_text(encoding="utf-8").split("runs:\n")[1]
    out = []
    for step in text.split("- shell: bash\n")[1:]:
        variables = dict(re.findall(r"^ +([A-Z]+): \$\{\{ inputs\.([a-z]+) \}\}$", step, re.MULTILINE))
        out.append((variables, re.search(r"run: (?:\|-\n *)?(.+)$", step, re.DOTALL).group(1)))
    return out


def inputs():
    text = ACTION.read_text(encoding="utf-8").split("inputs:\n")[1].split("runs:\n")[0]
    return {name: (re.search(r"default: '(.*)'", rest) or [None, None])[1] for name, rest in re.findall(r"^  ([a-z]+):\n((?:    .*\n)+)", text, re.MULTILINE)}


def howto():
    """The lines of howto.md that use the action: as lines, and the inputs they give."""
    text = (ROOT / "impl/peers/howto.md").read_text(encoding="utf-8")
    block = next(b for b in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if ".github/actions/check" in b)
    given = re.search(r"\.github/actions/check@.*?\n +with:\n(.*?)(?:\n +- |\Z)", block, re.DOTALL).group(1)
    return block.splitlines(), dict(re.findall(r"^ +([a-z]+): (.+)$", given, re.MULTILINE))


class Action(WithDirectory):
    def act(self, given, **outer):
        """As a runner does it: a step after the other, with the inputs in the environment; the last one's end."""
        values = {**inputs(), **given}
        for variables, command in steps():
            environment = {variable: values[name] for variable, name in variables.items()}
            done = run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command], self.directory,
                       GITHUB_ACTION_PATH=str(ACTION.parent), **environment, **outer)
            if done.returncode != 0:
                break
        return done

    def test_every_input_is_used_and_there(self):
        used = [name for variables, _ in steps() for name in variables.values()]
        self.assertEqual(sorted(used), sorted(inputs()))

    def test_the_howto_takes_ten_lines_and_works(self):
        lines, given = howto()
        self.assertLessEqual(len(lines), 10)
        self.assertLessEqual(set(given), set(inputs()))
        (self.directory / "bin").mkdir()
        (self.directory / "bin/apt-get").symlink_to("/bin/true")  # nothing is installed by a test
        template = (ROOT / "impl/peers/template.c").read_text(encoding="utf-8")
        (self.directory / "mine.c").write_text(template, encoding="utf-8")
        done = self.act({**given, "seconds": "4"}, PATH=f"{self.directory}/bin:{os.environ['PATH']}")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.results("spawncheck.sarif"), [])
        self.assertTrue((self.directory / "spawncheck.xml").exists())

    def test_a_finding_fails_the_step(self):
        done = self.act({"implementation": str(BIN / "canary.so"), "seconds": "4", "mode": "scheduled"})
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertNotEqual(self.results("spawncheck.sarif"), [])

    def test_what_cannot_be_built_fails_the_step(self):
        self.assertEqual(self.act({"implementation": "mine.so", "build": "exit 7"}).returncode, 7)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
