"""Files of weights: round trips, files of other programs, damaged files, files that would run something."""

from __future__ import annotations

import json
import os
import pickle
import tracemalloc
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

import dovetail
from dovetail import io, nn, optim
from dovetail.base.errors import FileError

HERE = Path(__file__).parent


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)

    def forward(self, x):
        return self.norm(self.fc(x))


def equal(a, b) -> bool:
    return a.dtype is b.dtype and a.shape == b.shape and a.tolist() == b.tolist()


# -- PyTorch's archives ------------------------------------------------------------------------------------------------


def checkpoint():
    net = Net()
    optimizer = optim.Adam(net.parameters())
    net(dovetail.randn(4, 3)).sum().backward()
    optimizer.step()
    return (
        net,
        optimizer,
        {
            "model": net.state_dict(),
            "optimizer": optimizer.state_dict(),
            "epoch": 5,
            "best": np.float64(0.25),
            "names": ["a", ("b", None, True)],
            "size": net.fc.weight.shape,
            "dtype": dovetail.float16,
            "bytes": b"\x00\xff",
            "set": {1, 2},
        },
    )


@pytest.mark.parametrize("mmap", [False, True])
def test_checkpoint_round_trip(tmp_path, mmap):
    net, optimizer, saved = checkpoint()
    io.save(saved, tmp_path / "c.pt")
    loaded = io.load(tmp_path / "c.pt", mmap=mmap)
    for name in ("epoch", "best", "names", "size", "dtype", "bytes", "set"):
        assert loaded[name] == saved[name]
    other = Net()
    other.load_state_dict(loaded["model"])
    assert all(equal(a, b) for a, b in zip(net.state_dict().values(), other.state_dict().values(), strict=True))
    again = optim.Adam(other.parameters())
    again.load_state_dict(loaded["optimizer"])
    assert again.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]
    assert list((tmp_path).iterdir()) == [tmp_path / "c.pt"]


def test_every_dtype_and_odd_shapes(tmp_path):
    tensors = {
        d: dovetail.zeros(2, 3).to(getattr(dovetail, d))
        for d in (
            "float64",
            "float32",
            "float16",
            "bfloat16",
            "int64",
            "int32",
            "int16",
            "int8",
            "uint8",
            "bool",
            "complex64",
        )
    }
    tensors |= {
        "scalar": dovetail.tensor(3),
        "empty": dovetail.empty(0, 4),
        "turned": dovetail.arange(6).view(2, 3).t(),
    }
    for save, load, path in ((io.save, io.load, "a.pt"), (io.save_file, io.load_file, "a.safetensors")):
        save(tensors, tmp_path / path)
        loaded = load(tmp_path / path)
        assert loaded.keys() == tensors.keys() and all(equal(t, loaded[k]) for k, t in tensors.items())


def test_shared_memory_stays_shared(tmp_path):
    x = dovetail.arange(6.0)
    io.save([x, x.view(2, 3).t(), x[2:4]], tmp_path / "s.pt")
    whole, turned, part = io.load(tmp_path / "s.pt")
    assert whole.data_ptr() == turned.data_ptr() and part.data_ptr() == whole.data_ptr() + 8
    with zipfile.ZipFile(tmp_path / "s.pt") as archive:
        assert [n for n in archive.namelist() if "/data/" in n] == ["s/data/0"]


def test_layout_is_that_of_torch(tmp_path):
    io.save({"w": dovetail.ones(3)}, tmp_path / "m.pt")
    with zipfile.ZipFile(tmp_path / "m.pt") as archive:
        assert archive.read("m/version") == b"3\n" and archive.read("m/byteorder") == b"little"
        for info in archive.infolist():
            name, extra = archive_lengths(tmp_path / "m.pt", info)
            assert info.compress_type == 0 and (info.header_offset + 30 + name + extra) % 64 == 0
    first = (tmp_path / "m.pt").read_bytes()
    io.save({"w": dovetail.ones(3)}, tmp_path / "m.pt")
    assert (tmp_path / "m.pt").read_bytes() == first


def archive_lengths(path, info) -> tuple[int, int]:
    raw = path.read_bytes()[info.header_offset + 26 : info.header_offset + 30]
    return int.from_bytes(raw[:2], "little"), int.from_bytes(raw[2:], "little")


def test_file_written_by_torch():
    loaded = io.load(HERE / "written_by_torch.pt")
    assert loaded["turned"].tolist() == [[0, 3], [1, 4], [2, 5]] and loaded["turned"].stride() == (1, 3)
    assert isinstance(loaded["parameter"], nn.Parameter) and loaded["parameter"].requires_grad
    assert loaded["half"].dtype is dovetail.bfloat16 and loaded["count"].item() == 3 and loaded["size"] == (1, 2)
    assert isinstance(loaded["model"], OrderedDict) and list(loaded["model"]) == ["weight", "bias"]
    assert loaded["optimizer"]["state"][0]["step"].item() == 1.0


