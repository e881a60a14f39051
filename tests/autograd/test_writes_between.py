"""Writes in place and the gradients around them, with and without looks in between.

The numbers are PyTorch 2.13's for the same lines; `tools/fuzz_views.py` makes such programs at random and compares.
"""

from __future__ import annotations

import pytest

import dovetail as t


def looker(looks):
    return (lambda x: x.sum().item()) if looks else (lambda x: None)


def source_written_later(look):
    W = t.ones(3, requires_grad=True)
    h = W * 2
    look(h)
    z = h + 5
    look(z)
    h.mul_(3)
    look(h)
    (z.sum() + 0 * h.sum()).backward()
    return W.grad.tolist()


def source_written_and_used(look):
    W = t.ones(3, requires_grad=True)
    h = W * 2
    look(h)
    z = h + 5
    look(z)
    h.mul_(3)
    look(h)
    (z.sum() + h.sum()).backward()
    return W.grad.tolist()


def parts_that_overlap(look):
    W = t.ones(4, requires_grad=True)
    h = W * 2
    look(h)
    r = h[1]
    q = h[1:3]
    look(r)
    look(q)
    r.mul_(3)
    (q.sum() + h.sum()).backward()
    return W.grad.tolist()


def whole_written_part_read(look):
    W = t.ones(4, requires_grad=True)
    h = W * 2
    look(h)
    r = h[1]
    look(r)
    h.mul_(3)
    look(h)
    (r.sum() * 2).backward()
    return W.grad.tolist()


def part_of_plain_tensor_gets_a_gradient(look):
    W = t.ones(4, requires_grad=True)
    b = t.zeros(4)
    r = b[1:3]
    look(r)
    r.copy_(W[:2] * 3)
    look(b)
    (b * b).sum().backward()
    return W.grad.tolist()


def view_of_a_view(look):
    W = t.ones(4, requires_grad=True)
    h = W * 2
    v = h.view(2, 2)
    look(v)
    w = v.t()
    look(w)
    w[0] = 5.0
    look(h)
    (h * h).sum().backward()
    return W.grad.tolist()


def reader_of_a_view(look):
    W = t.ones(4, requires_grad=True)
    h = W * 2
    v = h.view(2, 2)
    look(v)
    z = v * 2
    look(z)
    v[0].mul_(4)
    look(v)
    (z.sum() + v.sum() + h.sum()).backward()
    return W.grad.tolist()


def turned_memory(look):
    W = t.ones(4, requires_grad=True)
    h = (W * 2).view(2, 2).t()
    look(h)
    h[0].mul_(3)
    look(h)
    h.add_(W[:2])
    look(h)
    (h * h).sum().backward()
    return W.grad.tolist()


def whole_without_gradient(look):
    W = t.ones(3, requires_grad=True)
    h = W * 2
    look(h)
    with t.no_grad():
        h.mul_(3)
    look(h)
    (h * h).sum().backward()
    return W.grad.tolist()


def part_without_gradient(look):
    W = t.ones(3, requires_grad=True)
    h = W * 2
    look(h)
    with t.no_grad():
        h[:1] *= 3
    look(h)
    (h * h).sum().backward()
    return W.grad.tolist()


def detached_twin(look):
    W = t.ones(3, requires_grad=True)
    h = W * 2
    look(h)
    d = h.detach()
    look(d)
    d[0] = 5.0
    d.mul_(2.0)
    look(h)
    (h * 3).sum().backward()
    return W.grad.tolist() + [h.sum().item()]


def view_filled_without_gradient(look):
    W = t.ones(3, requires_grad=True)
    h = W * 2
    v = h[1:]
    look(v)
    with t.no_grad():
        v.fill_(7.0)
    look(h)
    (h * h).sum().backward()
    return W.grad.tolist()


def view_made_and_filled_without_gradient(look):
    W = t.ones(3, requires_grad=True)
    h = W * 2
    look(h)
    with t.no_grad():
        v = h[1:]
        v.fill_(7.0)
    look(h)
    (h * h).sum().backward()
    return W.grad.tolist()


def data_written(look):
    W = t.ones(3, requires_grad=True)
    h = W * 2
    z = h + 1
    look(h)
    h.data.mul_(4.0)
    look(h)
    (z.sum() + (h * 3).sum()).backward()
    return W.grad.tolist() + [h.sum().item()]


def unseen_then_seen(look):
    W = t.full((4, 3), 0.7, requires_grad=True)
    V = t.ones(4, 2, requires_grad=True)
    t2 = V + 0.5
    with t.no_grad():
        t2[:1] *= 0.5
    look(t2)
    t2[:1] *= 2.0
    ((t2 * 2).sum()).backward()
    return [None if p.grad is None else p.grad.tolist() for p in (W, V)]


