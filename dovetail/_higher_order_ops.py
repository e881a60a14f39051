"""Choices and loops that depend on values: torch._higher_order_ops' names."""

from dovetail.ops.control import associative_scan, cond, map_slices, scan, while_loop

map = map_slices  # noqa: A001

__all__ = ["associative_scan", "cond", "map", "scan", "while_loop"]
