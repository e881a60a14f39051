"""Tensor: the handle a user holds. Shape, dtype and gradient state are known at once; the value when somebody looks.

The operations (`x + y`, `x.sum()`, ...) are assigned from `dovetail.ops` by the generated `ops/methods.py`; here is
only what a Tensor is: its state, its ways to and from NumPy and Python, and its part in gradients.
"""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from dovetail.base import dtypes, source, spelling
from dovetail.base.dtypes import DType, from_numpy_dtype
from dovetail.base.errors import ArgumentError, DTypeError, GradientError, message
from dovetail.base.layout import layout, strided
from dovetail.prims.elementwise import convert
from dovetail.runtime import memory
from dovetail.runtime.flight import flying, land
from dovetail.tensor.meta import Meta, contiguous_strides, forget_leaf, meta, normal_strides

if TYPE_CHECKING:
    from dovetail.tensor.surface import Surface  # the methods that ops/methods.py assigns, as a checker sees them
else:
    Surface = object

_new = object.__new__
watchers: list = []  # called with a tensor whose value somebody looks at (nn/transform/compiled.py)


class Size(tuple):
    """A shape. A tuple that prints as torch.Size does and knows its number of elements."""

    def numel(self) -> int:
        n = 1
        for s in self:
            n *= s
        return n

    def __repr__(self) -> str:
        return f"{spelling.package}.Size({list(self)})"

    def __add__(self, other):
        return Size(tuple.__add__(self, tuple(other)))

    def __getitem__(self, i):
        got = tuple.__getitem__(self, i)
        return Size(got) if isinstance(i, slice) else got


_plain: dict[tuple, Meta] = {}  # (shape, NumPy's dtype) of row-major arrays -> the Meta of their tensors


