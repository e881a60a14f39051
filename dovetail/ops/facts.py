"""Questions about tensors and dtypes that have a Python answer."""

from __future__ import annotations

from dovetail.base import dtypes
from dovetail.base.errors import DTypeError, message
from dovetail.ops.front import front
from dovetail.tensor.meta import INFERENCE
from dovetail.tensor.storage import TypedStorage, UntypedStorage, storage_of
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.typed import TYPE_NAMES, TensorType


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
    """Whether `obj` is a storage object."""
    return isinstance(obj, (UntypedStorage, TypedStorage))


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


# --- where and how a tensor is kept -----------------------------------------------------------------------------------


@front(top=False, also=("property.is_cpu",))
def is_cpu(input: Tensor) -> bool:
    """Whether the tensor is on the CPU."""
    return input.device.type == "cpu"


@front(
    top=False,
    also=(
        "property.is_meta", "property.is_mps", "property.is_xpu", "property.is_mtia", "property.is_ipu",
        "property.is_maia", "property.is_vulkan", "property.is_xla",
    ),
)  # fmt: skip
def elsewhere(input: Tensor) -> bool:
    """Whether the tensor is on a device of this kind: there is none in this version."""
    return False


@front(top=False, also=("property.is_nested", "property.is_quantized", "property.is_mkldnn"))
def kept_otherwise(input: Tensor) -> bool:
    """Whether the tensor is nested, quantised or in oneDNN's layout: tensors here are dense."""
    return False


@front(method=True, top=False)
def is_pinned(input: Tensor, device="cuda") -> bool:
    """Whether the memory is pinned for copies to a GPU."""
    return False


@front(method=True, top=False)
def is_shared(input: Tensor) -> bool:
    """Whether the memory is shared with other processes."""
    return False


@front(method=True)
def is_distributed(input: Tensor) -> bool:
    """Whether the tensor is spread over several processes."""
    return False


@front(method=True, top=False)
def is_set_to(input: Tensor, tensor: Tensor) -> bool:
    """Whether two tensors look at the same memory in the same way."""
    a, b = (x.data_ptr() for x in (input, tensor))
    return a == b and input.shape == tensor.shape and input.stride() == tensor.stride() and input.dtype is tensor.dtype


@front(method=True, top=False)
def untyped_storage(input: Tensor) -> UntypedStorage:
    """The memory behind the tensor, in bytes; views of one tensor share it."""
    return UntypedStorage.of(input)


@front(method=True, top=False)
def storage(input: Tensor) -> TypedStorage:
    """The memory behind the tensor, in elements of its dtype."""
    return TypedStorage(wrap_storage=UntypedStorage.of(input), dtype=input.dtype)


@front(method=True, top=False)
def const_data_ptr(input: Tensor) -> int:
    """Address of the first element."""
    storage_of(input)
    return input.data_ptr()


@front(method=True, top=False)
def dim_order(input: Tensor, ambiguity_check=False) -> tuple:
    """The dims from the one with the largest step in memory to the smallest."""
    return tuple(sorted(range(input.ndim), key=lambda d: -input.stride(d)))


@front(method=True, top=False)
def record_stream(input: Tensor, stream) -> None:
    """Tell that a GPU stream uses the tensor: memory here is kept until its last reader is done in any case."""


@front(method=True, top=False)
def new(input: Tensor, *data, device=None) -> Tensor:
    """A tensor of the same dtype, from sizes or from data: x.new(2, 3), x.new([1, 2])."""
    return TensorType(TYPE_NAMES[input.dtype.name], input.dtype)(*data, device=device)


@front(method=True, top=False)
def as_subclass(input: Tensor, cls: type) -> Tensor:
    """The same tensor, memory and gradient, as an instance of a subclass of Tensor."""
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError(message("as_subclass", f"cls must be a subclass of Tensor, got {cls!r}"))
    made = input.view(tuple(input.shape))
    made.__class__ = cls
    return made


@front(method=True, top=False)
def module_load(input: Tensor, other: Tensor, assign: bool = False) -> Tensor:
    """What load_state_dict puts in a parameter's place: `other`'s values in this memory, or `other` itself."""
    return other.detach() if assign else input.detach().copy_(other)


@front(method=True, top=False)
def reinforce(input: Tensor, reward) -> None:
    """Removed from torch long ago; raises, and says what replaced it."""
    cure = "loss = -distributions.Categorical(probs).log_prob(action) * reward"
    raise RuntimeError(message("reinforce", "was removed", [("tensor", input)], cure))
