"""Devices by torch's names: probes answer truthfully, what needs a device that is not there says so."""

from __future__ import annotations

import copy
import importlib
import pickle

import pytest

import dovetail
from dovetail import nn


def test_the_forms_of_a_device():
    device = dovetail.device
    assert device("cuda:1") == device("cuda", 1) == device(type="cuda", index=1)
    assert device(device("cpu")) == device("cpu") and str(device("cuda:1")) == "cuda:1"
    assert repr(device("cuda", 0)) == "device(type='cuda', index=0)"
    assert {device("cpu"): 1}[device("cpu")] == 1
    assert pickle.loads(pickle.dumps(device("cuda:2"))) == copy.deepcopy(device("cuda:2"))
    assert device("mps").type == "mps" and device("cpu").index is None
    for wrong in ("gpu", "cuda:x", "cpu:"):
        with pytest.raises(RuntimeError, match="unknown device"):
            device(wrong)


def test_tutorials_pick_the_device_that_exists():
    torch = dovetail
    chosen = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
    assert chosen == "cpu"
    assert torch.accelerator.current_accelerator() is None and torch.accelerator.device_count() == 0
    for is_available in (
        torch.cuda.is_available,
        torch.mps.is_available,
        torch.xpu.is_available,
        torch.backends.mps.is_available,
        torch.backends.cudnn.is_available,
    ):
        assert is_available() is False
    assert torch.cuda.device_count() == 0 and torch.cpu.device_count() == 1 and torch.cpu.is_available()
    torch.cpu.synchronize()
    torch.cuda.manual_seed_all(3)
    torch.cuda.empty_cache()
    assert torch.cuda.memory_allocated() == 0 and torch.cuda.get_rng_state_all() == []


@pytest.mark.parametrize("room", ["cuda", "xpu", "mps", "accelerator"])
def test_what_needs_a_device_says_that_there_is_none(room):
    module = importlib.import_module(f"dovetail.{room}")
    for name in module.NEEDS_DEVICE:
        with pytest.raises(RuntimeError, match="no .* device is available|not available"):
            getattr(module, name)()
    with pytest.raises(AttributeError):
        module.no_such_name  # noqa: B018
    assert all(hasattr(module, name) for name in module.__all__)


def test_blocks_of_devices():
    with dovetail.device("cpu"):
        assert dovetail.ones(1).device == dovetail.device("cpu")

    @dovetail.device("cpu")
    def made():
        return dovetail.ones(2)

    assert made().device.type == "cpu"
    with pytest.raises(RuntimeError, match="no cuda device"), dovetail.device("cuda"):
        pass
    with dovetail.cuda.device(None), dovetail.cuda.stream(None):
        pass
    with pytest.raises(RuntimeError, match="no CUDA device"), dovetail.cuda.device(0):
        pass


def test_the_default_device():
    dovetail.set_default_device("cpu")
    dovetail.set_default_device(None)
    assert dovetail.get_default_device() == dovetail.device("cpu")
    with pytest.raises(RuntimeError, match="no cuda device"):
        dovetail.set_default_device("cuda")


def test_to_in_all_its_forms():
    x, other = dovetail.ones(2), dovetail.ones(2, dtype=dovetail.float64)
    cpu = dovetail.device("cpu")
    for made in (x.to("cpu"), x.to(cpu), x.to(device="cpu"), x.to("cpu:0"), x.to(dovetail.float32), x.cpu()):
        assert made is x
    assert x.to("cpu", dovetail.float64).dtype is dovetail.float64
    assert x.to(device=cpu, dtype=dovetail.float16, non_blocking=True).dtype is dovetail.float16
    assert x.to(dovetail.int64, True).dtype is dovetail.int64
    assert x.to(other).dtype is dovetail.float64
    copied = x.to("cpu", copy=True)
    assert copied is not x and copied.equal(x)
    model = nn.Linear(2, 2)
    for _ in range(2):
        assert model.to("cpu") is model and model.to(cpu, dovetail.float64) is model
        assert model.weight.dtype is dovetail.float64
        assert model.to(other).to(dtype=dovetail.float32).weight.dtype is dovetail.float32
    for call in (lambda: x.to("cuda"), lambda: x.to(0), lambda: x.cuda(), lambda: model.to("cuda:0"), model.cuda):
        with pytest.raises(RuntimeError, match="cuda"):
            call()
    with pytest.raises(RuntimeError, match="without values"):
        dovetail.ones(2, device="meta")
    with pytest.raises(RuntimeError, match="'cpu:1' is not available"):
        dovetail.ones(2, device="cpu:1")


def test_settings_of_libraries_that_are_not_used_can_be_written():
    cudnn, products = dovetail.backends.cudnn, dovetail.backends.cuda.matmul
    assert cudnn.version() is None and not dovetail.backends.mkldnn.is_available()
    before = cudnn.benchmark
    with cudnn.flags(benchmark=True, deterministic=True):
        assert cudnn.benchmark and cudnn.deterministic
    assert cudnn.benchmark is before and cudnn.deterministic is False
    products.allow_tf32 = True
    assert products.allow_tf32
    products.allow_tf32 = False


def test_promises_about_numbers_are_kept_and_read_back():
    dovetail.set_float32_matmul_precision("high")
    assert dovetail.get_float32_matmul_precision() == "high"
    dovetail.set_float32_matmul_precision("highest")
    with pytest.raises(ValueError, match="highest, high, medium"):
        dovetail.set_float32_matmul_precision("low")
    tier = dovetail.config.tier
    dovetail.use_deterministic_algorithms(True, warn_only=True)
    assert dovetail.config.tier == 2  # nothing is interpreted first, which may round differently
    assert dovetail.are_deterministic_algorithms_enabled() and dovetail.get_deterministic_debug_mode() == 1
    dovetail.set_deterministic_debug_mode("default")
    assert not dovetail.are_deterministic_algorithms_enabled() and dovetail.config.tier == tier