class Tensor(Surface):
    """An array of numbers on a device, with a gradient if asked for.

    _meta     shape, dtype, device, gradient state (shared, see meta.py)
    _run      the run of the trace that will compute the value; None when the value is there
    _slot     the slot in that trace; _guessed: a recorder may have it as a leaf of earlier traces
    _storage, _ptr  memory and address, when there is a value
    _base     the tensor whose memory it shares, when there is a value; _lookers: references to those that share its own
    _readers  references to the steps of Functions that it was an argument of, and whose gradient it passes on
    _view     the tensor this one looks into while recording; _shared: its memory may be seen by others
    _hist     how it was made, when its trace has been run but its gradient is still to come
    _joint    Python code that its gradient meets: hooks, a custom Function (joint.py)
    """

    _run: Any = None
    _slot: int = 0
    _guessed: bool = False
    _storage: Any = None
    _ptr: int = 0
    _grad: Any = None
    _hist: Any = None
    _joint: Any = None
    _readers: list | None = None
    _view: Any = None
    _base: Any = None
    _lookers: Any = None
    _shared: bool = False
    _unwritable: Any = None  # of a view: why it may not be written while gradients are recorded (views.unwritable)
    _of_leaf: bool = False  # a view of a leaf that requires grad, with its value
    _uncounted: bool = False  # made by .data: who keeps the memory for a gradient is not told of writes through it
    _leaf: bool = False
    _version: int = 0
    _written: tuple = (0, None)  # (version after it, line) of the last write in place
    _weak: str = ""
    _numpy_detaches: bool = False  # True once the Keras dialect is spoken, where numpy() of any result is its value
    _made_by: str = ""
    _instead: Any = None  # of a kind without dense storage: what an op that is given the tensor does
    _meta: Meta
    _show: Any  # called before others see its memory (state.py)
    _await: Any  # called before somebody looks while a program runs beside Python
    name: str | None = None  # torch has the attribute and never fills it; a program may
    __array_priority__ = 1000

    def __init__(self, *data: Any, device: Any = None):
        """Tensor(2, 3) has these sizes, Tensor([1, 2]) these values, both in the default floating-point dtype."""
        made = from_sizes_or_data("Tensor", data, dtypes.default_dtype())
        self._meta, self._storage, self._ptr, self._shared = made._meta, made._storage, made._ptr, made._shared

    # -- making ---------------------------------------------------------------------------------

    @staticmethod
    def from_array(array: np.ndarray) -> Tensor:
        """A tensor over the memory of a NumPy array (no copy where the strides are whole elements)."""
        if array.flags.c_contiguous:
            kind = (array.shape, array.dtype)
            m = _plain.get(kind)
            if m is None and array.dtype.byteorder != ">":
                if len(_plain) > 10_000:  # a program with endless shapes
                    _plain.clear()
                m = _plain[kind] = meta(array.shape, from_numpy_dtype(array.dtype))
            if m is not None:
                t = _new(Tensor)
                t._meta = m
                t._run, t._guessed = None, False  # asked for at once, and a class's own attributes take longer to find
                t._storage = storage = memory.from_dense(array, m.nbytes) if m.nbytes else memory.from_array(array)
                t._ptr = storage.ptr
                t._shared = True
                return t
        dtype = from_numpy_dtype(array.dtype)
        if array.dtype.byteorder == ">" or any(s % max(array.itemsize, 1) for s in array.strides):
            array = np.ascontiguousarray(array.astype(dtype.np))
        storage = memory.from_array(array)
        t = _new(Tensor)
        strides = tuple(s // array.itemsize for s in array.strides)
        t._meta = meta(tuple(array.shape), dtype, strides=normal_strides(array.shape, strides))
        t._storage = storage
        t._ptr = storage.ptr
        t._shared = True
        return t

    @staticmethod
    def from_data(data: Any, dtype: Any = None) -> Tensor:
        """A tensor with a copy of `data`: numbers, nested sequences, arrays, tensors."""
        t = from_few(data) if dtype is None else None
        if t is not None:
            return t
        t = Tensor.from_array(array_from(data, None if dtype is None else dtypes.as_dtype(dtype)))
        t._shared = False  # nobody else has seen the copy
        return t

    @staticmethod
    def empty(shape: tuple[int, ...], dtype: DType) -> Tensor:
        """A tensor whose content is whatever was in the memory."""
        m = meta(shape, dtype)
        t = _new(Tensor)
        t._meta = m
        t._storage = memory.allocate(m.nbytes)
        t._ptr = t._storage.ptr
        return t

    @staticmethod
    def zeros_like(other: Tensor) -> Tensor:
        t = Tensor.empty(other._meta.shape, other._meta.dtype)
        ctypes.memset(t._ptr, 0, t._meta.nbytes)
        return t

    # -- facts ----------------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        return Size(self._meta.shape)

    @property
    def dtype(self) -> DType:
        return self._meta.dtype

    @property
    def device(self):
        return self._meta.device

    @property
    def ndim(self) -> int:
        return len(self._meta.shape)

    @property
    def requires_grad(self) -> bool:
        return self._meta.requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)  # type: ignore[attr-defined]  # from state.py

    @property
    def is_leaf(self) -> bool:
        return self._leaf or not self._meta.requires_grad

    @property
    def itemsize(self) -> int:
        return self._meta.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self._meta.nbytes

    @property
    def is_cuda(self) -> bool:
        return self._meta.device.type == "cuda"

    @property
    def layout(self) -> layout:
        return strided

    def dim(self) -> int:
        """Number of dimensions."""
        return len(self._meta.shape)

    ndimension = dim

    def size(self, dim: int | None = None):
        """The shape, or one size of it."""
        return Size(self._meta.shape) if dim is None else self._meta.shape[dim]

    def numel(self) -> int:
        """Number of elements."""
        return self._meta.numel

    nelement = numel

    def element_size(self) -> int:
        return self._meta.dtype.itemsize

    def stride(self, dim: int | None = None):
        """Steps between neighbours along each dim, in elements."""
        self._settle()
        strides = self._meta.strides or contiguous_strides(self._meta.shape)
        return strides if dim is None else strides[dim]

    def is_contiguous(self, memory_format: Any = None) -> bool:
        self._settle()
        return self._meta.strides is None

    def storage_offset(self) -> int:
        self._settle()
        return (self._ptr - self._storage.ptr) // self._meta.dtype.itemsize

    def data_ptr(self) -> int:
        """Address of the first element."""
        self._settle()
        land()
        return self._ptr

    def is_floating_point(self) -> bool:
        return self._meta.dtype.kind == "f"

    def is_complex(self) -> bool:
        return self._meta.dtype.kind == "c"

    def is_signed(self) -> bool:
        return self._meta.dtype.is_signed

    def get_device(self) -> int:
        return -1

    # -- the value ------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Make sure the value is there: run the trace it is pending in."""
        if self._run is not None:
            self._run.settle(self)

    def _array(self) -> np.ndarray:
        """The value as a NumPy view for use inside the engine (does not count as seen by the user)."""
        self._settle()
        return self._memory()

    def _memory(self) -> np.ndarray:
        """What is in the tensor's memory now, whether or not a trace is about to write it."""
        m = self._meta
        strides = None if m.strides is None else tuple(s * m.dtype.itemsize for s in m.strides)
        return memory.as_array(self._storage, self._ptr, m.shape, m.dtype, strides)

    def _view_of(self, storage: memory.Storage, ptr: int, how: Any = memory.as_array) -> np.ndarray:
        """Memory laid out as this tensor's, as an array."""
        m = self._meta
        strides = None if m.strides is None else tuple(s * m.dtype.itemsize for s in m.strides)
        return how(storage, ptr, m.shape, m.dtype, strides)

    def _to_read(self) -> np.ndarray:
        """As _array, for who only reads it."""
        self._settle()
        return self._view_of(self._storage, self._ptr, memory.to_read)

    def _to_fill(self) -> np.ndarray:
        """The memory of a tensor that was just made by `empty`."""
        return self._view_of(self._storage, self._ptr, memory.to_fill)

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The value as a NumPy array that shares this tensor's memory.

        Raises GradientError for a tensor that requires grad; `force=True` detaches first.
        """
        if self._meta.requires_grad and not force and not Tensor._numpy_detaches:
            raise GradientError(
                message(
                    "numpy",
                    "can't call numpy() on a tensor that requires grad, since NumPy does not record gradients",
                    [("tensor", self)],
                    f"Use {source.object_name() or 'x'}.detach().numpy(), or compute it inside `with torch.no_grad():` "
                    "where no gradient is wanted",
                )
            )
        if self._meta.dtype.name == "bfloat16":
            raise DTypeError(
                message(
                    "numpy",
                    "NumPy has no bfloat16: got unsupported ScalarType BFloat16",
                    [("tensor", self)],
                    "Use x.float().numpy()",
                )
            )
        self._show()
        return self._memory()

    def _note_sharing(self) -> None:
        if not self._shared:
            self._shared = True
            forget_leaf(self)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError("Unable to avoid copy while creating an array as requested.")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
        """NumPy's functions of tensors give tensors: np.sin(x)."""
        return Tensor.from_array(np.asarray(array)) if array.dtype.kind in "biufc" else array

    def item(self) -> Any:
        """The value of a tensor with one element, as a Python number."""
        m = self._meta
        if m.numel != 1:
            raise ArgumentError(
                message(
                    "item",
                    f"a tensor with {m.numel} elements cannot be converted to a number",
                    [("tensor", self)],
                    "Pick one element, x[0].item(), reduce it, x.mean().item(), or use x.tolist()",
                )
            )
        if self._run is not None:
            self._settle()
            m = self._meta
        elif watchers:
            watchers[-1](self)
        if flying:
            self._await()
        reader = READERS.get(m.dtype.name)
        return reader.from_address(self._ptr).value if reader is not None else self._array().item()

    def tolist(self) -> Any:
        """The value as nested Python lists of numbers."""
        if watchers and self._run is None:
            watchers[-1](self)
        if flying:
            self._await()
        return self._array().tolist()

    def __bool__(self) -> bool:
        if self._meta.numel != 1:
            kind = "no values" if self._meta.numel == 0 else "more than one value"
            raise ArgumentError(
                message(
                    "bool",
                    f"Boolean value of Tensor with {kind} is ambiguous (it has {self._meta.numel})",
                    [("tensor", self)],
                    "Say which: x.any(), x.all(), or compare a single element",
                )
            )
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self._meta.dtype.kind not in "iub" or self._meta.numel != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __len__(self) -> int:
        if not self._meta.shape:
            raise TypeError("len() of a 0-d tensor")
        return self._meta.shape[0]

    def __hash__(self) -> int:
        return id(self)

    def __format__(self, spec: str) -> str:
        if not self._meta.shape and type(self) is Tensor:
            return format(self.item(), spec)
        return object.__format__(self, spec) if spec else repr(self)

    # -- gradients --------------------------------------------------------------------------------

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward() has added up for this tensor, or None."""
        g = self._grad
        if g is None or isinstance(g, Tensor):
            return g
        return g.open(self)

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got {type(value).__name__}")
            if value._meta.shape != self._meta.shape:
                raise ArgumentError(
                    message(
                        "grad",
                        "the assigned gradient has another shape than its tensor",
                        [("tensor", self), ("grad", value)],
                    )
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def _alias(self, shape: tuple, strides: tuple | None, offset: int) -> Tensor:
        """A tensor without gradient over (part of) this one's memory. offset in elements."""
        if self._run is not None:
            self._settle()
        if not self._shared:
            self._note_sharing()
        t = _new(Tensor)
        m = self._meta
        part = m.parts.get((shape, strides))
        if part is None:
            part = m.part(shape, strides)
        t._meta = part
        t._storage = self._storage
        t._ptr = self._ptr + offset * m.dtype.itemsize
        t._shared = True
        if self._uncounted:
            t._uncounted = True
        return t

    def _rows(self, start: int, stop: int) -> Tensor:
        """x[start:stop] of a dense tensor with a value, within its bounds: how batches are cut."""
        if not self._shared:
            self._note_sharing()
        m = self._meta
        part = m.parts.get(stop - start)
        if part is None:
            part = m.parts[stop - start] = m.part((stop - start, *m.shape[1:]), None)
        t = _new(Tensor)
        t._meta = part
        t._storage = self._storage
        t._ptr = self._ptr + start * m.row
        base = self._base
        t._base = self if base is None else base  # what is written to a part is written to the whole
        t._run, t._guessed, t._shared = None, False, True
        return t

    # -- copies and pickles -----------------------------------------------------------------------

    def _copy_concrete(self) -> Tensor:
        t = Tensor.empty(self._meta.shape, self._meta.dtype)
        memory.as_array(t._storage, t._ptr, t._meta.shape, t._meta.dtype)[...] = self._array()
        return t

    def __deepcopy__(self, memo: dict) -> Tensor:
        if id(self) in memo:
            return memo[id(self)]
        if not self.is_leaf:
            raise GradientError(
                message(
                    "deepcopy",
                    "only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol",
                    [("tensor", self)],
                    "Copy x.detach().clone() instead",
                )
            )
        t = self._copy_concrete()
        t.__class__ = self.__class__
        memo[id(self)] = t
        t._leaf = self._leaf
        t._meta = t._meta.with_grad(self._meta.requires_grad)
        if self._grad is not None:
            import copy

            t._grad = copy.deepcopy(self.grad, memo)
        for name, value in self.__dict__.items():
            if not name.startswith("_"):
                import copy

                t.__dict__[name] = copy.deepcopy(value, memo)
        return t

    def __reduce__(self):
        if not self.is_leaf:
            raise GradientError(
                message("pickle", "only leaf tensors can be pickled", [("tensor", self)], "Pickle x.detach() instead")
            )
        extra = {k: v for k, v in self.__dict__.items() if not k.startswith("_")}
        array = self._array().copy()
        return (
            restore_tensor,
            (
                type(self),
                array if self._meta.dtype.name != "bfloat16" else array.view(np.uint16),
                self._meta.dtype,
                self._meta.requires_grad,
                extra,
            ),
        )


