"""Tensor types, storages, bits and the older names of Tensor: what they make, and whose memory it is."""

from __future__ import annotations

import copy
import pickle
import typing

import numpy as np
import pytest

import dovetail as dt
from dovetail.base.errors import ArgumentError, DTypeError, GradientError


def test_tensor_of_sizes_and_of_values():
    assert dt.Tensor(2, 3).shape == (2, 3) and dt.Tensor(2, 3).dtype is dt.float32
    assert dt.Tensor([1, 2]).tolist() == [1.0, 2.0] and dt.Tensor().shape == (0,)
    assert dt.Tensor(dt.Size([2, 1])).shape == (2, 1)
    with pytest.raises(TypeError, match="sequence"):
        dt.Tensor(3.5)
    x = dt.ones(2)
    assert dt.Tensor(x).data_ptr() == x.data_ptr()
    with pytest.raises(TypeError, match="int64"):
        dt.Tensor(dt.tensor([1]))


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("FloatTensor", "float32"), ("DoubleTensor", "float64"), ("LongTensor", "int64"), ("BoolTensor", "bool")],
)
def test_typed_tensors(name, dtype):
    kind = getattr(dt, name)
    x = kind([[1, 0], [1, 1]])
    np.testing.assert_array_equal(x.numpy(), np.array([[1, 0], [1, 1]]).astype(dtype))
    assert isinstance(x, kind) and not isinstance(x, dt.ShortTensor) and not isinstance(x.numpy(), kind)
    assert dt.ones(2).type(kind).dtype is x.dtype and dt.ones(2).type(f"torch.{name}").dtype is x.dtype
    assert x.new(3).dtype is x.dtype and x.new([1]).tolist() == [1] and x.new(3).shape == (3,)
    assert pickle.loads(pickle.dumps(kind)).dtype is kind.dtype
    assert type(None) in typing.get_args(kind | None)


def test_the_default_tensor_type():
    try:
        dt.set_default_tensor_type(dt.DoubleTensor)
        assert dt.tensor(1.5).dtype is dt.float64 and dt.Tensor(2).dtype is dt.float64
    finally:
        dt.set_default_tensor_type("torch.FloatTensor")
    assert dt.tensor(1.5).dtype is dt.float32


def test_views_share_a_storage_and_writes_go_through():
    x = dt.arange(6.0).reshape(2, 3).clone()
    s = x.untyped_storage()
    assert s == x[1].untyped_storage() and s != x.clone().untyped_storage() and s.nbytes() == 24 == len(s)
    assert bytes(s.tolist()) == x.numpy().tobytes()
    t = x.storage()
    t[4] = 40.0
    assert x[1, 1].item() == 40.0 and t.size() == 6 and t.dtype is dt.float32 and dt.is_storage(t)
    kept = t.clone()
    s.fill_(0)
    assert x.sum().item() == 0.0 and kept.tolist() == [0.0, 1.0, 2.0, 3.0, 40.0, 5.0]
    y = dt.empty(0).set_(kept, 1, (2, 2), (1, 2))
    assert y.tolist() == [[1.0, 3.0], [2.0, 40.0]] and y.is_set_to(dt.empty(0).set_(kept, 1, (2, 2), (1, 2)))
    with pytest.raises(RuntimeError, match="beyond a storage of 6"):
        dt.empty(0).set_(kept, 0, (7,))


@pytest.mark.parametrize("tier", [0, 2])
def test_the_same_bits_as_another_dtype(tier, monkeypatch):
    monkeypatch.setattr(dt.config, "tier", tier)
    a = np.linspace(-2, 2, 8, dtype=np.float32).reshape(2, 4)
    for _ in range(3):
        for name in ("int32", "int64", "int16", "uint8", "float64"):
            got = dt.from_numpy(a.copy()).view(getattr(dt, name))
            np.testing.assert_array_equal(got.numpy(), a.view(name))
        x = dt.zeros(2, 3)
        x.view(dt.int32)[1] = 1065353216  # the bits of 1.0
        assert x.tolist() == [[0.0] * 3, [1.0] * 3]
    with pytest.raises(RuntimeError, match="multiple of 8"):
        dt.zeros(3).view(dt.int64)


