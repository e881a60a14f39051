"""IDX files: what is written is read, and every kind of damage is named."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from dovetail.base.errors import FileError
from dovetail.vision.datasets.idx import idx_bytes, read_idx


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 4), (2, 3, 4)])
@pytest.mark.parametrize("zipped", [False, True])
def test_round_trip(tmp_path, dtype, shape, zipped):
    array = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    raw = idx_bytes(array)
    (tmp_path / "a").write_bytes(gzip.compress(raw) if zipped else raw)
    back = read_idx(tmp_path / "a")
    assert back.dtype == array.dtype and back.shape == array.shape and (back == array).all()


def damaged(tmp_path, content: bytes) -> str:
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(FileError) as caught:
        read_idx(tmp_path / "bad")
    assert str(tmp_path / "bad") in str(caught.value)
    return str(caught.value)


WHOLE = idx_bytes(np.zeros((10, 28, 28), np.uint8))


def test_cut_short(tmp_path):
    said = damaged(tmp_path, WHOLE[:-100])
    assert "7840 bytes" in said and "7740 bytes" in said and "(10, 28, 28)" in said


def test_too_long(tmp_path):
    assert "7841 bytes" in damaged(tmp_path, WHOLE + b"x")


def test_ends_in_header(tmp_path):
    assert "header" in damaged(tmp_path, WHOLE[:7])


def test_empty(tmp_path):
    assert "empty" in damaged(tmp_path, b"")


def test_another_format(tmp_path):
    assert "3c 21 44 4f" in damaged(tmp_path, b"<!DOCTYPE html><p>404")


def test_gzip_cut_short(tmp_path):
    assert "gzip" in damaged(tmp_path, gzip.compress(WHOLE)[:-20])


def test_gzip_with_flipped_bits(tmp_path):
    zipped = bytearray(gzip.compress(WHOLE + bytes(np.random.default_rng(0).integers(0, 256, 4000, np.uint8))))
    zipped[200] ^= 0xFF
    assert "gzip" in damaged(tmp_path, bytes(zipped))


def test_header_that_promises_more_than_memory_holds(tmp_path):
    assert "header says" in damaged(tmp_path, b"\0\0\x08\x03" + b"\xff" * 12 + b"abc")