def restore_tensor(kind: type, array: np.ndarray, dtype: DType, requires_grad: bool, extra: dict) -> Tensor:
    t = Tensor.from_array(np.ascontiguousarray(array).view(dtype.np).reshape(array.shape))
    t.__class__ = kind
    if requires_grad:
        t._meta = t._meta.with_grad(True)
        t._leaf = True
    t.__dict__.update(extra)
    return t


def from_sizes_or_data(call: str, data: tuple, dtype: DType) -> Tensor:
    """What torch.Tensor(...) and torch.LongTensor(...) make: (sizes...) of zeros, or the values of one sequence."""
    if len(data) == 1 and isinstance(data[0], Tensor):
        (t,) = data
        if t.dtype is not dtype:
            problem = f"expected a tensor of {dtype.name}, got {t.dtype.name}"
            raise TypeError(message(call, problem, [("data", t)], f"use x.to(dovetail.{dtype.name})"))
        return t._alias(t._meta.shape, t._meta.strides, 0)
    if len(data) == 1 and not isinstance(data[0], (int, np.integer, Size)):
        if isinstance(data[0], (float, complex, str)) or not hasattr(data[0], "__len__"):
            kind = type(data[0]).__name__
            raise TypeError(message(call, f"data must be a sequence (got {kind})", [], "tensor(x) takes numbers too"))
        shares = isinstance(data[0], np.ndarray) and data[0].dtype == dtype.np
        return Tensor.from_array(data[0]) if shares else Tensor.from_data(data[0], dtype)
    sizes = data[0] if len(data) == 1 and isinstance(data[0], Size) else data
    if any(isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0 for n in sizes):
        raise TypeError(message(call, f"takes sizes, or one sequence of values, got {data!r}"))
    t = Tensor.empty(tuple([int(n) for n in sizes]) if data else (0,), dtype)
    ctypes.memset(t._ptr, 0, t._meta.nbytes)
    return t


