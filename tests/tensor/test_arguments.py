"""Arguments as torch's parser takes them: NumPy's names for `dim` and its like, tensors of one element as sizes."""

import numpy as np
import pytest

import dovetail
import dovetail.nn.functional as F

X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize(
    "call, expected",
    [
        (lambda x: dovetail.cumprod(x, axis=0), np.cumprod(X, axis=0)),
        (lambda x: x.sum(axis=1, keepdims=True), X.sum(axis=1, keepdims=True)),
        (lambda x: dovetail.cat([x, x], axis=1), np.concatenate([X, X], axis=1)),
        (lambda x: dovetail.stack([x, x], axis=-1), np.stack([X, X], axis=-1)),
        (lambda x: dovetail.max(x, axis=1).values, X.max(axis=1)),
        (lambda x: x.argmax(axis=0), X.argmax(axis=0)),
        (lambda x: dovetail.add(x1=x, x2=x), X + X),
        (lambda x: dovetail.exp(x=x), np.exp(X)),
        (lambda x: dovetail.repeat_interleave(x, 2, axis=0), np.repeat(X, 2, axis=0)),
        (lambda x: dovetail.tensor_split(x, 2, axis=0)[1], X[1:]),
        (lambda x: dovetail.unsqueeze(x, axis=0), X[None]),
    ],
)
def test_numpy_names_of_arguments(call, expected):
    for _ in range(4):  # the quick path of a known call too
        np.testing.assert_allclose(call(dovetail.from_numpy(X)).numpy(), expected, rtol=1e-6)


def test_an_argument_named_twice_is_refused():
    with pytest.raises(TypeError, match="multiple values for argument 'dim'"):
        dovetail.sum(dovetail.ones(2, 2), dim=0, axis=1)


SIZES = {
    "zeros": (lambda a, b: dovetail.zeros(2, b), (2, 4)),
    "ones of a tuple": (lambda a, b: dovetail.ones((2, b)), (2, 4)),
    "full": (lambda a, b: dovetail.full((b, 2), 1.0), (4, 2)),
    "arange": (lambda a, b: dovetail.arange(b), (4,)),
    "arange from": (lambda a, b: dovetail.arange(a, b + 4, a), (2,)),
    "randn": (lambda a, b: dovetail.randn(a, b), (3, 4)),
    "randint": (lambda a, b: dovetail.randint(0, b, (a,)), (3,)),
    "randperm": (lambda a, b: dovetail.randperm(b), (4,)),
    "eye": (lambda a, b: dovetail.eye(b), (4, 4)),
    "linspace": (lambda a, b: dovetail.linspace(0, 1, a), (3,)),
    "view": (lambda a, b: dovetail.zeros(2, 6).view(a, b), (3, 4)),
    "reshape of a list": (lambda a, b: dovetail.zeros(12).reshape([a, -1]), (3, 4)),
    "expand": (lambda a, b: dovetail.zeros(3, 1).expand(3, b), (3, 4)),
    "repeat": (lambda a, b: dovetail.zeros(2).repeat(a), (6,)),
    "new_zeros": (lambda a, b: dovetail.zeros(1).new_zeros(a, 2), (3, 2)),
    "sum over a dim": (lambda a, b: dovetail.zeros(5, 2).sum(a - 2), (5,)),
    "unsqueeze": (lambda a, b: dovetail.zeros(5).unsqueeze(a - 3), (1, 5)),
    "one_hot": (lambda a, b: F.one_hot(dovetail.tensor([1, 2]), b + 1), (2, 5)),
    "pad": (lambda a, b: F.pad(dovetail.zeros(3), (0, a)), (6,)),
    "topk": (lambda a, b: dovetail.arange(9).topk(a).values, (3,)),
    "keyword": (lambda a, b: dovetail.zeros(size=(a, b)), (3, 4)),
    "narrow": (lambda a, b: dovetail.zeros(9).narrow(0, a, b), (4,)),
}


@pytest.mark.parametrize("call, shape", SIZES.values(), ids=SIZES)
def test_tensors_of_one_element_are_sizes(call, shape):
    given = dovetail.tensor([3, 4])
    for _ in range(4):
        assert tuple(call(given[0], given[1]).shape) == shape


def test_another_value_gives_another_size():
    x = dovetail.arange(12.0)
    for lengths in ([2, 3], [2, 3], [2, 3], [4, 3], [2, 6], [2, 3]):
        longest = dovetail.tensor(lengths).max()
        assert dovetail.zeros(2, longest).shape == (2, max(lengths))
        assert x.view(longest, -1).shape == (max(lengths), 12 // max(lengths))
        assert F.pad(x, (0, longest)).shape == (12 + max(lengths),)


def test_two_tensors_are_no_tensor_and_its_dim():
    x, one = dovetail.tensor([1, 3]), dovetail.tensor(2)
    for _ in range(4):
        assert dovetail.max(x, one).tolist() == [2, 3] and dovetail.min(x, one).tolist() == [1, 2]
        assert dovetail.max(x, dovetail.tensor([0, 4])).tolist() == [1, 4]
