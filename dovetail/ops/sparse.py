"""Sparse tensors in coordinate form (COO), as graph networks use them: indices, values, products with dense matrices.

A SparseTensor is a pair of ordinary tensors. Everything it can do is composed of gathers and index_add, so gradients
reach its values and its dense partners by themselves. Indices are facts of the program: they are looked at (to add up
what meets, to intersect), values are not. Other layouts (CSR, CSC, blocks) are not covered.

Source: the behaviour of torch.sparse 2.13.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base import dtypes
from dovetail.base.device import CPU
from dovetail.base.errors import ArgumentError, DimError, NotCovered, ShapeError, message
from dovetail.base.layout import layout as Layout
from dovetail.base.layout import sparse_coo
from dovetail.ops import create, elementwise, index, reduce, shape
from dovetail.ops.convert import converted
from dovetail.ops.front import front
from dovetail.ops.matmul import mm as dense_mm
from dovetail.tensor.create import as_tensor
from dovetail.tensor.meta import Meta
from dovetail.tensor.op import OPS, Keywords, Op
from dovetail.tensor.printing import tensor_text
from dovetail.tensor.tensor import Tensor


class SparseTensor(Tensor):
    """A tensor most of whose elements are zero. Made by sparse_coo_tensor or Tensor.to_sparse.

    Shape: indices (sparse dims, nnz), values (nnz, *dense dims). Ops that have no sparse form refuse it by name.
    """

    def __init__(self, indices: Tensor, values: Tensor, size: tuple[int, ...], coalesced: bool = False):
        self._coordinates, self._entries, self._is_coalesced = indices, values, coalesced
        # A Meta of its own: no remembered call takes this tensor for a dense one of the same shape.
        self._meta = Meta(tuple(size), values.dtype, CPU, False, None, None)

    # -- facts

    @property
    def layout(self) -> Layout:
        return sparse_coo

    @property
    def requires_grad(self) -> bool:
        return self._entries.requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self._entries.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> SparseTensor:
        """Switch gradients of the values on or off."""
        self._entries.requires_grad_(requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        return not self.requires_grad

    @property
    def grad(self) -> Any:
        """The gradient of the values, at the same places."""
        found = self._entries.grad
        return None if found is None else self.like(found)

    @property
    def grad_fn(self) -> Any:
        return self._entries.grad_fn

    @property
    def T(self) -> SparseTensor:
        return transposed(self, 0, 1)

    def like(self, values: Tensor) -> SparseTensor:
        """Other values at the same places."""
        return SparseTensor(self._coordinates, values, self._meta.shape, self._is_coalesced)

    def places(self) -> np.ndarray:
        """The indices as an array (sparse dims, nnz)."""
        return self._coordinates.numpy()

    def flat_places(self) -> np.ndarray:
        """The indices as numbers of elements in row-major order."""
        sizes = self._meta.shape[: len(self._coordinates)]
        return np.ravel_multi_index(tuple(self.places()), sizes) if self._nnz() else np.zeros(0, np.int64)

    def _nnz(self) -> int:
        return self._entries.shape[0]

    def _indices(self) -> Tensor:
        return self._coordinates

    def _values(self) -> Tensor:
        return self._entries

    def sparse_dim(self) -> int:
        """How many dims the indices cover."""
        return self._coordinates.shape[0]

    def dense_dim(self) -> int:
        """How many dims each value has."""
        return self._entries.ndim - 1

    def is_coalesced(self) -> bool:
        """Whether indices are sorted and appear once."""
        return self._is_coalesced

    def is_contiguous(self, memory_format: Any = None) -> bool:
        return True

    # -- to and from

    def coalesce(self) -> SparseTensor:
        """Sorted indices that appear once; values at the same place are added."""
        if self._is_coalesced:
            return self
        flat = self.flat_places()
        unique, where = np.unique(flat, return_inverse=True)
        sizes = self._meta.shape[: self.sparse_dim()]
        indices = np.stack(np.unravel_index(unique, sizes)).astype(np.int64) if len(unique) else self.places()
        start = create.zeros((len(unique), *self._entries.shape[1:]), dtype=self.dtype)
        values = index.index_add(start, 0, Tensor.from_data(where.reshape(-1).astype(np.int64)), self._entries)
        return SparseTensor(Tensor.from_data(indices), values, self._meta.shape, True)

    def indices(self) -> Tensor:
        """Where the values stand. Raises: ArgumentError (a RuntimeError) unless coalesced."""
        self._need_coalesced("indices")
        return self._coordinates

    def values(self) -> Tensor:
        """The values. Raises: ArgumentError (a RuntimeError) unless coalesced."""
        self._need_coalesced("values")
        return self._entries

    def _need_coalesced(self, what: str) -> None:
        if not self._is_coalesced:
            problem = f"Cannot get {what} on an uncoalesced tensor, please call .coalesce() first"
            raise ArgumentError(message(what, problem))

    def to_dense(self, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
        """The same numbers as an ordinary tensor."""
        count = self.sparse_dim()
        rows = int(np.prod(self._meta.shape[:count]))
        start = create.zeros((rows, *self._meta.shape[count:]), dtype=self.dtype)
        made = index.index_add(start, 0, Tensor.from_data(self.flat_places()), self._entries)
        made = shape.reshape(made, tuple(self._meta.shape))
        return made if dtype is None else converted(made, dtypes.as_dtype(dtype))

    def to_sparse(self, *args: Any, **kwargs: Any) -> SparseTensor:
        """Itself."""
        return self

    def detach(self) -> SparseTensor:
        return self.like(self._entries.detach())

    def clone(self, **kwargs: Any) -> SparseTensor:
        return self.like(elementwise.clone(self._entries))

    def sum(self, dim: Any = None, dtype: Any = None) -> Tensor:
        return sparse_sum(self, dim, dtype=dtype)

    def backward(self, *args: Any, **kwargs: Any) -> None:
        raise refused("backward")

    def numpy(self, *, force: bool = False) -> np.ndarray:
        raise TypeError("can't convert Sparse layout tensor to numpy. Use Tensor.to_dense() first.")

    def _memory(self) -> np.ndarray:
        raise refused("this call")

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, int):
            return self.select(0, at)
        raise refused("getitem")

    def select(self, dim: int, at: int) -> SparseTensor:
        """The part at one index of a sparse dim."""
        d, places = self._sparse_dim_of("select", dim), self.places()
        n = self._meta.shape[d]
        if not -n <= at < n:
            raise DimError(message("select", f"index {at} out of range for dim {d} of size {n}"))
        kept = np.flatnonzero(places[d] == at % n)
        rest = Tensor.from_data(np.delete(places[:, kept], d, 0))
        sizes = self._meta.shape[:d] + self._meta.shape[d + 1 :]
        return SparseTensor(rest, self._taken(kept), sizes, self._is_coalesced)

    def _taken(self, kept: np.ndarray) -> Tensor:
        return index.index_select(self._entries, 0, Tensor.from_data(kept.astype(np.int64)))

    def _sparse_dim_of(self, call: str, dim: int) -> int:
        n = self.sparse_dim()
        if not -self.ndim <= dim < self.ndim or dim % self.ndim >= n:
            raise DimError(message(call, f"dim {dim} is none of the {n} sparse dims", [("tensor", self)]))
        return dim % self.ndim

    def __repr__(self) -> str:
        rows = [("indices", "tensor(" + tensor_text(self._coordinates)[7:])]
        values = tensor_text(self._entries.detach())
        rows.append(("values", values))
        text = ""
        for name, part in rows:
            part = part.replace("\n", "\n" + " " * (len("tensor(") + len(name) + 1))
            text += f"{name}={part},\n" + " " * len("tensor(")
        last = f"size={tuple(self._meta.shape)}, nnz={self._nnz()}"
        if self.dtype is not dtypes.default_dtype():
            last += f", dtype={self.dtype}"
        last += f", layout={sparse_coo}"
        if self.grad_fn is not None:
            last += f", grad_fn=<{self.grad_fn.name()}>"
        elif self.requires_grad:
            last += ", requires_grad=True"
        return f"tensor({text}{last})"

    def __deepcopy__(self, memo: dict) -> SparseTensor:
        return self.like(elementwise.clone(self._entries.detach()).requires_grad_(self.requires_grad))

    def __reduce_ex__(self, protocol: Any) -> Any:
        parts = (self._coordinates, self._entries.detach(), tuple(self._meta.shape), self._is_coalesced)
        return (SparseTensor, parts)

    # -- ops

    def _instead(self, op: Op, args: tuple) -> Any:  # type: ignore[override]
        """What an op that was given this tensor does: its sparse form, or a refusal."""
        named = {}
        if args and type(args[-1]) is Keywords:
            named, args = args[-1].values, args[:-1]
        form = FORMS.get(op.name)
        if form is not None:
            return form(*args, **named)
        if op.name in KEEP_ZERO and args and args[0] is self:
            whole = self.coalesce()
            return whole.like(OPS[op.name].call((whole._entries, *args[1:])))
        raise refused(op.name)


def refused(call: str) -> NotCovered:
    problem = "has no form for sparse tensors here"
    return NotCovered(message(call, problem, cure="Use x.to_dense(), or work on x.coalesce().values()"))


KEEP_ZERO = frozenset(
    "abs asin asinh atan ceil erf expm1 floor log1p neg relu round sgn sign sin sinh sqrt square tan tanh trunc".split()
)


# -- making ---------------------------------------------------------------------------------------------------------


@front()
def sparse_coo_tensor(
    indices: Any = None,
    values: Any = None,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> SparseTensor:
    """A sparse tensor with `values` at `indices`; values at the same place are added when it is coalesced.

    Shape: indices (sparse dims, nnz), values (nnz, *dense dims); size: deduced where not given.
    Raises: ShapeError where the sizes do not fit, DimError for an index outside `size`.

    >>> adjacency = sparse_coo_tensor([[0, 1], [1, 0]], [2.0, 3.0], (2, 2))
    >>> adjacency.to_dense()
    tensor([[0., 2.],
            [3., 0.]])
    """
    call = "sparse_coo_tensor"
    if values is None and (indices is None or size is None):
        size = indices if size is None else size
        indices, values = np.zeros((len(size), 0), np.int64), np.zeros(0, np.float32)
    places = np.asarray(indices.numpy() if isinstance(indices, Tensor) else indices)
    if places.size == 0 and places.ndim < 2:
        places = places.reshape(len(size) if size is not None else 1, 0)
    entries = as_tensor(values, dtype=dtype, device=device)
    if places.ndim != 2:
        facts = [("indices", as_tensor(places))]
        raise ShapeError(message(call, "indices must be a matrix (sparse dims, number of values)", facts))
    if entries.ndim == 0:
        entries = shape.expand(entries, places.shape[1])
    if entries.shape[0] != places.shape[1]:
        problem = "indices and values must have same nnz, but got nnz from "
        problem += f"indices: {places.shape[1]}, nnz from values: {entries.shape[0]}"
        raise ShapeError(message(call, problem, [("indices", as_tensor(places)), ("values", entries)]))
    places = places.astype(np.int64)
    dense = tuple(entries.shape[1:])
    sizes = tuple(int(n) for n in places.max(1) + 1) + dense if size is None else tuple(int(n) for n in size)
    check_places(call, places, sizes, dense)
    made = SparseTensor(Tensor.from_data(places), entries, sizes, bool(is_coalesced))
    if requires_grad:
        made = made.like(entries.detach().requires_grad_())
    return made


def check_places(call: str, places: np.ndarray, sizes: tuple, dense: tuple) -> None:
    if len(sizes) != len(places) + len(dense) or sizes[len(places) :] != dense:
        problem = f"size {sizes} does not fit {len(places)} rows of indices and values of shape {dense} each"
        raise ShapeError(message(call, problem))
    for d, row in enumerate(places):
        if row.size and (row.min() < 0 or row.max() >= sizes[d]):
            worst = row.min() if row.min() < 0 else row.max()
            problem = f"size is inconsistent with indices: for dim {d}, size is {sizes[d]} but found index {worst}"
            raise DimError(message(call, problem))


@front(method=True, top=False)
def to_sparse(
    input: Tensor, *args: Any, layout: Any = None, blocksize: Any = None, dense_dim: Any = None
) -> SparseTensor:
    """The elements that are not zero, in coordinate form. Args: the number of sparse dims (default: all).

    Raises: NotCovered for layouts other than sparse_coo.
    """
    if layout not in (None, sparse_coo) or blocksize is not None:
        raise NotCovered(message("to_sparse", f"layout {layout} is not covered", cure="Use layout=torch.sparse_coo"))
    count = args[0] if args else input.ndim
    if not isinstance(count, int) or not 0 < count <= input.ndim:
        raise ArgumentError(message("to_sparse", f"sparse_dim must be 1 to {input.ndim}, got {count!r}"))
    filled = input.detach().numpy() != 0
    filled = filled.reshape(*filled.shape[:count], -1).any(-1)
    places = np.stack(np.nonzero(filled)).astype(np.int64)
    sizes = tuple(input.shape)
    rows = shape.reshape(input, (int(np.prod(sizes[:count])), *sizes[count:]))
    values = index.index_select(rows, 0, Tensor.from_data(np.flatnonzero(filled)))
    return SparseTensor(Tensor.from_data(places), values, sizes, True)


@front(method=True, top=False)
def to_sparse_coo(input: Tensor) -> SparseTensor:
    """to_sparse() in coordinate form."""
    return input.to_sparse()


@front(method=True, top=False)
def to_dense(input: Tensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    """The tensor with ordinary storage: itself."""
    return input if dtype is None else input.to(dtype)


@front(method=True, top=False)
def coalesce(input: Tensor) -> Tensor:
    """Sparse tensors only: add up values at the same place."""
    raise ArgumentError(message("coalesce", "expected a sparse tensor, got a dense one", [("input", input)]))


@front(method=True, top=False)
def indices(input: Tensor) -> Tensor:
    """Sparse tensors only: where the values stand."""
    raise ArgumentError(message("indices", "expected a sparse tensor, got a dense one", [("input", input)]))


@front(method=True, top=False)
def values(input: Tensor) -> Tensor:
    """Sparse tensors only: the values."""
    raise ArgumentError(message("values", "expected a sparse tensor, got a dense one", [("input", input)]))


@front(method=True, top=False)
def is_coalesced(input: Tensor) -> bool:
    """Sparse tensors only: whether indices are sorted and appear once."""
    raise ArgumentError(message("is_coalesced", "expected a sparse tensor, got a dense one", [("input", input)]))


@front(method=True, top=False)
def sparse_dim(input: Tensor) -> int:
    """How many dims indices cover: none of a dense tensor."""
    return 0


@front(method=True, top=False)
def dense_dim(input: Tensor) -> int:
    """How many dims are dense: all of a dense tensor."""
    return input.ndim


@front(top=False, also=("property.is_sparse",), name="is_sparse_")
def is_sparse(input: Tensor) -> bool:
    """Whether the tensor is in coordinate form."""
    return isinstance(input, SparseTensor)


@front(top=False, also=("property.is_sparse_csr",), name="is_sparse_csr_")
def is_sparse_csr(input: Tensor) -> bool:
    """Whether the tensor is in compressed rows: never."""
    return False


@front(method=True, top=False)
def sparse_mask(input: Tensor, mask: SparseTensor) -> SparseTensor:
    """The elements of a dense tensor at the places of a sparse one."""
    whole = mask.coalesce()
    return whole.like(gathered(input, whole))


# -- products -------------------------------------------------------------------------------------------------------


@front(also=("sparse.mm",), top=False, name="sparse_mm")
def sparse_mm(mat1: Tensor, mat2: Tensor, reduce: str | None = None) -> Tensor:
    """A matrix product in which one factor, or both, are sparse. The gradient reaches values and dense factors.

    Shape: (n, m), (m, k) -> (n, k); sparse where both are
    """
    if reduce not in (None, "sum"):
        problem = f"reduce={reduce!r} is not covered"
        raise NotCovered(message("sparse.mm", problem, cure="Leave it out: products are summed"))
    return product(mat1, mat2)


@front(name="spmm")
def spmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Another name for torch.sparse.mm."""
    return product(input, mat2)


