"""A model's graph for TensorBoard, from what the recorder wrote down while the model ran once.

Each call of an op is a node; modules are the scopes around them. Who reads what follows from the recorder's slots.
"""

from __future__ import annotations

import re
from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.board.records import proto
from dovetail.nn.module import Module
from dovetail.tensor.modes import no_grad
from dovetail.tensor.recorder import current
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.trace import Event

MISFITS = re.compile(r"[^A-Za-z0-9_.\\/-]")  # what TensorBoard does not take in a name


class Scopes:
    """Which modules were running at each point of the trace."""

    def __init__(self, model: Module):
        self.now: list[str] = [type(model).__name__]
        self.spans: list[tuple[int, int, str]] = []
        self.handles = []
        for name, module in model.named_modules():
            if name:
                short = f"{type(module).__name__}[{name.rpartition('.')[2]}]"
                self.handles.append(module.register_forward_pre_hook(self.entered(short)))
                self.handles.append(module.register_forward_hook(self.left))
        self.begun: list[int] = []

    def entered(self, name: str):
        def hook(module: Module, inputs: tuple) -> None:
            self.now.append(name)
            self.begun.append(current().node.depth)

        return hook

    def left(self, module: Module, inputs: tuple, output: Any) -> None:
        self.spans.append((self.begun.pop(), current().node.depth, "/".join(self.now)))
        self.now.pop()

    def at(self, depth: int) -> str:
        """The innermost scope of the call at `depth`."""
        inside = [span for span in self.spans if span[0] < depth <= span[1]]
        return max(inside, key=lambda span: len(span[2]))[2] if inside else self.now[0]

    def stop(self) -> None:
        for handle in self.handles:
            handle.remove()


def graph_of(model: Module, inputs: Any) -> Any:
    """TensorBoard's GraphDef of one run of the model on `inputs` (a tensor, or a tuple or list of arguments).

    Raises: ArgumentError if the model is none, or looked at a value in the middle so that no one graph was recorded.
    """
    if not isinstance(model, Module):
        facts = [("received", type(model).__name__)]
        raise ArgumentError(message("add_graph", "takes a module and an input for it", facts))
    given = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    rec = current()
    rec.close()
    scopes = Scopes(model)
    try:
        with no_grad():
            first = current().node.depth
            output = model(*given)
            path = [event for event in current().node.path() if event.depth > first]
            slots = current().slots
            names = {id(p): name.replace(".", "/") for name, p in (*model.named_parameters(), *model.named_buffers())}
            named = {id(x): f"input/{n}" for n, x in enumerate(given) if isinstance(x, Tensor)}
            leaves = {
                slot: named.get(id(slots[slot])) or names.get(id(slots[slot]), f"constant/{slot}")
                for event in path
                for slot, fresh in zip(event.ins, event.new or (), strict=False)
                if fresh is not None
            }
    finally:
        scopes.stop()
    if not path:
        cure = "Take item(), tolist() and conditions on values out of forward."
        raise ArgumentError(message("add_graph", "the model's run left no graph", [("output", output)], cure))
    return drawn(path, scopes, leaves, type(model).__name__)


def drawn(path: list[Event], scopes: Scopes, leaves: dict[int, str], root: str) -> Any:
    """The nodes of the message."""
    kinds = proto("node_def").NodeDef
    nodes, made, metas = [], {}, {}

    def node(name: str, op: str, inputs: list[str], shape: tuple[int, ...] | None) -> None:
        shown = kinds(name=MISFITS.sub("_", name), op=op, input=[MISFITS.sub("_", i) for i in inputs])
        if shape is not None:
            sizes = proto("tensor_shape").TensorShapeProto
            one = sizes(dim=[sizes.Dim(size=n) for n in shape])
            listed = proto("attr_value").AttrValue.ListValue(shape=[one])
            shown.attr["_output_shapes"].CopyFrom(proto("attr_value").AttrValue(list=listed))
        nodes.append(shown)

    counts: dict[str, int] = {}
    for event in path:
        if not event.outs and not event.repoints:
            continue
        for slot, fresh in zip(event.ins, event.new or (), strict=False):
            if fresh is not None and slot not in made:
                kind = leaves[slot]
                name = kind if kind.startswith("input/") else f"{root}/{kind}"
                made[slot] = name
                node(name, "IO Node" if kind.startswith("input/") else "Parameter", [], fresh.shape)
        op = getattr(event.op, "name", str(event.op))
        stem = f"{scopes.at(event.depth)}/{op}"
        counts[stem] = counts.get(stem, 0) + 1
        name = stem if counts[stem] == 1 else f"{stem}_{counts[stem] - 1}"
        shape = event.outs[0][1].shape if event.outs else event.repoints[0][2].shape
        node(name, op, [made[slot] for slot in event.ins if slot in made], shape)
        for out in event.outs:
            made[out[0]] = name
        for old, new, _ in event.repoints or ():
            made[old] = made[new] = name
        metas[name] = shape
    node("output/0", "IO Node", [name], metas[name])
    return proto("graph").GraphDef(node=nodes, versions=proto("versions").VersionDef(producer=22))
