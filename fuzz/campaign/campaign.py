#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A fuzzing campaign: every target under every engine, over one corpus, resumed where it stopped. Called by ci/fuzz."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import engines
import screen
from findings import Findings
from store import Busy, Store

SLICE_SECONDS_MIN, SLICE_SECONDS_MAX = 20, 300
SLICES_OF_PAIR = 4  # at least, if the time allows
END_SECONDS = 10  # after which a process that was asked to end is killed
LOG_TAIL_BYTES = 1 << 16
TICK_SECONDS, MEASURE_SECONDS, MINIMISE_SECONDS = 0.3, 30, 600
FAILED_STARTS_MAX = 3  # in a row, without an execution: the pair is given up
# The canary passes on this seed, from which each engine starts: an engine that finds the canary has done so by its own mutations.
CANARY_SEED = b"fd 3 memfd\nfd 4 memfd cloexec\nthread\n  spawn only hold -> $0\nthread\n  memfd -> $0\n"
EXIT_NOTHING, EXIT_FINDINGS, EXIT_USAGE, EXIT_BROKEN = 0, 1, 2, 5


class Pair:
    """A target under an engine."""

    def __init__(self, engine, target):
        self.engine, self.target = engine, target
        self.name = f"{target}/{engine.name}"
        self.processes = {}  # by instance
        self.figures = {}  # of the newest process of each instance
        self.failed_starts = 0
        self.is_given_up = False
        self.canary_found = False

    def key(self, instance):
        """The key under which an instance's executions are booked."""
        return f"{self.name}/{instance}"


class Process:
    def __init__(self, pair, instance, seconds, store, environment):
        self.pair, self.instance = pair, instance
        self.started = time.monotonic()
        self.deadline = self.started + seconds
        self.log_path = store.directory / "logs" / f"{pair.engine.name}-{pair.target}-{instance}"
        arguments, settings = pair.engine.command(pair.target, instance, seconds)
        with open(self.log_path, "wb") as log:
            # The engine ends with this process, however this process ends (prctl(2) PR_SET_PDEATHSIG).
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "INT", "--"] + arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=dict(environment, **settings), start_new_session=True)

    def log(self):
        with open(self.log_path, "rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - LOG_TAIL_BYTES))
            return log.read()

    def ask_to_end(self):
        self.signal(signal.SIGINT)

    def signal(self, number):
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)  # not reaped yet: the group is there