@front(also=("sparse.addmm",), top=False, name="sparse_addmm")
def sparse_addmm(mat: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1.0, alpha: float = 1.0) -> Tensor:
    """beta * mat + alpha * (mat1 @ mat2), mat1 sparse."""
    return mat * beta + product(mat1, mat2) * alpha


def product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b for matrices (b may be a vector) of which at least one is sparse."""
    if isinstance(a, SparseTensor) and a.dense_dim() or isinstance(b, SparseTensor) and b.dense_dim():
        raise refused("the product of hybrid sparse tensors")
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[1] != b.shape[0]:
        facts = [("mat1", a), ("mat2", b)]
        raise ShapeError(message("sparse.mm", "mat1 and mat2 shapes cannot be multiplied", facts))
    if isinstance(a, SparseTensor) and isinstance(b, SparseTensor):
        return sparse_by_sparse(a, b)
    if isinstance(a, SparseTensor):
        return sparse_by_dense(a, b)
    if isinstance(b, SparseTensor):
        return shape.t(sparse_by_dense(transposed(b, 0, 1), shape.t(a)))
    return dense_mm(a, b)


def sparse_by_dense(a: SparseTensor, b: Tensor) -> Tensor:
    """Each value times a row of b, added up by row of a."""
    rows, columns = (shape.select(a._coordinates, 0, i) for i in (0, 1))
    picked = index.index_select(b, 0, columns)
    weights = a._entries if b.ndim == 1 else shape.unsqueeze(a._entries, 1)
    start = create.zeros((a.shape[0], *b.shape[1:]), dtype=dtypes.promote_types(a.dtype, b.dtype))
    return index.index_add(start, 0, rows, elementwise.mul(weights, picked))


def sparse_by_sparse(a: SparseTensor, b: SparseTensor) -> SparseTensor:
    """Every pair of values that meet, added up by place."""
    a, b = a.coalesce(), b.coalesce()
    (rows, inner), (outer, columns) = a.places(), b.places()
    first = np.searchsorted(outer, np.arange(b.shape[0] + 1))  # where each row of b begins
    counts = (first[1:] - first[:-1])[inner]
    left = np.repeat(np.arange(len(inner)), counts)
    offsets = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)
    right = np.repeat(first[:-1][inner], counts) + offsets
    values = elementwise.mul(a._taken(left), b._taken(right))
    places = np.stack([rows[left], columns[right]]).astype(np.int64)
    return SparseTensor(Tensor.from_data(places), values, (a.shape[0], b.shape[1])).coalesce()


# -- the rest -------------------------------------------------------------------------------------------------------


def transposed(x: SparseTensor, dim0: int, dim1: int) -> SparseTensor:
    a, b = x._sparse_dim_of("transpose", dim0), x._sparse_dim_of("transpose", dim1)
    order = list(range(x.sparse_dim()))
    order[a], order[b] = order[b], order[a]
    sizes = list(x._meta.shape)
    sizes[a], sizes[b] = sizes[b], sizes[a]
    return SparseTensor(Tensor.from_data(x.places()[order]), x._entries, tuple(sizes))


def two_dims(x: SparseTensor) -> SparseTensor:
    return transposed(x, 0, 1) if x.ndim == 2 else x


def added(a: Any, b: Any, *, alpha: float = 1) -> Tensor:
    """Dense + sparse is dense, sparse + sparse is sparse."""
    if isinstance(a, SparseTensor) and isinstance(b, SparseTensor):
        check_same("add", a, b)
        places = np.concatenate([a.places(), b.places()], 1)
        other = b._entries if alpha == 1 else b._entries * alpha
        return SparseTensor(Tensor.from_data(places), shape.cat([a._entries, other]), a._meta.shape).coalesce()
    if isinstance(a, SparseTensor):
        problem = "add(sparse, dense) is not supported. Use add(dense, sparse) instead."
        raise ArgumentError(message("add", problem))
    check_same("add", a, b)
    count = b.sparse_dim()
    rows = shape.reshape(a, (int(np.prod(a.shape[:count])), *a.shape[count:]))
    made = index.index_add(rows, 0, Tensor.from_data(b.flat_places()), b._entries, alpha=alpha)
    return shape.reshape(made, tuple(a.shape))


def subtracted(a: Any, b: Any, *, alpha: float = 1) -> Tensor:
    return added(a, b, alpha=-alpha)


def check_same(call: str, a: Tensor, b: Tensor) -> None:
    if tuple(a.shape) != tuple(b.shape):
        facts = [("input", a), ("other", b)]
        raise ShapeError(message(call, "sparse tensors do not broadcast: the shapes differ", facts))


def gathered(x: Tensor, where: SparseTensor) -> Tensor:
    """Elements of a dense tensor at the places of a sparse one."""
    count = where.sparse_dim()
    rows = shape.reshape(x, (int(np.prod(x.shape[:count])), *x.shape[count:]))
    return index.index_select(rows, 0, Tensor.from_data(where.flat_places()))


def multiplied(a: Any, b: Any) -> Tensor:
    """By a number, by a dense tensor of the same shape, or where both sparse tensors have values."""
    if not isinstance(a, SparseTensor):
        a, b = b, a
    if not isinstance(b, Tensor) or b.ndim == 0:
        return a.like(a._entries * b)
    check_same("mul", a, b)
    whole = a.coalesce()
    if not isinstance(b, SparseTensor):
        return whole.like(whole._entries * gathered(b, whole))
    other = b.coalesce()
    _, mine, theirs = np.intersect1d(whole.flat_places(), other.flat_places(), return_indices=True)
    places = Tensor.from_data(whole.places()[:, mine])
    return SparseTensor(places, whole._taken(mine) * other._taken(theirs), a._meta.shape, True)


def divided(a: SparseTensor, b: Any, *, rounding_mode: Any = None) -> Tensor:
    if not isinstance(a, SparseTensor) or isinstance(b, Tensor) and b.ndim:
        raise refused("div by a tensor")
    return a.like(elementwise.div(a._entries, b, rounding_mode=rounding_mode))


def picked(x: SparseTensor, dim: int, at: Tensor) -> SparseTensor:
    """index_select along a sparse dim."""
    d, places = x._sparse_dim_of("index_select", dim), x.places()
    wanted = at.numpy().reshape(-1) % max(x.shape[d], 1)
    found = [np.flatnonzero(places[d] == w) for w in wanted]
    kept = np.concatenate(found) if found else np.zeros(0, np.int64)
    new = places[:, kept].copy()
    new[d] = np.repeat(np.arange(len(wanted)), [len(f) for f in found])
    sizes = list(x._meta.shape)
    sizes[d] = len(wanted)
    return SparseTensor(Tensor.from_data(new), x._taken(kept), tuple(sizes)).coalesce()


@front(also=("sparse.sum",), top=False, name="sparse_sum")
def sparse_sum(input: Tensor, dim: Any = None, dtype: Any = None) -> Tensor:
    """The sum of all values, or over some of the sparse dims; then the result is sparse unless none is left."""
    if not isinstance(input, SparseTensor):
        return reduce.sum(input) if dim is None else reduce.sum(input, dim)
    x = input if dtype is None else input.like(converted(input._entries, dtypes.as_dtype(dtype)))
    if dim is None:
        return reduce.sum(x._entries)
    dims = {x._sparse_dim_of("sum", d) for d in ([dim] if isinstance(dim, int) else dim)}
    kept = [d for d in range(x.sparse_dim()) if d not in dims]
    if not kept:
        return reduce.sum(x._entries, 0)
    sizes = tuple(n for d, n in enumerate(x._meta.shape) if d not in dims)
    return SparseTensor(Tensor.from_data(x.places()[kept]), x._entries, sizes).coalesce()


def normalised(x: SparseTensor, dim: int, logarithm: bool) -> SparseTensor:
    """softmax along a sparse dim over the values that are there."""
    x = x.coalesce()
    d = x._sparse_dim_of("sparse.softmax", dim)
    rest = [r for i, r in enumerate(x.places()) if i != d]
    sizes = [n for i, n in enumerate(x._meta.shape[: x.sparse_dim()]) if i != d]
    flat = np.ravel_multi_index(tuple(rest), sizes) if rest else np.zeros(x._nnz(), np.int64)
    groups, where = np.unique(flat, return_inverse=True)
    at = Tensor.from_data(where.reshape(-1).astype(np.int64))
    empty = create.zeros((len(groups), *x._entries.shape[1:]), dtype=x.dtype)
    top = index.index_reduce(empty, 0, at, x._entries.detach(), "amax", include_self=False)
    centred = x._entries - index.index_select(top, 0, at)
    weights = elementwise.exp(centred)
    total = index.index_select(index.index_add(empty, 0, at, weights), 0, at)
    return x.like(centred - elementwise.log(total) if logarithm else weights / total)


@front(also=("sparse.softmax",), top=False, name="sparse_softmax")
def sparse_softmax(input: SparseTensor, dim: int, *, dtype: Any = None) -> SparseTensor:
    """Softmax over the values that are there; places without a value count as minus infinity."""
    return normalised(input if dtype is None else FORMS["to"](input, dtype), dim, False)


@front(also=("sparse.log_softmax",), top=False, name="sparse_log_softmax")
def sparse_log_softmax(input: SparseTensor, dim: int, *, dtype: Any = None) -> SparseTensor:
    """Logarithm of sparse.softmax."""
    return normalised(input if dtype is None else FORMS["to"](input, dtype), dim, True)


FORMS: dict[str, Callable] = {
    "add": added,
    "clone": lambda x, **_: x.clone(),
    "detach": lambda x: x.detach(),
    "div": divided,
    "index_select": picked,
    "log_softmax": lambda x, dim=None, dtype=None, **_: sparse_log_softmax(x, dim, dtype=dtype),
    "matmul": product,
    "mm": product,
    "mul": multiplied,
    "mv": product,
    "rmatmul": lambda a, b: product(b, a),
    "softmax": lambda x, dim=None, dtype=None, **_: sparse_softmax(x, dim, dtype=dtype),
    "sub": subtracted,
    "sum": lambda x, dim=None, keepdim=False, dtype=None: sparse_sum(x, dim, dtype),
    "t": two_dims,
    "to": lambda x, dtype: x.like(converted(x._entries, dtypes.as_dtype(dtype))),
    "transpose": transposed,
    "true_divide": divided,
}
