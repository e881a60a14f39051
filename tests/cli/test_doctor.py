"""`dovetail doctor` on this machine, and on a machine whose cache cannot be written."""

from __future__ import annotations

import json

import pytest

from dovetail.base.config import config
from dovetail.base.version import __version__
from dovetail.cli import doctor, main


def test_json_names_versions_and_processor(capsys):
    assert main.main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["versions"]["dovetail"] == __version__ and report["versions"]["LLVM"]
    assert report["processor"]["name"] and report["threads"]["used"] >= 1


def test_table_fits_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert main.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "Processor" in out and "Nothing needs attention" in out and max(map(len, out.splitlines())) <= 60


def test_cache_is_counted(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x").write_bytes(b"12345")
    assert doctor.examine_cache(str(tmp_path)) == {"folder": str(tmp_path), "files": 1, "bytes": 5, "writable": True}
    assert doctor.examine_cache(None)["folder"] is None


def test_unwritable_cache_needs_attention(monkeypatch, capsys):
    monkeypatch.setattr(config, "cache_dir", "/proc/nowhere/cache")
    assert main.main(["doctor"]) == 1
    assert "DOVETAIL_CACHE_DIR" in capsys.readouterr().out


@pytest.mark.parametrize("size, text", [(0, "0 bytes"), (1536, "1.5 KB"), (3 << 30, "3.0 GB"), (5 << 50, "5120.0 TB")])
def test_sizes(size, text):
    assert doctor.readable(size) == text


def test_unknown_command_names_the_nearest(capsys):
    assert main.main(["docter"]) == 2
    assert "did you mean 'doctor'" in capsys.readouterr().err


def test_help_and_version(capsys):
    assert main.main([]) == 0 and main.main(["--version"]) == 0
    out = capsys.readouterr().out
    assert "dovetail demo" in out and __version__ in out