class Campaign:
    def __init__(self, options, root):
        self.options, self.root = options, root
        self.store = Store(root, Path(options.directory))
        self.screen = screen.Screen()
        self.stopped = threading.Event()
        self.findings = Findings(root, self.store, self.environment, options.implementation, self.stopped, self.screen.say)
        self.started = time.monotonic()
        self.next_measure, self.megabytes = 0.0, 0.0
        self.is_broken = False
        self.pairs = []
        for name in options.engine:
            engine = engines.ENGINES[name](root, self.store)
            why = engine.is_missing()
            if why:
                self.screen.say(f"spawncheck: {why}: the other engine still runs")
                continue
            self.pairs += [Pair(engine, target) for target in options.target]

    def environment(self, target):
        environment = engines.environment_of_target(self.root, self.store, target)
        if self.options.implementation:
            environment["SPAWNCHECK_IMPLEMENTATION"] = self.options.implementation
        return environment

    # ---- who runs ---------------------------------------------------------------------------------------

    def left(self):
        return self.options.seconds - (time.monotonic() - self.started)

    def slice_seconds(self):
        share = self.options.seconds * self.options.jobs / max(1, len(self.pairs))
        wanted = max(share / SLICES_OF_PAIR, min(SLICE_SECONDS_MIN, share))
        return int(max(1, min(wanted, SLICE_SECONDS_MAX, self.left())))

    def time_of(self, pair):
        running = sum(time.monotonic() - p.started for p in pair.processes.values())
        return self.store.state["seconds"].get(pair.name, 0) + running

    def start_next(self):
        """The pair that may run and has had the least time."""
        candidates = [p for p in self.pairs if not p.is_given_up and not p.canary_found]
        if self.options.canary:  # two engines on one target would share a corpus
            candidates = [p for p in candidates if not any(o is not p and o.target == p.target and o.processes for o in self.pairs)]
        if not candidates or self.left() < 1:
            return False
        fewest = min(len(p.processes) for p in candidates)
        pair = min((p for p in candidates if len(p.processes) == fewest), key=self.time_of)
        instance = next(i for i in range(len(pair.processes) + 1) if i not in pair.processes)
        self.share(pair.target)
        if self.options.canary and self.time_of(pair) == 0:
            self.store.start_from(pair.target, [CANARY_SEED])
        pair.processes[instance] = Process(pair, instance, self.slice_seconds(), self.store, self.environment(pair.target))
        return True

    def share(self, target):
        for pair in self.pairs:
            if pair.target == target:
                for instance in range(max([0, *pair.figures]) + 1):
                    self.store.gather(pair.engine, target, instance)
        for other in self.options.others:
            self.store.gather_from(Path(other), target, engines.INPUT_BYTES_MAX)

    def running(self):
        return [p for pair in self.pairs for p in pair.processes.values()]

    # ---- what a process reports ----------------------------------------------------------------------------

    def look_at(self, process):
        pair = process.pair
        pair.figures[process.instance] = pair.engine.figures(pair.target, process.instance, process.log())
        for artifact in pair.engine.artifacts(pair.target, process.instance):
            if self.options.canary:
                pair.canary_found = True
            else:
                self.findings.add(pair.target, pair.engine.name, artifact)

    def ended(self, process):
        """Books what an ended process did, and whether it did anything."""
        pair = process.pair
        del pair.processes[process.instance]
        self.look_at(process)
        self.share(pair.target)
        seconds = self.store.state["seconds"]
        seconds[pair.name] = seconds.get(pair.name, 0) + time.monotonic() - process.started
        made = self.made_by(pair, process.instance)
        executions = self.store.state["executions"]
        key = pair.key(process.instance)
        executions[key] = executions.get(key, 0) + made
        pair.figures[process.instance].executions = 0
        has_worked = made > 0 or process.process.returncode == 0 or time.monotonic() >= process.deadline
        pair.failed_starts = 0 if has_worked or pair.canary_found or self.stopped.is_set() else pair.failed_starts + 1
        if pair.failed_starts >= FAILED_STARTS_MAX:
            pair.is_given_up = self.is_broken = True
            self.screen.say(f"spawncheck: {pair.target} under {pair.engine.name} ends as it starts: {process.log_path}")
        self.store.save()

    def made_by(self, pair, instance):
        """Executions of an instance's newest process that are not booked yet."""
        now = pair.figures.get(instance, engines.Figures()).executions
        before = self.store.state["executions"].get(pair.key(instance), 0) if pair.engine.goes_on_counting else 0
        return max(0, now - before)

    def executions_of(self, pair):
        booked = sum(n for key, n in self.store.state["executions"].items() if key.startswith(pair.name + "/"))
        return booked + sum(self.made_by(pair, instance) for instance in pair.processes)

    # ---- what is seen -----------------------------------------------------------------------------------

    def row_of(self, pair):
        figures = list(pair.figures.values()) or [engines.Figures()]
        found = [f for key, f in self.store.state["findings"].items() if key.startswith(pair.target + ":") and f["engine"] == pair.engine.name]
        return {
            "target": pair.target,
            "engine": pair.engine.name,
            "processes": len(pair.processes),
            "seconds": self.time_of(pair),
            "executions": self.executions_of(pair),
            "rate": self.executions_of(pair) / max(1.0, self.time_of(pair)),
            "corpus": self.store.count_inputs(pair.target),
            "edges": max(f.edges for f in figures),
            "features": max(f.features for f in figures),
            "pairs": self.store.count_pairs(pair.target),
            "findings": len(found),
        }

    def lines(self):
        now = time.time()
        suspected = sum(1 for p in self.store.suspected.iterdir() if p.suffix != ".json")
        waiting = f" ({self.findings.waiting()} more to look at)" if self.findings.waiting() else ""
        head = (f"findings {self.findings.count()}{waiting}, newest {screen.age(self.findings.newest(), now)}; suspected {suspected}; "
                f"newest input {screen.age(self.store.newest_input(), now)}; {self.megabytes:.0f} of {self.options.disk} MB; "
                f"{screen.duration(self.left())} left")
        return screen.table([self.row_of(p) for p in self.pairs]) + [head]

    # ---- the whole --------------------------------------------------------------------------------------

    def run(self):
        for target in self.options.target:
            self.store.prepare(target, [CANARY_SEED] if self.options.canary else None)
        while self.left() > 0 and not self.stopped.wait(TICK_SECONDS):
            self.tick()
            if not self.running() and all(p.is_given_up or p.canary_found for p in self.pairs):
                break
        self.stop_processes()
        self.findings.finish()
        self.findings.end()
        self.store.save()
        return self.tell()

    def tick(self):
        for process in self.running():
            if process.process.poll() is not None:
                self.ended(process)
            else:
                self.look_at(process)
                if time.monotonic() > process.deadline + 2 * END_SECONDS or process.pair.canary_found:
                    process.ask_to_end()
                if time.monotonic() > process.deadline + 4 * END_SECONDS:
                    process.signal(signal.SIGKILL)
        if self.is_full():
            self.minimise_all()
        while not self.stopped.is_set() and len(self.running()) < self.options.jobs and self.start_next():
            pass
        self.screen.show(self.lines)

    def is_full(self):
        """Walks the directory only now and then, since that takes time."""
        now = time.monotonic()
        if now < self.next_measure:
            return False
        self.next_measure = now + MEASURE_SECONDS
        self.megabytes = self.store.megabytes()
        return self.megabytes > self.options.disk

    def minimise_all(self):
        self.screen.say(f"spawncheck: the directory is over {self.options.disk} MB: the corpus is made small")
        self.stop_processes()
        for target in self.options.target:
            self.minimise(target)
            for pair in self.pairs:
                if pair.target == target:
                    pair.engine.forget(target)
        self.store.forget_gathered()
        self.next_measure = 0.0
        if self.is_full():
            self.screen.say(f"spawncheck: still over {self.options.disk} MB: the campaign ends here; --disk raises the bound")
            self.stopped.set()

    def minimise(self, target):
        merger = self.root / "build" / engines.LibFuzzer.preset / "bin" / f"fuzz-{target}"
        if not merger.exists():
            self.screen.say(f"spawncheck: {target} stays as it is: only libFuzzer makes a corpus small without losing a feature")
            return
        result = self.store.minimise(target, merger, self.environment(target), MINIMISE_SECONDS, self.stopped)
        text = f"{result[0]} inputs are {result[1]} now, with the same features" if result else "it stays as it is"
        self.screen.say(f"{target}: {text}")

    def stop_processes(self):
        """Asks every process to end, then waits for each; kills one that does not end."""
        for process in self.running():
            process.ask_to_end()
        for process in self.running():
            try:
                process.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.signal(signal.SIGKILL)
                process.process.wait()
            self.ended(process)

    def tell(self):
        self.screen.show(self.lines, is_last=True)
        if self.options.canary:
            silent = [p.name for p in self.pairs if not p.canary_found]
            print("the canary was found by every engine" if not silent else f"the canary was not found by {', '.join(silent)}")
            return EXIT_FINDINGS if silent else EXIT_NOTHING
        for key, finding in sorted(self.store.state["findings"].items()):
            print(f"{key}: {finding['inputs']} inputs")
            for file in finding["files"]:
                print(f"  {self.findings.replay(key.split(':')[0], file)}")
        if self.findings.count():
            return EXIT_FINDINGS
        return EXIT_BROKEN if self.is_broken or not self.pairs else EXIT_NOTHING


