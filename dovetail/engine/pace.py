"""One thread or the team: each program tries both now and then and stays with what is quicker.

Two threads halve a step on an idle machine. On a busy one they make it many times longer, since at every barrier one
thread waits for another that is not being run; no estimate made beforehand can know. Results do not depend on the
number of threads, so it may change from run to run.

While a program is being compiled in the background, the others leave it a processor: a thread that has to wait for one
costs a brief program as much as a hundred runs. For the same reason a brief program begins on one thread.
"""

from __future__ import annotations

from statistics import median

from dovetail.base.config import config
from dovetail.runtime import pool

THREADS_FROM = 40_000  # nanoseconds of work from which several threads may pay
RELEASE_FROM = 20_000  # nanoseconds of work from which letting go of Python's lock pays
BRIEF = 2_000_000  # nanoseconds of work below which a program begins on one thread
TRIAL = 5  # runs in which the other way is tried
SHORTEST, LONGEST = 16, 4096  # runs between two trials; the distance doubles while trials change nothing
LOOK = 8  # runs of which the median counts: now and then a run meets another process and takes milliseconds
BETTER = 0.9  # the other way must take at most this share of the time
WORSE = 1.5  # a program that has become this much slower tries the other way at once


class Pace:
    """How the next run of a program is launched: `order` for dv_launch, `beside` while something is being compiled.

    watched: whether times should be noted, that is, whether there is a choice at all.
    """

    __slots__ = (
        "order", "beside", "watched", "flush", "threads", "_most", "_work", "_orders",
        "_team", "_trying", "_left", "_distance", "_usual", "_base", "_times",
    )  # fmt: skip

    def __init__(self, threads: int | None, work_ns: float):
        """threads: the most to use, None for what the settings say; work_ns: how long a run takes by estimate."""
        self._most, self._work = threads, work_ns
        self.obey()

    def obey(self) -> None:
        """Take over the settings, which may have changed since the last run, and begin anew."""
        self.flush, self.threads = config.flush_denormal, config.threads
        threads = self._most or self.threads
        self.watched = self._work >= THREADS_FROM and threads > 1
        release = self._work >= RELEASE_FROM
        self._orders = [pool.order(n, flush=self.flush, release=release) for n in (1, threads)]
        self.beside = pool.order(threads - 1, flush=self.flush, release=release)
        self._team, self._trying, self._distance = self.watched and self._work >= BRIEF, False, SHORTEST
        self._usual = self._base = 0.0
        self._times: list[float] = []
        self._left = TRIAL
        self.order = self._orders[self._team]

    def note(self, ns: float) -> None:
        """Take in how long a run took."""
        times = self._times
        times.append(ns)
        self._left -= 1
        if self._left <= 0:
            self._turn()
        elif len(times) >= LOOK:
            self._usual = median(times)
            times.clear()
            if self._usual > WORSE * self._base and self._distance - self._left >= SHORTEST:
                self._distance = SHORTEST
                self._turn()

    def _turn(self) -> None:
        """The end of a stretch or of a trial."""
        if self._trying:
            other = median(self._times)
            if other < BETTER * self._usual:
                self._usual, self._distance = other, SHORTEST
            else:
                self._team, self._distance = not self._team, min(2 * self._distance, LONGEST)
            self._base, self._trying, self._left = self._usual, False, self._distance
        else:
            if self._base == 0.0:
                self._usual = min(self._times)  # the first runs also meet cold memory
            self._trying, self._team, self._left = True, not self._team, TRIAL
        self._times.clear()
        self.order = self._orders[self._team]
