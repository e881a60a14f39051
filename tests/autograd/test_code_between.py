"""Writes in place around Python code on the gradient's way: hooks, and what a Function was given or has made.

The numbers are PyTorch 2.13's for the same lines. Every program runs three times (recorded, followed, compiled), with
looks at different places.
"""

from __future__ import annotations

import pytest

import dovetail as dv
from dovetail.autograd import Function
from dovetail.base.config import config
from dovetail.base.errors import GradientError


@pytest.fixture(params=[0, 1, 2], autouse=True)
def tier(request, monkeypatch):
    monkeypatch.setattr(config, "tier", request.param)


def leaf():
    return dv.tensor([1.0, 2.0, 3.0], requires_grad=True)


class Triple(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 3

    @staticmethod
    def backward(ctx, g):
        return g * 3


def mark(ctx, x):
    ctx.mark_dirty(x)


class ScaleInPlace(Function):
    """Says by a helper that it writes; looks at its argument at one of four moments."""

    @staticmethod
    def forward(ctx, x, look):
        if look == 1:
            x.tolist()
        x.mul_(3.0)
        if look == 2:
            x.tolist()
        x.add_(1)
        if look == 3:
            x.tolist()
        mark(ctx, x)
        return x

    @staticmethod
    def backward(ctx, g):
        return g * 3, None


LOOKS = [(inside, before) for inside in range(4) for before in (False, True)]


@pytest.mark.parametrize("inside, before", LOOKS)
@pytest.mark.parametrize(
    "part, grad, value",
    [
        (None, [90.0, 162.0, 234.0], [7.0, 13.0, 19.0]),
        ("written", [90.0, 162.0, 2.0], [7.0, 13.0, 6.0]),
        ("read", [174.0, 318.0, 234.0], [7.0, 13.0, 19.0]),
    ],
)
def test_a_function_that_writes_in_place_is_known_by_what_it_does(inside, before, part, grad, value):
    for _ in range(3):
        w = leaf()
        x = w * 2
        if before:
            x.tolist()
        y = x[:2] if part == "written" else x
        z = x[:2] if part == "read" else None
        r = ScaleInPlace.apply(y, inside)
        assert r is y
        total = (r * r).sum() + x.sum()
        if z is not None:
            total = total + (z * z).sum()
        total.backward()
        assert w.grad.tolist() == grad
        assert x.tolist() == value


def test_what_was_written_has_to_be_returned():
    class Forgets(Function):
        @staticmethod
        def forward(ctx, x):
            x.add_(1)
            ctx.mark_dirty(x)
            return x * 2

    with pytest.raises(GradientError, match="must all be outputs of the Function(.|\n)*argument 1"):
        Forgets.apply(leaf() * 1)
    with pytest.raises(GradientError, match="must all be outputs"):
        Forgets.apply(dv.zeros(3))


def looker(at):
    """Looks at a tensor at one of four moments."""
    return lambda moment, x: x.tolist() if at == moment else None


@pytest.mark.parametrize("at", range(4))
def test_a_functions_argument_is_written_later(at):
    look = looker(at)
    for _ in range(3):
        w = leaf()
        a = w * 2
        look(1, a)
        b = Triple.apply(a)
        look(2, b)
        a.mul_(5)
        look(3, b)
        b.sum().backward()
        assert w.grad.tolist() == [6.0] * 3
        assert a.tolist() == [10.0, 20.0, 30.0]


@pytest.mark.parametrize("at", range(4))
def test_a_functions_result_is_written_later(at):
    look = looker(at)
    for _ in range(3):
        w = leaf()
        a = Triple.apply(w)
        look(1, a)
        b = a + 1
        look(2, b)
        a.mul_(5)
        look(3, b)
        ((b * b).sum() + a.sum()).backward()
        assert w.grad.tolist() == [39.0, 57.0, 75.0]


@pytest.mark.parametrize("looked", [False, True])
def test_a_gradient_that_starts_at_a_written_result(looked):
    for _ in range(3):
        w = leaf()
        a = Triple.apply(w)
        if looked:
            a.tolist()
        a.mul_(5)
        assert a.grad_fn.name() == "MulBackward0"
        a.backward(dv.ones(3))
        assert w.grad.tolist() == [15.0] * 3


@pytest.mark.parametrize("at", range(4))
def test_a_functions_result_is_written_through_a_view(at):
    look = looker(at)
    for _ in range(3):
        w = leaf()
        a = Triple.apply(w)
        v = a[:2]
        look(1, a)
        c = v * 3
        look(2, c)
        v.mul_(5)
        look(3, c)
        (a.sum() * 7 + c.sum() + (v * v).sum()).backward()
        assert w.grad.tolist() == [564.0, 1014.0, 21.0]


def hooked():
    """(w, w * 2 with a hook and a gradient to keep, what the hook is given)"""
    w, seen = leaf(), []
    a = w * 2
    a.register_hook(lambda g: seen.append(g.tolist()))
    a.retain_grad()
    return w, a, seen


@pytest.mark.parametrize("at", range(4))
def test_a_hook_stays_with_the_value_and_a_kept_gradient_with_the_tensor(at):
    look = looker(at)
    for _ in range(3):
        w, a, seen = hooked()
        look(1, a)
        b = a + 1
        look(2, b)
        a.mul_(5)
        look(3, b)
        ((b * b).sum() + a.sum() * 7).backward()
        assert w.grad.tolist() == [82.0, 90.0, 98.0]
        assert seen == [[41.0, 45.0, 49.0]]
        assert a.grad.tolist() == [7.0] * 3


@pytest.mark.parametrize("at", range(4))
def test_a_write_that_gradients_do_not_see_leaves_hooks_where_they_are(at):
    look = looker(at)
    for _ in range(3):
        w, a, seen = hooked()
        look(1, a)
        b = a + 1
        look(2, b)
        with dv.no_grad():
            a.mul_(5)
        look(3, b)
        ((b * b).sum() + a.sum() * 7).backward()
        assert w.grad.tolist() == [26.0, 34.0, 42.0]
        assert seen == [[13.0, 17.0, 21.0]] and a.grad.tolist() == seen[0]


@pytest.mark.parametrize("at", range(4))
def test_a_hook_of_a_view_whose_base_is_written(at):
    look = looker(at)
    for _ in range(3):
        w, seen = leaf(), []
        a = w * 2
        v = a[:2]
        v.register_hook(lambda g, seen=seen: seen.append(g.tolist()))
        look(1, a)
        c = v * 3
        look(2, c)
        a.mul_(5)
        look(3, c)
        (a.sum() * 7 + c.sum() + (v * v).sum()).backward()
        assert w.grad.tolist() == [276.0, 476.0, 70.0]
        assert seen == [[3.0, 3.0]]


@pytest.mark.parametrize("looked", [False, True])
def test_hooks_are_called_on_a_way_that_was_gone_without_them(looked):
    """A hook leaves no event in the trace, and the quick way back did not look for any."""
    for hooked in (False, False, True, False, True, True):
        w, seen = leaf(), []
        y = w * 2
        if hooked:
            y.register_hook(lambda g, seen=seen: seen.append(g.tolist()))
            y.retain_grad()
        loss = y.sum()
        if looked:
            loss.item()
        loss.backward()
        assert w.grad.tolist() == [2.0] * 3
        assert seen == [[1.0] * 3] * hooked
        assert not hooked or y.grad.tolist() == [1.0] * 3
