# SPDX-License-Identifier: MIT
"""The display of a campaign. A terminal shows one screen, overwritten; elsewhere a block is printed now and then."""

import sys
import threading
import time

LINES_SECONDS = 30  # between two blocks, without a terminal
SCREEN_SECONDS = 1


def duration(seconds):
    seconds = max(0, int(seconds))
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


def age(then, now):
    return f"{duration(now - then)} ago" if then else "none"


def table(rows):
    """rows: one for each pair, from campaign.py row_of()."""
    lines = [f"{'target':<9} {'engine':<10} {'processes':>9} {'time':>8} {'executions':>12} {'exec/s':>8} {'corpus':>7} {'edges':>7} {'features':>9} {'pairs':>6} {'findings':>8}"]
    for r in rows:
        features = r["features"] or "-"  # AFL++ counts edges alone
        pairs = r["pairs"] or "-"
        lines.append(f"{r['target']:<9} {r['engine']:<10} {r['processes']:>9} {duration(r['seconds']):>8} {r['executions']:>12} {r['rate']:>8.0f} "
                     f"{r['corpus']:>7} {r['edges']:>7} {features:>9} {pairs:>6} {r['findings']:>8}")
    return lines


class Screen:
    def __init__(self, out=sys.stdout):
        self.out, self.is_terminal = out, out.isatty()
        self.next, self.height = 0.0, 0
        self._guard = threading.Lock()  # the findings thread prints too

    def say(self, text):
        """Prints a line that stays: above the screen, or in the log."""
        with self._guard:
            self._erase()
            print(text, file=self.out, flush=True)
            self.next = 0.0 if self.is_terminal else self.next

    def _erase(self):
        if self.is_terminal and self.height:
            self.out.write(f"\x1b[{self.height}F\x1b[J")
            self.height = 0

    def show(self, lines, is_last=False):
        now = time.monotonic()
        if now < self.next and not is_last:
            return
        self.next = now + (SCREEN_SECONDS if self.is_terminal else LINES_SECONDS)
        text = lines()
        with self._guard:
            self._erase()
            print("\n".join(text), file=self.out, flush=True)
            self.height = 0 if is_last else len(text)
