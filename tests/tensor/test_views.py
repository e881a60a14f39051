"""Who shares memory with whom is torch's: a write through any view shows in all, a copy keeps to itself.

The table's numbers are torch's (each program was run there); a program writes through what `make` gives and looks at x.
"""

from __future__ import annotations

import re

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
    "a diagonal beside the main one": (lambda x: x.diagonal(1), 45),
    "diagonal of a transpose": (lambda x: x.t().diagonal(-1), 45),
    "diagonal of columns": (lambda x: x[:, 1:].diagonal(), 45),
    "diagonal of dims apart": (lambda x: x.reshape(3, 2, 2).diagonal(0, 0, 2), 48),
    "windows": (lambda x: x.reshape(-1).unfold(0, 3, 5), 39),
    "windows that overlap": (lambda x: x.unfold(1, 3, 1), -12),
    "windows of a transpose": (lambda x: x.t().unfold(0, 2, 3), 33),
    "strides": (lambda x: x.as_strided((2, 2), (1, 4), 1), 48),
    "strides in a part's memory": (lambda x: x[1:].as_strided((2,), (4,), 0), 60),
    "strides from where a part begins": (lambda x: x[1:].as_strided((2,), (4,)), 52),
    "strides in a transpose's memory": (lambda x: x.t().as_strided((2, 3), (3, 1)), 45),
    "a row of an expanded tensor": (lambda x: x.expand(2, 3, 4)[1, 2], 24),
    "expanded and filled": (lambda x: x[:, :1].expand(3, 2), 51),
    "broadcast with another": (lambda x: dv.broadcast_tensors(x, dv.ones(1, 4))[0], -12),
    "another width": (lambda x: x.view(dv.int32)[:, 1:], None),
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
            make(x).fill_(-1 if wanted is not None else 0)
            assert x.sum().item() == (12 if wanted is None else wanted)
    finally:
        dv.config.tier = before


def test_a_transposed_copy_is_in_order_in_memory():
    x = dv.arange(6.0).reshape(2, 3).clone()
    assert x.t().contiguous().stride() == (2, 1) and x.t().stride() == (1, 3)
    assert x.contiguous() is x


REPEATED = {
    "expanded": lambda x: x[:, :1].expand(3, 4),
    "broadcast": lambda x: dv.broadcast_to(x[0], (3, 4)),
    "expanded a lot": lambda x: x[:, :1].expand(3, 4000),
    "strides": lambda x: x.as_strided((3, 4), (1, 0)),
}


@pytest.mark.parametrize("name", REPEATED)
@pytest.mark.parametrize("look", [False, True])
def test_places_of_one_element_are_not_written_one_by_one(name, look):
    view = REPEATED[name](dv.arange(12.0).reshape(3, 4).clone())
    if look:
        view.sum().item()
    for write in (lambda: view.add_(1), lambda: view.copy_(dv.ones(view.shape)), lambda: view.mul_(2)):
        with pytest.raises(RuntimeError, match="more than one element of the written-to tensor refers to a single"):
            write()


@pytest.mark.parametrize("look", [False, True])
def test_view_never_copies(look):
    x = dv.arange(12.0).reshape(3, 4).clone()
    if look:
        x.sum().item()
    for refused in (lambda: x.t().view(-1), lambda: x[:, :2].view(6), lambda: x.t().view_as(dv.ones(12))):
        with pytest.raises(RuntimeError, match="view size is not compatible with input tensor's size and stride"):
            refused()
    assert x.t().view(2, 2, 3).shape == (2, 2, 3) and x.t().view(dv.int32).shape == (4, 3)


def test_parts_of_complex_numbers_share_their_memory():
    """Numbers as torch gives them."""
    for _ in range(3):
        z = dv.complex(dv.arange(3.0), dv.ones(3))
        z.real.add_(1)
        z.imag[1:] = 5
        assert z.tolist() == [1 + 1j, 2 + 5j, 3 + 5j]
        dv.view_as_real(z)[:, 0] = 0
        assert z.tolist() == [1j, 5j, 5j]
        pairs = dv.tensor([[1.0, 2.0], [3.0, 4.0]])
        pending = dv.view_as_real(z * 1)
        pending[..., 1].zero_()
        assert pending.tolist() == [[0, 0], [0, 0], [0, 0]]
        dv.view_as_complex(pairs).mul_(1j)
        assert pairs.tolist() == [[-2, 1], [-4, 3]]


@pytest.mark.parametrize("write", [lambda v: v.mul_(3), lambda v: v.copy_(dv.full(v.shape, 2.0)), lambda v: v.zero_()])
@pytest.mark.parametrize(
    "make", [lambda x: x.diagonal(), lambda x: x.unfold(0, 2, 2), lambda x: x.as_strided((2,), (5,))]
)
def test_gradient_of_a_write_through_a_view(make, write):
    """By finite differences, in the part that is written and in the rest."""
    def program(x):
        y = x * 2
        write(make(y))
        return (y * y).sum()

    x = dv.arange(9.0, dtype=dv.float64).reshape(3, 3).requires_grad_()
    assert dv.autograd.gradcheck(program, (x,))