def fresh(m: Meta, run: Any, slot: int) -> Tensor:
    """A tensor to be computed by `run`."""
    t = _new(Tensor)
    t._meta = m
    t._run = run
    t._slot = slot
    return t


def number_tensor(x: int | float) -> Tensor:
    """A 0-d input that stands for a Python number."""
    if isinstance(x, float):
        t = Tensor.empty((), dtypes.float64)
        ctypes.c_double.from_address(t._ptr).value = x
        t._weak = "float"
    else:
        t = Tensor.from_array(np.array(x, np.int64))
        t._weak = "int"
    return t


READERS = {"float32": ctypes.c_float, "float64": ctypes.c_double, "int64": ctypes.c_int64, "int32": ctypes.c_int32,
           "bool": ctypes.c_bool, "int16": ctypes.c_int16, "int8": ctypes.c_int8, "uint8": ctypes.c_uint8}  # fmt: skip


def from_few(data: Any) -> Tensor | None:
    """A tensor of a number or a short flat list of whole numbers, or of floats; None for other data.

    Words and labels come one by one where a program walks over trees (benchmark tree).
    """
    single = data if type(data) in (list, tuple) else (data,)
    count = len(single)
    if not 0 < count <= 8:
        return None
    kind = type(single[0])
    if kind is int:
        dtype, letter = dtypes.int64, "q"
    elif kind is float and dtypes.default_dtype() is dtypes.float32:
        dtype, letter = dtypes.float32, "f"
    else:
        return None
    for x in single:
        if type(x) is not kind:
            return None
    t = Tensor.empty((count,) if single is data else (), dtype)
    block = t._storage.block
    try:
        struct.pack_into(f"{count}{letter}", block.owner, t._ptr - block.start, *single)
    except (struct.error, OverflowError):  # NumPy knows what becomes of it
        return None
    return t


