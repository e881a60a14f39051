"""Numbers that a dtype does not hold, and whole numbers divided by zero: RuntimeErrors, as PyTorch has it."""

from __future__ import annotations

import pytest

import dovetail as dv

WRITES = {
    "fill_": lambda x, n: x.fill_(n), "masked_fill": lambda x, n: x.masked_fill(x == 0, n), "full_like":
    lambda x, n: dv.full_like(x, n), "full": lambda x, n: dv.full((2,), n, dtype=x.dtype),
    "scatter": lambda x, n: x.scatter(0, dv.tensor([0]), n), "clamp": lambda x, n: x.clamp(max=n),
    "index_fill": lambda x, n: x.index_fill(0, dv.tensor([0, 1]), n), "setitem": lambda x, n: x.__setitem__(0, n),
    "setitem by list": lambda x, n: x.__setitem__([0], n), "pow": lambda x, n: x ** (n if n > 255 else 2),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("look", [False, True])
def test_a_number_that_does_not_fit_is_refused_at_every_turn(name, look):
    """Also once earlier numbers at this place have made it an input of the program."""
    for n in (1, 2, 300, 200, 256, 3):
        x = dv.zeros(2, dtype=dv.uint8) * 1
        if look:
            x.tolist()
        if n > 255:
            with pytest.raises(RuntimeError, match=f"cannot be converted to type uint8 without overflow: {n}"):
                WRITES[name](x, n)
        else:
            WRITES[name](x, n)
        assert x.sum().item() in (0, n, 2 * n)


def test_a_negative_number_wraps_in_an_unsigned_dtype():
    for n in (1, 2, -1):
        assert dv.zeros(2, dtype=dv.uint8).fill_(n).tolist() == [n % 256] * 2


DIVISIONS = {
    "//": lambda a, b: a // b, "%": lambda a, b: a % b, "fmod": dv.fmod, "remainder": dv.remainder,
    "floor_divide": dv.floor_divide, "trunc": lambda a, b: dv.div(a, b, rounding_mode="trunc"),
    "floor": lambda a, b: dv.div(a, b, rounding_mode="floor"),
}  # fmt: skip


@pytest.mark.parametrize("name", DIVISIONS)
@pytest.mark.parametrize("dtype", [dv.int64, dv.int32, dv.int8, dv.uint8])
@pytest.mark.parametrize("tier", [0, 2])
def test_whole_numbers_are_not_divided_by_zero(name, dtype, tier):
    divide = DIVISIONS[name]
    before, dv.config.tier = dv.config.tier, tier
    try:
        for zero in (1, 0, 2, 0):
            a, b = dv.tensor([7, 8], dtype=dtype), dv.tensor([1, zero], dtype=dtype)
            if zero:
                assert divide(a * 1, b * 1).shape == (2,) and divide(a, b).tolist()
                assert divide(a, zero).tolist()
                continue
            for given in ((a, b), (a * 1, b * 1), (a, 0)):
                with pytest.raises(RuntimeError, match="ZeroDivisionError"):
                    divide(*given).tolist()
        assert divide(dv.ones(0, dtype=dtype), 0).tolist() == []
        assert (dv.ones(2, dtype=dtype) / 0).isinf().all() and (dv.ones(2) // 0).isinf().all()
    finally:
        dv.config.tier = before


def test_zeros_in_front_of_a_division_are_refused_too():
    z = dv.tensor([1, 0])
    for call in (lambda: 7 // z, lambda: 7 % z, lambda: z.clone().remainder_(z)):
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            call().tolist()
