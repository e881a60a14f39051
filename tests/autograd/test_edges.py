"""Functions, hooks and modes where they meet errors, in-place writes, freed graphs and generators."""

from __future__ import annotations

import gc
import math
import warnings
import weakref

import numpy as np
import pytest

import dovetail as dv
import dovetail.nn.functional as F
from dovetail.autograd import Function
from dovetail.tensor.anomaly import AnomalyError
from dovetail.utils.checkpoint import checkpoint


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 2 * x


class Increment(Function):
    @staticmethod
    def forward(ctx, x):
        x.add_(1)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx, g):
        return g * 5


class Once(Square):
    @staticmethod
    @dv.autograd.function.once_differentiable
    def backward(ctx, g):
        return Square.backward(ctx, g)


class TooFew(Function):
    @staticmethod
    def forward(ctx, x, y):
        return x * y

    @staticmethod
    def backward(ctx, g):
        return g


def leaf(n: int = 3):
    return dv.ones(n, requires_grad=True)


@pytest.mark.parametrize("round", range(3))
class TestFunction:
    def test_written_argument(self, round):
        w = leaf()
        a = w * 2
        b = Increment.apply(a)
        (b * a).sum().backward()
        assert b is a and w.grad.tolist() == [60.0] * 3
        with pytest.raises(RuntimeError, match="leaf"):
            Increment.apply(leaf())

    def test_once_differentiable(self, round):
        x = leaf()
        (g,) = dv.autograd.grad(Once.apply(x).sum(), x, create_graph=True)
        assert g.tolist() == [2.0] * 3
        with pytest.raises(RuntimeError, match="twice"):
            g.sum().backward()

    def test_freed_after_one_backward(self, round):
        y = Square.apply(leaf()).sum()
        y.backward()
        with pytest.raises(RuntimeError, match="second time"):
            y.backward()

    def test_wrong_number_of_gradients(self, round):
        with pytest.raises(RuntimeError, match="expected 2, got 1"):
            TooFew.apply(leaf(), 2).sum().backward()

    def test_saved_tensor_changed(self, round):
        x = leaf() * 1
        y = Square.apply(x)
        x += 1
        with pytest.raises(RuntimeError, match="inplace"):
            y.sum().backward()

    def test_result_written_and_viewed(self, round):
        x = leaf(4)
        y = Square.apply(x)
        y += 1
        y *= 2
        y[:2].sum().backward()
        assert x.grad.tolist() == [4.0, 4.0, 0.0, 0.0]

    def test_no_grad_gives_plain_results(self, round):
        with dv.no_grad():
            y = Square.apply(leaf())
        assert not y.requires_grad and y.grad_fn is None


