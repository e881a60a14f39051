"""The language of the machine room: primitives, values, nodes and graphs."""

from dovetail.ir import core, printing

__all__ = ["core", "printing"]
