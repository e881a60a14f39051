"""Data sets in their real formats, made here: CIFAR's pickles, SVHN's MATLAB files, EMNIST's archive, QMNIST's rows."""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import pickle
import struct
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib

import numpy as np
import pytest

from dovetail.base.errors import ArgumentError, FileError
from dovetail.vision.datasets import CIFAR10, CIFAR100, EMNIST, QMNIST, SVHN
from dovetail.vision.datasets.idx import idx_bytes
from dovetail.vision.datasets.matfile import read_mat


@pytest.fixture
def offline(monkeypatch):
    """No network: every address says so."""

    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def md5(data: bytes) -> str:
    return "md5:" + hashlib.md5(data).hexdigest()


# -- CIFAR ------------------------------------------------------------------------------------


def python2(batch: dict) -> bytes:
    """The dict as Python 2 pickled it: its texts are byte strings, its array names numpy.core."""
    made = pickle.dumps({key: value for key, value in batch.items()}, 2)
    return made.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def pickled_archive(kind, folder, monkeypatch) -> np.ndarray:
    """An archive as torchvision downloads it, with three pictures a file; returns the pictures of the first."""
    rows = np.random.default_rng(0).integers(0, 256, (3, 3072), np.uint8)
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        files = {
            name.removesuffix(".bin"): {"data": rows, kind.labels_key: [2, 0, 1]}
            for name in (*kind.train_files, *kind.test_files)
        }
        files[kind.pickled_names] = {kind.names_key: ["a", "b", "c"]}
        for name, batch in files.items():
            info = tarfile.TarInfo(f"{kind.pickled_folder}/{name}")
            content = python2(batch)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    (folder / kind.pickled_archive).write_bytes(held.getvalue())
    monkeypatch.setattr(kind, "pickled_digest", md5(held.getvalue()))
    return rows


@pytest.mark.parametrize("kind", [CIFAR10, CIFAR100])
def test_cifar_as_torchvision_downloads_it(tmp_path, monkeypatch, kind):
    rows = pickled_archive(kind, tmp_path, monkeypatch)
    test = kind(tmp_path, train=False)
    assert len(test) == 3 and test.classes == ["a", "b", "c"] and test.targets.tolist() == [2, 0, 1]
    assert test.images[0].tolist() == rows[0].reshape(3, 32, 32).transpose(1, 2, 0).tolist()
    assert len(kind(tmp_path)) == 3 * len(kind.train_files)
    with tarfile.open(tmp_path / kind.pickled_archive) as archive:
        archive.extractall(tmp_path, filter="data")
    os.unlink(tmp_path / kind.pickled_archive)
    assert len(kind(tmp_path, train=False)) == 3


def test_cifar_that_would_run_something(tmp_path):
    folder = tmp_path / CIFAR10.pickled_folder
    folder.mkdir()
    for name in ("test_batch", CIFAR10.pickled_names):
        (folder / name).write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    with pytest.raises(FileError, match="posix.system"):
        CIFAR10(tmp_path, train=False)
    (folder / "test_batch").write_bytes(pickle.dumps({"data": [1, 2]}, 2))
    with pytest.raises(FileError, match="pictures and labels"):
        CIFAR10(tmp_path, train=False)


def test_cifar_without_network(tmp_path, offline):
    with pytest.raises(FileError, match="cifar-10-python.tar.gz") as caught:
        CIFAR10(tmp_path, download=True)
    assert "no network" in str(caught.value) and "Put " in str(caught.value)
    assert not list(tmp_path.iterdir())


# -- SVHN -------------------------------------------------------------------------------------


def tagged(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def mat_bytes(arrays: dict[str, np.ndarray], compressed: bool) -> bytes:
    """A MAT-file of level 5 with these arrays of bytes."""
    out = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    for name, array in arrays.items():
        name_part = struct.pack("<HH4s", 1, len(name), name.encode()) if len(name) <= 4 else tagged(1, name.encode())
        body = tagged(6, struct.pack("<II", 9, 0)) + tagged(5, struct.pack(f"<{array.ndim}i", *array.shape))
        whole = tagged(14, body + name_part + tagged(2, array.tobytes(order="F")))
        packed = zlib.compress(whole)
        out += struct.pack("<II", 15, len(packed)) + packed if compressed else whole
    return out


@pytest.mark.parametrize("compressed", [False, True])
def test_svhn(tmp_path, compressed):
    pictures = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 5), np.uint8)
    labels = np.array([[10], [1], [2], [9], [3]], np.uint8)
    (tmp_path / "test_32x32.mat").write_bytes(mat_bytes({"X": pictures, "y": labels}, compressed))
    data = SVHN(tmp_path, split="test")
    assert data.targets.tolist() == [0, 1, 2, 9, 3] and data[3][0].shape == (3, 32, 32)
    assert (data.images[4] == pictures[..., 4]).all()


