"""autocast and GradScaler against PyTorch 2.13: which dtype each op computes in, and whole runs under it."""

from __future__ import annotations

import copy
import json
import pickle
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from amp_cases import calls, train

import dovetail
from dovetail import nn
from dovetail.amp import GradScaler, autocast, custom_bwd, custom_fwd
from dovetail.nn import functional as F

REFERENCE = json.loads((Path(__file__).parent / "reference.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(REFERENCE["dtypes"]))
def test_an_op_computes_in_torchs_dtype(name):
    call = calls(dovetail)[name]
    for _ in range(3):  # recorded, replayed, compiled
        with autocast("cpu"):
            made = call()
        assert made.dtype.name == REFERENCE["dtypes"][name]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_training_follows_torch(dtype):
    losses, scales = train(dovetail, getattr(dovetail, dtype), dtype == "float16")
    wanted, wanted_scales = REFERENCE["runs"][dtype]
    np.testing.assert_allclose(losses, wanted, rtol=0.02, atol=0.003)
    assert scales == wanted_scales


def test_the_same_call_inside_and_outside_is_two_calls():
    x, w = dovetail.rand(4, 4), nn.Parameter(dovetail.rand(4, 4))
    for _ in range(4):
        plain = F.linear(x, w)
        with autocast("cpu"):
            half = F.linear(x, w)
            with autocast("cpu", enabled=False):
                again = F.linear(x, w)
            with autocast("cpu", dtype=dovetail.float16):
                other = F.linear(x, w)
            back = F.linear(x, w)
        found = [t.dtype for t in (plain, half, again, other, back)]
        f32, bf16, f16 = dovetail.float32, dovetail.bfloat16, dovetail.float16
        assert found == [f32, bf16, f32, f16, bf16]
        np.testing.assert_allclose(plain.detach().numpy(), again.detach().numpy())


def test_gradients_come_back_in_the_parameters_own_dtype():
    layer, x = nn.Linear(4, 3), dovetail.rand(5, 4)
    with autocast("cpu"):
        out = layer(x)
    out.sum().backward()
    assert layer.weight.grad.dtype is dovetail.float32
    np.testing.assert_allclose(layer.weight.grad.numpy(), np.tile(x.numpy().sum(0), (3, 1)), rtol=0.02)


def test_a_parameter_is_converted_once_in_a_block():
    w, x = nn.Parameter(dovetail.rand(4, 4)), dovetail.rand(4, 4)
    with autocast("cpu"):
        out = x @ w + x @ w
        out.sum().backward()
        first = w.grad.numpy().copy()
        (x @ w).sum().backward()  # the graph of the first conversion has been freed
    np.testing.assert_allclose(w.grad.numpy(), first * 1.5, rtol=0.02)


def test_a_parameter_that_was_written_in_the_block_is_converted_anew():
    w, x = nn.Parameter(dovetail.ones(2, 2)), dovetail.ones(2, 2)
    with autocast("cpu"):
        before = (x @ w).float().detach().numpy().copy()
        with dovetail.no_grad():
            w.mul_(3)
        after = (x @ w).float().detach().numpy()
    np.testing.assert_array_equal(before * 3, after)


def test_decorator_and_threads_keep_their_own_state():
    @autocast("cpu")
    def product(x):
        return x @ x

    seen = []
    with autocast("cpu"):
        thread = threading.Thread(target=lambda: seen.append(dovetail.is_autocast_enabled("cpu")))
        thread.start()
        thread.join()
        assert dovetail.is_autocast_enabled("cpu") and dovetail.get_autocast_dtype("cpu") is dovetail.bfloat16
    assert seen == [False]
    assert product(dovetail.ones(2, 2)).dtype is dovetail.bfloat16
    assert not dovetail.is_autocast_enabled("cpu")


def test_a_kind_of_device_that_is_not_there_warns_and_changes_nothing():
    x = dovetail.ones(2, 2)
    with pytest.warns(UserWarning, match="'cuda', but there is no such device"):
        block = autocast("cuda")
    with block:
        assert (x @ x).dtype is dovetail.float32
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with autocast("cuda", enabled=dovetail.cuda.is_available()):
            pass
    with pytest.warns(UserWarning, match="float64 is not supported"):
        autocast("cpu", dtype=dovetail.float64)
    with pytest.raises(RuntimeError, match="unsupported autocast device_type"):
        autocast("gpu")


def test_custom_functions_follow_their_decorators():
    class Product(dovetail.autograd.Function):
        @staticmethod
        @custom_fwd(device_type="cpu", cast_inputs=dovetail.float32)
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a @ b

        @staticmethod
        @custom_bwd(device_type="cpu")
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            assert not dovetail.is_autocast_enabled("cpu")
            return g @ b.T, a.T @ g

    a = dovetail.rand(2, 2, requires_grad=True)
    with autocast("cpu"):
        out = Product.apply(a.bfloat16(), a)
        assert out.dtype is dovetail.float32
        out.sum().backward()
    assert a.grad.dtype is dovetail.float32


def model_and_optimizer():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    return model, dovetail.optim.SGD(model.parameters(), lr=0.1)


def test_a_step_with_infinite_gradients_is_left_out():
    model, optimizer = model_and_optimizer()
    scaler = GradScaler("cpu", init_scale=8.0)
    before = copy.deepcopy(model.state_dict())
    loss = model(dovetail.ones(3, 4)).sum()
    scaler.scale(loss).backward()
    model[0].bias.grad.fill_(float("inf"))
    assert scaler.step(optimizer) is None
    scaler.update()
    assert scaler.get_scale() == 4.0
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name].numpy())


