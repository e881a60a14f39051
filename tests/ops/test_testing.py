"""torch.testing: what assert_close says. The texts were read off PyTorch 2.13."""

import numpy as np
import pytest

import dovetail
from dovetail.testing import assert_allclose, assert_close, make_tensor

t = dovetail.tensor
CLOSE = [
    (t([1.0, 2.0]), t([1.0, 2.0000019])),
    (t([1.0]).bfloat16(), t([1.01]).bfloat16()),
    ([t([1]), t([2.0])], [t([1]), t([2.0])]),
    ({"a": 1.0}, {"a": 1.0000001}),
    (t([np.inf]), t([np.inf])),
    (np.ones(3), np.ones(3)),
]
AWAY = [
    (
        t([1.0, 2.0]),
        t([1.0, 2.5]),
        "Tensor-likes are not close!\n\nMismatched elements: 1 / 2 (50.0%)\nGreatest absolute difference: 0.5 at index "
        "(1,) (up to 1e-05 allowed)\nGreatest relative difference: 0.2 at index (1,) (up to 1.3e-06 allowed)",
    ),
    (t([1, 2]), t([1, 3]), "Tensor-likes are not equal!\n\nMismatched elements: 1 / 2 (50.0%)\nGreatest absolute "),
    (t([1.0]), t([1.0, 2.0]), "The values for attribute 'shape' do not match: (1,) != (2,)."),
    (t([1.0]), t([1]), "The values for attribute 'dtype' do not match: float32 != int64."),
    (1.0, 2.0, "Scalars are not close!\n\nExpected 2.0 but got 1.0.\nAbsolute difference: 1.0 (up to 1e-07 allowed)"),
    ([1], [1, 2], "The length of the sequences mismatch: 1 != 2"),
    ({"a": 1}, {"b": 1}, "The keys of the mappings do not match:\nMissing keys in the actual mapping: ['b']"),
    (t([np.nan]), t([np.nan]), "Tensor-likes are not close!"),
]


@pytest.mark.parametrize("actual, expected", CLOSE)
def test_close(actual, expected):
    assert_close(actual, expected)


@pytest.mark.parametrize("actual, expected, says", AWAY)
def test_away(actual, expected, says):
    with pytest.raises(AssertionError) as caught:
        assert_close(actual, expected)
    assert str(caught.value).startswith(says)


def test_settings():
    assert_close(t([np.nan]), t([np.nan]), equal_nan=True)
    assert_close(t([1.0]), t([1.1]), rtol=0, atol=0.2)
    assert_close(t([1.0]), t([1]), check_dtype=False)
    assert_allclose(t([1.0]), [1.0])
    with pytest.raises(AssertionError, match=r"\['a'\]\[1\]$"):
        assert_close({"a": [1, 2]}, {"a": [1, 3]})
    with pytest.raises(AssertionError, match="^mine$"):
        assert_close(1, 2, msg="mine")
    with pytest.raises(ValueError, match="both"):
        assert_close(1, 1, rtol=0.1)
    with pytest.raises(TypeError, match="No comparison pair"):
        assert_close("a", "a")


@pytest.mark.parametrize("name", ["float32", "float64", "bfloat16", "int64", "uint8", "bool", "complex64"])
def test_made_tensors(name):
    dtype = getattr(dovetail, name)
    made = make_tensor((50, 4), dtype=dtype, exclude_zero=name != "bool")
    assert made.shape == (50, 4) and made.dtype is dtype and (name == "bool" or (made != 0).all())
    if name.startswith("float"):
        assert made.abs().max() <= 9 and make_tensor(9, dtype=dtype, low=2, high=3).min() >= 2
        assert not make_tensor(3, 4, dtype=dtype, noncontiguous=True).is_contiguous()
