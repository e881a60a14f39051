"""The module tree: members, names, modes, conversions, state, hooks, errors, and what a call costs."""

from __future__ import annotations

import copy
import pickle
import sys

import pytest

import dovetail
from dovetail import nn
from dovetail.base.errors import ShapeError
from dovetail.nn.module import register_module_forward_hook
from dovetail.nn.utils.stateless import functional_call


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 3)
        self.block = nn.Sequential(nn.ReLU(), nn.Linear(3, 2))
        self.register_buffer("scale", dovetail.ones(2))
        self.register_buffer("cache", dovetail.zeros(1), persistent=False)

    def forward(self, x):
        return self.block(self.fc1(x)) * self.scale


# -- members -----------------------------------------------------------------------------------------------------------


def test_names_and_order():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == ["fc1.weight", "fc1.bias", "block.1.weight", "block.1.bias"]
    assert [n for n, _ in net.named_modules()] == ["", "fc1", "block", "block.0", "block.1"]
    assert [n for n, _ in net.named_buffers()] == ["scale", "cache"]
    assert [n for n, _ in net.named_parameters(prefix="p", recurse=False)] == []
    assert list(net.state_dict()) == ["scale", "fc1.weight", "fc1.bias", "block.1.weight", "block.1.bias"]
    assert net.get_submodule("block.1") is net.block[1] and net.get_parameter("fc1.bias") is net.fc1.bias
    assert net.get_buffer("scale") is net.scale


def test_shared_modules_are_named_once():
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, layer)
    assert len(list(net.parameters())) == 2 and len(list(net.modules())) == 2
    assert len(list(net.named_parameters(remove_duplicate=False))) == 4


def test_members_are_plain_attributes_and_registries_stay_in_step():
    net = Net()
    assert vars(net)["fc1"] is net._modules["fc1"] and vars(net.fc1)["weight"] is net.fc1._parameters["weight"]
    other = nn.Parameter(dovetail.zeros(3, 4))
    net.fc1._parameters["weight"] = other
    assert net.fc1.weight is other
    del net.fc1._parameters["bias"]
    assert not hasattr(net.fc1, "bias")
    net.fc1.register_parameter("bias", None)
    assert net.fc1.bias is None
    net._modules.update(fc1=nn.Identity())
    assert isinstance(net.fc1, nn.Identity)
    net.block = None
    assert net._modules["block"] is None and list(net.children()) == [net.fc1]
    del net.scale
    assert "scale" not in net._buffers and not hasattr(net, "scale")


def test_attributes_change_their_kind():
    net = nn.Module()
    net.x = 3
    net.x = nn.Parameter(dovetail.ones(1))
    assert "x" in net._parameters
    net.x = None
    assert net.x is None and "x" in net._parameters
    net.m = None
    net.m = nn.ReLU()
    assert "m" in net._modules
    net.b = nn.Buffer(dovetail.ones(2), persistent=False)
    assert "b" in net._buffers and list(net.state_dict()) == []
    net.b = dovetail.zeros(2)
    assert net._buffers["b"].tolist() == [0, 0]


@pytest.mark.parametrize(
    "act, kind",
    [
        (lambda m: setattr(m.fc1, "weight", dovetail.ones(1)), TypeError),
        (lambda m: setattr(m, "fc1", 3), TypeError),
        (lambda m: setattr(m, "scale", "text"), TypeError),
        (lambda m: m.register_buffer("fc1", dovetail.ones(1)), KeyError),
        (lambda m: m.add_module("a.b", nn.ReLU()), KeyError),
        (lambda m: m.add_module("", nn.ReLU()), KeyError),
        (lambda m: m.add_module("forward", nn.ReLU()), KeyError),
        (lambda m: m.add_module("x", 3), TypeError),
        (lambda m: m.register_parameter("x", dovetail.ones(1)), TypeError),
        (lambda m: setattr(m, "x", nn.Parameter(dovetail.ones(1)) * 2) or m.x.shape.nothing, AttributeError),
        (lambda m: m.nothing, AttributeError),
        (lambda m: m.get_submodule("block.7"), AttributeError),
        (lambda m: m.train("yes"), ValueError),
        (lambda m: m.to(dovetail.int64), TypeError),
        (lambda m: nn.Module()(1), NotImplementedError),
        (lambda m: m.load_state_dict([]), TypeError),
        (lambda m: m.load_state_dict({1: dovetail.zeros(1)}), TypeError),
    ],
)
def test_refusals(act, kind):
    with pytest.raises(kind):
        act(Net())


