"""Promises about numbers, by torch's names: how exact products of float32 are, whether a run repeats exactly.

float32 products are computed in float32, which every setting allows. A program gives the same bits whenever it runs,
with any number of threads; but its first rounds are interpreted until it is compiled in the background, and the two may
round differently. Whoever asks for deterministic algorithms gets every program compiled before its first round.
"""

from __future__ import annotations

from dovetail.base.config import config
from dovetail.base.errors import ArgumentError, message

PRECISIONS = ("highest", "high", "medium")
SETTINGS: dict = {"precision": "highest", "deterministic": False, "warn_only": False, "tier": None}
DEBUG_MODES = {"default": 0, "warn": 1, "error": 2}


def set_float32_matmul_precision(precision: str) -> None:
    """How inexact float32 products may be: "highest", "high" or "medium". They are exact float32 in any case."""
    if precision not in PRECISIONS:
        problem = f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}"
        raise ArgumentError(message("set_float32_matmul_precision", problem))
    SETTINGS["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What set_float32_matmul_precision was given.

    >>> get_float32_matmul_precision()
    'highest'
    """
    return SETTINGS["precision"]


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for results that repeat bit for bit: programs are compiled before they run for the first time.

    The start of a training then takes longer, as it waits for the compiler.
    """
    if mode and SETTINGS["tier"] is None:
        SETTINGS["tier"], config.tier = config.tier, 2
    elif not mode and SETTINGS["tier"] is not None:
        config.tier, SETTINGS["tier"] = SETTINGS["tier"], None
    SETTINGS.update(deterministic=bool(mode), warn_only=bool(warn_only))


def are_deterministic_algorithms_enabled() -> bool:
    """Whether exact repetition was asked for."""
    return SETTINGS["deterministic"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether only warnings were asked for."""
    return SETTINGS["warn_only"]


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """The same request as one word: "default", "warn" or "error", or 0, 1, 2."""
    level = DEBUG_MODES.get(debug_mode, debug_mode) if isinstance(debug_mode, str) else debug_mode
    if level not in (0, 1, 2):
        problem = f"expected default, warn or error (or 0, 1, 2), got {debug_mode!r}"
        raise ArgumentError(message("set_deterministic_debug_mode", problem))
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2 for default, warn, error."""
    return 0 if not SETTINGS["deterministic"] else 1 if SETTINGS["warn_only"] else 2
