"""torch.autograd.graph: hooks of saved tensors and of steps, the steps' names. The numbers are PyTorch's."""

from __future__ import annotations

import pytest

import dovetail as dv
from dovetail.autograd import graph

F = dv.nn.functional


@pytest.fixture(params=[False, True], ids=["pending", "looked at"])
def look(request):
    return (lambda t: t.tolist()) if request.param else (lambda t: None)


def test_what_is_saved_goes_through_the_hooks(look):
    log: list = []

    def pack(t):
        log.append(("pack", tuple(t.shape), t.requires_grad))
        return t

    def unpack(t):
        log.append(("unpack", tuple(t.shape)))
        return t

    for _ in range(3):
        log.clear()
        a, b = dv.ones(5, requires_grad=True), dv.ones(5, requires_grad=True) * 2
        with graph.saved_tensors_hooks(pack, unpack):
            y = a * b
            look(y)
        y.sum().backward()
        assert a.grad.tolist() == [2.0] * 5
        assert log == [("pack", (5,), True)] * 2 + [("unpack", (5,))] * 2


def test_the_gradient_is_computed_from_what_unpack_returns(look):
    a, b = dv.ones(3, requires_grad=True), dv.full((3,), 2.0, requires_grad=True)
    with graph.saved_tensors_hooks(lambda t: t.detach().numpy().copy(), lambda n: dv.from_numpy(n) * 10):
        y = a * b
        z = a.exp()
        look(y)
    (y + z).sum().backward()
    assert b.grad.tolist() == [10.0] * 3
    assert a.grad.tolist() == pytest.approx([20 + 27.1828182] * 3)


def test_a_network_with_packed_activations_learns_as_without(look):
    def gradients(packed):
        dv.manual_seed(0)
        net = dv.nn.Sequential(
            dv.nn.Conv1d(2, 3, 2), dv.nn.GELU(), dv.nn.Flatten(), dv.nn.LayerNorm(9), dv.nn.Linear(9, 2)
        )
        x, count = dv.linspace(-1, 1, 16).reshape(2, 2, 4), []
        if packed:
            with graph.saved_tensors_hooks(lambda t: (count.append(1), t.detach().half())[1], lambda t: t.float()):
                loss = F.cross_entropy(net(x), dv.tensor([0, 1]))
        else:
            loss = F.cross_entropy(net(x), dv.tensor([0, 1]))
        look(loss)
        loss.backward()
        assert bool(count) == packed
        return [p.grad for p in net.parameters()]

    for ours, theirs in zip(gradients(True), gradients(False), strict=True):
        assert dv.allclose(ours, theirs, rtol=2e-2, atol=2e-3)


def test_hooks_nest_and_the_innermost_acts(look):
    a, log = dv.ones(3, requires_grad=True), []
    with graph.saved_tensors_hooks(lambda t: log.append("outer") or t, lambda t: t):
        with graph.saved_tensors_hooks(lambda t: log.append("inner") or t, lambda t: t * 2):
            y = a.pow(2)
        with graph.save_on_cpu():
            y = y * y
        z = y.exp()
        look(z)
    z.sum().backward()
    assert log == ["inner", "outer"]
    assert a.grad.tolist() == pytest.approx([2 * 2 * 2 * 2.7182818] * 3)


def test_second_derivatives_go_through_the_hooks():
    a, log = dv.full((3,), 2.0, requires_grad=True), []
    with graph.saved_tensors_hooks(lambda t: log.append(1) or t, lambda t: t):
        y = (a**3).sum()
        (slope,) = dv.autograd.grad(y, a, create_graph=True)
    slope.sum().backward()
    assert a.grad.tolist() == [12.0] * 3 and log


