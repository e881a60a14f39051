"""What was written over entirely has a gradient of zeros, and what it was made from, as in PyTorch 2.13: not None.

The cases and numbers are PyTorch's for the same lines.
"""

from __future__ import annotations

import pytest

import dovetail as dv
from dovetail.base.config import config

OVER = {
    "copy_": lambda y: y.copy_(dv.tensor([5.0, 6.0, 7.0])),
    "copy_ of one number": lambda y: y.copy_(dv.tensor(4.0)),
    "copy_ of itself, detached": lambda y: y.copy_(y.detach() * 2),
    "fill_": lambda y: y.fill_(2.0),
    "fill_ with a tensor": lambda y: y.fill_(dv.tensor(3.0)),
    "zero_": lambda y: y.zero_(),
    "y[:] = number": lambda y: y.__setitem__(slice(None), 1.0),
    "y[...] = number": lambda y: y.__setitem__(Ellipsis, 1.0),
    "y[:] = tensor": lambda y: y.__setitem__(slice(None), dv.tensor([5.0, 6.0, 7.0])),
    "y[mask] = number": lambda y: y.__setitem__(dv.tensor([True] * 3), 1.0),
    "y[indices] = number": lambda y: y.__setitem__([0, 1, 2], 1.0),
    "masked_fill_": lambda y: y.masked_fill_(dv.tensor([True] * 3), 1.0),
    "index_fill_": lambda y: y.index_fill_(0, dv.tensor([0, 1, 2]), 1.0),
    "index_copy_": lambda y: y.index_copy_(0, dv.tensor([0, 1, 2]), dv.ones(3)),
    "scatter_": lambda y: y.scatter_(0, dv.tensor([0, 1, 2]), 1.0),
    "masked_scatter_": lambda y: y.masked_scatter_(dv.tensor([True] * 3), dv.ones(3)),
    "a view of all": lambda y: y[:].zero_(),
    "a view of another shape": lambda y: y.view(3, 1).fill_(2.0),
    "views of parts": lambda y: (y[:2].zero_(), y[2:].zero_()),
    "mul_ by zero": lambda y: y.mul_(0),
    "uniform_": lambda y: y.uniform_(),
    "normal_": lambda y: y.normal_(),
    "bernoulli_": lambda y: y.bernoulli_(),
    "random_": lambda y: y.random_(5),
    "eq_": lambda y: y.eq_(1.0),
    "round_": lambda y: y.round_(),
}  # fmt: skip


def gradient(write, look):
    """The gradient of w where w * 2 is written and summed; look: 1 at its value before the write, 2 after it."""
    w = dv.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = w * 2
    if look == 1:
        y.tolist()
    write(y)
    if look == 2:
        y.tolist()
    assert y.requires_grad
    y.sum().backward()
    return None if w.grad is None else w.grad.tolist()


@pytest.mark.parametrize("tier", [0, 1, 2])
@pytest.mark.parametrize("write", OVER)
def test_a_gradient_of_zeros(write, tier, monkeypatch):
    monkeypatch.setattr(config, "tier", tier)
    for look in (0, 1, 2):
        for _ in range(2):
            assert gradient(OVER[write], look) == [0.0, 0.0, 0.0]


UNSEEN = {
    "under no_grad": lambda y: dv.no_grad()(y.zero_)(),
    "through .data": lambda y: y.data.zero_(),
    "through detach()": lambda y: y.detach().zero_(),
}


@pytest.mark.parametrize("write", UNSEEN)
def test_a_write_that_gradients_do_not_see_changes_no_gradient(write):
    for look in (0, 1, 2):
        assert gradient(UNSEEN[write], look) == [2.0, 2.0, 2.0]


def test_what_is_written_gets_its_own_gradient_and_the_rest_zeros():
    for looked in (False, True):
        w, v = (dv.tensor([1.0, 2.0, 3.0], requires_grad=True) for _ in range(2))
        y = w * 2
        if looked:
            y.tolist()
        y.copy_(v * 5)
        (y * y).sum().backward()
        assert v.grad.tolist() == [50.0, 100.0, 150.0]
        assert w.grad.tolist() == [0.0, 0.0, 0.0]


def test_bernoulli_in_place_draws_with_the_probability_that_is_given():
    x = dv.full((2000,), 7.0)
    dv.manual_seed(0)
    assert 0.4 < x.bernoulli_().mean().item() < 0.6
    assert x.bernoulli_(1.0).tolist() == [1.0] * 2000
    assert x[:3].bernoulli_(dv.tensor([0.0, 1.0, 0.0])).tolist() == [0.0, 1.0, 0.0]
    assert dv.zeros(3, dtype=dv.int64).bernoulli_(1.0).tolist() == [1, 1, 1]
