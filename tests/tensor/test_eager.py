"""Calls that run at once: programs whose structure depends on data, and a backward that walks a chain of traces."""

import numpy as np
import pytest

import dovetail as dv
import dovetail.nn as nn
import dovetail.nn.functional as F
from dovetail.base.config import config
from dovetail.tensor import closing
from dovetail.tensor.recorder import NOTHING, local


@pytest.fixture
def at_once():
    """Every call of this thread runs at once."""
    rec = local.rec
    rec.close()
    before, left = rec.at_once, rec.novelty.left
    rec.at_once, rec.expect, rec.novelty.left = True, NOTHING, 10**9
    yield rec
    rec.close()
    rec.at_once, rec.novelty.left = before, left
    rec.enter_root()


def random_tree(rng, leaves):
    if leaves == 1:
        return int(rng.integers(0, 7))
    k = int(rng.integers(1, leaves))
    return random_tree(rng, k), random_tree(rng, leaves - k)


class TreeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb, self.left, self.right = nn.Embedding(7, 5), nn.Linear(5, 5), nn.Linear(5, 5, bias=False)
        self.head = nn.Linear(5, 3)

    def node(self, tree):
        if isinstance(tree, tuple):
            return dv.tanh(self.left(self.node(tree[0])) + self.right(self.node(tree[1])))
        return self.emb(dv.tensor([tree]))

    def forward(self, tree):
        return self.head(self.node(tree))


def train_on_trees(count):
    dv.manual_seed(3)
    rng = np.random.default_rng(5)
    model = TreeNet()
    optimizer = dv.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for i in range(count):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(random_tree(rng, int(rng.integers(2, 9)))), dv.tensor([i % 3]))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def numpy_tree_losses(count):
    """The same training with the gradient written out."""
    dv.manual_seed(3)
    rng = np.random.default_rng(5)
    p = {name: t.detach().numpy().astype(np.float64) for name, t in TreeNet().state_dict().items()}
    speed = {name: np.zeros_like(w) for name, w in p.items()}
    losses = []
    for i in range(count):
        g = {name: np.zeros_like(w) for name, w in p.items()}

        def forward(tree):
            if not isinstance(tree, tuple):
                return p["emb.weight"][tree], tree, None
            left, right = forward(tree[0]), forward(tree[1])
            h = np.tanh(p["left.weight"] @ left[0] + p["left.bias"] + p["right.weight"] @ right[0])
            return h, left, right

        def backward(made, d, g=g):
            h, left, right = made
            if right is None:
                g["emb.weight"][left] += d
                return
            d = d * (1 - h * h)
            g["left.weight"] += np.outer(d, left[0])
            g["left.bias"] += d
            g["right.weight"] += np.outer(d, right[0])
            backward(left, p["left.weight"].T @ d)
            backward(right, p["right.weight"].T @ d)

        root = forward(random_tree(rng, int(rng.integers(2, 9))))
        z = p["head.weight"] @ root[0] + p["head.bias"]
        share = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        losses.append(-np.log(share[i % 3]))
        share[i % 3] -= 1
        g["head.weight"], g["head.bias"] = np.outer(share, root[0]), share
        backward(root, p["head.weight"].T @ share)
        for name in p:
            speed[name] = 0.9 * speed[name] + g[name]
            p[name] = p[name] - 0.1 * speed[name]
    return losses


def test_trees_of_all_shapes_train_as_written_out():
    """Long enough that the recorder notices that no tree comes again."""
    assert np.allclose(train_on_trees(40), numpy_tree_losses(40), rtol=2e-4)
    assert local.rec.at_once


@pytest.mark.parametrize("tier", [0, 1, 2])
def test_trees_at_once_from_the_start(at_once, tier, monkeypatch):
    """Interpreted, compiled on the way, and compiled at once."""
    monkeypatch.setattr(config, "tier", tier)
    assert np.allclose(train_on_trees(20), numpy_tree_losses(20), rtol=2e-4)
    if tier == 2:
        assert max(e.depth for e in events_below(at_once.root)) > 4, "no piece has grown"


def events_below(e):
    for child in e.children:
        yield child
        yield from events_below(child)


