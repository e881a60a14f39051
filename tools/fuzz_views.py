"""Random programs of views, writes in place and looks, in Dovetail and in PyTorch.

    python tools/fuzz_views.py [first] [count]

Values and gradients must agree. In half of the programs NumPy writes to the memory of tensors too; there is no gradient
then, since PyTorch would take the numbers that it finds at `backward`. Where PyTorch refuses, Dovetail may refuse or be
right: it keeps copies of some values that PyTorch needs as they are. Needs torch.
"""

from __future__ import annotations

import importlib
import random
import sys

import numpy as np
from fuzz_training import compare


def views_of(t, x, r):
    """A random view of x."""
    n = x.dim()
    ways = ["flat", "same"]
    if n:
        ways += ["row", "part", "step", "last", "unsqueeze", "narrow", "chunk"]
    if n >= 2:
        ways += ["t", "diagonal", "permute", "flatten", "unbind"]
    way, k = r.choice(ways), r.randrange(max(1, x.shape[0] if n else 1))
    if way == "flat":
        return x.reshape(-1) if r.random() < 0.3 else x.view(-1)
    if way == "same":
        return x[...]
    if way == "row":
        return x[k]
    if way == "part":
        return x[: k + 1]
    if way == "step":
        return x[::2]
    if way == "last":
        return x[..., -1]
    if way == "unsqueeze":
        return x.unsqueeze(r.randrange(n + 1))
    if way == "narrow":
        return x.narrow(0, k, 1)
    if way == "chunk":
        return x.chunk(2)[0]
    if way == "t":
        return x.transpose(0, 1)
    if way == "diagonal":
        return x.diagonal()
    if way == "permute":
        return x.permute(*reversed(range(n)))
    if way == "flatten":
        return x.flatten()
    return x.unbind(0)[k]


def write(t, x, others, r):
    """A random write into x."""
    way, c = r.randrange(10), r.choice([0.5, 2.0, -1.0, 3.0])
    if way == 0:
        x.mul_(c)
    elif way == 1:
        x.add_(c)
    elif way == 2:
        x.fill_(c)
    elif way == 3:
        same = [o for o in others if o.shape == x.shape and o is not x]
        x.copy_(r.choice(same) * c if same else x * c)
    elif way == 4:
        same = [o for o in others if o.shape == x.shape]
        x += r.choice(same) * c
    elif way == 5 and x.dim():
        x[r.randrange(x.shape[0])] = c
    elif way == 6 and x.dim():
        x[:1] *= c
    elif way == 7:
        x.masked_fill_(x > 1.0, c)
    elif way == 8:
        x.clamp_(-1.5, 1.5)
    else:
        x.sub_(0.25)


class Program:
    """One framework's run of a program."""

    def __init__(self, name: str, seed: int):
        self.t, self.r = importlib.import_module(name), random.Random(seed)
        values = np.random.default_rng(seed).standard_normal((4, 3)).astype(np.float32)
        self.with_arrays = bool(seed % 2)
        self.arrays = [values.copy(), values[:, :2].copy() + 1]
        self.w, self.v = [self.t.from_numpy(a).requires_grad_(not self.with_arrays) for a in self.arrays]
        self.all = [self.w * 1.5, self.v + 0.5, self.t.zeros(4, 3), self.t.ones(3)]

    def turn(self) -> list[float]:
        t, r = self.t, self.r
        what, x = r.random(), r.choice(self.all)
        seen: list[float] = []
        if self.with_arrays and r.random() < 0.3:
            return self.array_turn(x)
        if what < 0.3:
            self.all.append(views_of(t, x, r))
        elif what < 0.6:
            if r.random() < 0.12:
                with t.no_grad():
                    write(t, x, self.all, r)
            else:
                write(t, x, self.all, r)
        elif what < 0.75:
            self.all.append(r.choice([lambda: x * 2, lambda: x + 1, lambda: x.exp().clamp(max=3), lambda: x.detach(),
                                      lambda: x.clone(), lambda: t.tanh(x)])())  # fmt: skip
        elif what < 0.85:
            seen.append(float(x.sum()))
        elif what < 0.9:
            del self.all[r.randrange(len(self.all))]
            if not self.all:
                self.all.append(self.w * 2)
        if len(self.all) > 9:
            del self.all[r.randrange(9)]
        return seen

    def array_turn(self, x) -> list[float]:
        """Write to memory that tensors have too, read it, get it, or make a tensor over it."""
        r, a = self.r, self.r.choice(self.arrays)
        what, k = r.randrange(7), r.randrange(max(1, len(a))) if a.ndim else 0
        if what < 3:
            part = a[k:] if a.ndim and r.random() < 0.5 else a
            part[...] = part * r.choice([0.5, -1.0]) + 1
        elif what == 3:
            self.arrays[r.randrange(len(self.arrays))] = x.numpy()
        elif what == 4:
            self.arrays.append(x.numpy())
            if len(self.arrays) > 4:
                del self.arrays[r.randrange(4)]
        elif what == 5:
            ways = [a, a.T, a[::2] if a.ndim else a, a[k : k + 1] if a.ndim else a]
            self.all.append(self.t.from_numpy(r.choice(ways)))
        return [float(a.sum())]

    def end(self) -> list[float]:
        total = sum((x * (k + 1)).sum() for k, x in enumerate(self.all))
        seen = [float(x.detach().sum()) for x in self.all]
        if not total.requires_grad:
            return seen
        total.backward()
        for p in (self.w, self.v):  # what was written over entirely has no gradient here, and a zero one in torch
            seen += [0.0] * p.numel() if p.grad is None else p.grad.flatten().tolist()
        return seen


def run(seed: int) -> str | None:
    theirs, ours = Program("torch", seed), Program("dovetail", seed)
    turns = random.Random(seed).randint(4, 30)
    for turn in range(turns + 1):
        results: list = []
        for program in (theirs, ours):
            try:
                results.append(program.turn() if turn < turns else program.end())
            except Exception as error:
                results.append(error)
        a, b = results
        if isinstance(a, Exception) or isinstance(b, Exception):
            if isinstance(a, RuntimeError) and (not isinstance(b, Exception) or isinstance(b, RuntimeError)):
                return None
            return f"turn {turn} of {turns}: torch {str(a)[:150]!r}, ours {type(b).__name__} {str(b)[:150]!r}"
        if len(a) != len(b) or not np.allclose(a, b, rtol=1e-3, atol=1e-3, equal_nan=True):
            return f"turn {turn} of {turns}: torch {np.round(a, 3).tolist()}, ours {np.round(b, 3).tolist()}"
    return None


def main() -> None:
    first, count = (int(w) for w in sys.argv[1:3]) if len(sys.argv) > 2 else (0, 200)
    compare(run, range(first, first + count), f"{count} programs")


if __name__ == "__main__":
    main()