@pytest.mark.parametrize("round", range(3))
class TestHooks:
    def test_a_hook_that_fails_leaves_the_mode_as_it_was(self, round):
        y = leaf() * 2
        y.register_hook(lambda g: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            y.sum().backward()
        assert dv.is_grad_enabled() and (leaf() * 3).sum().item() == 9

    def test_of_the_loss_and_before_a_write(self, round):
        x = leaf()
        y = x * 2
        y.register_hook(lambda g: g * 10)
        y.mul_(3)
        loss = y.sum()
        loss.register_hook(lambda g: g * 2)
        loss.backward()
        assert x.grad.tolist() == [120.0] * 3

    def test_refused_without_gradient(self, round):
        with pytest.raises(RuntimeError, match="doesn't require"):
            dv.ones(3).register_hook(print)
        with pytest.raises(RuntimeError, match="leaf"):
            (leaf() * 2).register_post_accumulate_grad_hook(print)

    def test_wrong_size(self, round):
        x = leaf()
        x.register_hook(lambda g: g[:1])
        with pytest.raises(RuntimeError, match="size"):
            (x * 2).sum().backward()


def test_modes_around_generators_and_functions():
    x = leaf()

    @dv.no_grad()
    def items():
        for _ in range(2):
            yield (x * 2).requires_grad

    assert [(inside, dv.is_grad_enabled()) for inside in items()] == [(False, True)] * 2

    @dv.no_grad
    def plain():
        return (x * 2).requires_grad

    @dv.set_grad_enabled(False)
    def switched():
        return dv.is_grad_enabled()

    assert not plain() and not switched() and dv.is_grad_enabled()
    with dv.no_grad(), dv.enable_grad():
        assert (x * 2).requires_grad
    with dv.inference_mode():
        y = x * 2
        assert y.is_inference() and not y.requires_grad and dv.is_inference_mode_enabled()
    assert not (x * 2).is_inference()
    with pytest.raises(RuntimeError, match="inference tensor"):
        y.requires_grad_()


@pytest.mark.parametrize("round", range(3))
def test_anomaly_names_the_line(round):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = dv.tensor([0.0, 1.0], requires_grad=True)
        with pytest.raises(AnomalyError, match=r"SqrtBackward0.*\n.*test_edges.py"), dv.autograd.detect_anomaly():
            (x.sqrt() * 0).sum().backward()
        with pytest.raises(RuntimeError, match=r"log.*\n.*test_edges.py"), dv.autograd.set_detect_anomaly(True):
            dv.log(dv.tensor([-1.0])).sum().item()
        with dv.autograd.detect_anomaly():
            (leaf() * 2).sum().backward()
    assert not dv.is_anomaly_enabled()


@pytest.mark.parametrize("round", range(3))
def test_checkpoint_draws_the_same_numbers_again(round):
    dv.manual_seed(round)
    x = leaf(100)
    y = checkpoint(lambda t: dv.nn.functional.dropout(t, 0.5), x, use_reentrant=False)
    y.sum().backward()
    assert y.tolist() == x.grad.tolist()


def test_gradcheck_finds_a_wrong_gradient():
    x = dv.tensor([0.3, -0.7], dtype=dv.float64, requires_grad=True)
    assert dv.autograd.gradcheck(Square.apply, x) and dv.autograd.gradgradcheck(Square.apply, x)
    z = dv.tensor([1 + 2j, 0.5 - 1j], dtype=dv.complex128, requires_grad=True)
    assert dv.autograd.gradcheck(lambda z: (z * z, z.abs()), z)

    class Wrong(Square):
        @staticmethod
        def backward(ctx, g):
            return g * 3

    assert not dv.autograd.gradcheck(Wrong.apply, x, raise_exception=False)
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        dv.autograd.gradcheck(Wrong.apply, x)


def test_vmap_and_randomness():
    x = dv.ones(4, 100)
    noisy = lambda r: dv.vmap(lambda a: a + dv.rand(100), randomness=r)  # noqa: E731
    different, same = noisy("different")(x), noisy("same")(x)
    assert not dv.equal(different[0], different[1]) and dv.equal(same[0], same[3])
    with pytest.raises(RuntimeError, match="random"):
        noisy("error")(x)
    with pytest.raises(ValueError, match="same size"):
        dv.vmap(dv.add)(dv.ones(3), dv.ones(4))


def test_compile_behaves_the_same():
    @dv.compile(fullgraph=True, mode="reduce-overhead", dynamic=True)
    def double(x):
        return x * 2

    assert [double(dv.ones(i)).tolist() for i in (1, 2)] == [[2.0], [2.0, 2.0]] and "traces" in double.explain()

    @dv.compile(fullgraph=True)
    def branching(x):
        return x if x.sum() > 0 else -x

    with pytest.raises(RuntimeError, match="looked at"):
        branching(dv.ones(2) * 1)
    net = dv.compile(dv.nn.Sequential(dv.nn.Linear(2, 3)))
    assert net(dv.ones(1, 2)).shape == (1, 3) and list(net.state_dict()) == ["_orig_mod.0.weight", "_orig_mod.0.bias"]
    assert not net.eval()._orig_mod.training and not dv.compiler.is_compiling()


def test_batched_and_several_hooks():
    a, b = leaf(2), leaf(2)
    (rows,) = dv.autograd.grad(a * dv.tensor([1.0, 2.0]), a, dv.eye(2), is_grads_batched=True)
    assert rows.tolist() == [[1.0, 0.0], [0.0, 2.0]]
    seen = []
    with dv.autograd.graph.register_multi_grad_hook([a, b], lambda gs: seen.append([g.tolist() for g in gs])):
        for _ in range(2):
            (a * b * 2).sum().backward()
    (a * b).sum().backward()
    assert seen == [[[2.0, 2.0], [2.0, 2.0]]] * 2


def test_steps_before():
    x = leaf()
    step = Square.apply(x * 2).grad_fn
    before, index = step.next_functions[0]
    assert (step.name(), before.name(), index) == ("SquareBackward", "MulBackward0", 0)
    assert Square.apply(x).grad_fn.next_functions[0][0].variable is x


@pytest.mark.parametrize("look", [False, True], ids=["whole", "looked at"])
def test_gradient_penalty_is_the_same_with_looks_between(look):
    weight = dv.tensor([[0.5, -0.2], [0.1, 0.7]], dtype=dv.float64, requires_grad=True)
    for _ in range(3):
        weight.grad = None
        x = dv.tensor([[1.0, 2.0], [-0.5, 0.3]], dtype=dv.float64, requires_grad=True)
        score = (x @ weight).tanh().sum()
        if look:
            score.item()
        (slope,) = dv.autograd.grad(score, x, create_graph=True)
        penalty = ((slope * slope).sum(1).sqrt() - 1).pow(2).sum()
        if look:
            penalty.item()
        penalty.backward()
        found = weight.grad.tolist()
    step = 1e-6
    for i in range(2):
        for j in range(2):
            ends = []
            for sign in (1, -1):
                moved = weight.detach().clone()
                moved[i, j] += sign * step
                y = x.detach().requires_grad_()
                (slope,) = dv.autograd.grad((y @ moved).tanh().sum(), y)
                ends.append(((slope * slope).sum(1).sqrt() - 1).pow(2).sum().item())
            assert found[i][j] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e-8)


