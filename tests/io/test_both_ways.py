"""Formats and whole modules both ways with PyTorch, where tensors are placed, classes named safe, and hostile files."""

from __future__ import annotations

import argparse
import io as streams
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

import dovetail
from dovetail import io, nn, optim
from dovetail.base.errors import ArgumentError, DeviceError, FileError

HERE = Path(__file__).parent


class Settings:
    """A plain class of the program's own."""

    def __init__(self, width: int):
        self.width = width


def saved_pickle(folder: Path, text: bytes, name: str = "bad.pt", **entries: bytes) -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bad/data.pkl", text)
        for entry, data in entries.items():
            archive.writestr(f"bad/data/{entry}", data)
    return path


# -- the format before 1.6 --------------------


def test_older_file_written_by_torch():
    loaded = io.load(HERE / "older_by_torch.pt")
    assert loaded["turned"].tolist() == [[0, 3], [1, 4], [2, 5]] and loaded["epoch"] == 3
    assert loaded["part"].data_ptr() == loaded["whole"].data_ptr() + 16 and loaded["part"].tolist() == [2, 3]


@pytest.mark.parametrize("older", [False, True])
def test_both_formats_round_trip(tmp_path, older):
    model = nn.Linear(3, 2)
    optimizer = optim.Adam(model.parameters())
    model(dovetail.ones(1, 3)).sum().backward()
    optimizer.step()
    shared = dovetail.arange(6.0)
    saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "shared": [shared, shared[2:4]]}
    stream = streams.BytesIO()
    io.save(saved, stream, _use_new_zipfile_serialization=not older)
    stream.seek(0)
    loaded = io.load(stream)
    assert loaded["model"]["weight"].tolist() == model.weight.tolist()
    assert loaded["optimizer"]["state"][0]["exp_avg"].tolist() == saved["optimizer"]["state"][0]["exp_avg"].tolist()
    whole, part = loaded["shared"]
    whole[2] = 7.0
    assert part[0].item() == 7.0


def test_torch_reads_our_older_format():
    torch = pytest.importorskip("torch")
    stream = streams.BytesIO()
    x = dovetail.arange(6.0).view(2, 3)
    io.save(
        {"x": x.t(), "half": dovetail.ones(2, dtype=dovetail.bfloat16)}, stream, _use_new_zipfile_serialization=False
    )
    stream.seek(0)
    loaded = torch.load(stream, weights_only=True)
    assert loaded["x"].tolist() == x.t().tolist() and loaded["half"].dtype is torch.bfloat16


@pytest.mark.parametrize("keep", [0.05, 0.5, 0.9, 0.99])
def test_cut_older_files(tmp_path, keep):
    io.save({"w": dovetail.ones(64)}, tmp_path / "m.pt", _use_new_zipfile_serialization=False)
    raw = (tmp_path / "m.pt").read_bytes()
    (tmp_path / "m.pt").write_bytes(raw[: int(len(raw) * keep)])
    with pytest.raises(FileError, match="m.pt"):
        io.load(tmp_path / "m.pt")


def test_older_files_that_lie_about_sizes(tmp_path):
    io.save({"w": dovetail.ones(64)}, tmp_path / "m.pt", _use_new_zipfile_serialization=False)
    raw = (tmp_path / "m.pt").read_bytes()
    at = raw.index(struct.pack("<q", 64) + np.ones(1, np.float32).tobytes())
    (tmp_path / "m.pt").write_bytes(raw[:at] + struct.pack("<q", 2**40) + raw[at + 8 :])
    with pytest.raises(FileError, match="elements"):
        io.load(tmp_path / "m.pt")


# -- whole modules --------------------


def test_whole_module_written_by_torch():
    with pytest.raises(FileError, match="weights_only=False"):
        io.load(HERE / "whole_by_torch.pt")
    whole, x, answers = io.load(HERE / "whole_by_torch.pt", weights_only=False)
    assert isinstance(whole, nn.ModuleList) and isinstance(whole[0], nn.LSTM) and not whole.training
    with dovetail.no_grad():
        ours = [
            whole[0](x[:12].view(3, 2, 2))[0],
            whole[1](x.view(2, 2, 4)),
            whole[3](whole[2](x.view(1, 1, 4, 4))),
        ]
    for a, b in zip(ours, answers, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-6)


def test_torch_reads_our_whole_modules():
    torch = pytest.importorskip("torch")
    ours = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4)
    ).eval()
    stream = streams.BytesIO()
    io.save([ours, nn.LSTM(2, 3), nn.TransformerEncoderLayer(4, 2, 8)], stream)
    stream.seek(0)
    theirs = torch.load(stream, weights_only=False)
    x = np.linspace(-1, 1, 16, dtype=np.float32).reshape(1, 1, 4, 4)
    assert type(theirs[0]) is torch.nn.Sequential and repr(theirs[0]) == repr(ours)
    np.testing.assert_allclose(
        theirs[0](torch.tensor(x)).detach(), ours(dovetail.tensor(x)).detach().numpy(), atol=1e-5
    )
    assert theirs[1](torch.ones(3, 1, 2))[0].shape == (3, 1, 3) and theirs[2](torch.ones(2, 1, 4)).shape == (2, 1, 4)


