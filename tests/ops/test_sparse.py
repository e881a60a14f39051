"""Sparse tensors in coordinate form against the same arithmetic on dense NumPy arrays."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import dovetail
from dovetail import sparse


def example(coalesced: bool = False, seed: int = 0, shape=(5, 7), nnz: int = 12):
    """(sparse tensor with places that appear twice, the same numbers dense)."""
    random = np.random.RandomState(seed)
    places = np.stack([random.randint(0, n, nnz) for n in shape])
    values = random.standard_normal(nnz).astype(np.float32)
    dense = np.zeros(shape, np.float32)
    np.add.at(dense, tuple(places), values)
    made = dovetail.sparse_coo_tensor(places, dovetail.from_numpy(values), shape)
    return (made.coalesce() if coalesced else made), dense


def close(found, wanted):
    found = found.to_dense() if found.is_sparse else found
    np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("coalesced", [False, True])
def test_arithmetic_is_that_of_the_dense_form(coalesced):
    x, a = example(coalesced)
    y, b = example(coalesced, 1)
    d, e = np.random.RandomState(2).standard_normal((7, 3)).astype(np.float32), np.ones((5, 7), np.float32)
    right, ones = dovetail.from_numpy(d), dovetail.from_numpy(e)
    for _ in range(3):
        close(x, a)
        close(sparse.mm(x, right), a @ d)
        close(x @ right, a @ d)
        close(dovetail.mm(x, right), a @ d)
        close(x @ right[:, 0], a @ d[:, 0])
        close(dovetail.ones(2, 5) @ x, np.ones((2, 5)) @ a)
        close(sparse.mm(x, y.t()), a @ b.T)
        close(sparse.addmm(dovetail.ones(5, 3), x, right, beta=2, alpha=0.5), 2 + 0.5 * (a @ d))
        close(x + y, a + b)
        close(x - y, a - b)
        close(ones + x, e + a)
        close(x * y, a * b)
        close(x * ones, a)
        close(x * 3, a * 3)
        close(2 * x / 4, a / 2)
        close(-x, -a)
        close(x.coalesce().abs(), abs(a))
        close(dovetail.relu(x), np.maximum(a, 0))
        close(x.t(), a.T)
        close(x.transpose(0, 1), a.T)
        close(x.sum(), a.sum())
        close(sparse.sum(x, 0), a.sum(0))
        close(x.sum((0, 1)), a.sum())
        close(x[3], a[3])
        close(x.index_select(1, dovetail.tensor([6, 0, 0])), a[:, [6, 0, 0]])
        close(x.double().float(), a)
        close(x.to_dense().to_sparse(), a)
        close(copy.deepcopy(x), a)
        close(pickle.loads(pickle.dumps(x)), a)


def test_softmax_is_over_the_values_that_are_there():
    x, a = example(True)
    there = a != 0
    weights = np.where(there, np.exp(a), 0)
    total = np.maximum(weights.sum(1, keepdims=True), 1e-30)
    close(sparse.softmax(x, 1), weights / total)
    close(sparse.log_softmax(x, 1), np.where(there, a - np.log(total), 0))


def test_gradients_reach_values_and_dense_factors():
    places = [[0, 1, 1, 0], [2, 0, 2, 2]]
    for _ in range(3):  # recorded, replayed, compiled
        values = dovetail.tensor([3.0, 4.0, 5.0, 1.0], requires_grad=True)
        right = dovetail.arange(6.0).reshape(3, 2).requires_grad_()
        x = dovetail.sparse_coo_tensor(places, values, (2, 3))
        assert x.requires_grad and x.is_sparse and not x.is_coalesced()
        (sparse.mm(x, right) * dovetail.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
        assert values.grad.tolist() == [14.0, 4.0, 32.0, 14.0]
        assert right.grad.tolist() == [[12.0, 16.0], [0.0, 0.0], [19.0, 28.0]]
        values.grad = None
        (x.coalesce().to_dense() ** 2).sum().backward()
        assert values.grad.tolist() == [8.0, 8.0, 10.0, 8.0]


def test_facts_and_text():
    x, _ = example()
    assert tuple(x.shape) == (5, 7) and x.ndim == 2 and len(x) == 5 and x.numel() == 35
    assert x.layout is dovetail.sparse_coo and x._nnz() == 12 and x.sparse_dim() == 2 and x.dense_dim() == 0
    assert isinstance(x, dovetail.Tensor)
    c = dovetail.sparse_coo_tensor([[0, 1, 0], [2, 0, 2]], [3.0, 4.0, 1.0], (2, 3)).coalesce()
    assert c.indices().tolist() == [[0, 1], [2, 0]] and c.values().tolist() == [4.0, 4.0]
    assert repr(c).replace("dovetail", "torch") == (
        "tensor(indices=tensor([[0, 1],\n                       [2, 0]]),\n       values=tensor([4., 4.]),\n"
        "       size=(2, 3), nnz=2, layout=torch.sparse_coo)"
    )
    assert tuple(dovetail.sparse_coo_tensor([[0, 4]], [1.0, 2.0]).shape) == (5,)
    hybrid = dovetail.sparse_coo_tensor([[0, 1]], dovetail.ones(2, 3))
    assert hybrid.dense_dim() == 1 and hybrid.to_dense().tolist() == [[1.0] * 3] * 2
    assert not dovetail.ones(2).is_sparse and dovetail.ones(2).to_dense().tolist() == [1.0, 1.0]


def test_a_sparse_buffer_moves_with_its_module():
    class Graph(dovetail.nn.Module):
        def __init__(self, adjacency):
            super().__init__()
            self.register_buffer("adjacency", adjacency)

        def forward(self, x):
            return self.adjacency @ x

    x, a = example()
    model = Graph(x).to("cpu").double()
    assert model.adjacency.dtype is dovetail.float64
    np.testing.assert_allclose(model(dovetail.ones(7, 1, dtype=dovetail.float64)).numpy()[:, 0], a.sum(1), rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda x: x.indices(), RuntimeError, "coalesce"),
        (lambda x: x.numpy(), TypeError, "to_dense"),
        (lambda x: dovetail.exp(x), NotImplementedError, "exp.*sparse"),
        (lambda x: x.reshape(35), NotImplementedError, "to_dense"),
        (lambda x: x.mul_(2), NotImplementedError, "mul_"),
        (lambda x: sparse.mm(x, dovetail.ones(3, 3)), RuntimeError, "cannot be multiplied"),
        (lambda x: x + dovetail.ones(5, 7), RuntimeError, r"add\(dense, sparse\)"),
        (lambda x: dovetail.sparse_coo_tensor([[0, 9]], [1.0, 2.0], (3,)), IndexError, "found index 9"),
        (lambda x: dovetail.sparse_coo_tensor([[0, 1]], [1.0], (3,)), RuntimeError, "same nnz"),
        (lambda x: dovetail.ones(2, 2).to_sparse(layout=dovetail.sparse_csr), NotImplementedError, "sparse_csr"),
        (lambda x: dovetail.sparse_csr_tensor, AttributeError, "sparse_csr_tensor"),
    ],
)
def test_what_is_not_covered_is_named(call, error, says):
    with pytest.raises(error, match=says):
        call(example()[0])