def test_a_body_of_several_calls_becomes_one_piece(at_once, monkeypatch):
    """A program with few forms: its pieces grow until they hold a whole turn."""
    monkeypatch.setattr(config, "tier", 2)
    w = dv.tensor([0.5, -0.3], requires_grad=True)

    def turns(count):
        h = w * 1.0
        for _ in range(count):
            h = dv.tanh(dv.sin(h) * w) + w
        (g,) = dv.autograd.grad(h.sum(), w)
        return g.tolist()

    def meant(count):
        wn = np.array([0.5, -0.3])
        h, d = wn.copy(), np.ones(2)
        for _ in range(count):
            t = np.tanh(np.sin(h) * wn)
            h, d = t + wn, (1 - t * t) * (np.cos(h) * d * wn + np.sin(h)) + 1
        return d

    for i in range(60):
        assert np.allclose(turns(3 + i % 5), meant(3 + i % 5), rtol=1e-4)
    ran = []
    execute = closing.Plan.execute
    monkeypatch.setattr(closing.Plan, "execute", lambda self, *given: (ran.append(self), execute(self, *given))[1])
    assert np.allclose(turns(7), meant(7), rtol=1e-4)
    assert len(ran) < 12, "30 calls"


def test_what_a_piece_computes_is_there_for_whoever_looks_and_nobody_else(at_once, monkeypatch):
    """Values that only the gradient needs lie in one block; those that Python holds have memory of their own."""
    monkeypatch.setattr(config, "tier", 2)
    x = dv.tensor([0.5, 1.5], requires_grad=True)
    for _ in range(200):
        a = dv.exp(x)
        b = dv.tanh(a)
        c = b * a
        d = dv.sin(c)
        d.sum().backward()
    xn = np.array([0.5, 1.5])
    an = np.exp(xn)
    bn = np.tanh(an)
    for t, wanted in ((a, an), (b, bn), (c, an * bn), (d, np.sin(an * bn))):
        assert np.allclose(t.detach().numpy(), wanted, rtol=1e-5)
    assert len({t.data_ptr() for t in (a, b, c, d)}) == 4
    assert np.allclose(x.grad.numpy(), 200 * np.cos(an * bn) * (bn + an * (1 - bn * bn)) * an, rtol=1e-3)


def test_a_step_that_repeats_stays_one_program():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    optimizer = dv.optim.Adam(model.parameters())
    for i in range(12):
        optimizer.zero_grad()
        model(dv.full((3, 4), float(i))).sum().backward()
        optimizer.step()
    assert not local.rec.at_once


@pytest.mark.parametrize("turns", [1, 3, 4, 9])
def test_a_loop_that_looks_each_turn_has_its_gradient(turns):
    """Each turn is a trace of its own; backward walks from the last to the first."""
    for _ in range(4):
        w = dv.tensor([0.5, -0.3], dtype=dv.float64, requires_grad=True)
        h, seen = w * 1.0, 0.0
        for _ in range(turns):
            h = dv.sin(h * w) + w
            seen += h.sum().item()
        (h * h).sum().backward()
        hn, d = np.array([0.5, -0.3]), np.ones(2)  # d: derivative of h by w
        wn = hn.copy()
        for _ in range(turns):
            d = np.cos(hn * wn) * (d * wn + hn) + 1
            hn = np.sin(hn * wn) + wn
        assert np.allclose(w.grad.numpy(), 2 * hn * d, rtol=1e-10)


def test_a_chain_in_which_only_one_of_two_results_is_used():
    """Both results of a turn come from one trace; the gradient must not go on along the other."""
    for _ in range(4):
        a, b = dv.tensor([1.5], requires_grad=True), dv.tensor([0.5], requires_grad=True)
        x, y = a * 2, b * 3
        for _ in range(6):
            x, y = x * 1.5, dv.sin(y)
            assert (x.sum() + y.sum()).item() > 0
        x.sum().backward()
        assert np.allclose(a.grad.numpy(), [2 * 1.5**6]) and (b.grad is None or b.grad.item() == 0)