def array_from(data: Any, dtype: DType | None) -> np.ndarray:
    """A fresh NumPy array with the values of `data`, in torch's default dtypes."""
    if isinstance(data, Tensor):
        array = data._array()
        return np.array(array, dtype=dtype.np if dtype else array.dtype, order="C", copy=True)
    if isinstance(data, (np.ndarray, np.generic)):
        from_numpy_dtype(data.dtype)
        return np.array(data, dtype=dtype.np if dtype else data.dtype, order="C", copy=True)
    if isinstance(data, (list, tuple)) and data and contains_tensor(data):
        data = unpack(data)
    if not isinstance(data, (bool, int, float, complex, list, tuple)) and hasattr(data, "__array__"):
        return array_from(np.asarray(data), dtype)
    try:
        array = np.array(data, order="C")
    except ValueError as e:
        raise ArgumentError(
            message("tensor", "the nested sequences have different lengths", [], "Every row must have the same length")
        ) from e
    except OverflowError as e:
        raise ArgumentError(message("tensor", "an integer does not fit into 64 bits", [])) from e
    if array.dtype == object or array.dtype.kind in "USmM":
        raise DTypeError(
            message(
                "tensor",
                f"cannot make a tensor of {type(data).__name__} holding {array.dtype}",
                [],
                "Tensors hold numbers and booleans",
            )
        )
    if dtype is not None:
        return fitting(array, dtype)
    if not array.size and array.dtype == np.float64:
        return array.astype(dtypes.default_dtype().np)
    if array.dtype.kind in "fc" and not has_numpy_element(data):
        wanted = dtypes.default_dtype()
        return array.astype((wanted if array.dtype.kind == "f" else wanted.to_complex()).np)
    return array.astype(np.int64) if array.dtype == np.uint64 and not has_numpy_element(data) else array