def test_mat_files_of_scipy(tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    arrays = {
        "x": np.arange(24.0).reshape(2, 3, 4),
        "bytes": np.arange(6, dtype=np.uint8).reshape(2, 3),
        "i": np.int32([[5]]),
    }
    for packed in (False, True):
        scipy_io.savemat(tmp_path / "a.mat", {**arrays, "word": "text"}, do_compression=packed)
        found = read_mat(tmp_path / "a.mat")
        assert found.keys() == arrays.keys()
        assert all((found[k] == a).all() and found[k].dtype == a.dtype for k, a in arrays.items())


@pytest.mark.parametrize("keep", [0, 60, 130, 0.5, 0.99])
def test_cut_mat_files(tmp_path, keep):
    whole = mat_bytes({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.ones((2, 1), np.uint8)}, True)
    (tmp_path / "train_32x32.mat").write_bytes(whole[: keep if isinstance(keep, int) else int(len(whole) * keep)])
    with pytest.raises(FileError, match="train_32x32.mat"):
        SVHN(tmp_path)


def test_svhn_is_named_when_missing(tmp_path, offline):
    with pytest.raises(FileError, match="train_32x32.mat"):
        SVHN(tmp_path)
    with pytest.raises(FileError, match="no network"):
        SVHN(tmp_path, download=True)
    with pytest.raises(ArgumentError, match="extra"):
        SVHN(tmp_path, split="valid")


# -- EMNIST and QMNIST ------------------------------------------------------------------------


def test_emnist(tmp_path, monkeypatch):
    images, labels = np.arange(2 * 784).reshape(2, 28, 28).astype(np.uint8), np.array([1, 26], np.uint8)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for part in ("train", "test"):
            archive.writestr(f"gzip/emnist-letters-{part}-images-idx3-ubyte.gz", idx_bytes(images))
            archive.writestr(f"gzip/emnist-letters-{part}-labels-idx1-ubyte.gz", idx_bytes(labels))
        archive.writestr("../../escaped", b"x")
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "gzip.zip").write_bytes(held.getvalue())
    with pytest.raises(FileError, match="MD5"):
        EMNIST(tmp_path, "letters")
    monkeypatch.setattr(EMNIST, "digest", md5(held.getvalue()))
    data = EMNIST(tmp_path, "letters", train=False)
    assert data.classes[data[1][1]] == "z" and (data.images == images).all()
    assert not [p for p in tmp_path.rglob("escaped")]
    assert len(EMNIST.classes_split_dict["byclass"]) == 62 and len(EMNIST.classes_split_dict["balanced"]) == 47
    with pytest.raises(FileError, match="digits-train"):
        EMNIST(tmp_path, "digits")
    with pytest.raises(ArgumentError, match="bymerge"):
        EMNIST(tmp_path, "all")


def test_qmnist(tmp_path, offline):
    images = np.arange(3 * 784).reshape(3, 28, 28).astype(np.uint8)
    rows = np.arange(24, dtype=np.int32).reshape(3, 8) % 10
    raw = tmp_path / "QMNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "xnist-images-idx3-ubyte.xz").write_bytes(lzma.compress(idx_bytes(images)))
    (raw / "xnist-labels-idx2-int.xz").write_bytes(lzma.compress(idx_bytes(rows)))
    (raw / "qmnist-test-images-idx3-ubyte").write_bytes(idx_bytes(images))
    (raw / "qmnist-test-labels-idx2-int").write_bytes(idx_bytes(rows))
    data = QMNIST(tmp_path, what="nist", compat=False)
    assert data[2][1].tolist() == rows[2].tolist() and QMNIST(tmp_path, train=False)[1][1] == rows[1, 0]
    with pytest.raises(FileError, match="qmnist-train-images"):
        QMNIST(tmp_path)
    with pytest.raises(FileError, match="no network"):
        QMNIST(tmp_path, download=True)
    (raw / "xnist-images-idx3-ubyte").unlink()
    (raw / "xnist-images-idx3-ubyte.xz").write_bytes(b"broken")
    with pytest.raises(FileError, match="unpacked"):
        QMNIST(tmp_path, what="nist")
