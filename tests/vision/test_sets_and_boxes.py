"""CIFAR's archives, folders of pictures, noise; boxes and grids; torchvision's names under `dovetail run`."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile

import numpy as np
import pytest

import dovetail as dv
from dovetail.base.errors import FileError
from dovetail.vision import ops, utils
from dovetail.vision.datasets import CIFAR10, CIFAR100, FakeData, ImageFolder

ROWS = np.random.default_rng(5).integers(0, 10, (4, 3074), np.uint8)


def archive(path, kind, link=False):
    """An archive in CIFAR's form with four pictures a file; `link`: the test file is a link out of it."""
    with tarfile.open(path / kind.archive, "w:gz") as tar:
        for name in (*kind.train_files, *kind.test_files, kind.names_file):
            names = "\n".join(f"class{c}" for c in range(10)).encode()
            content = names if name == kind.names_file else ROWS[:, : kind.label_bytes + 3072].tobytes()
            member = tarfile.TarInfo(f"{kind.folder}/{name}")
            member.size = len(content)
            if link and name in kind.test_files:
                member.type, member.linkname, member.size = tarfile.SYMTYPE, "/etc/passwd", 0
            tar.addfile(member, io.BytesIO(content))
    digest = hashlib.md5((path / kind.archive).read_bytes()).hexdigest()
    return type(kind.__name__, (kind,), {"digest": "md5:" + digest})


@pytest.mark.parametrize("kind", [CIFAR10, CIFAR100])
def test_cifar(tmp_path, kind):
    made = archive(tmp_path, kind)
    train, test = made(tmp_path), made(tmp_path, train=False)
    assert len(train) == 4 * len(kind.train_files) and len(test) == 4 and test.classes[3] == "class3"
    image, label = test[1]
    assert label == ROWS[1, kind.label_bytes - 1] and image.shape == (3, 32, 32)
    wanted = ROWS[1, kind.label_bytes : kind.label_bytes + 3072].reshape(3, 32, 32) / np.float32(255)
    assert (image.numpy() == wanted).all()
    with pytest.raises(FileError, match="MD5 is wrong"):
        kind(tmp_path)


def test_hostile_and_missing_archives(tmp_path):
    with pytest.raises(FileError, match="download=True"):
        CIFAR10(tmp_path)
    made = archive(tmp_path, CIFAR10, link=True)
    with pytest.raises(FileError, match="not the plain file"):
        made(tmp_path, train=False)
    (tmp_path / CIFAR10.archive).write_bytes(b"no archive")
    made.digest = "md5:" + hashlib.md5(b"no archive").hexdigest()
    with pytest.raises(FileError, match="cannot be read"):
        made(tmp_path)


def test_folder(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    for name in ("dog", "cat"):
        (tmp_path / name).mkdir()
        Image.new("L", (4, 3), 9).save(tmp_path / name / "a.png")
        (tmp_path / name / "notes.txt").write_text("no picture")
    data = ImageFolder(tmp_path)
    assert data.classes == ["cat", "dog"] and data.targets == [0, 1] and data[1][0].size == (4, 3)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="empty"):
        ImageFolder(tmp_path)


def test_fake_data():
    data = FakeData(3, (3, 5, 6), 4)
    assert len(list(data)) == 3 and data[0][0].shape == (5, 6, 3) and (data[0][0] == data[0][0]).all()


def test_boxes():
    boxes = dv.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2.2], [1, 1, 3, 3], [8, 8, 9, 9]])
    assert ops.box_iou(boxes[:1], boxes[2:])[0].tolist() == pytest.approx([1 / 7, 0])
    assert ops.nms(boxes, dv.tensor([0.5, 0.9, 0.8, 0.1]), 0.5).tolist() == [1, 2, 3]
    apart = ops.batched_nms(boxes, dv.tensor([0.5, 0.9, 0.8, 0.1]), dv.tensor([0, 1, 0, 0]), 0.5)
    assert apart.tolist() == [1, 2, 0, 3]
    for form in ("xywh", "cxcywh"):
        there = ops.box_convert(boxes, "xyxy", form)
        np.testing.assert_allclose(ops.box_convert(there, form, "xyxy").numpy(), boxes.numpy(), rtol=1e-6)


def test_grid(tmp_path):
    grid = utils.make_grid(dv.ones(5, 1, 4, 6), nrow=3, padding=1)
    assert grid.shape == (3, 11, 22) and grid[0, 1:5, 1:7].sum().item() == 24 and grid[0, 6:, 15:].sum().item() == 0
    Image = pytest.importorskip("PIL.Image")
    utils.save_image(dv.ones(2, 3, 4, 6), tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").size == (18, 8)


def test_torchvision_answers_under_run(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import torch, torchvision\n"
        "import torchvision.transforms as transforms\n"
        "from torchvision import datasets, models\n"
        "from torchvision.transforms import v2, functional as F\n"
        "from torchvision.models.resnet import BasicBlock\n"
        "from torchvision.utils import make_grid\n"
        "x = transforms.ToTensor()(datasets.FakeData(2, (3, 8, 8))[0][0])\n"
        "print(tuple(make_grid([x, x]).shape), torchvision.ops.nms.__name__)\n"
    )
    call = [sys.executable, "-m", "dovetail.cli.main", "run", str(script)]
    ran = subprocess.run(call, capture_output=True, text=True)
    assert "(3, 12, 22) nms" in ran.stdout, ran.stderr
