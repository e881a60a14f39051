"""Weights by their address: fetched once, checked, kept where PyTorch keeps them."""

from __future__ import annotations

import hashlib
import io as streams
import urllib.error
import urllib.request

import pytest

import dovetail
from dovetail import io
from dovetail.base.errors import FileError
from dovetail.io import hub


@pytest.fixture
def served(monkeypatch, tmp_path):
    """(bytes of a file of weights, list of the addresses asked for)"""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    held = streams.BytesIO()
    io.save({"w": dovetail.ones(2)}, held)
    asked = []

    def answer(request, timeout):
        asked.append(request.full_url)
        if "missing" in request.full_url:
            raise urllib.error.URLError("no network")
        return streams.BytesIO(held.getvalue())

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    return held.getvalue(), asked


def test_fetched_once_and_checked(served, tmp_path):
    data, asked = served
    name = f"net-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    for _ in range(2):
        loaded = hub.load_state_dict_from_url(f"https://host/{name}?x=1", check_hash=True, map_location="cpu")
        assert loaded["w"].tolist() == [1, 1]
    assert len(asked) == 1 and (tmp_path / "hub" / "checkpoints" / name).read_bytes() == data
    with pytest.raises(FileError, match="another file"):
        hub.load_state_dict_from_url("https://host/net-00000000.pth", check_hash=True)
    assert not (tmp_path / "hub" / "checkpoints" / "net-00000000.pth").exists()


def test_without_network(served, tmp_path):
    with pytest.raises(FileError, match="no network") as caught:
        hub.load_state_dict_from_url("https://host/missing.pth", model_dir=tmp_path / "here")
    assert str(tmp_path / "here" / "missing.pth") in str(caught.value) and not list((tmp_path / "here").iterdir())


def test_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "a"))
    assert hub.get_dir() == str(tmp_path / "a" / "hub")
    monkeypatch.setattr(hub, "CHOSEN", [])
    hub.set_dir(tmp_path / "b")
    assert hub.get_dir() == str(tmp_path / "b")