def test_missing_super_init_names_class_and_line():
    class Forgetful(nn.Module):
        def __init__(self):
            self.fc1 = nn.Linear(4, 2)

    class Later(nn.Module):
        def __init__(self):
            self.size = 3

        def forward(self, x):
            return x

    with pytest.raises(AttributeError, match=r"(?s)Forgetful.*fc1.*super\(\).__init__\(\)"):
        Forgetful()
    with pytest.raises(AttributeError, match=r"(?s)Later.*super\(\).__init__\(\)"):
        Later().parameters().__next__()


# -- modes and conversions ---------------------------------------------------------------------------------------------


def test_modes_apply_and_requires_grad():
    net, seen = Net(), []
    assert net.eval() is net and not any(m.training for m in net.modules())
    net.train()
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "ReLU", "Linear", "Sequential", "Net"]
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    net.fc1.requires_grad_()
    net(dovetail.ones(1, 4)).sum().backward()
    assert net.fc1.weight.grad is not None and net.block[1].weight.grad is None
    net.zero_grad()
    assert net.fc1.weight.grad is None


def test_conversions_keep_the_parameter_objects():
    net = Net()
    weight = net.fc1.weight
    assert net.double() is net and net.fc1.weight is weight and weight.dtype is dovetail.float64
    assert net.scale.dtype is dovetail.float64
    assert net.to(dovetail.float32).fc1.weight.dtype is dovetail.float32
    assert net.to("cpu", dovetail.float16).fc1.bias.dtype is dovetail.float16
    assert net.float().to(dovetail.ones(1, dtype=dovetail.float64)).fc1.bias.dtype is dovetail.float64
    net.register_buffer("count", dovetail.tensor(3))
    assert net.half().count.dtype is dovetail.int64


def test_copies_and_pickles():
    net = Net()
    clone = copy.deepcopy(net)
    assert clone.fc1.weight is clone.fc1._parameters["weight"] is not net.fc1.weight
    nn.init.zeros_(clone.fc1.weight)
    assert net.fc1.weight.abs().sum().item() > 0
    again = pickle.loads(pickle.dumps(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))))
    again._modules["0"] = nn.Identity()
    assert isinstance(again[0], nn.Identity) and "running_mean" in again[1].state_dict()


# -- state -------------------------------------------------------------------------------------------------------------


def test_state_round_trip_and_assign():
    a, b = Net(), Net()
    assert repr(b.load_state_dict(a.state_dict())) == "<All keys matched successfully>"
    assert b.fc1.weight.tolist() == a.fc1.weight.tolist() and b.fc1.weight is not a.fc1.weight
    state = {k: dovetail.zeros(*v.shape) for k, v in a.state_dict().items()}
    b.load_state_dict(state, assign=True)
    assert isinstance(b.fc1.weight, nn.Parameter) and b.fc1.weight.sum().item() == 0
    kept = a.state_dict(keep_vars=True)["fc1.weight"]
    assert kept is a.fc1.weight and not a.state_dict()["fc1.weight"].requires_grad


def test_a_load_that_fails_lists_everything_and_changes_nothing():
    net = Net()
    before = {k: v.tolist() for k, v in net.state_dict().items()}
    state = {k: dovetail.zeros(*v.shape) for k, v in net.state_dict().items()}
    state["fc1.weight"] = dovetail.zeros(5, 5)
    state["stranger"] = state.pop("block.1.bias")
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    text = str(error.value)
    assert all(
        s in text for s in ('Missing key(s) in state_dict: "block.1.bias"', '"stranger"', "size mismatch for fc1")
    )
    assert {k: v.tolist() for k, v in net.state_dict().items()} == before
    del state["fc1.weight"]
    result = net.load_state_dict(state, strict=False)
    assert result.missing_keys == ["fc1.weight", "block.1.bias"] and result.unexpected_keys == ["stranger"]
    assert net.fc1.bias.tolist() == [0, 0, 0]


def test_prefixed_names_get_advice():
    net = Net()
    with pytest.raises(RuntimeError, match="(?s)prefix.*DataParallel.*removeprefix"):
        net.load_state_dict({"module." + k: v for k, v in net.state_dict().items()})


