"""PyTorch's pickles, written and read without running anything in them.

A pickle is a little program that calls functions by name. Ours are written with PyTorch's names, as bytes; nothing of
PyTorch is needed. Reading goes through a table of the few names that stand for data (tensors, sizes, dtypes, ordered
dictionaries, NumPy numbers); every other name is refused before it is looked up, and no flag turns the table off.
"""

from __future__ import annotations

import collections
import copyreg
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from dovetail.base import dtypes
from dovetail.base.device import device
from dovetail.base.dtypes import DType
from dovetail.base.errors import FileError, message
from dovetail.io import trusted
from dovetail.io.locations import Place
from dovetail.nn.module import Module
from dovetail.runtime.flight import land
from dovetail.tensor.tensor import Parameter, Size, Tensor

STORAGES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "complex64": "ComplexFloatStorage",
    "complex128": "ComplexDoubleStorage",
}


class Name:
    """A name of PyTorch's in a pickle: module and attribute, never imported."""

    def __init__(self, module: str, attribute: str):
        self.module, self.attribute = module, attribute

    def __call__(self, *args):
        raise TypeError(f"{self.module}.{self.attribute} is only a name")  # pickle insists on callables


REBUILD_TENSOR = Name("torch._utils", "_rebuild_tensor_v2")
REBUILD_PARAMETER = Name("torch._utils", "_rebuild_parameter")
SIZE, DEVICE = Name("torch", "Size"), Name("torch", "device")
STORAGE_NAMES = {dtype: Name("torch", storage) for dtype, storage in STORAGES.items()}
DTYPE_NAMES = {d.name: Name("torch", d.name) for d in dtypes.ALL}
CLASS_NAMES = {kind: Name(*place) for kind, place in trusted.NAMES.items()}


class StorageRef:
    """The memory of one or more tensors, as the pickle speaks of it."""

    def __init__(self, key: str, dtype: DType, nbytes: int):
        self.key, self.dtype, self.numel = key, dtype, nbytes // dtype.itemsize


class Pickler(pickle._Pickler):
    """Writes protocol 2 with PyTorch's names for tensors; `storages` collects (key, memory) for the archive.

    The Python implementation is used because it can write a name without importing it.
    """

    def __init__(self, file, protocol: int = 2, older: bool = False):
        super().__init__(file, protocol)
        self.older = older  # the format before 1.6 says one thing more of a storage
        self.storages: dict[int, tuple[StorageRef, Any]] = {}

    def persistent_id(self, obj):
        if isinstance(obj, StorageRef):
            said = ("storage", STORAGE_NAMES[obj.dtype.name], obj.key, "cpu", obj.numel)
            return (*said, None) if self.older else said
        return None

    def save_global(self, obj, name=None):
        if not isinstance(obj, Name) and obj in CLASS_NAMES:  # by torch's names: PyTorch reads whole modules
            known = self.memo.get(id(CLASS_NAMES[obj]))
            if known:
                return self.write(self.get(known[0]))
            obj = CLASS_NAMES[obj]
        if not isinstance(obj, Name):
            return super().save_global(obj, name)
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.attribute}\n".encode())
        self.memoize(obj)
        return None

    def reducer_override(self, obj):
        if isinstance(obj, Name):
            return obj.attribute  # a plain string asks for save_global
        if isinstance(obj, Tensor):
            return self.tensor_reduced(obj)
        if isinstance(obj, Size):
            return SIZE, (tuple(obj),)
        if type(obj) in CLASS_NAMES and isinstance(obj, Module):
            return copyreg.__newobj__, (type(obj),), trusted.attributes_for_torch(obj, obj.__getstate__())
        if isinstance(obj, device):
            return DEVICE, (obj.type,) if obj.index is None else (obj.type, obj.index)
        return NotImplemented

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, DType):  # by name, without a call
            known = self.memo.get(id(DTYPE_NAMES[obj.name]))
            return self.write(self.get(known[0])) if known else self.save_global(DTYPE_NAMES[obj.name])
        if isinstance(obj, FunctionType) and obj in CLASS_NAMES:
            return self.save_global(obj)
        return super().save(obj, save_persistent_id)

    def tensor_reduced(self, t: Tensor):
        if not t.is_leaf:
            raise FileError(
                message(
                    "save",
                    "a tensor that was computed from others cannot be saved with its history",
                    [("tensor", t)],
                    "Save t.detach() instead.",
                )
            )
        if isinstance(t, Parameter):
            return REBUILD_PARAMETER, (plain(t), t.requires_grad, OrderedDict())
        t._settle()
        ref = self.storage_of(t)
        offset = (t._ptr - t._storage.ptr) // t.dtype.itemsize
        return REBUILD_TENSOR, (ref, offset, tuple(t.shape), tuple(t.stride()), t.requires_grad, OrderedDict())

    def storage_of(self, t: Tensor) -> StorageRef:
        found = self.storages.get(id(t._storage))
        if found is not None and found[0].dtype is t.dtype:
            return found[0]
        if found is not None:  # one memory seen as two dtypes: PyTorch's files cannot say so
            raise FileError(
                message(
                    "save",
                    "two tensors of different dtypes share memory",
                    [("tensor", t)],
                    "Save a clone() of one of them.",
                )
            )
        ref = StorageRef(str(len(self.storages)), t.dtype, t._storage.nbytes)
        self.storages[id(t._storage)] = (ref, t._storage)
        return ref