# -- classes that are not data --------------------


def test_own_classes_by_leave_only(tmp_path):
    io.save({"args": argparse.Namespace(lr=0.1), "settings": Settings(3)}, tmp_path / "m.pt")
    with pytest.raises(FileError, match="argparse.Namespace"):
        io.load(tmp_path / "m.pt")
    with io.safe_globals([argparse.Namespace, Settings]):
        assert io.load(tmp_path / "m.pt")["settings"].width == 3
    assert io.get_safe_globals() == []
    with pytest.raises(FileError, match="add_safe_globals"):
        io.load(tmp_path / "m.pt")
    assert io.load(tmp_path / "m.pt", weights_only=False)["args"].lr == 0.1


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(
    "text, says",
    [
        (b"csubprocess\nPopen\n(S'true'\ntR.", "subprocess.Popen"),
        (b"cbuiltins\nexec\n(S'1'\ntR.", "builtins.exec"),
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"cdovetail.io.torch_file\nload\n(S'x'\ntR.", "dovetail.io.torch_file.load"),
        (b"cfunctools\npartial\n.", "functools.partial"),
        (b"cbuiltins\ngetattr\n.", "builtins.getattr"),
        (b"cdovetail.nn.functional\n__builtins__\n.", "__builtins__"),
    ],
)
def test_nothing_is_run_even_with_leave(tmp_path, text, says, own):
    with pytest.raises(FileError, match=says):
        io.load(saved_pickle(tmp_path, text), weights_only=not own)


@pytest.mark.parametrize(
    "text",
    [
        b"cbuiltins\nlist\n(cbuiltins\nrange\n(I99999999999\ntRtR.",
        b"cbuiltins\nbytearray\n(I99999999999\ntR.",
        b"(" * 100 + b".",
        b"I1\nI2\n",
    ],
    ids=["a list of a range", "a sized bytearray", "marks", "no end"],
)
def test_pickles_that_would_fill_the_memory(tmp_path, text):
    with pytest.raises(FileError, match="bad.pt|of items"):
        io.load(saved_pickle(tmp_path, text))


def test_a_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("bomb/data.pkl", "w", force_zip64=True) as entry:
            for _ in range(300):
                entry.write(bytes(2**20))
    assert path.stat().st_size < 2**20
    with pytest.raises(FileError, match="unpacks to"):
        io.load(path)


def test_names_in_an_archive_are_no_paths(tmp_path):
    """Entries named as paths out of the folder are looked up in the archive and nowhere else."""
    (tmp_path / "inner").mkdir()
    with zipfile.ZipFile(tmp_path / "inner" / "m.pt", "w") as archive:
        archive.writestr("../../m/data.pkl", pickle.dumps({"a": 1}, 2))
        archive.writestr("../../escaped", b"x")
    assert io.load(tmp_path / "inner" / "m.pt") == {"a": 1}
    assert [p.name for p in tmp_path.rglob("*")] == ["inner", "m.pt"]


# -- where tensors are placed --------------------


def test_every_form_of_map_location(tmp_path):
    io.save({"w": dovetail.ones(2)}, tmp_path / "m.pt")
    seen = []

    def place(storage, location):
        seen.append((location, len(storage)))
        return storage.cpu()

    for where in (None, "cpu", dovetail.device("cpu"), {"cuda:0": "cpu"}, place, lambda storage, location: None):
        assert io.load(tmp_path / "m.pt", map_location=where)["w"].tolist() == [1, 1]
    assert seen == [("cpu", 2)]
    for where in ("cuda", dovetail.device("cuda:1"), {"cpu": "cuda:0"}, lambda storage, location: storage.cuda(0)):
        with pytest.raises(DeviceError, match="cuda"):
            io.load(tmp_path / "m.pt", map_location=where)
    with pytest.raises(ArgumentError, match="map_location"):
        io.load(tmp_path / "m.pt", map_location=3)


def test_wrong_keys_and_shapes_are_listed_at_once_and_nothing_is_loaded(tmp_path):
    io.save(
        {"0.weight": dovetail.ones(9, 3), "0.bais": dovetail.ones(2), "1.weight": dovetail.ones(2, 2)},
        tmp_path / "m.pt",
    )
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    before = [p.tolist() for p in model.parameters()]
    with pytest.raises(RuntimeError) as caught:
        model.load_state_dict(io.load(tmp_path / "m.pt"))
    assert all(word in str(caught.value) for word in ("0.weight", "0.bais", "0.bias", "1.bias", "9"))
    assert [p.tolist() for p in model.parameters()] == before
