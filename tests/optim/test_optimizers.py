"""Every optimizer against numbers that PyTorch gave (reference.json), and what all of them share."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from optim_cases import OPTIMIZERS, STEPS, gradients, start

import dovetail
from dovetail import nn, optim
from dovetail.base.errors import ArgumentError, DovetailWarning
from dovetail.nn import functional as F

REFERENCE = json.loads(Path(__file__).with_name("reference.json").read_text())["optimizers"]
NAMES = sorted({name for name, _ in OPTIMIZERS})


def made(name: str, settings: dict):
    """(parameters at their first values, optimizer)."""
    params = [nn.Parameter(dovetail.tensor(a)) for a in start(name)]
    return params, getattr(optim, name)(params, **settings)


def feed(params, name: str, step: int) -> None:
    for p, g in zip(params, gradients(name, step), strict=True):
        p.grad = dovetail.tensor(g)


def close(got, want, name: str) -> None:
    loose = name == "Muon"  # products in bfloat16, added up in another order
    np.testing.assert_allclose(got, want, rtol=3e-3 if loose else 2e-5, atol=2e-3 if loose else 2e-6)


@pytest.mark.parametrize("name, settings", OPTIMIZERS, ids=[f"{n} {json.dumps(s)}" for n, s in OPTIMIZERS])
def test_agrees_with_torch(name, settings):
    want = REFERENCE[f"{name} {json.dumps(settings)}"]
    params, optimizer = made(name, settings)
    for step in range(1, STEPS + 1):
        feed(params, name, step)
        optimizer.step()
        for p, w in zip(params, want["params"].get(str(step), []), strict=False):
            close(p.detach().numpy().reshape(-1), w, name)
    saved = optimizer.state_dict()
    assert [sorted(g) for g in saved["param_groups"]] == want["groups"]
    for i, entries in want["state"].items():
        assert set(saved["state"][int(i)]) == set(entries)
        for key, w in entries.items():
            close(saved["state"][int(i)][key].numpy().reshape(-1), w, name)


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_resumed_goes_on_as_if_nothing_had_happened(name):
    params, optimizer = made(name, {"lr": 0.05})
    for step in range(1, 5):
        feed(params, name, step)
        optimizer.step()
    others = [nn.Parameter(p.detach().clone()) for p in params]
    resumed = getattr(optim, name)(others, lr=0.9)
    resumed.load_state_dict(pickle.loads(pickle.dumps(optimizer.state_dict())))
    for step in range(5, 9):
        for ps, o in ((params, optimizer), (others, resumed)):
            feed(ps, name, step)
            o.step()
    for p, q in zip(params, others, strict=True):
        close(q.detach().numpy(), p.detach().numpy(), name)


@pytest.mark.parametrize("name", [*NAMES, "LBFGS"])
def test_finds_the_minimum_of_a_bowl(name):
    shape = (2, 2) if name == "Muon" else (3,)
    w = nn.Parameter(dovetail.ones(shape) * 2)
    rates = {"Adadelta": 20.0, "SGD": 0.1, "LBFGS": 0.5, "ASGD": 0.1, "Muon": 0.05, "Adafactor": 0.1, "Adagrad": 0.3}
    optimizer = getattr(optim, name)([w], lr=rates.get(name, 0.05))
    goal = dovetail.full(shape, 0.5)

    def closure():
        optimizer.zero_grad()
        loss = ((w - goal) ** 2).sum()
        loss.backward()
        return loss

    first = closure().item()
    for _ in range(100):
        optimizer.step(closure)
    assert closure().item() < 0.05 * first


def test_two_groups_have_their_own_rates():
    a, b = nn.Parameter(dovetail.ones(2)), nn.Parameter(dovetail.ones(2))
    optimizer = optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.1}], lr=1.0)
    a.grad = b.grad = dovetail.ones(2)
    optimizer.step()
    assert (a.tolist(), b.tolist()) == ([0.0, 0.0], pytest.approx([0.9, 0.9]))


def test_a_changed_rate_and_an_added_group_are_seen():
    a, b = nn.Parameter(dovetail.zeros(1)), nn.Parameter(dovetail.zeros(1))
    optimizer = optim.SGD([a], lr=1.0)
    for rate in (1.0, 1.0, 0.5, 0.25):
        optimizer.param_groups[0]["lr"] = rate
        a.grad = dovetail.ones(1)
        optimizer.step()
    assert a.item() == -2.75
    optimizer.add_param_group({"params": b, "lr": 3.0})
    b.grad = dovetail.ones(1)
    a.grad = None
    optimizer.step()
    assert (a.item(), b.item()) == (-2.75, -3.0)


def test_a_tensor_as_rate_may_change_in_place():
    p, rate = nn.Parameter(dovetail.zeros(1)), dovetail.tensor(1.0)
    optimizer = optim.SGD([p], lr=rate)
    for _ in range(3):
        p.grad = dovetail.ones(1)
        optimizer.step()
        rate.mul_(0.5)
    assert p.item() == -1.75


def test_parameters_without_gradient_stay():
    used, unused = nn.Parameter(dovetail.ones(2)), nn.Parameter(dovetail.ones(2))
    optimizer = optim.Adam([used, unused], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (used * 2).sum().backward()
        optimizer.step()
    assert unused.tolist() == [1.0, 1.0] and unused not in optimizer.state
    assert used.tolist() != [1.0, 1.0]


def test_training_loop_with_changing_batch_sizes():
    dovetail.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = optim.AdamW(model.parameters(), lr=0.02)
    x = dovetail.randn(30, 4)
    y = x.sum(1, keepdim=True)
    losses = []
    for _ in range(40):
        for part in (slice(0, 16), slice(16, 30)):
            optimizer.zero_grad()
            loss = F.mse_loss(model(x[part]), y[part])
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def test_hooks_and_closure():
    p = nn.Parameter(dovetail.ones(1))
    optimizer, seen = optim.SGD([p], lr=0.1), []
    before = optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("before"))
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("after"))

    def closure():
        seen.append("closure")
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 1.0
    before.remove()
    optimizer.step()
    assert seen == ["before", "closure", "after", "after"]


def test_own_optimizer_with_its_own_step():
    class Sign(optim.Optimizer):
        def __init__(self, params, lr=0.1):
            super().__init__(params, {"lr": lr})

        @dovetail.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.add_(p.grad.sign(), alpha=-group["lr"])

    p = nn.Parameter(dovetail.tensor([1.0, -2.0]))
    optimizer = Sign([p])
    schedule = optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for _ in range(2):
        optimizer.zero_grad()
        (p * p).sum().backward()
        optimizer.step()
        schedule.step()
    assert p.tolist() == pytest.approx([0.85, -1.85])


def test_prints_as_torch_does():
    optimizer = optim.SGD([nn.Parameter(dovetail.ones(1))], lr=0.1)
    assert repr(optimizer).splitlines()[:3] == ["SGD (", "Parameter Group 0", "    dampening: 0"]
    assert copy.deepcopy(optimizer).param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize(
    "params, kind, says",
    [
        (lambda: [], ArgumentError, ["empty parameter list"]),
        (lambda: used_up(nn.Linear(2, 2)), ArgumentError, ["used up", "model.parameters()"]),
        (lambda: hidden().parameters(), ArgumentError, ["Hidden", "layers", "dict", "ModuleDict"]),
        (lambda: nn.Linear(2, 2), TypeError, ["iterable"]),
        (lambda: [nn.Linear(2, 2)], TypeError, ["model.parameters()"]),
        (lambda: dovetail.ones(2), TypeError, ["one tensor"]),
        (lambda: [dovetail.ones(2).requires_grad_() * 2], ArgumentError, ["non-leaf", "detach()"]),
        (lambda: [3.0], TypeError, ["float"]),
    ],
)
def test_refusals_say_why(params, kind, says):
    with pytest.raises(kind) as error:
        optim.Adam(params())
    assert all(s in str(error.value) for s in says), str(error.value)


def used_up(module):
    found = module.parameters()
    list(found)
    return found


def hidden():
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = {"fc": nn.Linear(2, 2)}

    return Hidden()


@pytest.mark.parametrize(
    "name, settings",
    [
        ("SGD", {"lr": -1.0}),
        ("SGD", {"nesterov": True}),
        ("Adam", {"betas": (1.0, 0.9)}),
        ("Adam", {"eps": -1}),
        ("Rprop", {"etas": (1.5, 1.2)}),
        ("Adafactor", {"d": 0.5}),
        ("Muon", {"adjust_lr_fn": "no"}),
    ],
)
def test_bad_settings_are_refused(name, settings):
    with pytest.raises(ValueError):
        getattr(optim, name)([nn.Parameter(dovetail.ones(2, 2))], **settings)


def test_forgotten_zero_grad_is_noticed_once(recwarn):
    p = nn.Parameter(dovetail.ones(3))
    optimizer = optim.SGD([p], lr=0.01)
    for _ in range(8):
        (p * p).sum().backward()
        optimizer.step()
    told = [w for w in recwarn if issubclass(w.category, DovetailWarning)]
    assert len(told) == 1 and "zero_grad" in str(told[0].message)


def test_adding_up_gradients_on_purpose_is_silent(recwarn):
    p = nn.Parameter(dovetail.ones(3))
    optimizer = optim.SGD([p], lr=0.01)
    for _ in range(5):
        for _ in range(3):
            (p * p).sum().backward()
        optimizer.step()
        p.grad.zero_()
    assert not recwarn.list


@pytest.mark.parametrize(
    "given, error, says",
    [
        (None, TypeError, "a state_dict is a dict, got NoneType"),
        ({}, KeyError, "has no 'state', it has nothing"),
        ({"model": 1, "state": {}}, KeyError, "has no 'param_groups', it has 'model', 'state'"),
        ({"state": {0: 5}, "param_groups": []}, TypeError, "state of parameter 0 is a dict, got int"),
        ({"state": {}, "param_groups": []}, ValueError, "different number of parameter groups"),
        ({"state": {}, "param_groups": [{"params": [0]}]}, ValueError, r"\[1\] parameters, the optimizer's \[2\]"),
    ],
)
def test_what_is_no_state_dict_is_refused_and_nothing_loaded(given, error, says):
    net = dovetail.nn.Linear(2, 1)
    optimizer = dovetail.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(dovetail.ones(1, 2)).sum().backward()
    optimizer.step()
    before = {k: v["momentum_buffer"].tolist() for k, v in optimizer.state_dict()["state"].items()}
    with pytest.raises(error, match=says):
        optimizer.load_state_dict(given)
    assert {k: v["momentum_buffer"].tolist() for k, v in optimizer.state_dict()["state"].items()} == before
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_a_wrapper_that_leaves_out_super_init():
    """Lookahead and its like are Optimizers that only hold another one."""

    class Twice(dovetail.optim.Optimizer):
        def __init__(self, inner):
            self.inner, self.param_groups, self.state = inner, inner.param_groups, inner.state

        def step(self):
            self.inner.step()
            self.inner.step()

    w = dovetail.ones(1, requires_grad=True)
    optimizer = Twice(dovetail.optim.SGD([w], lr=0.25))
    (2 * w).sum().backward()
    optimizer.step()
    assert w.item() == 0
