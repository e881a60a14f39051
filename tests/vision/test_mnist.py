"""MNIST's files: found where people put them, fetched and checked, and explained when missing or damaged."""

from __future__ import annotations

import gzip
import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from dovetail.base.errors import FileError
from dovetail.datasets import KMNIST, MNIST, FashionMNIST
from dovetail.keras.datasets import fashion_mnist, mnist
from dovetail.vision.datasets.idx import idx_bytes

RNG = np.random.default_rng(1)
ARRAYS = {
    "train-images-idx3-ubyte": RNG.integers(0, 256, (30, 28, 28), np.uint8),
    "train-labels-idx1-ubyte": RNG.integers(0, 10, 30, np.uint8),
    "t10k-images-idx3-ubyte": RNG.integers(0, 256, (10, 28, 28), np.uint8),
    "t10k-labels-idx1-ubyte": RNG.integers(0, 10, 10, np.uint8),
}


def put(folder, *, zipped=True, dots=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in ARRAYS.items():
        path = folder / ((name.replace("-idx", ".idx") if dots else name) + (".gz" if zipped else ""))
        path.write_bytes(gzip.compress(idx_bytes(array), mtime=0) if zipped else idx_bytes(array))


@pytest.mark.parametrize("place", ["MNIST/raw", "."])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dots", [True, False])
def test_found_where_people_put_it(tmp_path, place, zipped, dots):
    put(tmp_path / place, zipped=zipped, dots=dots)
    train, test = MNIST(tmp_path, train=True), MNIST(str(tmp_path), train=False, download=True)
    assert (train.images == ARRAYS["train-images-idx3-ubyte"]).all() and train.labels.dtype == np.int64
    assert len(test) == 10 and test[2][1] == ARRAYS["t10k-labels-idx1-ubyte"][2]


@pytest.mark.parametrize("kind", [MNIST, FashionMNIST, KMNIST])
def test_missing_says_where_to_put_what(tmp_path, kind):
    with pytest.raises(FileError) as caught:
        kind(tmp_path)
    said = str(caught.value)
    assert "download=True" in said and str(tmp_path / kind.__name__ / "raw") in said
    assert all(name in said for name in ARRAYS)


def test_images_and_labels_of_different_sets(tmp_path):
    put(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.zeros(29, np.uint8))))
    with pytest.raises(FileError, match="do not belong together"):
        MNIST(tmp_path)


def test_cut_short(tmp_path):
    put(tmp_path, zipped=False)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(FileError, match="header says"):
        MNIST(tmp_path)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture
def mirror(tmp_path):
    """A set whose first mirror knows nothing and whose second has the files; all on this machine."""
    put(tmp_path / "site")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "site")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    digests = {n: hashlib.md5((tmp_path / "site" / f"{n}.gz").read_bytes()).hexdigest() for n in ARRAYS}
    yield type("MNIST", (MNIST,), {"mirrors": (address + "nowhere/", address), "digests": digests})
    server.shutdown()
    server.server_close()


def test_download(tmp_path, mirror):
    assert len(mirror(tmp_path / "root", download=True)) == 30
    files = sorted(path.name for path in (tmp_path / "root" / "MNIST" / "raw").iterdir())
    assert files == sorted(f"{name}.gz" for name in ARRAYS)


def test_download_with_wrong_digest_leaves_nothing(tmp_path, mirror):
    mirror.digests = dict.fromkeys(mirror.digests, "0" * 32)
    with pytest.raises(FileError) as caught:
        mirror(tmp_path / "root", download=True)
    assert "MD5 is wrong" in str(caught.value) and "404" in str(caught.value)
    assert not (tmp_path / "root").exists()


def test_without_network(tmp_path):
    nobody = type("MNIST", (MNIST,), {"mirrors": ("http://127.0.0.1:9/",)})
    with pytest.raises(FileError) as caught:
        nobody(tmp_path, download=True)
    assert "no answer" in str(caught.value) and str(tmp_path / "MNIST" / "raw") in str(caught.value)


def test_keras_reads_npz_and_idx(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    put(tmp_path / "datasets")
    put(tmp_path / "datasets" / "fashion-mnist")
    (x, y), (x_test, y_test) = mnist.load_data()
    assert x.shape == (30, 28, 28) and y.dtype == np.uint8 and y_test.shape == (10,)
    assert (fashion_mnist.load_data()[1][0] == x_test).all()
    np.savez(tmp_path / "datasets" / "mnist.npz", x_train=x + 1, y_train=y, x_test=x_test, y_test=y_test)
    assert (mnist.load_data()[0][0] == x + 1).all()


def test_keras_explains_a_damaged_npz(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    for content in (b"", b"PK\3\4 half a file", b"<html>"):
        (tmp_path / "datasets" / "mnist.npz").write_bytes(content)
        with pytest.raises(FileError) as caught:
            mnist.load_data()
        assert "mnist.npz" in str(caught.value)
