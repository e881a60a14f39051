"""The primitives: a closed set, one file per family, each primitive with all its rules beside it."""

from dovetail.prims import (
    contract,
    conv,
    elementwise,
    fft,
    householder,
    index,
    linalg,
    make,
    reduce,
    scan,
    shape,
    sort,
    sugar,
    window,
)

__all__ = [
    "contract", "conv", "elementwise", "fft", "householder", "index", "linalg", "make", "reduce", "scan", "shape",
    "sort", "sugar", "window",
]
