"""A program that runs on another thread while Python goes on.

Between its start and `land` nothing may touch what it reads and writes. So whoever looks at memory (`memory.as_array`,
`memory.array_at`, addresses given away), writes to memory that a tensor has, or starts another program calls `land`
first; it costs next to nothing where nothing flies. Blocks that are given back meanwhile wait in `freed`: their next
owner would write into what the program still uses.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import Any

WAITS: list[Callable[[], None]] = []  # what waits for the team's work (pool.py), once there is a team


class Flight:
    """One run of a program beside Python.

    writes: addresses of what it writes; held: whatever has to stay until then; freed: blocks of memory to give back;
    over(ns): called after it has landed, with how long Python had to wait.
    """

    __slots__ = ("writes", "held", "freed", "over")

    def __init__(self) -> None:
        self.writes: Sequence[int] = ()
        self.held: Any = None
        self.freed: list[Any] = []
        self.over: Callable[[int], None] | None = None


flying: list[Flight] = []  # at most one
grounded = False  # nothing may fly any more


def ground() -> None:
    """The process ends: whatever thread of Python's still goes on, machine code must not outlive its memory."""
    global grounded
    grounded = True
    land()


def land() -> None:
    """Wait until the program that flies, if any, is done."""
    while flying:
        flight = flying[0]
        begin = perf_counter_ns()
        for wait in WAITS:
            wait()
        if flying and flying[0] is flight:  # else another of Python's threads was quicker
            del flying[0]
            if flight.over is not None:
                flight.over(perf_counter_ns() - begin)


atexit.register(ground)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=land)