def test_a_kept_loss_does_not_hold_its_batch():
    w, losses, batches = leaf(4), [], []
    for i in range(4):
        x = dv.ones(8, 4) * i
        batches.append(weakref.ref(x))
        loss = (x * w).exp().sum()
        loss.item()
        loss.backward()
        losses.append(loss)
        del x
    gc.collect()
    assert sum(b() is not None for b in batches) <= 1


def test_grad_fn_is_one_object_of_a_class_of_its_own():
    x = leaf()
    y = (x * 2).exp()
    assert type(y.grad_fn).__name__ == "ExpBackward0" == y.grad_fn.name()
    y.grad_fn.metadata["note"] = 1
    assert y.grad_fn is y.grad_fn and y.grad_fn.metadata == {"note": 1}
    y.grad_fn.register_prehook(lambda g: (g[0] * 3,))
    y.sum().backward()
    assert x.grad.allclose(6 * (x.detach() * 2).exp())
    edge = dv.autograd.graph.get_gradient_edge(x * 2)
    assert isinstance(edge.node, dv.autograd.graph.Node) and edge.output_nr == 0


def test_inference_tensors_are_refused_where_a_gradient_would_read_them():
    with dv.inference_mode():
        x = dv.ones(3)
    w = leaf()
    (w + x).sum().backward()
    assert w.grad.tolist() == [1.0] * 3
    with pytest.raises(RuntimeError, match="cannot be saved for backward"):
        w * x
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
        x.add_(1)


