"""Where an overflow comes from: the step that ran last is gone through op by op, with the values it had.

Runs only when something is wrong already. Nothing has been updated since, so parameters and batch are what they were.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from dovetail.base.errors import message
from dovetail.base.source import line_of
from dovetail.ir.core import Node, Value
from dovetail.nn.explain import built_on, short_text, spelled
from dovetail.tensor.anomaly import op_of
from dovetail.tensor.recorder import current


class Evidence:
    """The nodes of the trace that ran last, and the tensors it began with."""

    def __init__(self) -> None:
        rec = current()
        self.nodes: list[Node] = []
        self.leaves: dict[Value, Any] = {}
        if rec.last is not None:
            source = rec.last.source
            self.nodes = source.nodes
            slots = rec.slots_of(source.event)
            held = {s: slots[s] for s in source.leaves if s < len(slots)}
            self.leaves = {
                source.values[s]: t
                for s, t in held.items()
                if t is not None and s in source.values and fits(t, source.values[s])
            }

    def first_overflow(self) -> tuple[Node, str] | None:
        """(node, "inf" or "nan"): the first one that made such a value from finite ones.

        Second choice: from a constant that has become infinite itself, as 1e6 does in float16. Constants of minus
        infinity are how masks are written, and no sign of anything.
        """
        values: dict[Value, np.ndarray] = {v: t._memory() for v, t in self.leaves.items()}
        second: tuple[Node, str] | None = None
        with np.errstate(all="ignore"):
            for node in self.nodes:
                if not all(v in values for v in node.inputs):
                    continue
                made = node.prim.meaning(*[values[v] for v in node.inputs], **node.params)
                for v, a in zip(node.outs, made if len(node.outs) > 1 else (made,), strict=True):
                    values[v] = np.asarray(a, v.dtype.np)
                kind = next((k for v in node.outs if (k := kind_of(values[v]))), "")
                if not kind or all(is_constant(v) for v in node.inputs):
                    continue
                if all(finite(values[v]) for v in node.inputs):
                    return node, kind.removeprefix("-")
                constants = all(finite(values[v]) or is_constant(v) for v in node.inputs)
                if second is None and kind != "-inf" and constants:
                    second = node, kind
        return second

    def nearest(self, node: Node, wanted: set[int]) -> Any:
        """The tensor among `wanted` (ids) that the fewest steps lead to, going back from `node`; None without one."""
        queue, seen = deque(node.inputs), set(node.inputs)
        while queue:
            v = queue.popleft()
            if v in self.leaves:
                if id(self.leaves[v]) in wanted:
                    return self.leaves[v]
            elif v.node is not None:
                queue.extend(i for i in v.node.inputs if i not in seen)
                seen.update(v.node.inputs)
        return None


def fits(t: Any, v: Value) -> bool:
    """Whether a tensor can be what the trace began with: another way through the trie may have used its slot since."""
    return tuple(t._meta.shape) == tuple(v.shape) and t._meta.dtype is v.dtype


def finite(a: np.ndarray) -> bool:
    return a.dtype.kind in "iub" or bool(np.isfinite(a.astype(np.float64, copy=False)).all())


def kind_of(a: np.ndarray) -> str:
    """ "nan", "inf" or "-inf" where the array holds some, else ""."""
    if finite(a):
        return ""
    wide = a.astype(np.float64)
    return "nan" if np.isnan(wide).any() else "inf" if np.isposinf(wide).any() else "-inf"


def is_constant(v: Value) -> bool:
    """Whether a value is a number of the program, or computed from such numbers only."""
    return v.shape == () if v.node is None else all(is_constant(i) for i in v.node.inputs)


def report(optimizer: Any, evidence: Evidence, step: int, scale: float, spoiled: bool) -> str:
    """The message: at which step, made by which op on which line, in which layer, and whose gradients it spoiled."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    facts = []
    found = evidence.first_overflow()
    if found is not None:
        node, kind = found
        name, backward = op_of(node)
        where = line_of(node.where)
        facts.append(
            f"the first {kind} is made by {'the gradient of ' * backward}{name}{f' on {where}' if where else ''}"
        )
        layer = layer_of(optimizer._module, evidence.nearest(node, {id(p) for p in params}))
        if layer:
            facts.append(f"in or just behind layer {layer}")
    spoilt = [name for p, name in zip(params, names_of(optimizer), strict=True) if p.grad is not None and not fine(p)]
    if spoilt:
        more = f" and {len(spoilt) - 4} more" if len(spoilt) > 4 else ""
        facts.append(f"gradients that are not finite: {', '.join(spoilt[:4])}{more}")
    if spoiled:
        problem = f"step {step} was left out: the loss itself is inf or nan, which no scale can mend"
        cure = (
            "Keep the values in front of that line small (float16 ends at 65504), use dtype=torch.bfloat16,\n"
            "or compute that line under torch.autocast('cpu', enabled=False)"
        )
    else:
        problem = f"step {step} was left out: gradients overflow although the scale has come down to {scale:g}"
        cure = "Use dtype=torch.bfloat16, or make the loss smaller"
    return message("GradScaler.step", problem, facts, cure)


def fine(p: Any) -> bool:
    return finite(p.grad.detach().numpy())


def names_of(optimizer: Any) -> list[str]:
    """The parameters' names in the model, or their places among the optimizer's."""
    module = optimizer._module
    known = {} if module is None else {id(p): name for name, p in module.named_parameters()}
    return [
        known.get(id(p), f"parameter {i} of group {g}")
        for g, group in enumerate(optimizer.param_groups)
        for i, p in enumerate(group["params"])
    ]


def layer_of(model: Any, p: Any) -> str:
    """`fc1 = Linear(4, 8), built on line 7 of main.py` for a parameter of the model; "" where it is not known."""
    if model is None or p is None:
        return ""
    for path, module in model.named_modules():
        if any(q is p for q in module._parameters.values()):
            name = f"{spelled(model, path)} = " if path else ""
            return f"{name}{short_text(module)}{built_on(module)}"
    return ""
