# SPDX-License-Identifier: MIT
"""A command that is bounded in time, and ends with the campaign."""

import os
import signal
import subprocess
import time


class Stopped(Exception):
    """The campaign was stopped before the command had ended."""


def run(arguments, environment, seconds, stopped):
    """Returns the status and the output of both streams; status None: killed at the time bound. `stopped`: a threading.Event."""
    # The command is killed if the thread that waits for it ends early (prctl(2) PR_SET_PDEATHSIG).
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, env=environment, start_new_session=True)
    deadline = time.monotonic() + seconds
    while True:
        try:
            output, _ = process.communicate(timeout=0.2)
            return process.returncode, output
        except subprocess.TimeoutExpired:
            if not stopped.is_set() and time.monotonic() < deadline:
                continue
        os.killpg(process.pid, signal.SIGKILL)  # not reaped yet: the group is there
        output, _ = process.communicate()
        if stopped.is_set():
            raise Stopped()
        return None, output
