"""Padding as modules: a margin of zeros, a constant, mirrored, repeated or wrapped values."""

from __future__ import annotations

from dovetail.base.errors import ArgumentError, message
from dovetail.nn import functional as F
from dovetail.nn.module import Module


def sides(padding, rank: int) -> tuple[int, ...]:
    """One number for all sides, or two for each dimension, the last dimension first."""
    return (padding,) * (2 * rank) if isinstance(padding, int) else tuple(padding)


def checked_rank(layer, input):
    """The input, which must have channels and may have a batch dimension before the padded ones."""
    low, high = layer.rank + 1, layer.rank + 2
    if input.ndim not in (low, high):
        raise ArgumentError(
            message(
                type(layer).__name__, f"expected {low}D or {high}D input (got {input.ndim}D input)", [("input", input)]
            )
        )
    return input


class _Pad(Module):
    """What all of them share."""

    rank = 0
    mode = "constant"

    def __init__(self, padding) -> None:
        super().__init__()
        self.padding = sides(padding, self.rank)

    def forward(self, input):
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A margin of one value. Shape: (*, W) -> (*, W + left + right)"""

    rank = 1


class ConstantPad2d(_ConstantPad):
    """A margin of one value. Shape: (*, H, W) -> (*, H + top + bottom, W + left + right)"""

    rank = 2


class ConstantPad3d(_ConstantPad):
    """A margin of one value on the last three dimensions."""

    rank = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """A margin of zeros on the last dimension."""

    rank = 1


class ZeroPad2d(_ZeroPad):
    """A margin of zeros on the last two dimensions."""

    rank = 2


class ZeroPad3d(_ZeroPad):
    """A margin of zeros on the last three dimensions."""

    rank = 3


class ReflectionPad1d(_Pad):
    """A margin mirrored at the border, which is not repeated."""

    rank, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """A margin mirrored at the border, which is not repeated."""

    rank, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """A margin mirrored at the border, which is not repeated."""

    rank, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """A margin that repeats the border."""

    rank, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """A margin that repeats the border."""

    rank, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """A margin that repeats the border."""

    rank, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """A margin taken from the opposite side."""

    rank, mode = 1, "circular"

    def forward(self, input):
        return F.pad(checked_rank(self, input), self.padding, "circular")


class CircularPad2d(_Pad):
    """A margin taken from the opposite side."""

    rank, mode = 2, "circular"

    def forward(self, input):
        return F.pad(checked_rank(self, input), self.padding, "circular")


class CircularPad3d(_Pad):
    """A margin taken from the opposite side."""

    rank, mode = 3, "circular"

    def forward(self, input):
        return F.pad(checked_rank(self, input), self.padding, "circular")
