"""`backward` and `grad` for every program: as one event where only the graph is involved, in stages where Python is.

Python code on the gradient's way (hooks, custom Functions, checkpoints) is a joint (`joint.py`). The gradient is taken
from the outputs to the nearest joints, the code runs on gradient tensors like any other program, and the next stage
starts from what it returned. Joints are met in the reverse order of their making, so each sees its whole gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dovetail.base.config import config
from dovetail.base.errors import GradientError, message
from dovetail.tensor import autograd
from dovetail.tensor.autograd import (
    BACKWARD,
    GRAD,
    STAGE,
    NeedsStages,
    free,
    ones_for,
    require_differentiable,
    stage,
)
from dovetail.tensor.joint import drop_joint, joint_of
from dovetail.tensor.modes import GradMode
from dovetail.tensor.recorder import local
from dovetail.tensor.tensor import Tensor

Given = Sequence[Tensor | None]


def backward(
    outputs: Sequence[Tensor],
    cotangents: Given,
    retain_graph: bool = False,
    create_graph: bool = False,
    inputs: Sequence[Tensor] | None = None,
) -> None:
    """Add d(sum of outputs * cotangents)/d(leaf) to `.grad` of every leaf (or of `inputs`) the outputs depend on."""
    for t in outputs:
        require_differentiable(t, "backward")
    check_cotangents("backward", outputs, cotangents)
    if local.rec.capture is not None:
        local.rec.capture.refuse_backward()
    if inputs is not None:
        found = grad(outputs, inputs, cotangents, retain_graph, create_graph, allow_unused=True)
        for t, g in zip(inputs, found, strict=True):
            if g is not None:
                accumulate(t, g, create_graph)
        return
    if not in_stages():
        try:
            autograd.backward(outputs, cotangents, retain_graph, create_graph)
            return look_for_anomaly()
        except NeedsStages:
            local.rec.clear_beyond(local.rec.node.end)
    with GradMode(create_graph):
        way = Way(create_graph)
        way.run(outputs, cotangents)
        way.store()
        if not (retain_graph or create_graph):
            way.free()
    look_for_anomaly()


def look_for_anomaly() -> None:
    """While detect_anomaly is on, gradients are computed at once, so that an error is raised by backward itself."""
    if config.anomaly:
        local.rec.close()


def grad(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    cotangents: Given,
    retain_graph: bool = False,
    create_graph: bool = False,
    allow_unused: bool = False,
    materialize: bool = False,
    batch: int | None = None,
) -> tuple:
    """d(sum of outputs * cotangents)/d(input) for each input, as new tensors; None for unused ones if allowed.

    batch: how many cotangents there are for each output, along their dim 0; the results have that dim too.
    """
    check_cotangents("autograd.grad", outputs, cotangents, batch is not None)
    behind = any(not t._leaf and t._meta.requires_grad and t._run is not local.rec.run for t in inputs)
    if not behind and not in_stages():
        try:
            return autograd.grad(
                outputs, inputs, cotangents, retain_graph, create_graph, allow_unused, materialize, batch
            )
        except NeedsStages:
            local.rec.clear_beyond(local.rec.node.end)
    if batch is not None:
        raise NeedsStages  # the caller asks for one after the other
    for t in outputs:
        require_differentiable(t, "autograd.grad")
    for i, t in enumerate(inputs):
        if not t._meta.requires_grad:
            text = f"input {i} does not require grad: one of the differentiated Tensors does not require grad"
            cure = "Call x.requires_grad_() before using it"
            raise GradientError(message("autograd.grad", text, [("input", t)], cure))
    with GradMode(create_graph):
        found = captured(outputs, inputs, cotangents, retain_graph, create_graph)
    made = []
    for i, (t, g) in enumerate(zip(inputs, found, strict=True)):
        if g is None and materialize:
            g = Tensor.zeros_like(t)
        elif g is None and not allow_unused:
            text = f"input {i} was not used to compute the outputs: "
            text += "one of the differentiated Tensors appears to not have been used in the graph"
            cure = "Pass allow_unused=True to get None for it, or materialize_grads=True to get zeros"
            raise GradientError(message("autograd.grad", text, [("input", t)], cure))
        made.append(g)
    return tuple(made)


def captured(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Given, retain: bool, create: bool
) -> list:
    """The gradients at `inputs`, which may lie anywhere in the graph, or None."""
    new = [t for t in inputs if t._joint is None and not t._leaf]
    cells: dict[int, list] = {}
    way = Way(create)
    try:
        for t in inputs:
            if not t._leaf:
                joint = joint_of(t)
                joint.captured = cells[id(t)] = cells.get(id(t)) or []
        way.run(outputs, cotangents)
        leaves = way.leaf_gradients()
    finally:
        for t in inputs:
            if t._joint is not None:
                t._joint.captured = None
        for t in new:
            drop_joint(t)
    if not (retain or create):
        way.free()
    found: list = []
    for t in inputs:
        here = [g for p, g in leaves if p is t] if t._leaf else cells[id(t)]
        found.append(here[0] if here else None)
    return found


def in_stages() -> bool:
    """Whether this run has met Python code on the gradient's way, or did at this point of the trace before."""
    rec = local.rec
    if rec.run.hooked or any(t._joint is not None for t in rec.run.joints):
        return True
    after = [e.op for e in rec.node.children]
    after += [e.op for child in rec.node.children if child.op == "modes" for e in child.children]
    return STAGE in after and BACKWARD not in after and GRAD not in after