def plain(t: Tensor) -> Tensor:
    """The tensor inside a parameter."""
    return t.detach()


# -- reading ---------------------------------------------------------------------------------------------------------


class StorageType:
    """What a storage's name means: a dtype."""

    def __init__(self, dtype: str):
        self.dtype = dtypes.dtype_named(dtype)


def rebuild_tensor(storage, offset, size, stride, requires_grad=False, hooks=None, metadata=None) -> Tensor:
    """A view of the storage's array. Raises FileError where it would reach outside."""
    array, dtype = storage
    size, stride, offset = tuple(map(int, size)), tuple(map(int, stride)), int(offset)
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if min((*size, *stride, offset), default=0) < 0 or (0 not in size and last >= len(array)):
        raise FileError(
            message(
                "load",
                f"a tensor of shape {size} and strides {stride} at {offset} does not fit into "
                f"its storage of {len(array)} elements",
            )
        )
    part = array[offset:] if 0 not in size else array[:0]
    view = np.lib.stride_tricks.as_strided(part, size, tuple(s * array.itemsize for s in stride))
    t = Tensor.from_array(view)
    return t.requires_grad_(True) if requires_grad else t


def rebuild_parameter(data, requires_grad=True, hooks=None) -> Parameter:
    return Parameter(data, requires_grad)


def rebuild_parameter_with_state(data, requires_grad, hooks, state) -> Parameter:
    return Parameter(data, requires_grad)


def make_device(kind, index=None) -> device:
    return device(kind) if index is None else device(kind, index)


def encode_latin(text: str, encoding: str = "latin1") -> bytes:
    """`_codecs.encode`, which pickles of protocol 2 use for bytes."""
    if encoding != "latin1":
        raise FileError(message("load", f"the file encodes bytes as {encoding!r}; only latin1 is read"))
    return text.encode("latin1")


def numpy_dtype(code, align=False, copy=False):
    if str(code).lstrip("<>|=")[:1] not in "fiubcSUV?" or "O" in str(code):
        raise FileError(message("load", f"the file holds a NumPy array of dtype {code!r}; only plain numbers are read"))
    return np.dtype(code)


def numpy_scalar(dtype, data=None):
    return np.frombuffer(data if isinstance(data, bytes) else data.encode("latin1"), dtype)[0]


def of_items(kind: type) -> Callable:
    """A container from its items. Others take a size or a range and would fill the memory with what a file says."""

    def make(items: Any = ()):
        if not isinstance(items, (list, tuple, dict, set, frozenset, bytes, str)):
            raise FileError(
                message("load", f"the file makes a {kind.__name__} of {type(items).__name__}, not of items")
            )
        return kind(items.encode("latin1") if kind is bytearray and isinstance(items, str) else items)

    return make


def rebuild_from_type(make, kind, arguments, state) -> Tensor:
    """A tensor with attributes of its own; they are set where the tensor takes them."""
    made = make(*arguments)
    for name, value in (state if isinstance(state, dict) else {}).items():
        setattr(made, name, value)
    return made


def reconstructed(kind, base, state):
    """copyreg._reconstructor for plain objects: what protocols 0 and 1 make an object with."""
    if not isinstance(kind, type) or base is not object or state is not None:
        raise FileError(message("load", "the file rebuilds an object in a way that is not read"))
    return kind.__new__(kind)


class StoredArray(np.ndarray):
    """An array from a file. Its elements are plain numbers: a state that holds objects is refused."""

    def __setstate__(self, state):
        if state[2].hasobject:
            raise FileError(message("load", "the file holds a NumPy array of objects; only plain numbers are read"))
        super().__setstate__(state)


def numpy_shell(kind, shape, code) -> StoredArray:
    """The empty array that a pickle then fills."""
    return np.empty(0, np.uint8).view(StoredArray)