SHAPED = {  # torch's numbers: x[1:] changed in place, filled with 9; then 1 added to the row x[2] that was taken before
    "unsqueeze_": (lambda v: v.unsqueeze_(0), [[[9.0] * 4, [10.0] * 4]]),
    "squeeze_": (lambda v: v.squeeze_(), [[9.0] * 4, [10.0] * 4]),
    "t_": (lambda v: v.t_(), [[9.0, 10.0]] * 4),
    "as_strided_": (lambda v: v.as_strided_((2, 2), (1, 4)), [[9.0, 10.0], [9.0, 10.0]]),
    "set_": (lambda v: v.set_(v), [[9.0] * 4, [10.0] * 4]),
}


@pytest.mark.parametrize("name", SHAPED)
@pytest.mark.parametrize("look", [False, True])
@pytest.mark.parametrize("part", [False, True])
def test_another_shape_in_place_keeps_the_memory(name, look, part):
    change, wanted = SHAPED[name]
    x = dv.arange(12.0).reshape(3, 4).clone() if part else dv.arange(8.0).reshape(2, 4).clone()
    v, row = (x[1:], x[2]) if part else (x, x[1])
    if look:
        v.tolist(), row.tolist()
    change(v)
    v.fill_(9)
    row.add_(1)
    if part or name != "as_strided_":
        assert v.tolist() == wanted
    if part and name != "as_strided_":
        assert x.tolist() == [[0, 1, 2, 3], [9] * 4, [10] * 4]


def test_set_takes_over_memory():
    x, y = dv.ones(3), dv.arange(3.0)
    x.set_(y)
    x.add_(1)
    assert y.tolist() == [1, 2, 3]
    with pytest.raises(RuntimeError, match="Could not set tensor of type int64 to a tensor of type float32"):
        x.set_(dv.arange(3))
    with pytest.raises(RuntimeError, match="no gradient leads through"):
        x.set_(dv.ones(3, requires_grad=True) * 2)


def saved_result(x, y):
    b = x.exp()
    return b, b, b.sum()


def saved_input(x, y):
    c = x * y
    return y, c, c.sum()


def saved_part(x, y):
    v = y[1:]
    c = x[1:] * v
    return v, c, c.sum()


def saved_square(x, y):
    b = x * 2
    c = b**2
    return b, c, c.sum()


@pytest.mark.parametrize("program", [saved_result, saved_input, saved_part, saved_square])
@pytest.mark.parametrize("look", [False, True])
@pytest.mark.parametrize("how", ["itself", "a view", "a part", "detached", "data"])
def test_an_error_about_a_write_names_both_lines(program, look, how):
    """Where torch raises: for a write through any of them but .data."""
    x, y = dv.arange(3.0, requires_grad=True), dv.arange(3.0) * 1
    kept, result, loss = program(x, y)
    if look:
        result.tolist(), kept.tolist()
    ways = {"itself": lambda: kept, "a view": lambda: kept.view(-1), "a part": lambda: kept[:1],
            "detached": kept.detach, "data": lambda: kept.data}  # fmt: skip
    written = ways[how]()
    if look:
        written.tolist()
    with dv.no_grad():
        written.mul_(1)
    line = program.__code__.co_firstlineno + (2 if program in (saved_part, saved_square) else 1)
    here = test_an_error_about_a_write_names_both_lines.__code__.co_firstlineno
    if how == "data":
        loss.backward()
        return
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as caught:
        loss.backward()
    lines = [int(word) for word in re.findall(r"line (\d+) of test_views.py", str(caught.value))]
    assert line in lines and any(here < n < here + 25 for n in lines), str(caught.value)


@pytest.mark.parametrize("looked", [False, True])
def test_a_view_whose_shape_is_changed_in_place(looked):
    """x[0].unsqueeze_(0) ended in a zip of unequal lengths when the trace was run."""
    x = dv.arange(24.0).reshape(2, 3, 4)
    if looked:
        x.sum().item()
    for _ in range(3):
        y = x[0]
        y.unsqueeze_(0)
        assert y.shape == (1, 3, 4) and y.sum().item() == 66
        y = x[1]
        y.t_()
        z = y.unsqueeze_(-1)
        assert z is y and y.shape == (4, 3, 1) and y[3, 0, 0].item() == 15
        assert x.squeeze().unsqueeze_(0).shape == (1, 2, 3, 4) and x.shape == (2, 3, 4)


@pytest.mark.parametrize("name", ["zeros", "ones", "empty", "rand", "randn", "full", "randint"])
def test_a_tensor_in_the_shape_of_a_parameter_needs_no_gradient(name):
    """Sums of squared gradients in zeros_like(p) grew a graph, and the second backward through it was refused."""
    p = dv.ones(3, requires_grad=True)
    more = {"full": (2.0,), "randint": (5,)}.get(name, ())
    for _ in range(3):
        like = getattr(dv, name + "_like")(p, *more)
        like += 1
        assert not like.requires_grad
        if hasattr(p, "new_" + name):
            new = getattr(p, "new_" + name)((2,), *more)
            assert not new.requires_grad and new.shape == (2,)
        (p * like).sum().backward()
