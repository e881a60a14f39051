"""What an optimizer notices about a training loop: values that are no numbers, steps that can change nothing.

Looking costs something, so it is done at steps 2, 3, 4, ... 10, 12, 15, ..., each a quarter later than the one before,
and a few small parameters stand for all: a loss that is not finite spoils every one it depends on.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from dovetail.base.errors import message, warn
from dovetail.base.source import line_of
from dovetail.nn.module import MemberIterator, Module
from dovetail.tensor.autograd import BACKWARD
from dovetail.tensor.recorder import current
from dovetail.tensor.tensor import Tensor

NEVER = sys.maxsize
LOOKED_AT = 3  # parameters, the smallest ones


def look(optimizer: Any, entries: list[tuple], steps: int) -> int:
    """Warn where a parameter is no longer finite. Returns the step at which to look again."""
    if steps >= 2:  # at the first one the values may not have been computed yet
        for p, *_ in sorted(entries, key=lambda entry: entry[0]._meta.numel)[:LOOKED_AT]:
            if not finite(p._memory()) and not finite(p.detach()._array()):
                warn_not_finite(optimizer, p, steps)
                return NEVER
    return steps + max(1, steps // 4)


def finite(a: np.ndarray) -> bool:
    return a.dtype.kind != "f" or bool(np.isfinite(a).all())


def warn_not_finite(optimizer: Any, p: Tensor, steps: int) -> None:
    lr = optimizer.param_groups[0].get("lr")
    rate = float(lr) if lr is not None else 0.0
    at = line_of(optimizer._built_at)
    kind = "nan" if np.isnan(p.detach()._array()).any() else "inf"
    facts = [
        f"the loss was {kind if steps > 2 else 'nan or inf'} by then; from here on no step can repair the parameters",
        f"learning rate lr={rate:g}{f', given on {at}' if at else ''}",
    ]
    cure = f"Lower the learning rate, for example lr={smaller(rate):g}, or clip the gradients (clip_grad_norm_)"
    if steps <= 3:
        first = "Look for nan in the data and for log(0) or a division by 0 in the loss first"
        cure = f"{first}\n{cure}"
    problem = f"parameters became {kind} by step {steps}: one of shape {tuple(p.shape)} is not finite"
    warn(message(f"{type(optimizer).__name__}.step", problem, facts, cure))


def smaller(rate: float) -> float:
    """A learning rate to try instead."""
    return min(rate / 10, 0.01)


class Idle:
    """Steps that found no gradient anywhere, counted while each follows a forward pass of its own."""

    __slots__ = ("times", "seen")

    def __init__(self) -> None:
        self.times = 0
        self.seen = (0, 0)  # the run, and how many events of it, at the last such step

    def note(self, optimizer: Any) -> None:
        rec = current()
        serial, since = self.seen
        if rec.node is rec.root or (rec.run.serial == serial and rec.node.depth <= since):
            return
        since = since if rec.run.serial == serial else 0
        self.seen = (rec.run.serial, rec.node.depth)
        params = {id(p) for group in optimizer.param_groups for p in group["params"]}
        path = rec.node.path()[since:]
        went_back = next((e for e in reversed(path) if e.op is BACKWARD), None)
        if went_back is not None:
            used = any(id(rec.slots[s]) in params for s in (*went_back.extra.leaf_slots, *went_back.extra.accumulated))
        else:
            forward = [e for e in path if any(m.requires_grad for _, m, _ in e.outs)]
            used = any(id(rec.slots[s]) in params for e in forward for s in e.ins)
            if not used:
                return
        self.times += 1
        if self.times != 2:
            return
        self.warn(optimizer, used, went_back)

    def warn(self, optimizer: Any, used: bool, went_back: Any) -> None:
        problem = "no parameter has a gradient, so this step changes nothing"
        at = line_of(optimizer._built_at)
        back = line_of(went_back.where) if went_back is not None else ""
        if went_back is None:
            facts = ["the model was run, but backward() was not called on the loss"]
            cure = "Call loss.backward() before optimizer.step()"
        elif used:
            facts = [f"backward() on {back} gave them gradients, which were cleared before the step"]
            cure = "Call optimizer.zero_grad() before backward(), not between backward() and step()"
        else:
            facts = [f"backward() on {back} reached none of the parameters that the optimizer was given"]
            facts += [f"the optimizer was made on {at}"] if at else []
            cure = (
                "Give it the parameters of the model that computes the loss, model.parameters(),\n"
                "and let no item(), detach() or torch.tensor(...) stand between the model and the loss"
            )
        warn(message(f"{type(optimizer).__name__}.step", problem, facts, cure))


def warn_hidden(params: Any, name: str) -> None:
    """Warn where layers in a plain list or dict of the model stay unknown to the optimizer."""
    module = params.module if isinstance(params, MemberIterator) else None
    if module is None:
        return
    known = {id(p) for p in module.parameters()}
    for path, owner in module.named_modules():
        for attribute, value in vars(owner).items():
            if attribute.startswith("_") or not isinstance(value, (list, tuple, dict)) or len(value) < 2:
                continue
            members = list(value.values()) if isinstance(value, dict) else list(value)
            if not all(isinstance(m, Module) for m in members):
                continue
            missed = [p for m in members for p in m.parameters() if p.requires_grad and id(p) not in known]
            if not missed:
                continue
            where = f"{path}.{attribute}" if path else attribute
            what, wanted = type(value).__name__, "ModuleDict" if isinstance(value, dict) else "ModuleList"
            file, line = vars(members[0]).get("_built_at", ("", 0))
            built = line_of((file, line, ""))
            warn(message(
                name,
                f"{len(missed)} parameters of {type(module).__name__} are not trained: layers in {where} are not seen",
                [f"{where} is a plain {what} of {len(members)} layers{f', built on {built}' if built else ''}; "
                 f"{type(owner).__name__}.parameters() leaves them out"],
                f"self.{attribute} = nn.{wanted}({'{...}' if isinstance(value, dict) else '[...]'}) makes them known",
            ))  # fmt: skip
            return