ALLOWED: dict[tuple[str, str], Any] = (
    {
        ("collections", "OrderedDict"): OrderedDict,
        ("collections", "defaultdict"): collections.defaultdict,
        ("collections", "Counter"): of_items(collections.Counter),
        ("builtins", "set"): of_items(set),
        ("builtins", "frozenset"): of_items(frozenset),
        ("builtins", "slice"): slice,
        ("builtins", "range"): range,
        ("builtins", "complex"): complex,
        ("builtins", "bytearray"): of_items(bytearray),
        ("builtins", "dict"): of_items(dict),
        ("builtins", "list"): of_items(list),
        ("builtins", "tuple"): of_items(tuple),
        ("builtins", "object"): object,
        ("builtins", "int"): int,
        ("builtins", "bool"): bool,
        ("builtins", "str"): str,
        ("copyreg", "_reconstructor"): reconstructed,
        ("builtins", "float"): float,
        ("_codecs", "encode"): encode_latin,
        ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
        ("torch._utils", "_rebuild_tensor"): rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): rebuild_parameter_with_state,
        ("torch._tensor", "_rebuild_from_type_v2"): rebuild_from_type,
        ("torch", "Size"): Size,
        ("torch", "Tensor"): "Tensor",  # only ever a word beside _rebuild_from_type_v2
        ("torch", "device"): make_device,
        ("torch.nn.parameter", "Parameter"): rebuild_parameter,
        ("torch.serialization", "_get_layout"): str,
        ("numpy", "dtype"): numpy_dtype,
        ("numpy", "ndarray"): StoredArray,
    }
    | {("torch", storage): StorageType(name) for name, storage in STORAGES.items()}
    | {("torch", d.name): d for d in dtypes.ALL}
    | {
        (f"numpy.{core}.multiarray", name): made
        for core in ("core", "_core")
        for name, made in (("scalar", numpy_scalar), ("_reconstruct", numpy_shell))
    }
)
OLDER_NAMES = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # what protocol 2 calls them


class Unpickler(pickle.Unpickler):
    """Reads a pickle through ALLOWED. storage(key, dtype, numel) -> one-dimensional array of the file's memory.

    own_classes: whether classes of the running program are allowed too (weights_only=False)
    encoding: of texts that Python 2 wrote
    """

    def __init__(
        self,
        file,
        storage: Callable[[str, DType, int], np.ndarray],
        name: str,
        own_classes: bool = False,
        place: Place = lambda array, dtype, location: array,
        encoding: str = "utf-8",
    ):
        super().__init__(file, encoding=encoding)
        self.storage, self.name, self.own_classes, self.place = storage, name, own_classes, place
        self.arrays: dict[str, np.ndarray] = {}

    def find_class(self, module: str, attribute: str):
        module = OLDER_NAMES.get(module, module)
        found = ALLOWED.get((module, attribute))
        if found is None:
            found = trusted.SAFE.get((module, attribute))
        if found is None and self.own_classes:
            found = trusted.own_thing(module, attribute)
        if found is not None:
            return found
        raise FileError(
            message(
                "load",
                f"{self.name} asks for {module}.{attribute}, which is not data",
                [],
                "Only tensors, numbers, texts and plain containers are read, and nothing in a file is ever run.\n"
                + self.cure(module, attribute),
            )
        )

    def cure(self, module: str, attribute: str) -> str:
        if not self.own_classes and (trusted.own_thing(module, attribute) or looks_like_model(module, attribute)):
            return (
                "A whole model was saved here: save model.state_dict() instead, or load this file with "
                "weights_only=False if it is your own."
                if looks_like_model(module, attribute)
                else f"If the file is your own: torch.serialization.add_safe_globals([{attribute}]), or "
                "weights_only=False."
            )
        if looks_like_model(module, attribute):
            return "The program has not defined that class: define or import it first, or save model.state_dict()."
        return "Save such objects as plain dicts and lists."

    def persistent_load(self, saved):
        if saved[0] == "module":  # the format before 1.6: a class beside its source code, which nobody needs
            return saved[1]
        kind, storage_kind, key, location, numel = saved[:5]
        if kind != "storage" or not isinstance(storage_kind, StorageType):
            raise FileError(message("load", f"{self.name} refers to an unknown kind of stored thing: {kind!r}"))
        if key not in self.arrays:
            array = self.storage(str(key), storage_kind.dtype, int(numel))
            self.arrays[key] = self.place(array, storage_kind.dtype, str(location))
        return self.arrays[key], storage_kind.dtype


def looks_like_model(module: str, attribute: str) -> bool:
    return module == "__main__" or ".nn." in module or "model" in module.lower() or attribute.endswith(("Net", "Model"))


def dumps(obj: Any, older: bool = False) -> tuple[bytes, list[tuple[StorageRef, Any]]]:
    """(pickle, storages it speaks of); older: as PyTorch before 1.6 wrote it."""
    buffer = io.BytesIO()
    pickler = Pickler(buffer, older=older)
    pickler.dump(obj)
    land()  # the storages are written from memory
    return buffer.getvalue(), list(pickler.storages.values())