def test_torch_reads_what_we_write(tmp_path):
    torch = pytest.importorskip("torch")
    _, _, saved = checkpoint()
    saved.pop("best"), saved.pop("set")  # NumPy numbers and sets are not on torch's own list
    io.save(saved, tmp_path / "c.pt")
    loaded = torch.load(tmp_path / "c.pt", weights_only=True, mmap=True)
    assert loaded["model"]["fc.weight"].tolist() == saved["model"]["fc.weight"].tolist()


class Payload:
    """What an attacker would put into a file."""

    def __reduce__(self):
        return (os.system, ("touch /tmp/dovetail_was_here",))


@pytest.mark.parametrize(
    "pickled, says",
    [
        (pickle.dumps(Payload(), 2), "posix.system"),
        (b"cbuiltins\neval\n(S'1'\ntR.", "builtins.eval"),
        (b"cdovetail.nn.layers.linear\nLinear\n)R.", "dovetail.nn.layers.linear.Linear"),
        (b"cnumpy\nload\n.", "numpy.load"),
    ],
)
@pytest.mark.parametrize("weights_only", [True, None])
def test_nothing_in_a_file_is_run(tmp_path, pickled, says, weights_only):
    with zipfile.ZipFile(tmp_path / "bad.pt", "w") as archive:
        archive.writestr("bad/data.pkl", pickled)
    with pytest.raises(FileError, match=says):
        io.load(tmp_path / "bad.pt", weights_only=weights_only)


def checkpoint_entries(tmp_path):
    """The parts of a good file by name."""
    io.save({"w": dovetail.arange(10.0)}, tmp_path / "good.pt")
    with zipfile.ZipFile(tmp_path / "good.pt") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(tmp_path, parts, how=zipfile.ZIP_STORED):
    with zipfile.ZipFile(tmp_path / "bad.pt", "w", how) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return tmp_path / "bad.pt"


def test_names_that_lead_outside_write_nothing(tmp_path):
    """Entries are read into memory, so ../ in a name reaches no file."""
    folder = tmp_path / "deep" / "folder"
    folder.mkdir(parents=True)
    parts = {name.replace("good/", "../../evil/"): data for name, data in checkpoint_entries(folder).items()}
    assert io.load(rewritten(folder, parts))["w"].tolist() == list(range(10))
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["bad.pt", "good.pt"]


def test_archives_that_unpack_to_more_than_they_say(tmp_path):
    parts = checkpoint_entries(tmp_path)
    bomb = {**parts, "good/data.pkl": bytes(400_000_000)}
    with pytest.raises(FileError, match="unpacks to 400000000 bytes"):
        io.load(rewritten(tmp_path, bomb, zipfile.ZIP_DEFLATED))
    tracemalloc.start()
    storage = {**parts, "good/data/0": bytes(100_000_000)}  # ten numbers are asked for
    assert io.load(rewritten(tmp_path, storage, zipfile.ZIP_DEFLATED))["w"].numel() == 10
    assert tracemalloc.get_traced_memory()[1] < 250_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "size, says",
    [(b"J\xff\xff\xff\x7f\x85", "2147483647"), (b"J\xff\xff\xff\xff\x85", r"\(-1,\)"), (b"K\x0b\x85", r"\(11,\)")],
)
def test_tensors_larger_than_their_storage_are_refused(tmp_path, size, says):
    parts = checkpoint_entries(tmp_path)
    assert b"K\n\x85" in parts["good/data.pkl"]
    parts["good/data.pkl"] = parts["good/data.pkl"].replace(b"K\n\x85", size)
    with pytest.raises(FileError, match=says):
        io.load(rewritten(tmp_path, parts))


def test_pickles_that_are_no_pickles(tmp_path):
    parts = checkpoint_entries(tmp_path)
    for text in (b"", b"\x80\x02" + b"(" * 200_000 + b".", b"\x80\x02K\x01", b"\x80\x63.", b"\x80\x02h\x07."):
        with pytest.raises(FileError, match=r"bad\.pt"):
            io.load(rewritten(tmp_path, {**parts, "good/data.pkl": text}))


