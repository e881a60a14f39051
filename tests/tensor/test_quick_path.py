"""Calls that a trace expects are recognised without looking them up: which everyday programs must stay on that path."""

import sys

import numpy as np
import pytest

import dovetail
import dovetail.nn as nn
import dovetail.optim as optim
from dovetail.tensor.meta import forget_leaves

autograd, ops = (sys.modules[f"dovetail.tensor.{name}"] for name in ("autograd", "op"))


@pytest.fixture
def slow_calls(monkeypatch):
    """Names of the calls that were looked up."""
    found = []
    look_up, settings = ops.Op.call, autograd.settings

    def call(self, *args, **kwargs):
        found.append(self.name)
        return look_up(self, *args, **kwargs)

    def update(*args):
        found.append("update")
        return settings(*args)

    monkeypatch.setattr(ops.Op, "call", call)
    monkeypatch.setattr(autograd, "settings", update)
    return found


def make():
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))


def test_inference_that_hands_out_arrays(slow_calls):
    """numpy() of a result once made every trace look at all its leaves again."""
    model, rows = make(), [np.random.default_rng(i).random((2, 5), np.float32) for i in range(6)]
    found = []
    for x in rows:
        slow_calls.clear()
        with dovetail.no_grad():
            found.append(model(dovetail.from_numpy(x)).numpy())
    assert slow_calls == []
    weight, bias, last, end = (p.detach().numpy() for p in model.parameters())
    for x, y in zip(rows, found, strict=True):
        np.testing.assert_allclose(y, np.maximum(x @ weight.T + bias, 0) @ last.T + end, rtol=1e-4, atol=1e-5)


def test_a_leaf_that_becomes_visible_is_looked_at_again():
    """An array that shows a parameter sees every step at once, not one step later."""
    model = nn.Linear(3, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    x = dovetail.ones(2, 3)

    def step():
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()

    for _ in range(4):
        step()
    seen = model.weight.detach().numpy()
    before = seen.copy()
    for turn in range(1, 4):
        step()
        np.testing.assert_allclose(seen, before - turn * 1.0, rtol=1e-6)


@pytest.mark.parametrize("rule", [optim.Adam, optim.SGD])
def test_a_second_model_of_the_same_form(slow_calls, rule):
    """The update event remembered the first model's optimizer for ever; every step of another one was looked up."""
    x, y = dovetail.randn(4, 5), dovetail.randn(4, 3)
    for _ in range(2):
        model = make()
        optimizer = rule(model.parameters(), lr=0.01)
        for _ in range(6):
            slow_calls.clear()
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
        assert slow_calls == []
        assert np.isfinite(loss.item())


def test_a_long_trace_of_another_mode_finds_room_after_layouts_changed():
    """convnext_tiny after convnext_small, weights loaded between: the quick path wrote past the end of the slots."""
    rows = [dovetail.ones(3) for _ in range(150)]

    def long(x):
        for row in rows:
            x = x + row
        return x.sum().item()

    def short(x):
        return (x + 1).sum().item()

    x = dovetail.ones(3)
    assert short(x) == 6.0
    with dovetail.no_grad():
        assert [long(x) for _ in range(3)] == [453.0] * 3
    assert short(x) == 6.0
    forget_leaves()
    assert short(x) == 6.0
    with dovetail.no_grad():
        assert [long(x) for _ in range(3)] == [453.0] * 3
