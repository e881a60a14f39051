"""Steps that run on another thread while Python goes on: whoever looks, writes, frees, forks or ends waits for them."""

import gc
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import dovetail as dv
from dovetail import nn
from dovetail.base.config import config
from dovetail.runtime import flight, memory
from dovetail.runtime.flight import flying, land


@pytest.fixture(autouse=True)
def beside(monkeypatch):
    monkeypatch.setattr(config, "beside", True)
    monkeypatch.setattr(config, "tier", 2)
    yield
    land()


def training(size=8, seed=0):
    """(model, step(i)) of a small classifier."""
    dv.manual_seed(seed)
    model = nn.Sequential(nn.Linear(6, size), nn.ReLU(), nn.Dropout(0.1), nn.Linear(size, 3))
    optimizer = dv.optim.Adam(model.parameters(), lr=0.05)
    dice = np.random.default_rng(seed)
    xs, ys = dice.normal(size=(40, 5, 6)).astype(np.float32), dice.integers(0, 3, (40, 5))

    def step(i):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(dv.tensor(xs[i])), dv.tensor(ys[i]))
        loss.backward()
        optimizer.step()
        return loss

    return model, step


def curve(look=lambda i, model, loss: None):
    model, step = training()
    losses = []
    for i in range(40):
        loss = step(i)
        look(i, model, loss)
        losses.append(loss)
    return [loss.item() for loss in losses] + [p.detach().tolist() for p in model.parameters()]


LOOKS = {
    "nothing": lambda i, model, loss: None,
    "item": lambda i, model, loss: loss.item() if i % 3 else None,
    "parameters": lambda i, model, loss: [p.detach().numpy().sum() for p in model.parameters()] if i % 4 == 1 else None,
    "states": lambda i, model, loss: [v.clone() for v in model.state_dict().values()] if i % 8 == 5 else None,
    "address": lambda i, model, loss: model[0].weight.data_ptr() if i % 3 else None,
    "garbage": lambda i, model, loss: (gc.collect(), [dv.ones(n) for n in (1, 3, 18, 24, 48, 144)]),
}


@pytest.mark.parametrize("look", LOOKS)
def test_the_same_numbers_beside_python_and_in_turn(look, monkeypatch):
    flights = []
    monkeypatch.setattr(flight.Flight, "__init__", counted(flight.Flight.__init__, flights))
    got = curve(LOOKS[look])
    assert len(flights) > (0 if look == "parameters" else 10)  # what NumPy sees is written before Python goes on
    monkeypatch.setattr(config, "beside", False)
    assert got == curve()


def counted(method, calls):
    def wrapper(self):
        calls.append(self)
        method(self)

    return wrapper


def begin_flight(n=400):
    """Start a step that takes milliseconds; returns (its loss, the weight it writes)."""
    w = nn.Parameter(dv.ones(n, n))
    optimizer = dv.optim.SGD([w], lr=1e-6)
    x = dv.rand(n, n)
    for _ in range(3):
        optimizer.zero_grad()
        loss = (x @ w @ x @ w).mean()
        loss.backward()
        optimizer.step()
    optimizer.zero_grad()  # runs the last one
    assert flying
    return loss, w


def test_a_look_waits():
    loss, w = begin_flight()
    value = loss.item()
    assert not flying and np.isfinite(value) and w.grad is None


def test_blocks_given_back_meanwhile_are_not_handed_out():
    loss, w = begin_flight()
    storage = loss._storage
    ptr, nbytes = storage.ptr, storage.nbytes
    del loss, storage
    others = [memory.allocate(nbytes) for _ in range(20)]
    assert flying and ptr not in [other.ptr for other in others]
    land()
    assert memory.allocate(nbytes).ptr == ptr


def test_what_is_only_read_can_be_looked_at_meanwhile():
    x = dv.ones(4)
    x.tolist()
    loss, w = begin_flight()
    assert flying and x._to_read().sum() == 4 and flying
    assert w.data._to_read() is not None and not flying


def test_a_bad_label_is_told_one_step_later_on_its_line():
    weight = dv.ones(3, 4, requires_grad=True)
    optimizer = dv.optim.SGD([weight], lr=0.1)
    lines = []

    def step(labels):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(dv.ones(2, 3) @ weight, dv.tensor(labels))
        loss.backward()
        optimizer.step()
        lines.append(loss)

    for _ in range(4):
        step([0, 1])
    step([0, 9])
    with pytest.raises(IndexError, match="9") as caught:
        for _ in range(3):
            step([2, 3])
    assert "cross_entropy(dv.ones(2, 3) @ weight" in str(caught.value) or "test_flight.py" in str(caught.value)
    land()
    step([1, 1])  # and training goes on
    assert np.isfinite(lines[-1].item())


