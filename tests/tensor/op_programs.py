"""Random programs over all public ops: the calls of tests/ops/op_cases.py, fed with what earlier calls gave.

A program is a list of plain steps, so that it can be printed and run again. Every step adds to a pool of tensors:

    ("call", row, picks, kind, sizes)   a row of op_cases, its draws replaced by tensors of the pool
    ("view", which, pick, number)       a view of one of them
    ("write", which, pick, other)       a write in place through one of them, seen by all its views
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import dovetail as dv
import dovetail.nn.functional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "ops"))
from op_calls import function, leaves, random_for  # noqa: E402
from op_cases import CASES, Draw  # noqa: E402

KINDS = ("float32", "float32", "float32", "float64", "float16", "bfloat16", "complex64", "int32", "uint8")
STARTS = [(3, 4), (4,), (), (0, 4), (2, 3, 4), (1,), (33,)]
SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-30, 65504.0]  # denormals are flushed in compiled code
NOISE = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 1e-6, "float64": 1e-12, "complex64": 1e-6, "complex128": 1e-12}
MOST = 4000  # elements of one tensor


def starts(seed: int, special: bool) -> list[np.ndarray]:
    """What a program begins with: several shapes; on request with NaN, infinities, zeros and a denormal among them."""
    r = np.random.default_rng(seed)
    arrays = [np.asarray(r.standard_normal(s)).astype(np.float32) for s in STARTS]
    if special:
        for a in arrays[:1] + arrays[4:]:
            flat = a.reshape(-1)
            flat[r.integers(0, flat.size, 3)] = r.choice(SPECIAL, 3)
    return [*arrays, r.integers(-4, 9, (3, 4)), r.random((3, 4)) < 0.5]


class Runner:
    """Runs a program. noise: a generator that shifts every result by a rounding error, or None."""

    def __init__(self, program: list, seed: int, special: bool, noise: np.random.Generator | None = None):
        self.program, self.noise = program, noise
        self.pool = [dv.tensor(a) for a in starts(seed, special)]
        self.seed = seed
        self.good: list[int] = []  # steps that the ops took

    def run(self, tolerant: bool = False) -> list[np.ndarray]:
        """The pool's arrays. tolerant: steps that an op refuses are left out (and `good` tells which were not)."""
        dv.manual_seed(self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", category=dv.DovetailWarning, message=".*NumPy.*")
            for i, step in enumerate(self.program):
                try:
                    made = getattr(self, step[0])(*step[1:])
                    if tolerant:
                        for t in made:
                            t._settle()
                except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, np.linalg.LinAlgError):
                    if not tolerant:
                        raise
                    continue
                self.good.append(i)
                self.pool += [self.shifted(t) for t in made]
            return [as_numpy(t) for t in self.pool]

    def shifted(self, t: dv.Tensor) -> dv.Tensor:
        if self.noise is None or t.dtype.name not in NOISE or t._view is not None:
            return t
        shift = self.noise.choice([-1.0, 1.0], tuple(t.shape)) * NOISE[t.dtype.name]
        return t * dv.tensor(np.asarray(1 + shift)).to(t.dtype)

    # -- steps

    def call(self, index: int, picks: list[int], kind: str, sizes: dict[int, int]) -> list[dv.Tensor]:
        row = CASES[index]
        given_random, supply = random_for(row), iter(picks * 8)
        fixed = row.name.startswith("linalg.") or "chol" in row.name or not picks

        def fill(x: Any) -> Any:
            if isinstance(x, Draw):
                if fixed:
                    return dv.tensor(x.array(given_random))
                return self.fitted(self.pool[next(supply) % len(self.pool)], x, kind, sizes)
            if isinstance(x, (list, tuple)):
                return type(x)(fill(v) for v in x)
            if isinstance(x, np.ndarray):
                return dv.tensor(x)
            return {k: fill(v) for k, v in x.items()} if isinstance(x, dict) else x

        out = function(row, dv)(*fill(row.args), **fill(row.given))
        return [t for t in leaves(out) if isinstance(t, dv.Tensor) and t.numel() <= MOST]

    def fitted(self, t: dv.Tensor, draw: Draw, kind: str, sizes: dict[int, int]) -> dv.Tensor:
        """A tensor of the pool in the shape, dtype and range of a draw."""
        shape = tuple(sizes.get(n, n) for n in draw.shape)
        count = math.prod(shape)
        flat = t.real.reshape(-1) if t.is_complex() else t.reshape(-1)
        if not flat.numel():
            flat = dv.full((1,), 0.5)
        if flat.numel() < count:
            flat = flat.repeat(-(-count // flat.numel()))
        x = flat[:count].reshape(shape)
        if draw.dtype == "bool":
            return x > 0
        if draw.dtype.startswith("int") or draw.dtype == "uint8":
            return x.float().nan_to_num(0.0).clamp(int(draw.low), int(draw.high) - 1).to(getattr(dv, draw.dtype))
        x = x.double() if draw.dtype == "float64" else x.float()
        x = x.clamp(draw.low, draw.high - 0.01 * (draw.high - draw.low))
        return x if draw.dtype == "float64" or kind == "float32" else x.to(getattr(dv, kind))

    def view(self, which: int, pick: int, number: int) -> list[dv.Tensor]:
        t = self.pool[pick % len(self.pool)]
        return [VIEWS[which % len(VIEWS)](t, number)]

    def write(self, which: int, pick: int, other: int) -> list[dv.Tensor]:
        t, u = (self.pool[i % len(self.pool)] for i in (pick, other))
        if t.is_complex() != u.is_complex():
            u = t
        WRITES[which % len(WRITES)](t, u.reshape(-1)[:1].sum() if u.shape != t.shape else u)
        return []


def as_numpy(t: dv.Tensor) -> np.ndarray:
    return np.array(t.detach().float().numpy() if t.dtype is dv.bfloat16 else t.detach().numpy())


def dim_of(t: dv.Tensor, n: int) -> int:
    return n % max(t.ndim, 1)


VIEWS: list[Callable] = [
    lambda t, n: t.reshape(-1),
    lambda t, n: t.transpose(0, -1),
    lambda t, n: t.unsqueeze(n % (t.ndim + 1)),
    lambda t, n: t[..., ::2],
    lambda t, n: t.narrow(dim_of(t, n), 0, t.shape[dim_of(t, n)] // 2),
    lambda t, n: t.select(dim_of(t, n), -1),
    lambda t, n: t.expand(2, *t.shape),
    lambda t, n: t.squeeze(),
    lambda t, n: t.flatten(0, -1),
    lambda t, n: t.diagonal(),
    lambda t, n: t.unfold(dim_of(t, n), 2, 1),
    lambda t, n: t.detach(),
    lambda t, n: t[None, ..., -1:],
    lambda t, n: t.swapaxes(0, -1)[1:],
    lambda t, n: t.as_strided((2, 2), (1, 1)),
    lambda t, n: dv.view_as_real(t),
    lambda t, n: t.real,
    lambda t, n: t.imag,
    lambda t, n: dv.view_as_complex(t),
    lambda t, n: t.diagonal(n % 3 - 1, -1, 0),
    lambda t, n: t.unfold(dim_of(t, n), 1 + n % 2, 2),
    lambda t, n: t.as_strided((2, 1 + n % 2), (n % 3, 2), n % 2),
    lambda t, n: t.view(dv.int16),
    lambda t, n: t.T,
    lambda t, n: t.view(-1, 1),
    lambda t, n: dv.broadcast_to(t, (2, *t.shape))[n % 2],
    lambda t, n: t.movedim(0, -1),
]


def assign(t: dv.Tensor, u: dv.Tensor) -> None:
    t[..., 1:] = u if u.ndim == 0 else u[..., 1:]


def masked(t: dv.Tensor, u: dv.Tensor) -> None:
    t[t > 0.5] = -1


WRITES: list[Callable] = [
    lambda t, u: t.mul_(0.5),
    lambda t, u: t.add_(u),
    lambda t, u: t.copy_(u),
    lambda t, u: t.zero_(),
    lambda t, u: t.clamp_(-1, 1),
    lambda t, u: t.sub_(1),
    lambda t, u: t.relu_(),
    lambda t, u: t.fill_(0.25),
    assign,
    masked,
    lambda t, u: t.masked_fill_(t > 0, 0.125),
    lambda t, u: dv.add(t, u, out=t),
    lambda t, u: t.neg_(),
    lambda t, u: t.tanh_(),
]


def allowed(wanted: np.ndarray, shifted: list[np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """(how far each element may be off, which elements tell anything): rounding errors that the program blows up.

    Where a rounding error turns a number into another kind (an index, a NaN), nothing can be asked.
    """
    noise = 4 * NOISE.get(name, 0.0)
    a = wanted.astype(np.complex128 if wanted.dtype.kind == "c" else np.float64)
    off = noise * np.abs(a) + noise
    tells = np.ones(a.shape, bool)
    for s in shifted:
        gap = np.abs(s.astype(a.dtype) - a)
        same = np.isnan(s) & np.isnan(a) | (s == wanted)
        tells &= np.isfinite(gap) | same
        off = off + 8 * np.where(np.isfinite(gap), gap, 0.0)
    if wanted.dtype.kind in "biu":
        tells &= off == 0.0
    return off, tells


def check(found: np.ndarray, wanted: np.ndarray, shifted: list[np.ndarray], name: str, where: str) -> None:
    """`found` is what the program means, up to rounding."""
    assert found.dtype == wanted.dtype and found.shape == wanted.shape, where
    off, tells = allowed(wanted, shifted, name)
    kind = np.complex128 if wanted.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        f, w = found.astype(kind), wanted.astype(kind)
        fine = (np.abs(f - w) <= off) | (f == w) | (np.isnan(f) & np.isnan(w)) | ~tells
        if wanted.dtype.kind == "c":
            fine |= ~np.isfinite(w) & ~np.isfinite(f)  # which parts are NaN is left open, as in C
    assert fine.all(), f"{where}\nat {np.argwhere(~fine)[:3].tolist()}\n{found[~fine][:5]}\n{wanted[~fine][:5]}"
