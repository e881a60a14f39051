"""Arrays that are written while a trace waits: a call has its arguments' values as they were when it was made."""

import numpy as np
import pytest

import dovetail as dv
from dovetail import nn
from dovetail.tensor import recorder
from dovetail.tensor.scratch import abandon


def test_an_array_written_after_the_call_does_not_change_the_result():
    a = np.ones(3, np.float32)
    t = dv.from_numpy(a)
    u = t * 2
    a[:] = 5
    assert u.tolist() == [2, 2, 2] and t.tolist() == [5, 5, 5] and (t * 2).tolist() == [10, 10, 10]


@pytest.mark.parametrize("largest", [recorder.LARGEST_HELD, 8])
def test_one_buffer_for_all_batches_trains_as_fresh_arrays_do(largest, monkeypatch):
    monkeypatch.setattr(recorder, "LARGEST_HELD", largest)

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

    assert losses(buffered()) == pytest.approx(losses((dv.tensor(a), dv.tensor(b)) for a, b in data), rel=1e-4)


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


USES = {
    "an operation": lambda t, turn: t + 1,
    "two of it": lambda t, turn: t * t + 1,
    "a view": lambda t, turn: t[1:] + 1,
    "in a list": lambda t, turn: dv.cat([t, t]),
    "with another": lambda t, turn: dv.full((3,), 2.0) * t,
}


@pytest.mark.parametrize("use", USES)
def test_what_is_used_again_in_one_trace_has_its_value_of_then(use):
    use = USES[use]
    for turn in range(4):
        a = np.zeros(3, np.float32)
        t, found = dv.from_numpy(a), []
        for n in (turn, turn + 1, turn + 1, 7):
            a[:] = n
            found.append(use(t, turn))
        wanted = [use(dv.full((3,), float(n)), turn).tolist() for n in (turn, turn + 1, turn + 1, 7)]
        assert [f.tolist() for f in found] == wanted


def test_a_gradient_asked_for_by_a_function_and_by_cotangents():
    slope = dv.func.grad(lambda x: (x**2).sum())
    for _ in range(3):
        a, c = np.ones(2, np.float32), np.ones(2, np.float32)
        t, cotangent, p = dv.from_numpy(a), dv.from_numpy(c), nn.Parameter(dv.ones(2))
        first, used = slope(t), cotangent * 2
        a[:], c[:] = 3, 5
        second = slope(t)
        (p * 2).backward(cotangent)
        assert [x.tolist() for x in (first, second, used, p.grad)] == [[2, 2], [6, 6], [2, 2], [10, 10]]


def test_the_constructor_shares_an_array_of_the_default_dtype():
    a = np.ones(2, np.float32)
    t, other = dv.Tensor(a), dv.Tensor(a.astype(np.float64))
    a[:] = 4
    assert t.tolist() == [4, 4] and other.tolist() == [1, 1]


def test_a_view_of_an_array_is_used_before_and_after_it_is_written():
    for turn in range(4):
        a = np.ones((3, 2), np.float32)
        v = dv.from_numpy(a)[1:]
        u = v * 2
        a[:] = turn
        w = v * 2
        assert u.tolist() == [[2, 2], [2, 2]] and w.tolist() == [[2 * turn] * 2] * 2 and v.tolist() == [[turn] * 2] * 2


def test_a_total_over_one_buffer():
    a = np.zeros(2, np.float32)
    t, total = dv.from_numpy(a), dv.zeros(2)
    for n in range(6):
        a[:] = n
        total = total + t
    assert total.tolist() == [15, 15]


def test_an_index_and_a_condition_that_numpy_changes():
    for _ in range(3):
        i, c, x = np.array([0, 1]), np.array([True, False]), dv.tensor([1.0, 2.0, 3.0])
        ti, tc = dv.from_numpy(i), dv.from_numpy(c)
        first = x[ti], dv.where(tc, 1.0, 2.0)
        i[:], c[:] = 2, True
        second = x[ti], dv.where(tc, 1.0, 2.0)
        assert [y.tolist() for y in (*first, *second)] == [[1, 2], [1, 2], [3, 3], [1, 1]]


SHOWN = {
    "numpy": lambda x: x.detach().numpy(),
    "asarray": lambda x: np.asarray(x.detach()),
    "view": lambda x: x.detach()[...].numpy(),
    "dlpack": lambda x: np.asarray(dv.from_dlpack(np.from_dlpack(x.detach())).numpy()),
}


@pytest.mark.parametrize("kind", [dv.tensor, nn.Parameter])
@pytest.mark.parametrize("shown", SHOWN)
def test_an_array_that_is_made_after_the_call(shown, kind):
    for _ in range(3):
        x = kind(dv.tensor([1.0, 1.0]))
        u = x * 2
        a = SHOWN[shown](x)
        a[:] = 5
        v = x * 2
        a[:] = 6
        assert u.tolist() == [2, 2] and v.tolist() == [10, 10] and x.tolist() == [6, 6]


def test_a_write_through_a_storage():
    x = dv.tensor([1.0, 1.0])
    memory = x.untyped_storage()
    u = x * 2
    memory.fill_(0)
    v = x + 1
    x.storage()[0] = 3
    assert u.tolist() == [2, 2] and v.tolist() == [1, 1] and x.tolist() == [3, 0]


def test_arrays_over_gradients_that_stay_in_place():
    p = nn.Parameter(dv.ones(2))
    optimizer = dv.optim.SGD([p], lr=0.5)
    p.sum().backward()
    seen = p.grad.numpy()
    for n in range(1, 5):
        optimizer.zero_grad(set_to_none=False)
        assert seen.tolist() == [0, 0]
        (p * n).sum().backward()
        assert seen.tolist() == [n, n]
        optimizer.step()
    assert p.tolist() == [1 - 0.5 * 10] * 2


def test_a_call_that_fails_has_used_nothing():
    for _ in range(4):
        a = np.ones(2, np.float32)
        t = dv.from_numpy(a)
        dv.add(t, dv.ones(2)).tolist()
        with pytest.raises(TypeError, match="operand"):
            dv.add(t, object())
        a[:] = 5
        assert dv.add(t, dv.ones(2)).tolist() == [6, 6]


def test_a_trace_that_is_abandoned_has_used_nothing():
    a = np.ones(2, np.float32)
    t = dv.from_numpy(a)
    for n in range(4):
        a[:] = n
        u = t * 2
        abandon(recorder.current())
        recorder.current().enter_root()
        a[:] = n + 1
        assert (t * 2).tolist() == [2 * n + 2] * 2
        del u


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