def test_maps_by_python_functions():
    x = dt.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.apply_(lambda v: v + 1) is x and x.tolist() == [[2.0, 3.0], [4.0, 5.0]]
    assert x.map_(dt.tensor([10.0, 20.0]), lambda a, b: a * b).tolist() == [[20.0, 60.0], [40.0, 100.0]]
    with pytest.raises(GradientError, match="requires grad"):
        dt.ones(2, requires_grad=True).apply_(abs)


def test_facts_and_older_names():
    class Named(dt.Tensor):
        pass

    x = dt.ones(2, 3, requires_grad=True)
    y = x.as_subclass(Named)
    (y * y).sum().backward()
    assert type(y) is Named and x.grad.tolist() == [[2.0] * 3] * 2
    assert x.is_cpu and not (x.is_nested or x.is_quantized or x.is_xpu or x.is_meta) and not x.is_pinned()
    assert x.dim_order() == (0, 1) and x.detach().t().dim_order() == (1, 0)
    assert x.name is None and x.is_same_size(dt.zeros(2, 3))
    assert x.resize(3, 2).shape == (3, 2)
    with pytest.raises(RuntimeError, match="must not change"):
        x.resize(4)
    with pytest.raises(RuntimeError, match="log_prob"):
        x.reinforce(1.0)
    assert copy.deepcopy(dt.FloatTensor).dtype is dt.float32


def test_out_is_checked():
    x, place = dt.arange(6.0).clone(), dt.tensor([1, 3])
    with pytest.raises(DTypeError, match="float64"):
        dt.gather(x, 0, place, out=dt.empty(2, dtype=dt.float64))
    with pytest.raises(RuntimeError, match="same memory"):
        dt.gather(x, 0, place, out=x)
    with pytest.raises(RuntimeError, match="NumPy"):
        dt.cat([x, x], out=dt.from_numpy(np.zeros(3, np.float32)))
    with pytest.raises(TypeError, match="'out' must be Tensor"):
        dt.sin(x, out=np.zeros(6))
    found = dt.empty(0, dtype=dt.int64)
    assert dt.nonzero(dt.tensor([0, 3, 0, 4]), out=found) is found and found.tolist() == [[1], [3]]
    with pytest.raises(ArgumentError, match="strided"):
        dt.signal.windows.hann(4, layout=dt.sparse_coo)


def test_a_beta_that_becomes_zero_ignores_nan():
    """The number becomes an input of the program once it has changed; 0 must still mean: not at all."""
    bad, a, b = dt.full((2, 2), float("nan")), dt.ones(2, 3), dt.ones(3, 2)
    for beta in (1.0, 0.5, 0.0, 0.25, 0.0):
        got = dt.addmm(bad, a, b, beta=beta).numpy()
        assert np.isnan(got).all() if beta else (got == 3.0).all()


@pytest.mark.parametrize(
    ("args", "dtype", "expected"),
    [((0.0, -8.1, -4.0), "int64", [0, -4]), ((0.0, -8.1, -4.0), "int32", [0, -4, -8]), ((3.1,), "int64", [0, 1, 2])],
)
def test_whole_ranges_from_fractions(args, dtype, expected):
    """Expected values are torch's: only for int64 does it count steps in whole numbers."""
    got = dt.arange(*args, dtype=getattr(dt, dtype))
    assert got.tolist() == expected and got.dtype is getattr(dt, dtype)


def test_ldl_solves_indefinite_systems():
    random = np.random.default_rng(3)
    for dtype in ("float64", "complex128"):
        a = random.normal(size=(3, 6, 6)) + (1j * random.normal(size=(3, 6, 6)) if dtype == "complex128" else 0)
        b = random.normal(size=(6, 2)).astype(dtype)
        for hermitian in (False, True):
            sym = a + (np.conj(a.swapaxes(-1, -2)) if hermitian else a.swapaxes(-1, -2))
            ld, pivots = dt.linalg.ldl_factor(dt.from_numpy(sym.astype(dtype)), hermitian=hermitian)
            x = dt.linalg.ldl_solve(ld, pivots, dt.from_numpy(b), hermitian=hermitian).numpy()
            np.testing.assert_allclose(sym @ x, np.broadcast_to(b, x.shape), atol=1e-10)
    assert dt.linalg.ldl_factor_ex(dt.zeros(2, 2)).info.item() == 1


def test_fork_rng_leaves_the_stream_alone():
    dt.random.manual_seed(5)
    first = dt.rand(3).tolist()
    dt.random.manual_seed(5)
    with dt.random.fork_rng():
        dt.rand(7)
    assert dt.rand(3).tolist() == first
