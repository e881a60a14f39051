"""NumPy and DLPack, both ways, and what a notebook shows."""

from __future__ import annotations

import numpy as np
import pytest

import dovetail as dv
from dovetail.utils.dlpack import to_dlpack

DTYPES = "float64 float32 float16 int64 int32 int16 int8 uint8 bool complex64 complex128".split()


@pytest.mark.parametrize("name", DTYPES)
def test_memory_goes_to_numpy_and_back(name):
    x = dv.arange(6).reshape(2, 3).to(getattr(dv, name)).clone()
    there = np.from_dlpack(x.t())
    assert there.shape == (3, 2) and there.strides == (x.element_size(), 3 * x.element_size())
    assert np.shares_memory(there, x.numpy())
    back = dv.from_dlpack(there)
    assert back.dtype is x.dtype and back.stride() == (1, 3) and back.data_ptr() == x.data_ptr()
    back.fill_(1)
    assert x.tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("name", [*DTYPES, "bfloat16"])
def test_memory_goes_to_torch_and_back(name):
    torch = pytest.importorskip("torch")
    x = dv.arange(6).reshape(2, 3).to(getattr(dv, name)).clone()
    there = torch.from_dlpack(x.t())
    assert there.dtype is getattr(torch, name) and there.stride() == (1, 3) and there.data_ptr() == x.data_ptr()
    back = dv.from_dlpack(there)
    assert back.dtype is x.dtype and back.stride() == (1, 3) and back.data_ptr() == x.data_ptr()
    there.fill_(1)
    assert x.tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("version", [None, (0, 8), (1, 0), (1, 1)])
@pytest.mark.parametrize("dtype", [dv.float32, dv.bfloat16])
def test_a_capsule_is_consumed_once(version, dtype):
    x = dv.ones(2, dtype=dtype)
    capsule = x.__dlpack__(max_version=version)
    assert ("versioned" in repr(capsule)) == (version is not None and version[0] >= 1)
    assert dv.from_dlpack(capsule).tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="consumed only once"):
        dv.from_dlpack(capsule)
    assert dv.utils.dlpack.from_dlpack(to_dlpack(x)).dtype is dtype


def test_what_dlpack_asks_for():
    x = dv.ones(2, 3)
    kind, number = x.__dlpack_device__()
    assert (kind, kind.name, number) == (1, "kDLCPU", 0)
    assert x.__dlpack__(stream=None) is not None and x.__dlpack__(stream=-1) is not None
    for refused in ({"stream": 1}, {"dl_device": (2, 0)}):
        with pytest.raises(BufferError):
            x.__dlpack__(**refused)
    with pytest.raises(BufferError, match="require gradient"):
        dv.ones(2, requires_grad=True).__dlpack__()
    with pytest.raises(TypeError, match="must have __dlpack__"):
        dv.from_dlpack([1, 2])
    fixed = np.arange(3)
    fixed.setflags(write=False)
    assert dv.from_dlpack(fixed).tolist() == [0, 1, 2]
    assert dv.from_dlpack(dv.ones(0, 3)).shape == (0, 3) and dv.from_dlpack(np.array(3)).shape == ()
    y = dv.from_dlpack(x, copy=True)
    y.add_(1)
    assert x.sum().item() == 6


def test_numpys_functions_of_tensors_give_tensors(monkeypatch):
    monkeypatch.setattr(dv.Tensor, "_numpy_detaches", False)  # another test may have spoken Keras
    x = dv.tensor([1.0, 4.0])
    for made in (np.sqrt(x), np.add(x, np.ones(2, np.float32)), np.maximum(x, 2), np.negative(x), np.float64(2) * x,
                 np.ones(2) + x, np.sum(x), np.transpose(x)):  # fmt: skip
        assert type(made) is dv.Tensor
    assert np.sqrt(x).tolist() == [1, 2] and type(np.stack([x, x])) is np.ndarray
    with pytest.raises(RuntimeError, match="requires grad"):
        np.sin(dv.ones(2, requires_grad=True))


def test_arrays_are_shared_or_copied_as_asked():
    x = dv.ones(2)
    assert np.shares_memory(np.asarray(x), x.numpy()) and not np.shares_memory(np.array(x), x.numpy())
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert np.shares_memory(x.__array__(copy=False), x.numpy())
    with pytest.raises(ValueError, match="avoid copy"):
        x.__array__(np.float64, copy=False)


def test_a_notebook_shows_tables():
    shown = dv.tensor([[1.5, 2.0], [0.0, -1.0]], requires_grad=True)._repr_html_()
    assert "Tensor (2, 2) · float32 · requires_grad" in shown
    assert shown.count("<tr>") == 2 and ">1.5000</td>" in shown and ">-1.0000</td>" in shown
    assert dv.arange(10_000)._repr_html_().count("<td") == 7  # three on each side, and dots
    assert "&lt;MulBackward0&gt;" in (dv.ones(2, 2, 2, requires_grad=True) * 2)._repr_html_()
    assert "<pre>tensor(3)</pre>" in dv.tensor(3)._repr_html_()