class Way:
    """One backward call, from its outputs back to the leaves."""

    def __init__(self, create_graph: bool):
        self.create_graph = create_graph
        self.leaves: dict[int, tuple[Tensor, Tensor, bool]] = {}  # id -> (leaf, gradient so far, ours to keep)
        self.waiting: dict[int, tuple] = {}  # id of tensor or node -> (order, tensor or None, node or None, gradients)
        self.visited: set = set()
        self.starts: list[Tensor] = []
        self.nodes: list[Any] = []

    def run(self, outputs: Sequence[Tensor], cotangents: Given) -> None:
        """Follow the gradient until it has reached leaves only."""
        self.send(zip(outputs, cotangents, strict=True))
        while self.waiting:
            at = max(self.waiting, key=lambda i: self.waiting[i][0])
            _, t, node, gradients = self.waiting.pop(at)
            if node is None:
                if t._joint.steps:
                    self.step(t, t._joint.apply(gradients[0]))
                else:
                    self.stage([t], [t._joint.apply(gradients[0])])
                continue
            self.nodes.append(node)
            gradients = [None if g is None else j.apply(g) for j, g in zip(node.joints, gradients, strict=True)]
            self.send(node.backward(gradients, self.create_graph), ours=False)

    def send(self, pairs: Any, ours: bool = True) -> None:
        """Gradients for tensors anywhere: those inside the graph go back in one stage."""
        inside: list[tuple] = []
        for t, g in pairs:
            if t._leaf or t._joint is not None:
                self.arrive(t, ones(t) if g is None else g, ours)
            else:
                inside.append((t, g))
        if inside:
            self.stage([t for t, _ in inside], [g for _, g in inside])

    def stage(self, outputs: list, gradients: list) -> None:
        pairs, info = stage(outputs, gradients, self.create_graph)
        self.starts += outputs
        self.visited |= info.visited
        for t, g in pairs:
            self.arrive(t, g, True)

    def step(self, t: Tensor, g: Tensor) -> None:
        """Only the step that made `t`, whose inputs stop the gradient, with its hooks."""
        pairs, info = stage([t], [g], self.create_graph)
        self.starts.append(t)
        self.visited |= info.visited
        inputs = t._joint.inputs
        found = tuple(next((g for p, g in pairs if p is x), None) for x in inputs)
        for hook in list(t._joint.steps.values()):
            changed = hook(found, (g,))
            if changed is None:
                continue
            if not isinstance(changed, tuple):
                raise TypeError(f"expected tuple, but hook returned '{type(changed).__name__}'")
            if len(changed) != len(found):
                text = f"a hook has returned an incorrect number of values (got {len(changed)}, "
                raise GradientError(message("hook", f"{text}but expected {len(found)})"))
            found = changed
        for x, g_in in zip(inputs, found, strict=True):
            if x is not None and g_in is not None:
                self.arrive(x, g_in, False)

    def arrive(self, t: Tensor, g: Tensor, ours: bool) -> None:
        joint = t._joint
        if t._leaf or joint is None:
            before = self.leaves.get(id(t))
            self.leaves[id(t)] = (t, g, ours) if before is None else (t, before[1] + g, True)
            return
        node = joint.node
        if node is None:
            before = self.waiting.get(id(t))
            self.waiting[id(t)] = (joint.order, t, None, [g if before is None else before[3][0] + g])
            return
        if id(node) not in self.waiting:
            self.waiting[id(node)] = (node.order(), None, node, [None] * len(node.joints))
        gradients = self.waiting[id(node)][3]
        gradients[joint.index] = g if gradients[joint.index] is None else gradients[joint.index] + g

    def leaf_gradients(self) -> list[tuple[Tensor, Tensor]]:
        """[(leaf, its whole gradient after its hooks)]"""
        return [(t, g if t._joint is None else t._joint.apply(g)) for t, g, _ in self.leaves.values()]

    def store(self) -> None:
        """Add up `.grad` of the leaves and tell those who wait for it."""
        for t, g, ours in self.leaves.values():
            given = g if t._joint is None else t._joint.apply(g)
            if given is not g or not ours or t._joint is not None and t._joint.hooks:  # others may know it
                given = given.clone() if self.create_graph or not given._meta.requires_grad else given.detach().clone()
            if t._joint is not None and t._joint.after:
                t._joint.given = given.detach().clone()
            accumulate(t, given, self.create_graph)
        for t, _, _ in self.leaves.values():
            if t._joint is not None:
                for hook in list(t._joint.after.values()):
                    hook(t)

    def free(self) -> None:
        """Let go of what only this backward needed."""
        free(self.visited)
        for node in self.nodes:
            node.free()
        for t in self.starts:
            if t._hist is not None and t._hist[0] is not None:
                t._hist[0].free(t._hist[1], ("", 0, ""))
        run = local.rec.run
        run.joints[:] = [t for t in run.joints if t._joint is None or not any(t._joint.node is n for n in self.nodes)]