def test_a_function_of_the_users_own_is_packed(look):
    class Half(dv.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x

    a, log = dv.ones(3, requires_grad=True), []
    with graph.saved_tensors_hooks(lambda t: log.append(1) or t, lambda t: t * 7):
        y = Half.apply(a)
        look(y)
    y.sum().backward()
    assert log == [1] and a.grad.tolist() == [7.0] * 3


def test_nothing_is_packed_without_a_gradient():
    a, log = dv.ones(3, requires_grad=True), []
    with graph.saved_tensors_hooks(lambda t: log.append(1) or t, lambda t: t), dv.no_grad():
        a * a
    with graph.saved_tensors_hooks(lambda t: log.append(1) or t, lambda t: t):
        dv.ones(3) * dv.ones(3)
        a + 1
        a.view(3, 1)
    assert log == []


def test_hooks_that_go_wrong():
    a = dv.ones(3, requires_grad=True)

    def fails(t):
        raise ValueError("mine")

    with graph.saved_tensors_hooks(fails, lambda t: t), pytest.raises(ValueError, match="mine"):
        a * a
    with graph.saved_tensors_hooks(lambda t: 3, lambda t: t):
        y = a * a
    with pytest.raises(TypeError, match="Output of saved tensor unpack_hook expected to be a Tensor but got result of"):
        y.sum().backward()
    with graph.saved_tensors_hooks(lambda t: t, lambda t: t[:1]):
        y = a * a
    with pytest.raises(RuntimeError, match="shape"):
        y.sum().backward()
    with graph.saved_tensors_hooks(lambda t: t.mul_(2), lambda t: t):
        with pytest.raises(RuntimeError, match="pack hook is modifying its input in place"):
            a * a
    with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        y = a * a
    y.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()


def test_hooks_can_be_forbidden():
    with graph.disable_saved_tensors_hooks("not here"):
        with pytest.raises(RuntimeError, match="not here"), graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            pass

    @graph.disable_saved_tensors_hooks("nor there")
    def function():
        with graph.save_on_cpu():
            pass

    with pytest.raises(RuntimeError, match="nor there"):
        function()
    with graph.saved_tensors_hooks(lambda t: t, lambda t: t), pytest.raises(RuntimeError, match="late"):
        with graph.disable_saved_tensors_hooks("late"):
            pass


def test_hooks_of_steps(look):
    a, log = dv.ones(3, requires_grad=True), []
    y = a * 2
    z = y.sum()
    look(z)

    def note(ins, outs):
        log.append(([None if g is None else g.tolist() for g in ins], [g.tolist() for g in outs]))

    y.grad_fn.register_hook(note)
    y.grad_fn.register_prehook(lambda outs: log.append([g.tolist() for g in outs]))
    z.backward()
    assert log == [[[1.0] * 3], ([[2.0] * 3, None], [[1.0] * 3])]
    assert a.grad.tolist() == [2.0] * 3


def test_a_hook_of_a_step_may_replace_gradients(look):
    a = dv.ones(3, requires_grad=True)
    y = a * 2
    look(y)
    handle = y.grad_fn.register_hook(lambda ins, outs: tuple(g if g is None else g * 5 for g in ins))
    y.sum().backward(retain_graph=True)
    assert a.grad.tolist() == [10.0] * 3
    handle.remove()
    y.sum().backward()
    assert a.grad.tolist() == [12.0] * 3
    for wrong, kind in ((lambda ins, outs: ins[:1], RuntimeError), (lambda ins, outs: ins[0], TypeError)):
        y = a * 2
        y.grad_fn.register_hook(wrong)
        with pytest.raises(kind, match="incorrect number of values|expected tuple"):
            y.sum().backward()


def test_hooks_where_a_gradient_ends(look):
    a, log = dv.ones(3, requires_grad=True), []
    y = a * 2
    look(y)
    end = y.grad_fn.next_functions[0][0]
    assert (type(end).__name__, end.name(), end.variable is a) == (
        "AccumulateGrad", "torch::autograd::AccumulateGrad", True)  # fmt: skip
    end.register_prehook(lambda outs: log.append([g.tolist() for g in outs]))
    end.register_hook(lambda ins, outs: log.append((ins, outs[0].tolist(), a.grad.tolist())))
    y.sum().backward()
    assert log == [[[2.0] * 3], ((), [2.0] * 3, [2.0] * 3)]


def test_steps_are_walked_as_in_torch(look):
    net = dv.nn.Sequential(dv.nn.Linear(4, 5), dv.nn.ReLU(), dv.nn.Linear(5, 2))
    loss = net(dv.ones(2, 4)).mean()
    look(loss)
    found, stack = [], [(loss.grad_fn, 0)]
    while stack:
        step, depth = stack.pop()
        found.append((depth, step.name()))
        stack += [(s, depth + 1) for s, _ in step.next_functions]
    leaf = "torch::autograd::AccumulateGrad"
    assert found == [
        (0, "MeanBackward0"), (1, "AddmmBackward0"), (2, "TBackward0"), (3, leaf), (2, "ReluBackward0"),
        (3, "AddmmBackward0"), (4, "TBackward0"), (5, leaf), (4, leaf), (2, leaf),
    ]  # fmt: skip


NAMES = {
    "AddBackward0": lambda a: 1 + a, "RsubBackward1": lambda a: 1 - a, "PowBackward0": lambda a: a**2,
    "PowBackward1": lambda a: a**a, "PowBackward2": lambda a: 2**a, "SumBackward0": lambda a: a.sum(),
    "SumBackward1": lambda a: a.sum(0), "MeanBackward0": lambda a: a.mean(), "MeanBackward1": lambda a: a.mean(1),
    "MaxBackward1": lambda a: a.max(), "MaxBackward0": lambda a: a.max(0)[0], "SelectBackward0": lambda a: a[0],
    "SliceBackward0": lambda a: a[:, 1:], "IndexBackward0": lambda a: a[dv.tensor([0])],
    "ViewBackward0": lambda a: a.view(-1), "SqueezeBackward0": lambda a: a.squeeze(), "PermuteBackward0": lambda a: a.T,
    "TBackward0": lambda a: a.t(), "MmBackward0": lambda a: a @ a.t(), "MvBackward0": lambda a: a @ a[0],
    "DotBackward0": lambda a: a[0] @ a[1], "ClampBackward1": lambda a: a.clamp(0, 1),
    "ToCopyBackward0": lambda a: a.double(), "AddmmBackward0": lambda a: F.linear(a, a, dv.ones(2)),
    "NativeLayerNormBackward0": lambda a: F.layer_norm(a, (3,)), "NllLossBackward0":
    lambda a: F.cross_entropy(a, dv.tensor([0, 1])), "ConvolutionBackward0": lambda a: F.conv1d(a, dv.ones(2, 2, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_of_steps(name, look):
    y = NAMES[name](dv.ones(2, 3, requires_grad=True))
    look(y)
    assert type(y.grad_fn).__name__ == name == y.grad_fn.name()
