"""Settings, read once from the environment and changeable at run time through `dovetail.config`.

DOVETAIL_TIER      0: NumPy interpreter only; 1: compile in the background (default); 2: compile before running
DOVETAIL_THREADS   number of threads for native programs (default: cores this process may use)
DOVETAIL_CACHE_DIR folder of compiled object code (default: the user's cache folder; "off" keeps nothing on disk)
DOVETAIL_TARGET    host (default) | avx512 | avx2 | generic: the instruction set that code is generated for
DOVETAIL_DUMP      comma list of: graph, fused, ir, asm: print what a step becomes, on stderr; time: programs keep how
                   long each kernel took, and dovetail.explain() tells
DOVETAIL_AT_ONCE   1: every operation runs by itself as its line runs (default: only where no step ever comes again)
DOVETAIL_BESIDE    1: every step that can runs on another thread while Python goes on, 0: none does (default: where
                   that has turned out quicker)
"""

from __future__ import annotations

import os

from dovetail.base.errors import ArgumentError, message


class Config:
    """Process-wide settings. Assign to the fields; the next compiled step obeys."""

    def __init__(self):
        env = os.environ
        self.tier: int = int(env.get("DOVETAIL_TIER") or 1)
        self.threads: int = int(env.get("DOVETAIL_THREADS") or 0) or available_cores()
        self.target: str = env.get("DOVETAIL_TARGET") or "host"
        self.dump: frozenset[str] = frozenset(filter(None, env.get("DOVETAIL_DUMP", "").split(",")))
        self.cache_dir: str | None = _cache_dir(env)
        self.compile_after: int = 2  # equal traces before a program is compiled
        self.flush_denormal: bool = True
        self.at_once: bool = env.get("DOVETAIL_AT_ONCE", "0") not in ("", "0")
        beside = env.get("DOVETAIL_BESIDE", "")
        self.beside: bool | None = beside != "0" if beside else None
        self.max_pending: int = 2000  # events in a pending trace before it is run unasked
        self.anomaly: bool = False


def available_cores() -> int:
    """Cores this process may use, which is not always the cores the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cache_dir(env) -> str | None:
    chosen = env.get("DOVETAIL_CACHE_DIR")
    if chosen == "off":
        return None
    base = env.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return chosen or os.path.join(base, "dovetail")


config = Config()


def set_num_threads(count: int) -> None:
    """How many threads compiled steps use from now on. Raises: ArgumentError below 1.

    >>> set_num_threads(get_num_threads())
    """
    if count < 1:
        raise ArgumentError(message("set_num_threads", f"a step needs at least one thread, not {count}"))
    config.threads = int(count)


def set_num_interop_threads(count: int) -> None:
    """Accepted: operations run as whole programs, one after the other. Raises: ArgumentError below 1."""
    if count < 1:
        raise ArgumentError(message("set_num_interop_threads", f"expected a positive number of threads, not {count}"))


def get_num_interop_threads() -> int:
    """One: see set_num_interop_threads."""
    return 1


def get_num_threads() -> int:
    """How many threads compiled steps use."""
    return config.threads


def set_flush_denormal(mode: bool) -> bool:
    """Whether compiled steps treat numbers below 1e-38 as zero, which is up to seven times quicker where they occur.

    On by default inside compiled steps only; Python's own arithmetic is not touched. Returns True, as in torch where
    the processor can do it.
    """
    config.flush_denormal = bool(mode)
    return True
