"""Views that may not be written while gradients are recorded, as in PyTorch 2.13: the cases are what it does there."""

from __future__ import annotations

import pytest

import dovetail as dv
from dovetail.base.config import config
from dovetail.base.errors import GradientError

SEVERAL = {
    "unbind": lambda y: y.unbind(0)[0],
    "unbind of columns": lambda y: dv.unbind(y, 1)[0],
    "split": lambda y: y.split(1)[0],
    "split into one part": lambda y: y.split(3)[0],
    "split by sizes": lambda y: y.split([1, 2])[0],
    "split_with_sizes": lambda y: y.split_with_sizes([1, 2])[0],
    "chunk": lambda y: y.chunk(2)[0],
    "an element of a loop": lambda y: next(iter(y)),
    "a view of such a view": lambda y: y.unbind(0)[0][:1],
    "such a view of a view": lambda y: y[1:].unbind(0)[0],
}  # fmt: skip

SINGLE = {
    "index": lambda y: y[0],
    "narrow": lambda y: y.narrow(0, 0, 1),
    "tensor_split": lambda y: y.tensor_split(2)[0],
    "hsplit": lambda y: y.hsplit(2)[0],
    "vsplit": lambda y: y.vsplit(3)[0],
    "unsafe_split": lambda y: y.unsafe_split(1)[0],
    "unsafe_chunk": lambda y: y.unsafe_chunk(2)[0],
    "detached": lambda y: y.unbind(0)[0].detach(),
    "data": lambda y: y.unbind(0)[0].data,
    "copied": lambda y: y.unbind(0)[0].clone(),
}  # fmt: skip


@pytest.fixture(params=[0, 1, 2], autouse=True)
def tier(request, monkeypatch):
    monkeypatch.setattr(config, "tier", request.param)


def twelve():
    return dv.arange(12.0).view(3, 4).clone().requires_grad_()


def looked(x, look):
    if look:
        x.tolist()
    return x


@pytest.mark.parametrize("look", [False, True])
@pytest.mark.parametrize("name", SEVERAL)
def test_one_of_several_views_is_not_written_where_a_gradient_is_recorded(name, look):
    part = SEVERAL[name]
    for _ in range(3):
        y = looked(twelve() * 2, look)
        v = part(y)
        before = y.tolist()
        with pytest.raises(GradientError, match="is a view and is being modified inplace(.|\n)*multiple views"):
            v.mul_(2)
        assert y.tolist() == before
        with pytest.raises(GradientError, match="multiple views"):
            part(looked(dv.ones(3, 4), look) if name != "an element of a loop" else twelve()).copy_(twelve().sum())


@pytest.mark.parametrize("look", [False, True])
@pytest.mark.parametrize("name", SEVERAL)
def test_it_is_written_where_none_is_recorded(name, look):
    part = SEVERAL[name]
    for _ in range(2):
        y = looked(dv.ones(3, 4), look)
        v = part(y)
        v.mul_(2)
        assert y.sum().item() == 12 + v.numel()
        y = looked(twelve() * 0 + 1, look)
        v = part(y)
        with dv.no_grad():
            v.mul_(2)
        assert y.sum().item() == 12 + v.numel()


@pytest.mark.parametrize("look", [False, True])
@pytest.mark.parametrize("name", SINGLE)
def test_other_parts_are_written(name, look):
    for _ in range(2):
        y = looked(twelve() * 0 + 1, look)
        v = SINGLE[name](y)
        v.mul_(2)
        assert v.tolist() == dv.full(v.shape, 2.0).tolist()
        assert y.sum().item() == 12 + (v.numel() if name != "copied" else 0)


@pytest.mark.parametrize("look", [False, True])
@pytest.mark.parametrize("name", ["index", "narrow", "tensor_split"])
def test_a_view_made_under_no_grad_is_not_written_outside(name, look):
    for _ in range(2):
        for y in (looked(twelve(), look), looked(twelve() * 2, look)):
            with dv.no_grad():
                v = SINGLE[name](y)
                v.mul_(2)
            with pytest.raises(GradientError, match="created in no_grad mode and is being modified inplace"):
                v.mul_(2)
        plain = looked(dv.ones(3, 4), look)
        with dv.no_grad():
            v = SINGLE[name](plain)
        v.mul_(2)
        assert plain.sum().item() == 12 + v.numel()


def test_the_message_names_the_view_and_the_cure():
    y = twelve() * 2
    first, second = y.chunk(2)
    with pytest.raises(GradientError) as error:
        second.mul_(3)
    text = str(error.value)
    assert "mul_: output 1 of chunk" in text and "second" in text and "second = second.mul(3)" in text