def test_a_planted_overflow_is_named_with_layer_and_step():
    dovetail.manual_seed(0)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.third = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 2)
            self.factor = 1.0

        def forward(self, x):
            return self.third(self.second(self.first(x).relu()) * self.factor)

    net = Net()
    optimizer = dovetail.optim.SGD(net.parameters(), lr=0.01)
    scaler = GradScaler("cpu", init_scale=64.0)
    x, y = dovetail.randn(16, 4), dovetail.randint(0, 2, (16,))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for step in range(6):
            optimizer.zero_grad()
            net.factor = 1e6 if step == 4 else 1.0
            with autocast("cpu", dtype=dovetail.float16):
                loss = F.cross_entropy(net(x), y)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
    texts = [str(w.message) for w in caught]
    assert len(texts) == 1
    assert "step 5 was left out" in texts[0]
    assert "mul on line" in texts[0] and "layer second = Linear(8, 8)" in texts[0]
    assert all(np.isfinite(p.detach().numpy()).all() for p in net.parameters())


def test_gradients_that_no_scale_mends_are_named():
    model, optimizer = model_and_optimizer()
    scaler = GradScaler("cpu", init_scale=2.0)
    with pytest.warns(UserWarning, match=r"(?s)step 2 was left out.*scale has come down to 1.*2.bias"):
        for _ in range(2):
            optimizer.zero_grad()
            scaler.scale(model(dovetail.ones(3, 4)).sum()).backward()
            model[2].bias.grad.fill_(float("nan"))
            scaler.step(optimizer)
            scaler.update()


def test_calls_in_the_wrong_order_are_named():
    model, optimizer = model_and_optimizer()
    scaler = GradScaler("cpu")
    scaler.scale(model(dovetail.ones(1, 4)).sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.step(optimizer)
    scaler.update()
    with pytest.raises(AssertionError, match="No inf checks"):
        scaler.update()


def test_state_of_a_scaler_travels():
    scaler = GradScaler("cpu", init_scale=128.0, growth_interval=7)
    other = GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.state_dict() == scaler.state_dict()
    names = "scale growth_factor backoff_factor growth_interval _growth_tracker"
    assert set(scaler.state_dict()) == set(names.split())
    assert pickle.loads(pickle.dumps(scaler)).get_scale() == 128.0
    assert GradScaler("cpu", enabled=False).state_dict() == {}
    with pytest.raises(RuntimeError, match="empty"):
        other.load_state_dict({})


def test_a_disabled_scaler_passes_everything_on():
    model, optimizer = model_and_optimizer()
    scaler = GradScaler("cpu", enabled=False)
    loss = model(dovetail.ones(1, 4)).sum()
    assert scaler.scale(loss) is loss and scaler.get_scale() == 1.0
    loss.backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()


def test_the_other_names_are_there():
    from dovetail.cpu.amp import autocast as cpu_autocast
    from dovetail.cuda.amp import GradScaler as CudaScaler

    with cpu_autocast():
        assert (dovetail.ones(2, 2) @ dovetail.ones(2, 2)).dtype is dovetail.bfloat16
    with pytest.warns(UserWarning, match="no device 'cuda'"):
        assert not CudaScaler().is_enabled()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_fused_steps_round_where_single_ones_do(dtype):
    """Overflow and rounding between ops do not depend on whether they became one kernel."""
    short = getattr(dovetail, dtype)
    x = dovetail.tensor([1e5, 3.0001, 70000.0, 1.0, 1e-7, 300.3])
    before, dovetail.config.tier = dovetail.config.tier, 0
    found = []
    try:
        for dovetail.config.tier in (0, 2, 2):
            y = x.to(short)
            parts = [y, y * 2, y + 1, (y * 3 + 1) / 7, y * 1e6, y.sum(), (y.reshape(1, 6) @ y.reshape(6, 1)) * 0.5]
            found.append([p.float().reshape(-1).tolist() for p in parts])
    finally:
        dovetail.config.tier = before
    assert np.isinf(found[0][0][0]) == (dtype == "float16")
    for other in found[1:]:
        for mine, theirs in zip(found[0], other, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=0 if len(mine) > 1 else 0.01)
