"""Tensors of one number as indices and as bounds: what they show shares memory, as in PyTorch 2.13."""

from __future__ import annotations

import pytest

import dovetail as dv
from dovetail.base.config import config

PARTS = {
    "x[i:i + 3]": (lambda x, i: x[i : i + 3], slice(4, 16)),
    "x[:i]": (lambda x, i: x[:i], slice(0, 4)),
    "x[i:]": (lambda x, i: x[i:], slice(4, 20)),
    "x[i]": (lambda x, i: x[i], slice(4, 8)),
    "x[i, 1:]": (lambda x, i: x[i, 1:], slice(5, 8)),
    "x[i, i]": (lambda x, i: x[i, i], slice(5, 6)),
    "x[None, i]": (lambda x, i: x[None, i], slice(4, 8)),
    "x.select(0, i)": (lambda x, i: x.select(0, i), slice(4, 8)),
    "x.narrow(0, i, 2)": (lambda x, i: x.narrow(0, i, 2), slice(4, 12)),
}


@pytest.mark.parametrize("tier", [0, 1, 2])
@pytest.mark.parametrize("name", PARTS)
def test_a_write_through_the_part_reaches_the_whole(name, tier, monkeypatch):
    monkeypatch.setattr(config, "tier", tier)
    part, places = PARTS[name]
    for looked in (False, True):
        for _ in range(3):
            x = dv.arange(20.0).view(5, 4).clone()
            x.tolist()  # a value that is pending, or that has a gradient, is looked up by x[i] instead
            v = part(x, dv.tensor(1))
            if looked:
                v.tolist()
            v.add_(100)
            x.mul_(2)
            expected = [2.0 * k + 200 * (k in range(20)[places]) for k in range(20)]
            assert x.flatten().tolist() == expected
            assert v.flatten().tolist() == expected[places]


@pytest.mark.parametrize("name", ["x[i:i + 3]", "x[:i]", "x[i:]", "x.select(0, i)", "x.narrow(0, i, 2)"])
@pytest.mark.parametrize("moment", range(4))
def test_also_where_a_gradient_is_recorded(name, moment):
    part, places = PARTS[name]
    for _ in range(3):
        w = dv.arange(20.0).view(5, 4).clone().requires_grad_()
        x = w * 2
        if moment == 1:
            x.tolist()
        v = part(x, dv.tensor(1))
        if moment == 2:
            v.tolist()
        v.mul_(3)
        if moment == 3:
            v.tolist()
        (x.sum() + v.sum()).backward()
        assert w.grad.flatten().tolist() == [12.0 if k in range(20)[places] else 2.0 for k in range(20)]


def test_out_of_range_is_an_error():
    x = dv.zeros(5, 4)
    with pytest.raises(IndexError, match="5"):
        x[dv.tensor(5)]
    with pytest.raises(IndexError):
        x.select(0, dv.tensor(5))
