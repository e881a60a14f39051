"""Pictures into files and back."""

from __future__ import annotations

import pytest

import dovetail
from dovetail.base.errors import FileError, ShapeError
from dovetail.vision import files

pytest.importorskip("PIL")


def test_png_and_jpeg(tmp_path):
    image = dovetail.randint(0, 256, (3, 5, 7), dtype=dovetail.uint8)
    files.write_png(image, tmp_path / "a.png")
    assert files.read_image(tmp_path / "a.png").tolist() == image.tolist()
    assert files.decode_image(files.read_file(tmp_path / "a.png"), "GRAY").shape == (1, 5, 7)
    flat = dovetail.full((1, 16, 16), 90, dtype=dovetail.uint8)
    files.write_jpeg(flat, str(tmp_path / "a.jpg"), quality=95)
    assert (files.read_image(str(tmp_path / "a.jpg")).int() - 90).abs().max().item() <= 2
    assert files.decode_png(files.encode_png(image), files.ImageReadMode.RGB_ALPHA)[3].min().item() == 255
    with pytest.raises(ShapeError, match="bytes"):
        files.encode_png(image.float())


def test_files_that_are_no_pictures(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(FileError, match="a.png"):
        files.read_image(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError):
        files.read_image(tmp_path / "missing.png")