def test_dual_tensors():
    fwd = dv.autograd.forward_ad
    with pytest.raises(RuntimeError, match="no level exists"):
        fwd.make_dual(dv.ones(2), dv.ones(2))

    class OnlyForward(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.slope = x.exp()
            return ctx.slope

        @staticmethod
        def jvp(ctx, t):
            return t * ctx.slope

    x, t = dv.tensor([1.0, 2.0]), dv.tensor([1.0, 0.5])
    for _ in range(3):
        with fwd.dual_level():
            d = fwd.make_dual(x, t)
            y = fwd.unpack_dual((d.sin() * d).cumsum(0))
            assert y.tangent.allclose(((x.cos() * x + x.sin()) * t).cumsum(0))
            assert fwd.unpack_dual(dv.ones(2)).tangent is None
            assert fwd.unpack_dual(OnlyForward.apply(d) * 3).tangent.allclose(3 * t * x.exp())


def test_looks_under_fullgraph_are_named_with_their_line():
    @dv.compile(fullgraph=True)
    def branch(x):
        if x.sum() > 0:
            return x
        return -x

    with pytest.raises(RuntimeError, match=r"test_edges.py:\d+ in branch"):
        branch(dv.ones(3))
    found = dv._dynamo.explain(branch._torchdynamo_orig_callable)(dv.ones(3))
    assert found.graph_break_count == 1 and found.graph_count == 2 and found.op_count >= 2
    assert dv.compile(lambda x: x * 2, fullgraph=True)(dv.ones(2)).tolist() == [2.0, 2.0]
    with pytest.raises(ValueError, match="Invalid backend"):
        dv.compile(branch, backend="nonsense")


@pytest.mark.parametrize("name", ["gelu", "gelu_tanh", "silu", "mish"])
def test_smooth_activations_have_all_their_derivatives(name):
    """The slope is made of x alone, so it can be differentiated again; compared with finite differences of values."""
    f = {"gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu, "mish": F.mish}[name]
    points = np.linspace(-3, 3, 13)

    def at(shift):
        return f(dv.from_numpy(points + shift)).numpy()

    h = 1e-4
    first = (at(h) - at(-h)) / (2 * h)
    second = (at(h) - 2 * at(0) + at(-h)) / h**2
    for _ in range(3):  # recorded, replayed, compiled
        x = dv.from_numpy(points.copy()).requires_grad_()
        (g,) = dv.autograd.grad(f(x).sum(), x, create_graph=True)
        assert np.allclose(g.detach().numpy(), first, atol=1e-6)
        (gg,) = dv.autograd.grad(g.sum(), x)
        assert np.allclose(gg.numpy(), second, atol=1e-5)
    _, forward = dv.func.jvp(f, (dv.from_numpy(points),), (dv.ones(13, dtype=dv.float64),))
    assert np.allclose(forward.numpy(), first, atol=1e-6)
    assert np.allclose(dv.func.vmap(dv.func.grad(f))(dv.from_numpy(points)).numpy(), first, atol=1e-6)


def test_an_activation_between_looks_keeps_its_input_for_backward():
    x = dv.linspace(-2, 2, 9, dtype=dv.float64).requires_grad_()
    h = x * 2
    y = F.gelu(h)
    assert y.isfinite().all()
    (y * y).sum().backward()
    z = 2 * np.linspace(-2, 2, 9)
    share = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in z])
    slope = share + z * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    assert np.allclose(x.grad.numpy(), 2 * z * share * slope * 2, atol=1e-12)


class LooksAndWrites(Function):
    @staticmethod
    def forward(ctx, x):
        x.tolist()
        x.add_(1)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx, g):
        return g * 5


def test_an_argument_that_is_looked_at_and_written_keeps_its_gradient():
    """The trace that knew how it was made ends inside forward."""
    for _ in range(3):
        w = leaf()
        a = w * 2
        b = LooksAndWrites.apply(a)
        (b * a).sum().backward()
        assert b is a and w.grad.tolist() == [60.0] * 3