def fitting(array: np.ndarray, dtype: DType) -> np.ndarray:
    """Python's numbers in the dtype asked for. Raises ArgumentError where a whole-number dtype does not hold one."""
    if dtype.kind in "iu" and array.size and array.dtype.kind in "iuf":
        for n in (array.min().item(), array.max().item()):
            if dtypes.overflows(n, dtype):
                problem = f"value cannot be converted to type {dtype.name} without overflow: {n}"
                raise ArgumentError(message("tensor", problem, cure="Use numbers in range, or a dtype that holds them"))
    return convert.meaning(array, dtype=dtype)


def has_numpy_element(data: Any) -> bool:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return isinstance(data, (np.ndarray, np.generic)) and not isinstance(data, float)


def contains_tensor(data: Any) -> bool:
    return any(isinstance(x, Tensor) or (isinstance(x, (list, tuple)) and contains_tensor(x)) for x in data)


def unpack(data: Any) -> Any:
    if isinstance(data, Tensor):
        return data._array()
    return [unpack(x) for x in data] if isinstance(data, (list, tuple)) else data


class Parameter(Tensor):
    """A tensor that a Module trains: it requires grad unless told otherwise, and assigning it to a Module registers it.

    data: the starting values; the parameter shares their memory.
    """

    _leaf = True

    def __new__(cls, data: Any = None, requires_grad: bool = True):
        return _new(cls)

    def __init__(self, data: Any = None, requires_grad: bool = True):
        if data is None:
            data = Tensor.empty((0,), dtypes.default_dtype())
        if not isinstance(data, Tensor):
            data = Tensor.from_data(data)
        if requires_grad and not data._meta.dtype.is_differentiable:
            raise GradientError(
                message(
                    "Parameter",
                    "only Tensors of floating point and complex dtype can require gradients",
                    [("data", data)],
                    "Pass requires_grad=False, or data.float()",
                )
            )
        data._settle()
        self._meta = data._meta.with_grad(requires_grad)
        self._storage, self._ptr = data._storage, data._ptr
        self._shared = data._shared
        self._leaf = True

    def __deepcopy__(self, memo: dict) -> Parameter:
        return super().__deepcopy__(memo)  # type: ignore[return-value]


class Buffer(Tensor):
    """A tensor that assigning to a Module registers as a buffer."""

    _buffer = True

    def __new__(cls, data: Any = None, *, persistent: bool = True):
        return _new(cls)

    def __init__(self, data: Any = None, *, persistent: bool = True):
        data = Tensor.empty((0,), dtypes.default_dtype()) if data is None else data
        data._settle()
        self._meta, self._storage, self._ptr, self._shared = data._meta, data._storage, data._ptr, data._shared
        self.persistent = persistent
