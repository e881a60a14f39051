"""Arrays that are written while a trace waits: a call has its arguments' values as they were when it was made."""

import numpy as np
import pytest

import dovetail as dv
from dovetail import nn
from dovetail.tensor import recorder


def test_an_array_written_after_the_call_does_not_change_the_result():
    a = np.ones(3, np.float32)
    t = dv.from_numpy(a)
    u = t * 2
    a[:] = 5
    assert u.tolist() == [2, 2, 2] and t.tolist() == [5, 5, 5] and (t * 2).tolist() == [10, 10, 10]


def test_one_buffer_for_all_batches_trains_as_fresh_arrays_do():
    def losses(batches):
        dv.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
        optimizer = dv.optim.Adam(model.parameters(), lr=0.05)
        found = []
        for x, y in batches:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            found.append(loss)
        return [loss.item() for loss in found]

    dice = np.random.default_rng(0)
    data = [(dice.normal(size=(4, 6)).astype(np.float32), dice.integers(0, 3, 4)) for _ in range(12)]

    def buffered():
        x, y = np.empty((4, 6), np.float32), np.empty(4, np.int64)
        tx, ty = dv.from_numpy(x), dv.from_numpy(y)
        for i, (a, b) in enumerate(data):
            x[:], y[:] = a, b
            yield (tx, ty) if i % 3 else (dv.from_numpy(x), dv.from_numpy(y))

    assert losses(buffered()) == losses((dv.tensor(a), dv.tensor(b)) for a, b in data)


@pytest.mark.parametrize("view", [lambda t: t[1:3], lambda t: t.T, lambda t: t[::2, 1:], lambda t: t[:, None]])
def test_views_of_arrays(view):
    for turn in range(4):
        a = np.arange(20, dtype=np.float32).reshape(4, 5) + turn
        wanted = (view(dv.tensor(a)) * 3).tolist()
        u = view(dv.from_numpy(a)) * 3
        a[:] = -1
        assert u.tolist() == wanted


def test_the_own_memory_of_a_tensor_that_numpy_sees():
    x = dv.ones(3)
    a = x.numpy()
    u = x + 1
    a[0] = 7
    assert u.tolist() == [2, 2, 2] and (x + 1).tolist() == [8, 2, 2]


def test_a_parameter_over_an_array_is_written_there():
    a = np.ones((2, 2), np.float32)
    p = nn.Parameter(dv.from_numpy(a))
    optimizer = dv.optim.SGD([p], lr=0.5)
    for step in range(1, 4):
        optimizer.zero_grad()
        p.sum().backward()
        optimizer.step()
        assert (a == 1 - 0.5 * step).all()


def test_what_is_too_large_is_not_copied(monkeypatch):
    monkeypatch.setattr(recorder, "LARGEST_HELD", 8)
    a = np.ones(3, np.float32)
    u = dv.from_numpy(a) * 2
    assert recorder.current().at_risk
    assert u.tolist() == [2, 2, 2] and not recorder.current().at_risk


def test_arrays_over_a_parameter_show_every_step_however_late_they_are_made():
    p = nn.Parameter(dv.ones(3))
    optimizer = dv.optim.SGD([p], lr=0.5)

    def step():
        optimizer.zero_grad()
        p.sum().backward()
        optimizer.step()

    for _ in range(3):
        for _ in range(4):
            step()
        seen = p.detach().numpy()
        for _ in range(3):
            before = seen.copy()
            step()
            assert (seen == before - 0.5).all()
        del seen
