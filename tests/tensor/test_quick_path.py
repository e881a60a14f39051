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


def compiled(monkeypatch):
    """Programs are compiled at once, so that addresses are remembered from the first run on."""
    monkeypatch.setattr(dovetail.config, "tier", 2)


def test_a_leaf_that_gets_other_memory(monkeypatch):
    """A step remembers the addresses of its leaves; whatever moves a tensor's memory must be seen."""
    compiled(monkeypatch)
    w = dovetail.nn.Parameter(dovetail.ones(3))
    buffer, x = dovetail.ones(3), dovetail.ones(3)
    blocks = [dovetail.full((3,), float(i)).untyped_storage() for i in range(4)]
    moves = [
        lambda: None,
        lambda: setattr(w, "data", dovetail.full((3,), 5.0)),
        lambda: buffer.set_(blocks[2], 0, (3,)),
        lambda: setattr(buffer, "data", dovetail.full((3,), 7.0)),
        lambda: buffer.set_(blocks[3], 0, (3,)),
        lambda: buffer.resize_(4).resize_(3).fill_(2.0),
    ]
    for move in moves:
        move()
        for _ in range(3):
            with dovetail.no_grad():
                found = (w * buffer + x).tolist()
            np.testing.assert_allclose(found, w.detach().numpy() * buffer.numpy() + x.numpy())


def test_set_changes_the_shape_of_a_known_leaf():
    """x.set_(...) gave the next x * 2 the result that the shape from before has."""
    x, wide, tall = dovetail.randn(2, 3), dovetail.ones(2, 3).untyped_storage(), dovetail.ones(3, 2).untyped_storage()
    for turn in range(6):
        assert (x * 2.0).numpy().shape == x.shape
        x.set_(tall, 0, (3, 2)) if turn % 2 == 0 else x.set_(wide, 0, (2, 3))


def test_batches_that_come_again_in_other_places(monkeypatch):
    """Leaves that change places between runs: each place has its own address."""
    compiled(monkeypatch)
    a, b, c = (dovetail.full((4,), float(i)) for i in (1, 2, 3))
    for x, y in [(a, b), (b, a), (a, c), (c, b), (b, c), (a, b), (b, b), (a, b)]:
        with dovetail.no_grad():
            assert (x * 10 + y).tolist() == (x.numpy() * 10 + y.numpy()).tolist()
            assert (x - y).tolist() == (x.numpy() - y.numpy()).tolist()


def test_a_missing_argument_is_not_an_empty_slot():
    """clamp(x, None, high) after clamp(x, low, high) at a place whose leaves were forgotten."""
    x, low, high = dovetail.tensor([-2.0, 0.5, 3.0]), dovetail.tensor(-1.0), dovetail.tensor(1.0)
    for turn in range(4):
        y = dovetail.clamp(x, low, high)
        assert y.tolist() == [-1.0, 0.5, 1.0]
        frozen = nn.Parameter(dovetail.ones(2)).requires_grad_(False)  # guards look again
        assert (frozen * turn).tolist() == [turn, turn]
        assert dovetail.clamp(x, None, high).tolist() == [-2.0, 0.5, 1.0]


def test_long_traces_after_leaves_were_forgotten():
    """Another root's trace may be longer than the slots that are left when all leaves are forgotten."""
    parts = [dovetail.full((2,), float(i)) for i in range(150)]

    def long():
        y = parts[0]
        for i in range(300):
            y = (y * 0.5).relu() if i % 2 else y + parts[i % 150]
        return y

    def forget():
        nn.Parameter(dovetail.ones(2)).requires_grad_(False)

    with dovetail.no_grad():
        first = long().tolist()
    for _ in range(4):
        forget()
        (parts[0] + 1).tolist()
        forget()
        with dovetail.no_grad():
            assert long().tolist() == first


def test_the_state_of_an_optimizer_between_step_and_zero_grad(monkeypatch):
    """A state is as pending as its parameter: looking at it gives what the step has made of it."""
    compiled(monkeypatch)
    p = nn.Parameter(dovetail.zeros(3))
    optimizer = optim.Adam([p], lr=0.1)
    for turn in range(1, 6):
        optimizer.zero_grad()
        (p * 2.0).sum().backward()
        optimizer.step()
        assert optimizer.state[p]["step"].item() == turn
        np.testing.assert_allclose(optimizer.state[p]["exp_avg"].numpy(), 2.0 * (1 - 0.9**turn), rtol=1e-5)


def test_modes_that_change_on_the_way(slow_calls):
    """A trace that ends under other modes than it began with leads back to the root of these modes."""
    x, w = dovetail.ones(2, 3), nn.Parameter(dovetail.ones(3))
    for _ in range(5):
        slow_calls.clear()
        y = x * w
        with dovetail.no_grad():
            z = y + 1.0
            assert z.tolist() == [[2.0] * 3] * 2 and not z.requires_grad
            assert (x + 1.0).tolist() == [[2.0] * 3] * 2
        assert (x * w).requires_grad
        dovetail.tensor(0.0).item()
    assert slow_calls == []


def test_many_successors_are_told_apart():
    """A loop over places leaves many successors of one event, some of which take any number."""
    x = dovetail.arange(40.0)
    w = nn.Parameter(dovetail.ones(40))
    for turn in range(3):
        for i in range(30):
            y = w * x
            assert (y[i : i + 2] + (i + 0.5)).tolist() == [2 * i + 0.5, 2 * i + 1.5]
            y = w * x
            assert (y * (i + turn)).sum().item() == 780.0 * (i + turn)
            y = w * x
            assert dovetail.stack([y[i], y[0]]).tolist() == [float(i), 0.0]
    root = sys.modules["dovetail.tensor.recorder"].local.rec.root
    many = [e for e in root.children for e in [e, *e.children] if e.by_call is not None]
    assert many and all(sum(map(len, e.by_call.values())) == len(e.children) for e in many)
