"""Storages: alignment, reuse, who keeps a block from the pool, requests that are too large."""

import gc
import sys
import threading

import numpy as np
import pytest

from dovetail.base.dtypes import bfloat16, float32
from dovetail.runtime import memory
from dovetail.runtime.memory import OutOfMemory, Pool, allocate, array_at, as_array, from_array, rounded


@pytest.mark.parametrize("nbytes", [0, 1, 63, 64, 65, 512, 513, 4097, 1 << 20, (5 << 20) + 3])
def test_blocks_are_aligned_and_large_enough(nbytes):
    storage = allocate(nbytes)
    assert storage.ptr % 64 == 0 and storage.nbytes == nbytes
    view = as_array(storage, storage.ptr, (nbytes,), np.dtype(np.uint8))
    view[...] = 7
    assert view.sum() == 7 * nbytes


def test_size_classes_waste_at_most_an_eighth():
    for nbytes in [*range(1, 5000), 10**6, 10**8 + 1]:
        size = rounded(nbytes)
        assert size >= nbytes and size - nbytes <= max(64, nbytes / 8 + 1)
        assert rounded(size) == size


def test_a_dead_storage_gives_its_block_to_the_next():
    a = allocate(5000)
    ptr = a.ptr
    del a
    assert allocate(5000).ptr == ptr


def test_a_block_that_numpy_sees_is_not_given_away():
    storage = allocate(400)
    ptr = storage.ptr
    view = as_array(storage, ptr, (10, 10), float32)[2:]
    view[...] = 3.0
    assert storage.exported
    del storage
    others = [allocate(400) for _ in range(5)]
    for other in others:
        as_array(other, other.ptr, (100,), float32)[...] = 0.0
    assert ptr not in [other.ptr for other in others]
    assert (view == 3.0).all()


def test_a_block_returns_once_its_views_are_gone():
    storage = allocate(400)
    ptr = storage.ptr
    view = as_array(storage, ptr, (100,), float32)
    del view
    assert not storage.exported
    del storage
    assert allocate(400).ptr == ptr


def test_from_array_shares_and_knows_who_else_sees_it():
    array = np.arange(6.0).reshape(2, 3)
    storage = from_array(array)
    assert storage.exported and storage.home is None
    as_array(storage, storage.ptr, (6,), array.dtype)[0] = 9.0
    assert array[0, 0] == 9.0
    del array
    assert not storage.exported


@pytest.mark.parametrize("make", [lambda a: a.T, lambda a: a[::-1, ::2], lambda a: a[1:, 1:]], ids=["T", "flip", "cut"])
def test_from_array_of_a_strided_array(make):
    array = make(np.arange(24.0).reshape(4, 6))
    storage = from_array(array)
    ptr = array.__array_interface__["data"][0]
    assert storage.ptr <= ptr < storage.ptr + storage.nbytes
    again = as_array(storage, ptr, array.shape, array.dtype, array.strides)
    np.testing.assert_array_equal(again, array)


def test_read_only_arrays_stay_read_only():
    storage = from_array(np.frombuffer(b"\x01\x02", np.uint8))
    assert not as_array(storage, storage.ptr, (2,), np.dtype(np.uint8)).flags.writeable


def test_array_at_with_strides_and_short_floats():
    storage = allocate(64)
    array = array_at(storage.ptr, (4, 2), bfloat16)
    array[...] = 1.5
    turned = array_at(storage.ptr, (2, 4), bfloat16, (2, 4))
    assert turned.dtype == bfloat16.np and (turned.astype(np.float32) == 1.5).all()
    assert array_at(0, (0, 3), float32).shape == (0, 3)


@pytest.mark.parametrize("nbytes", [1 << 45, 1 << 62, 1 << 70])
def test_too_large_a_request_names_the_size(nbytes):
    with pytest.raises(OutOfMemory, match=r"(TiB|EiB) were asked for") as caught:
        allocate(nbytes)
    assert isinstance(caught.value, MemoryError) and isinstance(caught.value, RuntimeError)


def test_a_negative_size_is_refused():
    with pytest.raises(ValueError, match="negative"):
        allocate(-1)


def test_the_pool_keeps_within_its_limit(monkeypatch):
    monkeypatch.setattr(memory, "_pool", Pool(8 << 20))
    held = [allocate(2 << 20) for _ in range(12)]
    small = [allocate(64 << 10) for _ in range(200)]
    held.clear(), small.clear()
    assert memory.kept_bytes() <= (8 << 20) + memory.CLASS_KEEPS
    memory.empty_cache()
    assert memory.kept_bytes() == 0


def test_threads_allocate_at_once():
    wrong = []

    def work(mark):
        for _ in range(2000):
            storage = allocate(256)
            view = as_array(storage, storage.ptr, (256,), np.dtype(np.uint8))
            view[...] = mark
            if not (view == mark).all():
                wrong.append(mark)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_storages_in_a_reference_cycle_return_too():
    memory.empty_cache()
    loop = [allocate(3000)]
    loop.append(loop)
    ptr = loop[0].ptr
    del loop
    gc.collect()
    assert allocate(3000).ptr == ptr


def test_storages_may_outlive_what_their_module_holds(monkeypatch):
    """At the end of the interpreter, modules are emptied before the last storages go."""
    kept = [allocate(500_000) for _ in range(20)]
    said = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    monkeypatch.setattr(memory, "drop", None)
    kept.clear()
    assert not said


def test_small_blocks_are_apart_and_aligned():
    made = [allocate(n) for n in (1, 40, 64, 65, 700, 4096) for _ in range(40)]
    places = sorted((s.ptr, s.nbytes) for s in made)
    assert all(ptr % 64 == 0 for ptr, _ in places)
    assert all(a + n <= b for (a, n), (b, _) in zip(places, places[1:], strict=False))


def test_a_small_result_that_numpy_keeps_stays_as_it_is():
    """Small blocks come out of one piece of memory: what keeps one of them must not be taken for keeping another."""
    first, second = allocate(48), allocate(48)
    ptr, other = first.ptr, second.ptr
    view = as_array(first, ptr, (12,), float32)
    view[...] = 1.0
    assert first.exported and not second.exported
    del first, second
    taken = [allocate(48) for _ in range(100)]
    assert ptr not in [s.ptr for s in taken] and other in [s.ptr for s in taken]
    assert (view == 1.0).all()


@pytest.mark.parametrize("kind", ["<f4", ">f4", "?", "i8", "c16", "V3"])
def test_address_is_where_numpy_says(kind):
    whole = np.zeros((3, 5), kind)
    for array in (whole, whole[1:, ::2], np.zeros((), kind), whole.T):
        assert memory.address(array) == array.__array_interface__["data"][0]
