"""Text of a tensor, laid out exactly as torch lays it out (torch/_tensor_str.py, version 2.13)."""

from __future__ import annotations

import html
import math
from typing import Any

import numpy as np

from dovetail.base import dtypes
from dovetail.tensor.tensor import Parameter, Tensor


class Options:
    """How tensors are printed; `set_printoptions` changes it."""

    precision = 4
    threshold: float = 1000
    edgeitems = 3
    linewidth = 80
    sci_mode: bool | None = None


PROFILES: dict[str, dict[str, Any]] = {
    "default": dict(precision=4, threshold=1000, edgeitems=3, linewidth=80),
    "short": dict(precision=2, threshold=1000, edgeitems=2, linewidth=80),
    "full": dict(precision=4, threshold=math.inf, edgeitems=3, linewidth=80),
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Change how tensors are printed.

    precision: digits after the point; threshold: elements from which a summary is printed; edgeitems: how many at each
    edge of it; linewidth: characters in a line; profile: "default", "short" or "full"; sci_mode: force or forbid 1e+00.
    """
    if profile is not None:
        for name, value in PROFILES[profile].items():
            setattr(Options, name, value)
    given = dict(precision=precision, threshold=threshold, edgeitems=edgeitems, linewidth=linewidth)
    for name, value in given.items():
        if value is not None:
            setattr(Options, name, value)
    Options.sci_mode = sci_mode


class Formatter:
    """Writes one number so that all numbers of the tensor are equally wide."""

    def __init__(self, numbers: np.ndarray):
        self.floating = numbers.dtype.kind == "f"
        self.int_mode, self.sci_mode, self.width = True, False, 1
        flat = numbers.reshape(-1)
        if not self.floating:
            self.width = max((len(str(v)) for v in flat.tolist()), default=1)
            return
        wide = flat.astype(np.float64)
        finite = np.abs(wide[np.isfinite(wide) & (wide != 0)])
        if not finite.size:  # nothing to measure: torch does not align zeros, infinities and NaN alone
            return
        low, high = finite.min(), finite.max()
        self.int_mode = bool((finite == np.ceil(finite)).all())
        with np.errstate(all="ignore"):
            spread = high / low > 1000.0 or high > 1.0e8
        self.sci_mode = bool(spread or (not self.int_mode and low < 1.0e-4))
        if Options.sci_mode is not None:
            self.sci_mode = Options.sci_mode
        self.width = max(len(self.plain(v)) for v in flat.tolist())

    def plain(self, v: Any) -> str:
        if not self.floating:
            return str(v)
        if self.sci_mode:
            return f"{v:.{Options.precision}e}"
        if self.int_mode:
            text = f"{v:.0f}"
            return text if math.isinf(v) or math.isnan(v) else text + "."
        return f"{v:.{Options.precision}f}"

    def __call__(self, v: Any) -> str:
        text = self.plain(v)
        return " " * (self.width - len(text)) + text


class ComplexFormatter:
    """Writes a complex number as its two parts."""

    def __init__(self, numbers: np.ndarray):
        self.real, self.imag = Formatter(numbers.real), Formatter(numbers.imag)
        self.width = self.real.width + self.imag.width + 1

    def __call__(self, v: complex) -> str:
        real, imag = self.real(v.real), self.imag(v.imag).lstrip() + "j"
        sign = "" if imag[0] in "+-" else "+"
        return real + sign + imag


def summarized(a: np.ndarray) -> np.ndarray:
    """The elements that a summary shows."""
    e = Options.edgeitems
    for dim in range(a.ndim):
        if a.shape[dim] > 2 * e:
            a = np.concatenate([a.take(range(e), dim), a.take(range(a.shape[dim] - e, a.shape[dim]), dim)], dim)
    return a


def vector_text(a: np.ndarray, indent: int, summary: bool, formatter: Any) -> str:
    per_line = max(1, int(math.floor((Options.linewidth - indent) / (formatter.width + 2))))
    e = Options.edgeitems
    values = a.tolist()
    if summary and not e:
        words = ["..."]
    elif summary and len(values) > 2 * e:
        words = [formatter(v) for v in values[:e]] + [" ..."] + [formatter(v) for v in values[-e:]]
    else:
        words = [formatter(v) for v in values]
    lines = [", ".join(words[i : i + per_line]) for i in range(0, len(words), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def array_text(a: np.ndarray, indent: int, summary: bool, formatter: Any) -> str:
    if a.ndim == 0:
        return formatter(a.item())
    if a.ndim == 1:
        return vector_text(a, indent, summary, formatter)
    e = Options.edgeitems
    if summary and a.shape[0] > 2 * e:
        rows = [array_text(a[i], indent + 1, summary, formatter) for i in range(e)] + ["..."]
        rows += [array_text(a[i], indent + 1, summary, formatter) for i in range(len(a) - e, len(a))]
    else:
        rows = [array_text(row, indent + 1, summary, formatter) for row in a]
    return "[" + ("," + "\n" * (a.ndim - 1) + " " * (indent + 1)).join(rows) + "]"


def with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    parts = [text]
    last = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if last + len(suffix) + 2 > Options.linewidth:
            parts.append(",\n" + " " * indent + suffix)
            last = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            last += len(suffix) + 2
    return "".join(parts) + ")"


def tensor_text(t: Tensor) -> str:
    """repr of a tensor: `tensor([1., 2.])`, with dtype, gradient and shape where torch shows them."""
    prefix = "tensor("
    indent = len(prefix)
    grad_name = t.grad_fn
    array = t._array()
    if t.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    suffixes = []
    usual = t.dtype in (dtypes.default_dtype(), dtypes.default_dtype().to_complex(), dtypes.int64, dtypes.bool_)
    if array.size == 0:
        if array.ndim != 1:
            suffixes.append(f"size={tuple(t.shape)}")
        if t.dtype is not dtypes.default_dtype():
            suffixes.append(f"dtype={t.dtype}")
        body = "[]"
    else:
        if not usual:
            suffixes.append(f"dtype={t.dtype}")
        summary = array.size > Options.threshold
        shown = summarized(array) if summary else array
        formatter = ComplexFormatter(shown) if array.dtype.kind == "c" else Formatter(shown)
        body = array_text(array, indent, summary, formatter)
    if grad_name is not None:
        suffixes.append(f"grad_fn=<{grad_name.name()}>")
    elif t.requires_grad:
        suffixes.append("requires_grad=True")
    return with_suffixes(prefix + body, suffixes, indent)


def kind_text(t: Tensor) -> str:
    """What a tensor is, in one line: its class, shape, dtype and part in gradients."""
    words = [f"{type(t).__name__} ({', '.join(map(str, t.shape))})", t.dtype.name]
    if t.grad_fn is not None:
        words.append(f"grad_fn={t.grad_fn.name()}")
    elif t.requires_grad:
        words.append("requires_grad")
    return " · ".join(words)


def places_shown(n: int, summary: bool) -> list[int | None]:
    """Indices that a display shows of n; None for those left out."""
    e = Options.edgeitems
    return [*range(e), None, *range(n - e, n)] if summary and n > 2 * e else list(range(n))


def tensor_html(t: Tensor) -> str:
    """How a notebook shows a tensor: what it is, and vectors and matrices as a table with the numbers of its repr."""
    head = f"<div><code>{html.escape(kind_text(t))}</code>"
    array = t._array()
    if array.ndim not in (1, 2) or not array.size:
        return f"{head}<pre>{html.escape(repr(t))}</pre></div>"
    if t.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    summary = array.size > Options.threshold
    shown = summarized(array) if summary else array
    formatter = ComplexFormatter(shown) if array.dtype.kind == "c" else Formatter(shown)
    table = array if array.ndim == 2 else array[None]
    columns = places_shown(table.shape[1], summary)
    rows = []
    for i in places_shown(table.shape[0], summary):
        words = ["…" if i is None or j is None else html.escape(formatter(table[i, j].item()).strip()) for j in columns]
        rows.append("<tr>" + "".join([f'<td style="text-align: right">{word}</td>' for word in words]) + "</tr>")
    return f"{head}<table>{''.join(rows)}</table></div>"


def parameter_text(p: Parameter) -> str:
    """repr of a parameter, which says that it is one."""
    return "Parameter containing:\n" + tensor_text(p)


Tensor.__repr__ = tensor_text
Tensor._repr_html_ = tensor_html
Parameter.__repr__ = parameter_text