def same_memory_whole(look):
    W = t.full((4, 3), 0.7, requires_grad=True)
    V = t.ones(4, 2, requires_grad=True)
    t1 = W * 1.5
    look(t1)
    with t.no_grad():
        t1[:1] *= 2.0
    t7 = t1[...]
    t1.add_(2.0)
    t8 = t7.exp().clamp(max=3)
    (t1.sum() + t7.sum() * 2 + t8.sum() * 3).backward()
    return [None if p.grad is None else p.grad.tolist() for p in (W, V)]


def detached_gets_a_gradient(look):
    W = t.full((4, 3), 0.7, requires_grad=True)
    V = t.ones(4, 2, requires_grad=True)
    t3 = t.zeros(4, 3)
    t5 = t3.detach()
    t1 = W * 1.5
    t5.copy_(t1 * -1.0)
    look(t5)
    look(t3)
    t5[:1] *= 2.0
    (t3.sum() + t5.sum() * 2 + t1.sum()).backward()
    return [None if p.grad is None else p.grad.tolist() for p in (W, V)]


def many_writes(look):
    W = t.full((4, 3), 0.7, requires_grad=True)
    V = t.ones(4, 2, requires_grad=True)
    t5 = t.zeros(4, 3)
    t1 = W * 1.5
    t5.copy_(t1 * -1.0)
    look(t5)
    t5[:1] *= 2.0
    t6 = t5[::2]
    t6[1] = 2.0
    t5.clamp_(-1.5, 1.5)
    t6.sub_(0.25)
    (t5.sum() * 2 + t1.sum() + t6.sum()).backward()
    return [None if p.grad is None else p.grad.tolist() for p in (W, V)]


CASES = [
    (source_written_later, [2.0, 2.0, 2.0]),
    (source_written_and_used, [8.0, 8.0, 8.0]),
    (parts_that_overlap, [2.0, 12.0, 4.0, 2.0]),
    (whole_written_part_read, [0.0, 12.0, 0.0, 0.0]),
    (part_of_plain_tensor_gets_a_gradient, [18.0, 18.0, 0.0, 0.0]),
    (view_of_a_view, [0.0, 8.0, 0.0, 8.0]),
    (reader_of_a_view, [20.0, 20.0, 8.0, 8.0]),
    (turned_memory, [104.0, 32.0, 84.0, 12.0]),
    (whole_without_gradient, [24.0, 24.0, 24.0]),
    (part_without_gradient, [24.0, 8.0, 8.0]),
    (detached_twin, [6.0, 6.0, 6.0, 18.0]),
    (view_filled_without_gradient, [8.0, 28.0, 28.0]),
    (view_made_and_filled_without_gradient, [8.0, 28.0, 28.0]),
    (data_written, [8.0, 8.0, 8.0, 24.0]),
    (unseen_then_seen, [None, [[4.0, 4.0], [2.0, 2.0], [2.0, 2.0], [2.0, 2.0]]]),
    (same_memory_whole, [[[4.5, 4.5, 4.5], [4.5, 4.5, 4.5], [4.5, 4.5, 4.5], [4.5, 4.5, 4.5]], None]),
    (
        detached_gets_a_gradient,
        [[[-4.5, -4.5, -4.5], [-1.5, -1.5, -1.5], [-1.5, -1.5, -1.5], [-1.5, -1.5, -1.5]], None],
    ),
    (many_writes, [[[1.5, 1.5, 1.5], [-1.5, -1.5, -1.5], [1.5, 1.5, 1.5], [-1.5, -1.5, -1.5]], None]),
]


@pytest.mark.parametrize("looks", [False, True], ids=["pending", "looked_at"])
@pytest.mark.parametrize(("program", "expected"), CASES, ids=[program.__name__ for program, _ in CASES])
def test_gradients_around_writes(program, expected, looks):
    for _ in range(3):  # recorded, followed, compiled
        assert program(looker(looks)) == expected


LOOKS = [(a, b, c, d) for a in (0, 1) for b in (0, 1) for c in (0, 1) for d in (0, 1)]


@pytest.mark.parametrize("cut", [lambda x: x.detach(), lambda x: x.data, lambda x: t.zeros(4, 3)])
@pytest.mark.parametrize("looks", LOOKS)
def test_views_of_a_detached_tensor_share_a_gradient_of_their_own(cut, looks):
    """A write with a gradient through one of them is one through all that were cut off at the same place."""

    def look(k, x):
        if looks[k]:
            x.sum().item()

    for _ in range(3):
        w = t.arange(12.0).view(4, 3).clone().requires_grad_()
        v = t.ones(2, requires_grad=True)
        source = v * 1
        whole = w * 1.5
        look(0, whole)
        loose = cut(whole)
        look(1, loose)
        column = loose[..., -1]
        look(2, column)
        first, second = column[:2], column[:2]
        look(3, first)
        first.mul_(2)
        second.copy_(source * 0.5)
        (loose.sum() * 3 + first.sum() * 7 + second.sum() * 8 + column.sum() * 11 + whole.sum()).backward()
        assert v.grad.tolist() == [14.5, 14.5]
        assert w.grad.tolist() == [[1.5] * 3] * 4
