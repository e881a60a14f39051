"""Random programs agree however they are run: interpreted, compiled, replayed, on 1 or 2 threads, for any target."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dovetail as dv
from dovetail.base.config import config
from dovetail.tensor.recorder import current

UNARY = ["exp", "tanh", "sigmoid", "relu", "abs", "neg", "sin", "square", "erf", "floor", "sign"]
BINARY = ["add", "sub", "mul", "maximum", "minimum"]
REDUCE = ["sum", "mean", "amax", "amin", "prod", "var"]


@st.composite
def programs(draw):
    """A list of steps over a growing list of tensors; each step names an op, its operands and its settings."""
    rows, columns = draw(st.integers(1, 9)), draw(st.integers(1, 20))
    steps = []
    for _ in range(draw(st.integers(1, 9))):
        kind = draw(
            st.sampled_from(
                ["unary", "unary", "binary", "binary", "reduce", "shape", "where", "softmax", "matmul", "inplace"]
            )
        )
        a, b = draw(st.integers(0, 30)), draw(st.integers(0, 30))
        steps.append((kind, a, b, draw(st.integers(0, 100))))
    return rows, columns, draw(st.integers(0, 10**6)), steps


def run(rows: int, columns: int, seed: int, steps: list, grad: bool):
    """The program's results, and the gradient of their sum at the first two tensors."""
    r = np.random.default_rng(seed)
    leaves = [
        dv.tensor(r.standard_normal((rows, columns)).astype(np.float32) * 0.8, requires_grad=grad) for _ in range(2)
    ]
    known = [*leaves, dv.tensor(r.standard_normal((columns,)).astype(np.float32))]
    for kind, i, j, extra in steps:
        a, b = known[i % len(known)], known[j % len(known)]
        known.append(one(kind, a, b, extra))
    results = [t for t in known[3:] if t.dtype.is_floating_point]
    if grad and any(t.requires_grad for t in results):
        total = sum((t.clamp(-30, 30) * 0.1).sum() for t in results if t.requires_grad)
        total.backward()
    found = [t.detach().numpy().copy() for t in known[3:]]
    return found + [t.grad.numpy().copy() for t in leaves if t.grad is not None]


def one(kind: str, a, b, extra: int):
    if kind == "unary":
        return getattr(dv, UNARY[extra % len(UNARY)])(a.clamp(-4, 4))
    if kind == "binary":
        return getattr(dv, BINARY[extra % len(BINARY)])(a, fitting(a, b))
    if kind == "reduce" and a.ndim:
        name, dim = REDUCE[extra % len(REDUCE)], extra % a.ndim
        if name == "var":
            return a.var(dim, correction=0, keepdim=True)
        return getattr(a.clamp(-1.5, 1.5), name)(dim, keepdim=bool(extra & 64))
    if kind == "shape":
        views = [lambda: a.reshape(-1), lambda: a.transpose(0, -1) if a.ndim else a + 0, lambda: a.unsqueeze(0),
                 lambda: a.flip(0) if a.ndim else a + 0, lambda: dv.cat([a, a], 0) if a.ndim else a + 1]  # fmt: skip
        return views[extra % len(views)]()
    if kind == "where":
        return dv.where(a > 0.1, a, fitting(a, b))
    if kind == "softmax" and a.ndim:
        return dv.softmax(a, extra % a.ndim)
    if kind == "matmul" and a.ndim == 2:
        return (a @ a.t()) * 0.2
    if kind == "inplace":
        c = a * 1
        (c.view(-1)[::2] if extra & 1 else c).mul_(0.5)
        return c
    return a * 2


def fitting(a, b):
    return b if a.shape == b.shape else b.mean()


def configured(tier: int, threads: int, target: str):
    config.tier, config.threads, config.target = tier, threads, target
    for root in current().roots.values():
        root.children.clear()
    current().roots.clear()
    current().enter_root()


@pytest.fixture(autouse=True)
def restore():
    before = config.tier, config.threads, config.target
    yield
    configured(*before)


@pytest.mark.filterwarnings("error::dovetail.base.errors.DovetailWarning")  # a program that falls back to NumPy fails
@settings(
    max_examples=15,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(programs(), st.booleans())
def test_all_ways_of_running_agree(program, grad):
    rows, columns, seed, steps = program
    configured(0, 1, "host")
    wanted = run(rows, columns, seed, steps, grad)
    ways = [(2, 1, "host", 2), (2, 2, "host", 1), (2, 1, "generic", 1)]
    if seed % 3 == 0:
        ways.append((2, 1, "avx2", 1))
    for tier, threads, target, repeats in ways:
        configured(tier, threads, target)
        for _ in range(repeats):
            found = run(rows, columns, seed, steps, grad)
            assert len(found) == len(wanted)
            for f, w in zip(found, wanted, strict=True):
                np.testing.assert_allclose(
                    f, w, rtol=2e-3, atol=2e-4, err_msg=f"tier {tier}, {threads} threads, {target}"
                )
