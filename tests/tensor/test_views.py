"""Who shares memory with whom is torch's: a write through any view shows in all, a copy keeps to itself.

The table's numbers are torch's (each program was run there); a program writes through what `make` gives and looks at x.
"""

from __future__ import annotations

import pytest

import dovetail as dv

SHARES = {  # a view of x = arange(12).reshape(3, 4), whose elements are set to -1: what is left of x's sum
    "view": (lambda x: x.view(-1), -12),
    "reshape": (lambda x: x.reshape(4, 3), -12),
    "flatten": (lambda x: x.flatten(), -12),
    "contiguous": (lambda x: x.contiguous(), -12),
    "contiguous of a transpose": (lambda x: x.t().contiguous(), 66),
    "contiguous of a transpose of a transpose": (lambda x: x.t().t().contiguous(), -12),
    "reshape of a transpose": (lambda x: x.t().reshape(-1), 66),
    "reshape of a transpose that strides can show": (lambda x: x.t().reshape(2, 2, 3), -12),
    "flatten of a transpose": (lambda x: x.t().flatten(), 66),
    "ravel of columns": (lambda x: x[:, ::2].ravel(), 66),
    "reshape of rows": (lambda x: x[1:].reshape(-1), -2),
    "contiguous columns": (lambda x: x[:, :2].contiguous(), 66),
    "contiguous rows": (lambda x: x[:2].contiguous(), 30),
    "expanded and flattened": (lambda x: x[0].expand(2, 4).reshape(-1), 66),
    "detach": (lambda x: x.detach(), -12),
    "data": (lambda x: x.data, -12),
    "clone": (lambda x: x.clone(), 66),
    "diagonal": (lambda x: x.diagonal(), 48),
    "advanced indexing": (lambda x: x[[0, 1]], 66),
    "a mask": (lambda x: x[x > 3], 66),
    "numpy": (lambda x: dv.from_numpy(x.numpy()), -12),
}


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("tier", [0, 2])
def test_a_write_reaches_what_shares_memory(name, pending, tier):
    make, wanted = SHARES[name]
    before, dv.config.tier = dv.config.tier, tier
    try:
        for _ in range(3):  # recorded, replayed, compiled
            x = dv.arange(12.0).reshape(3, 4).clone()
            if not pending:
                x.sum().item()
            make(x).fill_(-1)
            assert x.sum().item() == wanted
    finally:
        dv.config.tier = before


def test_a_transposed_copy_is_in_order_in_memory():
    x = dv.arange(6.0).reshape(2, 3).clone()
    assert x.t().contiguous().stride() == (2, 1) and x.t().stride() == (1, 3)
    assert x.contiguous() is x
