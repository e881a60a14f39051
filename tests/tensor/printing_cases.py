"""Tensors to print, made by formulas that every machine computes alike, and the options to print them with."""

from __future__ import annotations

import numpy as np

SHAPES = [(), (1,), (5,), (0,), (2, 3), (3, 4, 2), (0, 3), (2, 0), (30,), (1001,), (40, 40), (2, 3, 4, 5), (1, 1, 1)]
DTYPES = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64",
          "complex128"]  # fmt: skip
OPTIONS: list[dict] = [
    {}, {"profile": "short"}, {"profile": "full"}, {"precision": 2}, {"precision": 8}, {"edgeitems": 1, "threshold": 5},
    {"sci_mode": True}, {"sci_mode": False}, {"threshold": 20, "edgeitems": 4}, {"linewidth": 60},
]  # fmt: skip
SCALES = [1.0, 8.0, 1000.0, 2.0**-10, 2.0**20, 1.0, 2.0**-20]
GRADS = ["", "", "leaf", "result"]


def cases() -> list[dict]:
    """A few hundred combinations, each shape with each dtype at least once."""
    made = []
    for n in range(len(SHAPES) * len(DTYPES) * 2):
        big = n >= len(SHAPES) * len(DTYPES)
        shape, dtype = SHAPES[n % len(SHAPES)], DTYPES[(n + n // len(SHAPES)) % len(DTYPES)]
        made.append({"shape": shape, "dtype": dtype, "scale": SCALES[n % len(SCALES)], "whole": n % 5 == 0,
                     "special": n % 4 == 3, "options": OPTIONS[n % len(OPTIONS)] if big else {},
                     "grad": GRADS[n % len(GRADS)]})  # fmt: skip
    return made


def array(case: dict) -> np.ndarray:
    """The numbers of a case: exact fractions, so that no rounding on the way differs."""
    size = int(np.prod(case["shape"]))
    a = ((np.arange(size) * 7919 + 13) % 1024 - 512) / 128.0 * case["scale"]
    if case["whole"]:
        a = np.round(a)
    if case["special"] and size:
        a[::7] = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0])[np.arange(len(a[::7])) % 5]
    a = a.reshape(case["shape"])
    if case["dtype"].startswith("complex"):
        with np.errstate(invalid="ignore"):
            a = a + 1j * a[..., ::-1] / 4 if a.ndim else a + 0.5j
    if case["dtype"] in ("int64", "int32", "int16", "int8", "uint8"):
        a = np.nan_to_num(a, nan=3, posinf=7, neginf=-7)
        a = np.round(a) % 120
    return np.asarray(a)


def printed(case: dict, library) -> str:
    """What a library prints for a case."""
    library.set_printoptions(profile="default")
    library.set_printoptions(**case["options"])
    t = library.tensor(array(case)).to(getattr(library, case["dtype"]))
    if case["grad"] and (t.is_floating_point() or t.is_complex()):
        t = t.requires_grad_()
        t = t * 1 if case["grad"] == "result" else t
    text = repr(t)
    library.set_printoptions(profile="default")
    return text
