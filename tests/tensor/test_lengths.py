"""Batches that differ in length: a slow step of another length counts as an equal run, so compiling does not wait."""

import numpy as np
import pytest

import dovetail as dv
from dovetail.base.config import config
from dovetail.tensor import closing
from dovetail.tensor.recorder import local


@pytest.fixture(autouse=True)
def ordinary(monkeypatch):
    """Interpreted first, and recorded step by step, whatever the environment says."""
    rec = local.rec
    rec.close()
    monkeypatch.setattr(config, "tier", 1)
    monkeypatch.setattr(rec, "at_once", False)
    rec.enter_root()


@pytest.fixture
def slow_steps(monkeypatch):
    """Every interpreted step counts as slow."""
    monkeypatch.setattr(closing, "SLOW", 0.0)


def step(w, n):
    """A step over a batch of length n, and what it should give."""
    x = np.linspace(-1, 1, 3 * n, dtype=np.float32).reshape(n, 3)
    result = dv.tanh(dv.from_numpy(x) @ w).sum(0) / n
    return result.numpy(), np.tanh(x @ w.numpy()).sum(0) / n


def run(w, n):
    made, wanted = step(w, n)
    assert np.allclose(made, wanted, rtol=1e-5, atol=1e-5)
    plan = local.rec.last
    if plan.ticket is not None:
        assert plan.ticket.wait(60)
    return plan


def test_the_second_length_is_compiled_and_later_ones_need_nothing(slow_steps):
    w = dv.from_numpy(np.linspace(-0.5, 0.5, 12, dtype=np.float32).reshape(3, 4))
    assert run(w, 41).ticket is None
    assert run(w, 43).ticket is not None
    assert run(w, 47).ticket is not None  # leads to the program for all lengths
    for n in (53, 59, 61):
        plan = run(w, n)
        assert plan.runs == 1 and plan.program is not None and plan.ticket is None


def test_quick_steps_wait_until_they_come_again():
    for n in (41, 43, 47, 53):
        assert np.allclose(dv.sin(dv.ones(n) * 2).cos().numpy(), np.cos(np.sin(2)))
        assert local.rec.last.ticket is None


def test_another_program_of_the_same_primitives_is_no_other_length(slow_steps):
    x = dv.from_numpy(np.full((4, 7), 0.5, np.float32))
    s = dv.sin(x)
    assert np.allclose((s * dv.cos(s)).numpy(), np.sin(0.5) * np.cos(np.sin(0.5)))
    before = local.rec.last
    assert np.allclose((dv.sin(x) * dv.cos(x)).numpy(), np.sin(0.5) * np.cos(0.5))
    assert local.rec.last is not before and local.rec.last.ticket is None
