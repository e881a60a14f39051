"""Blocks of memory: where they come from, who shares them, and where they go when nobody needs them.

A `Storage` that dies hands its block to a pool, sorted by size class, and the next request of that class takes it
back: a fresh block of more than a page costs a page fault every 4 KB, which is dearer than most arithmetic done in it
(ten elementwise operations on 10 M floats: two thirds of the time). A block that NumPy still looks into is left to
NumPy.

Blocks of less than half a megabyte are cut from slabs, each a huge page where the system has them: what a step works on
then lies side by side, and no two parts of it fall on the same lines of the second-level cache by chance (benchmark
mlp_loop_b32: an eighth of the program's time).

No lock guards the pool. `Storage.__del__` may run anywhere, also inside `allocate` when the garbage collector strikes,
so every step is a single atomic list operation; the pool counts its blocks now and then instead of keeping a count.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Sequence
from functools import cache
from sys import getrefcount

import numpy as np

from dovetail.base.dtypes import DType
from dovetail.base.errors import DovetailError, message
from dovetail.runtime.flight import flying, land

ALIGN = 64  # one cache line, and one AVX-512 register
COUNTED = 1 << 20  # blocks from this size on count towards the pool's limit
CLASS_KEEPS = 4 << 20  # bytes that each class of smaller blocks may keep
LARGE = 64 << 20  # from here on a request is compared with the memory there is
SMALL = 4096  # blocks up to this size are made several at a time
TOGETHER = 16  # so many of them, or what fits into four pages
SLAB = 2 << 20  # a huge page of x86-64, and of AArch64 with pages of 4 KB
CUT = 512 << 10  # blocks below this size are cut from slabs; a larger one would leave too much of a slab unused

_word = ctypes.c_size_t.from_address
_compare = (ctypes.cdll.msvcrt if sys.platform.startswith("win") else ctypes.CDLL(None)).memcmp
_compare.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
_new = object.__new__


def address(array: np.ndarray) -> int:
    """The address of an array's first element."""
    return _word(id(array) + object.__basicsize__).value


