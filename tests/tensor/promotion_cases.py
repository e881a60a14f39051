"""PyTorch's promotion in full: every pair of dtypes, as tensors with dims, 0-d tensors and Python numbers."""

from __future__ import annotations

from collections.abc import Callable
from operator import eq, mul, truediv
from typing import Any

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64",
          "complex128"]  # fmt: skip
NUMBERS = {"True": True, "1": 1, "1.5": 1.5, "1j": 1j}


def name(dtype: Any) -> str:
    return str(dtype).rpartition(".")[2]


def outcome(call: Callable, *args: Any) -> str:
    """The dtype of a result; "complex32" also where torch has no kernel for that dtype (Dovetail does not have it)."""
    try:
        return name(call(*args).dtype)
    except (NotImplementedError, RuntimeError):
        return "complex32"


def table(library: Any) -> dict[str, str]:
    """question -> answer, for one library and its default dtype."""
    found = {}
    for a in DTYPES:
        one = getattr(library, a)
        for b in DTYPES:
            two = getattr(library, b)
            found[f"promote {a} {b}"] = name(library.promote_types(one, two))
            found[f"can_cast {a} {b}"] = str(library.can_cast(one, two))
            for left, right in (((2,), (2,)), ((2,), ()), ((), (2,)), ((), ())):
                x, y = library.ones(left, dtype=one), library.ones(right, dtype=two)
                key = f"{a}{list(left)} {b}{list(right)}"
                found["result " + key] = name(library.result_type(x, y))
                found["mul " + key] = outcome(mul, x, y)
                found["eq " + key] = outcome(eq, x, y)
                if a not in ("complex64", "complex128"):
                    found["div " + key] = outcome(truediv, x, y)
        for word, number in NUMBERS.items():
            for shape in ((2,), ()):
                x = library.ones(shape, dtype=one)
                key = f"{a}{list(shape)} {word}"
                found["result " + key] = name(library.result_type(x, number))
                found["mul " + key] = outcome(mul, x, number)
                found["rmul " + key] = outcome(mul, number, x)
                found["div " + key] = outcome(truediv, x, number)
                found["where " + key] = outcome(library.where, library.ones(shape, dtype=library.bool), x, number)
        found["sum " + a] = outcome(library.sum, library.ones(2, dtype=one))
        found["prod " + a] = outcome(library.prod, library.ones(2, dtype=one))
        found["sqrt " + a] = outcome(library.sqrt, library.ones(2, dtype=one))
        found["cumsum " + a] = outcome(library.cumsum, library.ones(2, dtype=one), 0)
    for w, n in NUMBERS.items():
        for v, m in NUMBERS.items():
            found[f"result {w} {v}"] = name(library.result_type(n, m))
    return found