def test_functions_stay_refused_for_whole_models(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.pt", "w") as archive:
        archive.writestr("bad/data.pkl", pickle.dumps(Payload(), 2))
    with pytest.raises(FileError, match="posix.system"):
        io.load(tmp_path / "bad.pt", weights_only=False)


def test_whole_models_only_on_request(tmp_path):
    net = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    io.save(net, tmp_path / "whole.pt")
    with pytest.raises(FileError, match="state_dict"):
        io.load(tmp_path / "whole.pt")
    again = io.load(tmp_path / "whole.pt", weights_only=False)
    assert repr(again) == repr(net) and equal(again[0].weight, net[0].weight)


@pytest.mark.parametrize("keep", [0, 3, 40, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["pt", "safetensors", "npz"])
def test_cut_files_are_refused_by_name(tmp_path, kind, keep):
    path = tmp_path / f"model.{kind}"
    tensors = {"weight": dovetail.randn(64, 8), "bias": dovetail.randn(8)}
    {"pt": io.save, "safetensors": io.save_file, "npz": io.save_npz}[kind](tensors, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: keep if isinstance(keep, int) else int(len(whole) * keep)])
    with pytest.raises(FileError, match=f"model.{kind}"):
        {"pt": io.load, "safetensors": io.load_file, "npz": io.load_npz}[kind](path)


def test_changed_bytes_are_noticed(tmp_path):
    path = tmp_path / "model.pt"
    io.save({"weight": dovetail.randn(64)}, path)
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("model/data/0")
    name, extra = archive_lengths(path, info)
    raw[info.header_offset + 30 + name + extra + 5] ^= 1
    path.write_bytes(raw)
    with pytest.raises(FileError, match="model.pt"):
        io.load(path)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "old.pt").write_bytes(pickle.dumps({"a": 1}, 2))
    with pytest.raises(FileError, match="bare pickle"):
        io.load(tmp_path / "old.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(FileError, match="no checkpoint"):
        io.load(tmp_path / "text.pt")
    with pytest.raises(FileNotFoundError):
        io.load(tmp_path / "missing.pt")


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.pt"
    io.save({"a": dovetail.ones(1)}, path)
    with pytest.raises(Exception, match="pickle|local"):
        io.save({"a": lambda: 1}, path)
    assert io.load(path)["a"].tolist() == [1.0] and list(tmp_path.iterdir()) == [path]


def test_saving_to_and_from_open_files(tmp_path):
    with open(tmp_path / "m.bin", "wb") as file:
        io.save([dovetail.ones(2)], file)
    with open(tmp_path / "m.bin", "rb") as file:
        assert io.load(file)[0].tolist() == [1.0, 1.0]


# -- safetensors and npz -----------------------------------------------------------------------------------------------


def test_safetensors_bytes_are_those_of_the_package(tmp_path):
    package = pytest.importorskip("safetensors.numpy")
    arrays = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.arange(3), "c": np.ones(5, np.float16)}
    package.save_file(arrays, tmp_path / "theirs.safetensors", metadata={"format": "pt"})
    io.save_file({k: dovetail.tensor(a) for k, a in arrays.items()}, tmp_path / "ours.safetensors", {"format": "pt"})
    assert (tmp_path / "ours.safetensors").read_bytes() == (tmp_path / "theirs.safetensors").read_bytes()
    loaded = io.load_file(tmp_path / "theirs.safetensors")
    assert all((loaded[k].numpy() == a).all() for k, a in arrays.items())


def test_safetensors_one_by_one(tmp_path):
    io.save_file({"w": dovetail.ones(2, 2), "b": dovetail.zeros(2)}, tmp_path / "m.safetensors", {"by": "us"})
    with io.safe_open(tmp_path / "m.safetensors", framework="pt") as file:
        assert sorted(file.keys()) == ["b", "w"] and file.metadata() == {"by": "us"}
        assert file.get_tensor("w").tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    "header, says",
    [
        ({"w": {"dtype": "F32", "shape": [9], "data_offsets": [0, 8]}}, "8 bytes for the shape"),
        ({"w": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}, "at byte"),
        ({"w": {"dtype": "Q4", "shape": [2], "data_offsets": [0, 8]}}, "Q4"),
        ({"w": {"shape": [2]}}, "without dtype"),
        ({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0.5, 8]}}, "without dtype"),
        ({"w": {"dtype": "F32", "shape": [True, 2], "data_offsets": [0, 8]}}, "without dtype"),
        ({"w": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 8]}}, "8 bytes for the shape"),
        ({"w": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}}, "at byte"),
        ({"w": {"dtype": ["F32"], "shape": [2], "data_offsets": [0, 8]}}, "dtype"),
        ([], "no JSON object"),
        (b"[" * 100_000, "not JSON"),
        (b'{"w": 1, "w": 2}', "twice"),
    ],
)
def test_safetensors_headers_that_lie(tmp_path, header, says):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    (tmp_path / "m.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    with pytest.raises(FileError, match=says):
        io.load_file(tmp_path / "m.safetensors")


def test_npz(tmp_path):
    io.save_npz({"w": dovetail.ones(2), "half": dovetail.ones(2, dtype=dovetail.bfloat16)}, tmp_path / "m.npz")
    assert np.load(tmp_path / "m.npz")["w"].tolist() == [1, 1]
    loaded = io.load_npz(tmp_path / "m.npz")
    assert loaded["half"].dtype is dovetail.float32
    np.savez(tmp_path / "objects.npz", a=np.array([{}], dtype=object))
    with pytest.raises(FileError, match="objects.npz"):
        io.load_npz(tmp_path / "objects.npz")