def parse(arguments):
    parser = argparse.ArgumentParser(prog="ci/fuzz", description="Fuzzes every target under libFuzzer and AFL++ over one corpus. A campaign that was stopped goes on "
                                     "where it was. Ctrl-C ends it and prints what was found.", epilog="Exit status: 0 no finding, 1 findings, 2 bad usage, 5 a target did not run.")
    positive = lambda text: int(text) if text.isdigit() and 0 < int(text) <= 1_000_000 else parser.error(f"expected a positive number, not '{text}'")
    parser.add_argument("--minutes", type=positive, help="of the whole campaign (default 10)")
    parser.add_argument("--seconds", type=positive, help="the same, in seconds")
    parser.add_argument("--jobs", type=positive, default=os.cpu_count(), help="processes at a time (default: one for each processor)")
    parser.add_argument("--target", action="append", choices=engines.TARGETS, help="only this one; may be given several times")
    parser.add_argument("--engine", action="append", choices=tuple(engines.ENGINES), help="likewise")
    parser.add_argument("--implementation", help="another spawn in the reference's place: a name, or FILE.so")
    parser.add_argument("--directory", help="where the campaign lives (default build/fuzz)")
    parser.add_argument("--with", dest="others", action="append", default=[], metavar="DIRECTORY",
                        help="another campaign's directory, as of another machine: its inputs are taken, again and again; may be given several times")
    parser.add_argument("--disk", type=positive, default=1024, metavar="MB", help="the bound of the directory (default 1024)")
    parser.add_argument("--canary", action="store_true", help="a deliberately wrong spawn in the reference's place: every engine must find it")
    parser.add_argument("--minimise", action="store_true", help="fuzz nothing: make the campaign's corpus small without losing a feature")
    parser.add_argument("--check-arguments", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.seconds = options.seconds or 60 * (options.minutes or 10)
    options.engine = options.engine or list(engines.ENGINES)
    if options.canary:
        options.implementation = "canary"
        options.target = options.target or list(engines.RACING_TARGETS)
    options.target = options.target or list(engines.TARGETS)
    return options


def main():
    root = Path(__file__).resolve().parents[2]
    options = parse(sys.argv[1:])
    if options.check_arguments:
        return EXIT_NOTHING
    if options.canary and options.directory is None:  # the canary is found anew each time
        shutil.rmtree(root / "build" / "fuzz-canary", ignore_errors=True)
    options.directory = options.directory or str(root / "build" / ("fuzz-canary" if options.canary else "fuzz"))
    try:
        campaign = Campaign(options, root)
    except Busy as e:
        print(f"spawncheck: {e}", file=sys.stderr)
        return EXIT_USAGE

    def stop(*_):
        campaign.stopped.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    if options.minimise:
        campaign.findings.end()
        campaign.stopped.clear()
        for target in options.target:
            campaign.store.prepare(target)
            campaign.minimise(target)
        return EXIT_NOTHING
    return campaign.run()


if __name__ == "__main__":
    sys.exit(main())