@pytest.mark.parametrize("flies", [True, False])
def test_a_bad_index_is_told_though_the_step_writes_over_it(flies, monkeypatch):
    monkeypatch.setattr(config, "beside", flies)
    weight, index = dv.ones(5, 4, requires_grad=True), dv.tensor([0, 1])
    optimizer = dv.optim.SGD([weight], lr=0.1)

    def step(start):
        index.fill_(start)
        optimizer.zero_grad()
        nn.functional.embedding(index, weight).sum().backward()
        optimizer.step()
        index.zero_()

    for _ in range(4):
        step(0)
    with pytest.raises(IndexError, match="5 rows of the weight"):
        for start in (9, 0, 0):
            step(start)


def test_threads_that_train_at_once():
    wanted = [curve_of(seed) for seed in range(3)]
    got = [None] * 3

    def work(seed):
        got[seed] = curve_of(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert got == wanted


def curve_of(seed):
    dice = np.random.default_rng(seed)
    w = dv.tensor(dice.normal(size=(6, 3)).astype(np.float32), requires_grad=True)
    optimizer = dv.optim.Adam([w], lr=0.05)
    losses = []
    for _ in range(30):
        x = dv.tensor(dice.normal(size=(5, 6)).astype(np.float32))
        optimizer.zero_grad()
        loss = (x @ w).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return [loss.item() for loss in losses]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_waits_and_the_child_can_compute():
    loss, w = begin_flight()
    child = os.fork()
    if child == 0:
        os._exit(0 if not flying and float((dv.ones(3) * 2).sum()) == 6 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert not flying and np.isfinite(loss.item())


def test_a_process_may_end_in_mid_flight():
    program = """
import dovetail as dv
w = dv.nn.Parameter(dv.ones(600, 600))
o = dv.optim.SGD([w], lr=1e-6)
x = dv.rand(600, 600)
for _ in range(4):
    o.zero_grad()
    (x @ w @ x @ w).mean().backward()
    o.step()
o.zero_grad()
from dovetail.runtime.flight import flying
assert flying
del x, w, o
"""
    env = dict(os.environ, DOVETAIL_BESIDE="1", DOVETAIL_TIER="2", DOVETAIL_AT_ONCE="0")
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_saved_in_mid_flight(tmp_path):
    loss, w = begin_flight()
    dv.save({"w": w}, tmp_path / "w.pt")
    assert (dv.load(tmp_path / "w.pt")["w"] == w).all()


def test_memory_that_numpy_sees_is_written_in_turn():
    w = nn.Parameter(dv.ones(3))
    seen = w.detach().numpy()
    optimizer = dv.optim.SGD([w], lr=0.5)
    for i in range(4):
        optimizer.zero_grad()
        w.sum().backward()
        optimizer.step()
        assert (seen == 1 - 0.5 * (i + 1)).all()


def bad_step():
    """Make a step beside Python whose labels are out of range; returns (its loss, the weight, its labels)."""
    weight = dv.ones(3, 4, requires_grad=True)
    optimizer = dv.optim.SGD([weight], lr=0.1)
    labels = dv.tensor([0, 1])
    for _ in range(4):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(dv.ones(2, 3) @ weight, labels)
        loss.backward()
        optimizer.step()
    labels[1] = 9
    loss = nn.functional.cross_entropy(dv.ones(2, 3) @ weight, labels)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    assert flying
    return loss, weight, labels


LAST_LOOKS = {
    "item": lambda loss, weight: loss.item(),
    "tolist": lambda loss, weight: weight.tolist(),
    "numpy": lambda loss, weight: weight.detach().numpy(),
    "another trace": lambda loss, weight: (dv.ones(2) + 1).tolist(),
    "nothing to run": lambda loss, weight: dv.cpu.synchronize(),
}


@pytest.mark.parametrize("look", LAST_LOOKS)
def test_a_bad_label_is_told_to_who_looks_after_the_last_step(look):
    loss, weight, _ = bad_step()
    with pytest.raises(IndexError, match="9"):
        LAST_LOOKS[look](loss, weight)
    assert np.isfinite(dv.ones(2).sum().item())  # it is told once


def test_a_bad_label_is_told_although_the_labels_are_written_over():
    _, _, labels = bad_step()
    with pytest.raises(IndexError, match="9"):
        labels.fill_(0)
        dv.cpu.synchronize()


def test_a_parameter_in_a_larger_memory_is_read_after_its_step():
    whole = dv.zeros(600 * 400 + 4)
    w = nn.Parameter(dv.ones(400, 600))
    w.data = whole[4:].view(400, 600)
    del whole
    optimizer = dv.optim.SGD([w], lr=1.0)
    for turn in range(1, 5):
        (w * dv.ones(400, 600)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        assert (w.detach()._to_read()[-1] == -turn).all()


def test_nothing_flies_at_the_end(monkeypatch):
    monkeypatch.setattr(flight, "grounded", True)
    w = nn.Parameter(dv.ones(3))
    optimizer = dv.optim.SGD([w], lr=0.5)
    for _ in range(4):
        optimizer.zero_grad()
        assert not flying
        w.sum().backward()
        optimizer.step()
    assert w.tolist() == [-1, -1, -1]
