"""Kernels with loops of their own: scans, scatters, sorting."""

from __future__ import annotations

UNSUPPORTED: frozenset[str] = frozenset()


def write(lowering, kernel, targets) -> None:
    raise NotImplementedError