def _address_by_interface(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _reads_addresses() -> bool:
    """Whether an array's address stands right behind Python's own part of the object, as NumPy's C interface has it."""
    if sys.implementation.name != "cpython":
        return False
    return all(address(a) == _address_by_interface(a) for a in (np.empty(3), np.empty((2, 5), np.int8)[1:, 2:]))


if not _reads_addresses():
    address = _address_by_interface


class OutOfMemory(DovetailError, MemoryError, RuntimeError):
    """More memory was asked for than the machine has to give."""


class Block:
    """Memory that moves between the pool and the storages that hold it one after the other."""

    __slots__ = ("ptr", "owner", "start", "home")

    def __init__(self, ptr: int, owner: np.ndarray, start: int, home: SizeClass | None):
        self.ptr, self.owner, self.start, self.home = ptr, owner, start, home


class Storage:
    """A block of memory and whatever keeps it alive.

    ptr       address of the first byte; a multiple of 64 for blocks made by `allocate`
    nbytes    how many bytes were asked for
    owner     a NumPy array over the block, or the foreign array itself
    home      the size class the block returns to; None for foreign memory
    writes    how often one of several tensors over the block was written in place; written: the line of the last time
    """

    __slots__ = ("ptr", "nbytes", "block", "writes", "written", "__weakref__")

    def __init__(self, block: Block, nbytes: int):
        self.ptr = block.ptr
        self.nbytes = nbytes
        self.block = block
        self.writes = 0
        self.written: tuple | None = None

    @property
    def owner(self) -> np.ndarray:
        return self.block.owner

    @property
    def home(self) -> SizeClass | None:
        return self.block.home

    @property
    def exported(self) -> bool:
        """Whether NumPy (or whoever else the memory belongs to) can still see this memory."""
        block = self.block
        if getrefcount(block.owner) > 2:  # the block's own reference, and getrefcount's argument
            return True
        if block.home is not None:
            return False
        array = block.owner.base  # what a foreign array looks into
        if array is None:
            return type(block.owner) is not np.ndarray
        return type(array) is not np.ndarray or getrefcount(array) > 3 or array.base is not None

    def __del__(self, getrefcount=getrefcount, flying=flying):
        block = self.block
        for flight in flying:  # a program may still use it
            flight.freed.append(block)
            return
        home = block.home
        # A refcount of 2 is the block's own reference and getrefcount's argument: no NumPy view is left.
        if home is None or getrefcount(block.owner) > 2:
            return
        home.append(block)
        if len(home) > home.most:
            home.pool.settle(home)

    def __repr__(self) -> str:
        return f"Storage({self.nbytes} bytes at {self.ptr:#x})"


def give_back(blocks: list[Block]) -> None:
    """What the end of a Storage does, for blocks whose storages have ended while a program was flying."""
    while blocks:
        block = blocks.pop()
        home = block.home
        if home is not None and getrefcount(block.owner) == 2:
            home.append(block)
            if len(home) > home.most:
                home.pool.settle(home)


class SizeClass(list):
    """The free blocks of one size. Up to `most` of them are kept without asking the pool."""

    __slots__ = ("size", "pool", "most")

    def __init__(self, size: int, pool: Pool):
        super().__init__()
        self.size, self.pool = size, pool
        self.most = CLASS_KEEPS // size if size < COUNTED else 0


class Pool:
    """Free blocks by size class. `limit` bounds the bytes of large blocks that are kept while nobody uses them."""

    def __init__(self, limit: int):
        self.limit = limit
        self.unchecked = limit  # bytes that may still come back before the large blocks are counted again
        self.classes: dict[int, SizeClass] = {}
        self.by_request: dict[int, SizeClass] = {}

    def class_for(self, nbytes: int) -> SizeClass:
        """The class that serves `nbytes`; remembered, since programs ask for the same sizes again and again."""
        size = rounded(nbytes)
        home = self.classes.setdefault(size, SizeClass(size, self))
        if len(self.by_request) > 10000:
            self.by_request.clear()
        self.by_request[nbytes] = home
        return home

    def settle(self, home: SizeClass) -> None:
        """After a block came back: keep within the bounds."""
        if drop is None:  # the interpreter is going away and has emptied this module
            return
        if home.most:
            drop(home)
            return
        self.unchecked -= home.size
        if self.unchecked < 0:
            if self.large_bytes() > self.limit:
                self.trim(self.limit // 2)
            self.unchecked = self.limit - self.large_bytes()

    def large_bytes(self) -> int:
        """Bytes in free blocks of the sizes that are counted."""
        return sum([home.size * len(home) for home in list(self.classes.values()) if not home.most])

    def trim(self, keep: int) -> None:
        """Give free blocks back to the system, largest first, until at most `keep` bytes are held."""
        if drop is None:  # the interpreter is going away and has emptied this module
            return
        homes = sorted(self.classes.values(), key=lambda home: home.size)
        total = sum(home.size * len(home) for home in homes)
        for home in reversed(homes):
            while total > keep and drop(home):
                total -= home.size


def drop(home: SizeClass) -> bool:
    """Let go of one free block; False where there is none (another thread may have taken the last)."""
    try:
        home.pop()
    except IndexError:
        return False
    return True


def rounded(nbytes: int) -> int:
    """The size of the class that serves a request: steps of 64 bytes at first, then eight steps for each doubling."""
    if nbytes <= 512:
        return max(nbytes + ALIGN - 1 & -ALIGN, ALIGN)
    shift = (nbytes - 1).bit_length() - 4
    return (nbytes - 1 >> shift) + 1 << shift


def allocate(nbytes: int) -> Storage:
    """A block of `nbytes` bytes, its content unspecified.

    Raises: OutOfMemory where the machine does not have that much (it is a MemoryError and a RuntimeError).

    >>> allocate(100).ptr % 64
    0
    """
    home = _known_classes.get(nbytes)
    if home:
        try:
            block = home.pop()
        except IndexError:  # another thread took the last one
            return _fresh(nbytes)
        storage = _new(Storage)
        storage.block = block
        storage.ptr = block.ptr
        storage.nbytes = nbytes
        storage.writes, storage.written = 0, None
        return storage
    return _fresh(nbytes)


def _fresh(nbytes: int) -> Storage:
    """A new block from the system, or from the pool where only the request was unknown."""
    home = _pool.by_request.get(nbytes)
    if home is None:
        if not hasattr(nbytes, "bit_length") and not hasattr(type(nbytes), "__index__"):
            raise TypeError(f"sizes must be whole numbers, not {type(nbytes).__name__}")
        nbytes = nbytes.__index__()
        if nbytes < 0:
            raise ValueError(f"allocate: a size of {nbytes} bytes is negative")
        home = _pool.class_for(nbytes)
        if home:
            return allocate(nbytes)
    size = home.size
    if size <= SMALL:
        made = small_blocks(home)
        home += made[1:]
        return Storage(made[0], nbytes)
    if size < CUT and huge_pages():
        piece, skip, start = room_in_slab(size)
        return Storage(Block(start, np.ndarray((size,), np.uint8, piece, skip), start, home), nbytes)
    if size >= LARGE:
        check_available(size)
    try:
        owner = np.empty(size + ALIGN, np.uint8)
    except (MemoryError, ValueError, OverflowError):
        _pool.trim(0)
        try:
            owner = np.empty(size + ALIGN, np.uint8)
        except (MemoryError, ValueError, OverflowError):
            raise too_large(nbytes) from None
    start = address(owner)
    return Storage(Block(start + ALIGN - 1 & -ALIGN, owner, start, home), nbytes)


def small_blocks(home: SizeClass) -> list[Block]:
    """Several blocks out of one piece of memory, which lives as long as any of them (benchmark infer_mlp_b1: results
    that NumPy keeps never come back, so each call needs a new block)."""
    size = home.size
    count = min(TOGETHER, 4 * SMALL // size)
    if huge_pages():
        piece, skip, first = room_in_slab(count * size)
    else:
        piece = bytearray(count * size + ALIGN)  # no array: NumPy would take it for the owner in place of its parts
        first = address(np.frombuffer(piece, np.uint8))
        skip = -first % ALIGN
        first += skip
    parts = [np.ndarray((size,), np.uint8, piece, skip + i * size) for i in range(count)]
    return [Block(first + i * size, part, first + i * size, home) for i, part in enumerate(parts)]


@cache
def huge_pages() -> bool:
    """Whether the system gives out huge pages of the slabs' size to those who ask for them."""
    try:
        with open("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") as f:
            size = int(f.read())
        with open("/sys/kernel/mm/transparent_hugepage/enabled") as f:
            return size == SLAB and "[never]" not in f.read() and hasattr(mmap, "MADV_HUGEPAGE")
    except (OSError, ValueError):
        return False


class Slab:
    """A huge page of which blocks are cut, from the front on. It lives as long as any of them."""

    __slots__ = ("piece", "start", "skip", "used")

    def __init__(self):
        self.piece = mmap.mmap(-1, 2 * SLAB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # a whole page lies in it somewhere
        first = address(np.frombuffer(self.piece, np.uint8))
        self.skip, self.used = -first % SLAB, 0
        self.start = first + self.skip
        self.piece.madvise(mmap.MADV_HUGEPAGE, self.skip, SLAB)


_slabs: list[Slab] = []  # those that blocks are cut from; a thread that cuts has taken its slab out


def room_in_slab(nbytes: int) -> tuple[mmap.mmap, int, int]:
    """Room for a block: (the memory, where in it the room is, its address)."""
    passed = []
    while True:
        try:
            slab = _slabs.pop()
        except IndexError:
            slab = Slab()
        if slab.used + nbytes <= SLAB:
            break
        if slab.used + SMALL <= SLAB and len(passed) < 2:  # smaller blocks fit in
            passed.append(slab)
    at = slab.used
    slab.used += nbytes + ALIGN - 1 & -ALIGN
    _slabs.extend([slab, *passed])
    return slab.piece, slab.skip + at, slab.start + at


def check_available(nbytes: int, call: str = "allocate", facts: Sequence = ()) -> None:
    """Raise OutOfMemory where touching `nbytes` new bytes would get the process killed.

    Linux promises memory it does not have and ends the process when the promise is called in, so a large request is
    compared with what is free before it is made.
    """
    if nbytes <= available_memory():
        return
    _pool.trim(0)
    if nbytes > available_memory():
        raise too_large(nbytes, call, facts)


def too_large(nbytes: int, call: str = "allocate", facts: Sequence = ()) -> OutOfMemory:
    free = in_words(available_memory())
    problem = f"can't allocate memory: {in_words(nbytes)} were asked for ({nbytes} bytes), {free} are free"
    return OutOfMemory(message(
        call, problem, facts,
        cure="Smaller batches, a smaller dtype (float32, bfloat16) or deleting unused tensors (del x) help.",
    ))


def in_words(nbytes: int) -> str:
    """A number of bytes in the largest unit that keeps it above one."""
    if nbytes >= 1 << 63:
        return f"{nbytes / 2**60:.4g} EiB"
    for unit, shift in (("EiB", 60), ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if nbytes >= 1 << shift:
            return f"{nbytes / (1 << shift):.4g} {unit}"
    return f"{nbytes} bytes"


def available_memory() -> int:
    """Bytes that can still be used: the machine's and this container's; a huge number where nobody tells."""
    return min(_machine_available(), _group_available())


def _machine_available() -> int:
    try:
        with open("/proc/meminfo") as f:
            for line in f:
                if line.startswith(("MemAvailable", "SwapFree")):
                    name, amount = line.split()[:2]
                    if name == "MemAvailable:":
                        return int(amount) * 1024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 1 << 62


def _group_available() -> int:
    """What the control group (version 2, as seen inside a container) still allows."""
    try:
        with open("/sys/fs/cgroup/memory.max") as f:
            limit = int(f.read())
        with open("/sys/fs/cgroup/memory.current") as f:
            return max(limit - int(f.read()), 0)
    except (OSError, ValueError):  # no such group, or "max": no limit
        return 1 << 62


def _default_limit() -> int:
    """Half a gigabyte, or an eighth of a small machine's memory."""
    return min(512 << 20, _machine_available() // 8)


_pool = Pool(_default_limit())
_known_classes = _pool.by_request


def from_array(array: np.ndarray) -> Storage:
    """The memory of an existing array, shared. `ptr` is its lowest address.

    >>> a = np.zeros(3)
    >>> as_array(from_array(a), from_array(a).ptr, (3,), a.dtype)[0] = 5.0
    >>> a[0]
    np.float64(5.0)
    """
    nbytes = array.nbytes
    if not nbytes:  # nothing is shared, and NumPy gives empty arrays addresses of their own
        owner = np.empty(0, np.uint8)
        low = address(owner)
    elif array.flags.c_contiguous:
        return from_dense(array, nbytes)
    else:
        low, high = byte_bounds(array)
        nbytes = high - low
        owner = array_at(low, (nbytes,), np.uint8, keep=array, writeable=array.flags.writeable)
    return Storage(Block(low, owner, low, None), nbytes)


def from_dense(array: np.ndarray, nbytes: int) -> Storage:
    """As from_array, for a row-major array of that many bytes, which are some."""
    low = address(array)
    block = _new(Block)
    block.ptr, block.owner, block.start, block.home = low, array, low, None
    storage = _new(Storage)
    storage.block, storage.ptr, storage.nbytes, storage.writes, storage.written = block, low, nbytes, 0, None
    return storage


def own(array: np.ndarray) -> Storage:
    """The memory of an array that nobody else has. Where blocks are cut from slabs, a copy in one: a parameter that
    NumPy has made would lie apart from its gradient and the optimizer's state for good."""
    if not SMALL < array.nbytes < CUT or not huge_pages() or not array.flags.c_contiguous:
        return from_array(array)
    storage = allocate(array.nbytes)
    as_array(storage, storage.ptr, array.shape, array.dtype)[...] = array
    return storage


def byte_bounds(array: np.ndarray) -> tuple[int, int]:
    """Lowest address of an array's elements, and the address after the highest."""
    low = high = address(array)
    if array.size == 0:
        return low, low
    for n, stride in zip(array.shape, array.strides, strict=True):
        low += min((n - 1) * stride, 0)
        high += max((n - 1) * stride, 0)
    return low, high + array.itemsize


def as_array(
    storage: Storage, ptr: int, shape: tuple, dtype: DType | np.dtype, strides: tuple | None = None, waits: bool = True
) -> np.ndarray:
    """A NumPy array that looks into `storage` from address `ptr`; strides are in bytes, as NumPy's.

    The array keeps the memory alive, not the Storage: the block simply does not return to the pool while it lives.
    """
    if flying and waits:
        land()
    if type(dtype) is DType:
        dtype = dtype.np
    if 0 in shape:
        return np.empty(shape, dtype)
    block = storage.block
    return np.ndarray(shape, dtype, block.owner, ptr - block.start, strides)


def to_read(
    storage: Storage, ptr: int, shape: tuple, dtype: DType | np.dtype, strides: tuple | None = None
) -> np.ndarray:
    """As as_array, to be read only: what a program in flight does not write may be looked at meanwhile."""
    for flight in flying:
        if storage.ptr in flight.writes:
            land()
    return to_fill(storage, ptr, shape, dtype, strides)


def to_fill(
    storage: Storage, ptr: int, shape: tuple, dtype: DType | np.dtype, strides: tuple | None = None
) -> np.ndarray:
    """As as_array, for memory that was just allocated: no program in flight knows it."""
    return as_array(storage, ptr, shape, dtype, strides, False)


def same(a: int, b: int, nbytes: int) -> bool:
    """Whether the same bytes lie at two addresses, which no program in flight writes to."""
    return bool(_compare(a, b, nbytes) == 0)


class Address:
    """Memory at an address, in the form that NumPy reads (`__array_interface__`); `keep` lives as long as the views."""

    __slots__ = ("__array_interface__", "keep")

    def __init__(self, interface: dict, keep=None):
        self.__array_interface__ = interface
        self.keep = keep


def array_at(
    ptr: int, shape: tuple, dtype: DType | np.dtype, strides: tuple | None = None, *, keep=None, writeable: bool = True
) -> np.ndarray:
    """An array over memory at a bare address; whoever calls vouches that the memory outlives the array.

    strides: in bytes; None where the elements follow each other.
    """
    if flying:
        land()
    dtype = dtype.np if type(dtype) is DType else np.dtype(dtype)
    if 0 in shape:
        return np.empty(shape, dtype)
    plain = dtype.kind != "V" and dtype.isbuiltin == 1
    word = dtype.str if plain else f"<u{dtype.itemsize}"
    interface = {"shape": shape, "typestr": word, "data": (ptr, not writeable), "strides": strides, "version": 3}
    array = np.asarray(Address(interface, keep))
    return array if plain else array.view(dtype)


_arenas: list[Storage] = []  # scratch memory that the programs of all threads take and put back


def take_arena(nbytes: int) -> Storage:
    """Scratch memory for one run of a program; all programs share it, so the last one has left it in the caches."""
    try:
        arena = _arenas.pop()
    except IndexError:
        return allocate(nbytes)
    if arena.nbytes >= nbytes:
        return arena
    del arena  # its block may be part of the answer
    return allocate(nbytes)


put_arena_back = _arenas.append


def kept_bytes() -> int:
    """Bytes in free blocks that wait for the next request."""
    return sum(home.size * len(home) for home in list(_pool.classes.values()))


def empty_cache() -> None:
    """Give all free blocks back to the system."""
    _arenas.clear()
    _pool.trim(0)
