"""torch.testing's two functions: `assert_close` compares what a test computed, `make_tensor` makes input for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dovetail.base import dtypes
from dovetail.base.dtypes import DType
from dovetail.base.errors import ArgumentError, message
from dovetail.base.limits import finfo
from dovetail.ops.random import rand, randint
from dovetail.tensor.tensor import Tensor

TOLERANCES = {  # (rtol, atol) for results of each dtype; whole numbers have to be the same
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}


def assert_close(
    actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None, atol: float | None = None,
    equal_nan: bool = False, check_device: bool = True, check_dtype: bool = True, check_layout: bool = True,
    check_stride: bool = False, msg: str | Callable[[str], str] | None = None,
) -> None:  # fmt: skip
    """Raise AssertionError unless |actual - expected| <= atol + rtol |expected| everywhere.

    Tensors, arrays and numbers, and sequences and mappings of them. rtol and atol: given together, or torch's for the
    dtype. check_dtype, check_stride: what else has to be the same. msg: instead of the message, or made of it.
    Source: torch.testing.assert_close, its tolerances and messages.

    >>> import dovetail
    >>> assert_close(dovetail.tensor([1.0]), dovetail.tensor([1.0000001]))
    """
    if (rtol is None) != (atol is None):
        problem = f"rtol and atol must both be specified or both be unspecified, got rtol={rtol} and atol={atol}"
        raise ArgumentError(message("assert_close", problem))
    fault = difference(actual, expected, (rtol, atol), equal_nan, check_dtype, check_stride)
    if fault is None:
        return
    text, path = fault
    if path:
        text += "\n\nThe failure occurred for item " + "".join(f"[{k!r}]" for k in path)
    if msg is not None:
        text = msg(text) if callable(msg) else msg
    raise AssertionError(text)


Fault = tuple[str, list] | None


def difference(a: Any, b: Any, tolerance: tuple, equal_nan: bool, check_dtype: bool, check_stride: bool) -> Fault:
    """(what differs, the path to it), or None."""
    rest = (tolerance, equal_nan, check_dtype, check_stride)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if a.keys() != b.keys():
            missing, more = sorted(b.keys() - a.keys(), key=str), sorted(a.keys() - b.keys(), key=str)
            text = "The keys of the mappings do not match:\n"
            return (
                f"{text}Missing keys in the actual mapping: {missing}\nAdditional keys in the actual mapping: {more}",
                [],
            )
        return first_fault((k, difference(a[k], b[k], *rest)) for k in a)
    if is_sequence(a) and is_sequence(b):
        if len(a) != len(b):
            return f"The length of the sequences mismatch: {len(a)} != {len(b)}", []
        return first_fault((i, difference(x, y, *rest)) for i, (x, y) in enumerate(zip(a, b, strict=True)))
    if a is None or b is None:
        return None if a is b else (f"None mismatch: {a} is not {b}", [])
    if not any(all(isinstance(v, kind) for v in (a, b)) for kind in (Tensor, np.ndarray, (int, float, complex))):
        kinds = f"{type(a)} and {type(b)}"
        raise TypeError(f"No comparison pair was able to handle inputs of type {kinds}.")
    return compared(a, b, as_array(a), as_array(b), *rest)


def first_fault(items: Any) -> Fault:
    for key, fault in items:
        if fault is not None:
            return fault[0], [key, *fault[1]]
    return None


def is_sequence(x: Any) -> bool:
    return isinstance(x, Sequence) and not isinstance(x, (str, bytes))


def as_array(x: Any) -> np.ndarray:
    if not isinstance(x, Tensor):
        return np.asarray(x)
    x = x.detach()
    return (x.float() if x.dtype is dtypes.bfloat16 else x).numpy()


def dtype_of(x: Any, array: np.ndarray) -> str:
    return x.dtype.name if isinstance(x, Tensor) else array.dtype.name


def compared(a, b, x: np.ndarray, y: np.ndarray, tolerance, equal_nan: bool, check_dtype, check_stride) -> Fault:
    names = [dtype_of(a, x), dtype_of(b, y)]
    numbers = not any(isinstance(v, (Tensor, np.ndarray)) for v in (a, b))
    if x.shape != y.shape:
        return f"The values for attribute 'shape' do not match: {tuple(x.shape)} != {tuple(y.shape)}.", []
    if check_dtype and not numbers and names[0] != names[1]:
        return f"The values for attribute 'dtype' do not match: {names[0]} != {names[1]}.", []
    if check_stride and isinstance(a, Tensor) and isinstance(b, Tensor) and a.stride() != b.stride():
        return f"The values for attribute 'stride()' do not match: {a.stride()} != {b.stride()}.", []
    own = [TOLERANCES.get(n, (0.0, 0.0)) for n in names]
    rtol, atol = (max(t[i] for t in own) if tolerance[i] is None else tolerance[i] for i in (0, 1))
    wide: type = np.complex128 if "complex" in names[0] + names[1] else np.float64
    if all(n.startswith(("int", "uint", "bool")) for n in names):
        wide = np.int64 if "uint64" not in names else np.float64
    x, y = x.astype(wide), y.astype(wide)
    with np.errstate(all="ignore"):
        away = np.abs(x - y)
        fits = (x == y) | (np.isfinite(y) & np.isfinite(x) & (away <= atol + rtol * np.abs(y)))
        if equal_nan:
            fits |= np.isnan(x) & np.isnan(y)
        if fits.all():
            return None
        relative = away / np.abs(y)
    if numbers:
        allowed = f"(up to {atol} allowed)", f"(up to {rtol} allowed)"
        rows = [f"Expected {b} but got {a}.", f"Absolute difference: {away.item()} {allowed[0]}"]
        return "\n".join(
            ["Scalars are not close!\n", *rows, f"Relative difference: {relative.item()} {allowed[1]}"]
        ), []
    bad = int((~fits).sum())
    rows = [
        f"Tensor-likes are not {'close' if rtol or atol else 'equal'}!\n",
        f"Mismatched elements: {bad} / {fits.size} ({100 * bad / fits.size:.1f}%)",
    ]
    for word, amounts, bound in (("absolute", away, atol), ("relative", relative, rtol)):
        values = np.where(fits, 0, amounts)
        at = np.unravel_index(int(np.argmax(values)), values.shape)
        place = f" at index {tuple(int(i) for i in at)}" if values.ndim else ""
        limit = f" (up to {bound} allowed)" if rtol or atol else ""
        rows.append(f"Greatest {word} difference: {values[at].item()}{place}{limit}")
    return "\n".join(rows), []


def assert_allclose(actual: Any, expected: Any, rtol=None, atol=None, equal_nan: bool = True, msg: str = "") -> None:
    """The older word: as assert_close, without a look at dtypes, and NaNs are equal."""
    if not isinstance(expected, Tensor):
        expected = Tensor.from_array(np.asarray(expected, dtype=as_array(actual).dtype))
    assert_close(
        actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg or None
    )  # fmt: skip


def make_tensor(
    *shape: Any, dtype: DType, device: Any = None, low: float | None = None, high: float | None = None,
    requires_grad: bool = False, noncontiguous: bool = False, exclude_zero: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Random values, uniform in [low, high): torch's bounds are -9 and 9, for whole numbers -9 and 10.

    exclude_zero: zeros become the smallest number above. noncontiguous: every second element of a longer tensor.
    """
    dtype = dtypes.as_dtype(dtype)
    sizes = tuple(shape[0]) if len(shape) == 1 and is_sequence(shape[0]) else shape
    whole = dtype.kind in "iub"
    standard = (0, 2) if dtype.kind == "b" else (0, 10) if dtype.kind == "u" else (-9, 10) if whole else (-9, 9)
    low, high = standard[0] if low is None else low, standard[1] if high is None else high
    if low > high:
        raise ArgumentError(message("make_tensor", f"low must be at most high, got {low} and {high}"))
    longer = (*sizes[:-1], 2 * sizes[-1]) if noncontiguous and sizes and sizes[-1] > 1 else sizes
    if whole:
        made = randint(int(low), max(int(high), int(low) + 1), longer).to(dtype)
    else:
        made = rand(longer, dtype=dtype) * (high - low) + low
    if exclude_zero:
        made[made == 0] = 1 if whole else finfo(dtype).tiny
    if longer is not sizes:
        made = Tensor.from_array(made.detach().numpy())[..., ::2]  # memory of its own to step through
    return made.detach().requires_grad_(requires_grad)