def test_versions_hooks_and_extra_state():
    class Counter(nn.Module):
        _version = 7

        def __init__(self):
            super().__init__()
            self.count = 5

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    net, seen = nn.Sequential(Counter()), []
    state = net.state_dict()
    assert state._metadata["0"] == {"version": 7} and state["0._extra_state"] == {"count": 5}
    other = nn.Sequential(Counter())
    other[0].count = 0
    other.register_load_state_dict_post_hook(lambda module, keys: seen.append(list(keys.missing_keys)))
    other.load_state_dict(state)
    assert other[0].count == 5 and seen == [[]]
    net.register_state_dict_post_hook(lambda module, state, prefix, local: state.update(more=1))
    assert net.state_dict()["more"] == 1
    old = nn.BatchNorm1d(2)
    saved = old.state_dict()
    del saved["num_batches_tracked"], saved._metadata
    nn.BatchNorm1d(2).load_state_dict(saved)  # files of PyTorch 0.4 have no counter


def test_functional_call():
    layer = nn.Linear(2, 1)
    given = {"weight": dovetail.ones(1, 2), "bias": dovetail.zeros(1)}
    assert functional_call(layer, given, dovetail.tensor([[1.0, 2.0]])).tolist() == [[3.0]]
    assert layer.weight is layer._parameters["weight"] and isinstance(layer.weight, nn.Parameter)


# -- hooks -------------------------------------------------------------------------------------------------------------


def test_forward_hooks():
    layer, seen = nn.Identity(), []
    first = layer.register_forward_pre_hook(lambda m, args: (args[0] + 1,))
    layer.register_forward_hook(lambda m, args, out: out * 10)
    layer.register_forward_hook(lambda m, args, kwargs, out: seen.append(kwargs), with_kwargs=True, prepend=True)
    assert layer(dovetail.tensor(1.0)).item() == 20.0 and seen == [{}]
    first.remove()
    assert layer(dovetail.tensor(1.0)).item() == 10.0
    with register_module_forward_hook(lambda m, args, out: seen.append(type(m).__name__)):
        nn.ReLU()(dovetail.ones(1))
    assert seen[-1] == "ReLU"


def test_hooks_that_are_always_called():
    class Fails(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    layer, seen = Fails(), []
    layer.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    with pytest.raises(ValueError):
        layer(1)
    assert seen == [None]


def test_backward_hooks_see_and_change_gradients():
    layer, seen = nn.Linear(2, 1, bias=False), []
    nn.init.ones_(layer.weight)
    layer.register_full_backward_pre_hook(lambda m, out: (out[0] * 3,))
    layer.register_full_backward_hook(
        lambda m, into, out: seen.append((into[0].tolist(), out[0].tolist())) or (into[0] * 2,)
    )
    x = dovetail.ones(1, 2).requires_grad_()
    for _ in range(2):
        x.grad = None
        layer(x).sum().backward()
        assert x.grad.tolist() == [[6.0, 6.0]]
    assert seen == [([[3.0, 3.0]], [[3.0]])] * 2


# -- printing, errors, cost --------------------------------------------------------------------------------------------


def test_prints_nested():
    assert repr(Net()) == (
        "Net(\n  (fc1): Linear(in_features=4, out_features=3, bias=True)\n  (block): Sequential(\n    (0): ReLU()\n"
        "    (1): Linear(in_features=3, out_features=2, bias=True)\n  )\n)"
    )


def test_errors_name_the_layer_by_the_users_names():
    net = Net()
    with pytest.raises(ShapeError) as error:
        net(dovetail.ones(2, 5))
    text = str(error.value)
    assert "net.fc1 = Linear(4, 3)" in text and "built on line" in text and "nn.Linear(5, 3)" in text
    model = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(3, 2), nn.Linear(4, 1)))
    with pytest.raises(ShapeError, match=r"model\[1\]\[1\] = Linear\(4, 1\)"):
        model(dovetail.ones(2, 3))

    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = {"head": nn.Linear(3, 2)}

        def forward(self, x):
            return self.parts["head"](x)

    with pytest.raises(ShapeError, match=r"parts\['head'\] = Linear\(3, 2\)"):
        Holder()(dovetail.ones(2, 5))


def test_images_and_single_samples_get_their_own_advice():
    with pytest.raises(ShapeError, match=r"permute\(0, 3, 1, 2\)"):
        nn.Conv2d(3, 4, 3)(dovetail.ones(2, 8, 8, 3))
    with pytest.raises(ShapeError, match=r"flatten\(1\)"):
        nn.Linear(64, 2)(dovetail.ones(2, 1, 8, 8))


def test_a_call_is_one_python_frame_more_than_forward():
    class Bare(nn.Module):
        def forward(self, x):
            return x

    bare, frames = Bare(), []
    bare(1)  # forgets that other tests had hooks on all modules
    sys.setprofile(lambda frame, event, arg: frames.append(frame.f_code.co_name) if event == "call" else None)
    try:
        bare(1)
    finally:
        sys.setprofile(None)
    assert frames == ["__call__", "forward"]
