"""Questions about tensors and dtypes that have a Python answer."""

from __future__ import annotations

from dovetail.base import dtypes
from dovetail.base.errors import DTypeError, message
from dovetail.ops.front import front
from dovetail.tensor.meta import INFERENCE
from dovetail.tensor.tensor import Tensor


@front()
def numel(input: Tensor) -> int:
    """Number of elements."""
    return input.numel()


@front()
def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a floating-point one."""
    return input.is_floating_point()


@front()
def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex."""
    return input.is_complex()


@front()
def is_signed(input: Tensor) -> bool:
    """Whether the dtype holds negative numbers."""
    return input.is_signed()


@front(method=True)
def is_conj(input: Tensor) -> bool:
    """Whether a conjugation is pending; here it never is."""
    return False


@front(method=True)
def is_neg(input: Tensor) -> bool:
    """Whether a negation is pending; here it never is."""
    return False


@front(method=True)
def is_inference(input: Tensor) -> bool:
    """Whether the tensor was made in inference mode."""
    return input._meta.history is INFERENCE


@front()
def is_storage(obj) -> bool:
    """Whether `obj` is a storage object; memory is not handed out as one."""
    return False


@front()
def get_device(input: Tensor) -> int:
    """The number of the GPU a tensor is on; -1 on the CPU."""
    return input.get_device()


@front()
def result_type(tensor1, tensor2) -> dtypes.DType:
    """The dtype that an operation on two tensors or numbers computes in."""
    return dtypes.result_dtype([rank_of(x) for x in (tensor1, tensor2)])


def rank_of(x) -> tuple[dtypes.DType, int]:
    """(dtype, priority) of a tensor or number."""
    return (x.dtype, 2 if x.ndim else 1) if isinstance(x, Tensor) else (dtypes.number_dtype(x), 0)


@front()
def can_cast(from_, to) -> bool:
    """Whether results of one dtype may be written into another: categories must not fall.

    >>> can_cast(dtypes.float64, dtypes.float32), can_cast(dtypes.float32, dtypes.int64)
    (True, False)
    """
    order = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}
    a, b = dtypes.as_dtype(from_), dtypes.as_dtype(to)
    return order[a.kind] <= order[b.kind]


@front()
def typename(obj) -> str:
    """The name of an object's type, as torch spells it."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) else type(obj)
    return f"{kind.__module__}.{kind.__qualname__}" if kind.__module__ not in ("", "builtins") else kind.__qualname__


@front(method=True, top=False)
def sum_to_size(input: Tensor, *size) -> Tensor:
    """Summed over the dims that were broadcast from `size`."""
    want = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    lead = input.ndim - len(want)
    if lead < 0 or any(w not in (1, n) for w, n in zip(want, input.shape[lead:], strict=True)):
        problem = f"size {list(want)} is not expandable to size {list(input.shape)}"
        raise RuntimeError(message("sum_to_size", problem, [("input", input)]))
    dims = [*range(lead), *(lead + d for d, w in enumerate(want) if w == 1 and input.shape[lead + d] != 1)]
    if not dims:
        return input.long() if input.dtype is dtypes.bool_ else input
    return input.sum(dims, keepdim=True).reshape(want)


@front(top=False, also=("Tensor.__contains__",))
def contains(input: Tensor, element) -> bool:
    """Whether an element is equal to `element`."""
    if not isinstance(element, (Tensor, int, float, complex, bool)):
        raise DTypeError(
            message("__contains__", f"only supports Tensor or scalar, but you passed in {type(element).__name__}")
        )
    return bool((input == element).any())


@front(method=True, top=False)
def fill_diagonal_(input: Tensor, fill_value, wrap: bool = False) -> Tensor:
    """The main diagonal filled with one value, in place; `wrap` starts again below it in tall matrices."""
    if input.ndim < 2:
        raise RuntimeError(message("fill_diagonal_", "dimensions must be larger than 1", [("input", input)]))
    if input.ndim > 2 and len(set(input.shape)) > 1:
        raise RuntimeError(
            message("fill_diagonal_", "all dimensions of input must be of equal length", [("input", input)])
        )
    step = 1
    for n in input.shape[1:]:
        step = step * n + 1 if input.ndim == 2 else step
    if input.ndim > 2:
        step = sum(input.shape[0] ** k for k in range(input.ndim))
    rows, columns = input.shape[0], input.shape[-1]
    stop = (
        input.numel()
        if wrap and input.ndim == 2
        else min(input.numel(), columns * columns if input.ndim == 2 else input.numel())
    )
    index = Tensor.from_data(list(range(0, min(stop, rows * columns if input.ndim == 2 else stop), step)), dtypes.int64)
    flat = input.reshape(-1).index_fill(0, index, fill_value)
    return input.copy_(flat.reshape(tuple(input.shape)))