def accumulate(t: Tensor, g: Tensor, create_graph: bool) -> None:
    """Add to `.grad`: in place, as torch does, unless the sum is to be differentiated."""
    if t._grad is None:
        t.grad = g
    elif create_graph or t.grad._meta.requires_grad:
        with GradMode(create_graph):
            t.grad = t.grad + g
    else:
        with GradMode(False):
            t.grad.add_(g)


def ones(t: Tensor) -> Tensor:
    """The gradient of a single number with respect to itself."""
    if t._meta.numel != 1:
        ones_for(t, None)  # raises
    return Tensor.from_array(np.ones(t._meta.shape, t._meta.dtype.np))


def check_cotangents(call: str, outputs: Sequence[Tensor], cotangents: Given, batched: bool = False) -> None:
    if len(outputs) != len(cotangents):
        raise GradientError(message(call, f"got {len(outputs)} tensors and {len(cotangents)} gradients"))
    for t, c in zip(outputs, cotangents, strict=True):
        if c is not None and not isinstance(c, Tensor):
            raise TypeError(message(call, f"gradients can be either Tensors or None, but got {type(c).__name__}"))
        if c is not None and c._meta.shape[int(batched) :] != t._meta.shape:
            facts = [("output", t), ("gradient", c)]
            raise GradientError(
                message(call, "mismatch in shape: the gradient's sizes differ from the output's", facts)
            )