class TestAtOnce:
    def test_parts_of_a_split_pass_gradients_on_their_own(self, at_once):
        x = dv.arange(6.0).requires_grad_()
        first, second = (x * 2).split(3)
        unused = second * 5
        (first * first).sum().backward()
        assert x.grad.tolist() == [0.0, 8.0, 16.0, 0.0, 0.0, 0.0] and unused.shape == (3,)

    def test_numbers_that_change_become_inputs(self, at_once):
        x = dv.arange(11.0)  # of a size that nothing else has
        for i in range(10):
            before = at_once.events
            assert (x * (i + 0.5))[:2].tolist() == [0, i + 0.5]
        assert at_once.events == before

    @pytest.mark.parametrize("tier", [1, 2])
    def test_numbers_that_change_inside_pieces(self, at_once, tier, monkeypatch):
        monkeypatch.setattr(config, "tier", tier)
        rng = np.random.default_rng(4)
        for i in range(120):
            x = dv.tensor([0.5, -1.0], requires_grad=True)
            h, n, d = x * 1.0, np.array([0.5, -1.0]), np.ones(2)
            for _ in range(1 + i % 4):
                a, b = rng.uniform(0.5, 1.5, 2).tolist()
                h = dv.sin(h * a) + b
                d, n = d * np.cos(n * a) * a, np.sin(n * a) + b
            h.sum().backward()
            assert np.allclose(h.tolist(), n, rtol=1e-5) and np.allclose(x.grad.tolist(), d, rtol=1e-4)
        assert at_once.events < 250
        assert (x * 2.0).tolist() == (x * 2).tolist() == [1.0, -2.0] and (x * True).tolist() == [0.5, -1.0]

    def test_whole_numbers_that_change_are_bound_anew(self, at_once):
        x = dv.arange(7.0)
        for i in (1, 2, 3, 3, 2, 5, 5):
            assert (x.clamp(i, 6) * 1.0).tolist() == np.clip(np.arange(7.0), i, 6).tolist()

    def test_views_share_memory_and_pass_gradients(self, at_once):
        x = dv.arange(6.0).reshape(2, 3).requires_grad_()
        rows = x.t()
        (rows[1] * 3).sum().backward()
        assert x.grad.tolist() == [[0, 3, 0], [0, 3, 0]]
        assert rows.data_ptr() == x.data_ptr() and rows.stride() == (1, 3)

    def test_gradients_add_up_and_graphs_are_freed(self, at_once):
        x = dv.tensor([2.0], requires_grad=True)
        y = x * x * x
        y.backward(retain_graph=True)
        y.backward()
        assert x.grad.tolist() == [24.0]
        with pytest.raises(RuntimeError, match="second time"):
            y.backward()

    def test_a_saved_value_written_over_is_refused(self, at_once):
        x = dv.tensor([2.0], requires_grad=True)
        y = x * 1.0
        z = (y * y).sum()
        y += 1
        with pytest.raises(RuntimeError, match="in place"):
            z.backward()

    def test_written_in_place_then_used(self, at_once):
        x = dv.tensor([2.0, 3.0], requires_grad=True)
        y = x * 2
        y.mul_(3)
        y += x
        y.sum().backward()
        assert x.grad.tolist() == [7.0, 7.0]

    def test_second_order(self, at_once):
        x = dv.tensor([2.0], requires_grad=True)
        (g,) = dv.autograd.grad((x**3).sum(), x, create_graph=True)
        g.backward()
        assert x.grad.tolist() == [12.0]

    def test_labels_out_of_range_name_the_line(self, at_once):
        logits = dv.zeros(2, 3, requires_grad=True)
        for _ in range(3):
            F.cross_entropy(logits * 1.0, dv.tensor([0, 2])).backward()
            with pytest.raises(IndexError, match="3 classes"):
                F.cross_entropy(logits * 1.0, dv.tensor([0, 7])).backward()


def events_of(step, rounds=12, settled=8):
    """Calls remembered after some rounds, and after all."""
    for i in range(rounds):
        if i == settled:
            before = local.rec.events
        step()
    local.rec.close()
    return before, local.rec.events


def test_two_networks_that_leave_histories_to_each_other_find_their_traces_again():
    """The two halves of a GAN's step each end in a gradient through what the other half has recorded."""
    dv.manual_seed(0)
    judge = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1), nn.Sigmoid())
    maker = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    first, second = dv.optim.Adam(judge.parameters()), dv.optim.Adam(maker.parameters())
    yes, no, loss = dv.ones(4, 1), dv.zeros(4, 1), nn.BCELoss()

    def step():
        real = dv.randn(4, 2) * 0.5
        right = loss(judge(real), yes)
        fake = maker(dv.randn(4, 3))
        total = right + loss(judge(fake.detach()), no)
        first.zero_grad()
        total.backward()
        first.step()
        fooled = loss(judge(fake), yes)
        second.zero_grad()
        fooled.backward()
        second.step()

    before, after = events_of(step)
    assert before == after


def test_pieces_cut_at_drawn_places_are_the_same_trace():
    text, layer = dv.arange(100), nn.Embedding(100, 4)

    def step():
        starts = dv.randint(90, (3,))
        x = dv.stack([text[i : i + 8] for i in starts])
        assert (x[:, 1:] - x[:, :-1] == 1).all() and x[:, 0].tolist() == starts.tolist()
        layer(x).sum().backward()
        layer.weight.grad = None

    before, after = events_of(step)
    assert before == after
