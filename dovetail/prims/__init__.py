"""The primitives: a closed set, one file per family, each primitive with all its rules beside it."""

from dovetail.prims import contract, elementwise, fft, index, linalg, make, reduce, scan, shape, sort, sugar

__all__ = [
    "contract", "elementwise", "fft", "index", "linalg", "make", "reduce", "scan", "shape", "sort", "sugar",
]
