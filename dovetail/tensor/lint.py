"""Programs that run but carry too much along: noticed while a call is recorded for the first time, never on replays."""

from __future__ import annotations

import ast
import weakref
from typing import Any

from dovetail.base import source
from dovetail.base.errors import message, user_site, warn
from dovetail.tensor.tensor import Tensor

SUMS = frozenset(("add", "add_"))
totals: dict[tuple, tuple] = {}  # place in the program -> (what the sum there gave last, the run it was made in)


def spent(rec: Any, t: Tensor) -> bool:
    """Whether a backward has gone through the graph of `t`."""
    if t._hist is not None:
        instance, index = t._hist
        return instance is None or index in instance.freed
    value = rec.sync().values.get(t._slot) if t._run is rec.run else None
    return value is not None and value in rec.state.freed


def running_total(rec: Any, tensors: list, result: Tensor, serial: int, old: bool) -> None:
    """Warn where a sum carries the graphs of earlier steps along: total += loss. `old`: an operand's graph is spent."""
    site = user_site()
    before, made_in = totals.get(site, (None, serial))
    if before is not None and old and made_in != serial and len(tensors) == 2 and any(t is before() for t in tensors):
        warn_total()
    if len(totals) > 1000:
        totals.clear()
    totals[site] = (weakref.ref(result), serial)


def warn_total() -> None:
    node = source.running()
    target, part = "the total", ""
    if isinstance(node, ast.AugAssign):
        target, part = base_name(node.target) or target, source.short(node.value)
    elif isinstance(node, ast.BinOp):
        target, part = base_name(node.left) or target, source.short(node.right)
    part = part or "loss"
    warn(message(
        "add",
        f"{target} adds up tensors that still require grad and so carries the graph (the history) of every step; "
        "in PyTorch memory grows with each",
        [f"backward() has used the graph of {part} already, so {target} needs the number alone"],
        f"{target} += {part}.item(), or {part}.detach() to keep a tensor",
    ))  # fmt: skip


def base_name(node: ast.AST) -> str:
    while isinstance(node, ast.Subscript):
        node = node.value
    return source.short(node)
