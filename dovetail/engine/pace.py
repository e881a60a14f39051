"""One thread, the team, or another thread while Python goes on: each program tries the ways it has now and then and
stays with what is quickest. What counts is the time from one run to the next, since a program that runs beside Python
may slow it down; of what passes between runs no more than twice a run's own time counts, though.

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
BRIEF = 2_000_000  # nanoseconds of work below which a program begins on one thread, and may run beside Python
TRIAL = 5  # runs in which the other way is tried
SHORTEST, LONGEST = 16, 4096  # runs between two trials; the distance doubles while trials change nothing
LOOK = 8  # runs of which the median counts: now and then a run meets another process and takes milliseconds
BETTER = 0.9  # the other way must take at most this share of the time
WORSE = 1.5  # a program that has become this much slower tries the other way at once


ALONE, TEAM, BESIDE = range(3)


class Pace:
    """How the next run of a program is launched: `order` for dv_launch, `spare` while something is being compiled.

    watched: whether times should be noted, that is, whether there is a choice at all.
    alone: the order of a run that has to be over when the launch is, where `order` says that Python goes on meanwhile;
    beside: the order that says so.
    may_fly: set by a caller who can do with that.
    begun, blocked: when the last run began, 0 where that does not matter, and for how long it kept Python; nanoseconds.
    """

    __slots__ = (
        "order", "alone", "beside", "spare", "watched", "may_fly", "begun", "blocked", "flush", "threads", "_most",
        "_work", "_orders", "_fewer", "_way", "_before", "_trying", "_last", "_left", "_distance", "_usual", "_base",
        "_times",
    )  # fmt: skip

    def __init__(self, threads: int | None, work_ns: float):
        """threads: the most to use, None for what the settings say; work_ns: how long a run takes by estimate."""
        self._most, self._work = threads, work_ns
        self.may_fly = False
        self.begun = self.blocked = 0
        self.obey()

    def obey(self) -> None:
        """Take over the settings, which may have changed since the last run, and begin anew."""
        self.flush, self.threads = config.flush_denormal, config.threads
        threads = self._most or self.threads
        self.watched = self._work >= THREADS_FROM and threads > 1
        release = self._work >= RELEASE_FROM
        self._orders = [pool.order(n, flush=self.flush, release=release) for n in (1, threads)]
        self._orders.append(pool.order(1, flush=self.flush, apart=True))
        self.alone, self.beside = self._orders[ALONE], self._orders[BESIDE]
        self._fewer = pool.order(threads - 1, flush=self.flush, release=release)
        self._way = self._before = self._last = TEAM if self.watched and self._work >= BRIEF else ALONE
        self._trying, self._distance = False, SHORTEST
        self._usual = self._base = 0.0
        self._times: list[float] = []
        self._left = TRIAL
        self._go()

    def _go(self) -> None:
        self.order = self._orders[self._way]
        self.spare = self._fewer if self._way == TEAM else self.alone

    def begin(self, now: int, share: float) -> None:
        """A run begins; share: by what to multiply times of its sizes to compare them with those of others."""
        if self.begun:
            self.note(min(now - self.begun, self.blocked + 2 * self._work / share) * share)
        self.begun = now

    def note(self, ns: float) -> None:
        """Take in how long it took from one run to the next."""
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
                self._way, self._distance = self._before, min(2 * self._distance, LONGEST)
            self._base, self._trying, self._left = self._usual, False, self._distance
        else:
            if self._base == 0.0:
                self._usual = min(self._times)  # the first runs also meet cold memory
            self._before = self._way
            self._trying, self._way, self._left = True, self._next(), TRIAL
        self._times.clear()
        self._go()

    def _next(self) -> int:
        """The way to try: of the others, the one that was not tried last."""
        flies = self.may_fly and self._work < BRIEF
        others = [way for way in (ALONE, TEAM, BESIDE) if way != self._way and (flies or way != BESIDE)]
        self._last = next((way for way in others if way != self._last), others[0])
        return self._last
