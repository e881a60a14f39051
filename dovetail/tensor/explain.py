"""What became of a program: which traces there are, why each ended where it did, and what runs for it.

print(dovetail.explain())        # every trace of this thread with its programs and their kernels
print(dovetail.last_graph())     # the graph of the latest step, a line for each primitive, grouped by op
"""

from __future__ import annotations

from dovetail.ir.core import Graph
from dovetail.tensor.closing import Plan
from dovetail.tensor.recorder import current
from dovetail.tensor.trace import Event


def plans(event: Event) -> list[Plan]:
    """The plans of all traces behind an event, the most used first."""
    found, stack = [], [event]
    while stack:
        e = stack.pop()
        if e.closings is not None:
            found += e.closings.plans.values()
        stack += e.children
    return sorted(found, key=lambda p: -p.runs)


def explain(most: int = 10) -> str:
    """Traces and programs of this thread, the most used first: how often each ran, in which tier, and its kernels.

    >>> explain().startswith("traces")
    True
    """
    rec = current()
    rec.close()
    found = sorted((p for root in rec.roots.values() for p in plans(root)), key=lambda p: -p.runs)
    rows = [f"traces of this thread: {rec.events} calls remembered, {len(found)} programs"]
    rows += [describe(p) for p in found[:most]]
    if len(found) > most:
        rows.append(f"... and {len(found) - most} more")
    return "\n".join(rows)


def describe(p: Plan) -> str:
    """One program: where it begins and ends, its runs, its tier."""
    path = p.source.event.path()
    calls = len(path)
    first, last = path[0].where, path[-1].where
    names = " ".join(getattr(e.op, "name", str(e.op)) for e in path[:6]) + (" ..." if calls > 6 else "")
    tier = "NumPy interpreter"
    if p.program is not None:
        tier = "compiled"
    elif p.ticket is not None:
        tier = (
            "being compiled"
            if p.ticket.error is None
            else f"NumPy interpreter, since compiling failed: {p.ticket.error}"
        )
    rows = [
        f"{p.runs} runs, {tier}: {calls} calls, {len(p.graph.nodes)} primitives; {names}",
        f"  from {place(first)} to {place(last)}; ended because {p.reason}",
        f"  results kept: {len(p.outs)} tensors, {len(p.grads)} gradients, {len(p.mutated)} written in place",
    ]
    if p.program is not None:
        rows += ["  " + line for line in p.program.describe().split("\n")]
    return "\n".join(rows)


def place(where: tuple[str, int, str]) -> str:
    return f"{where[0]}:{where[1]}" if where[0] else "the start"


def last_graph() -> Graph | None:
    """The graph of the program that ran last on this thread, or None; its text is a listing grouped by op."""
    rec = current()
    rec.close()
    return rec.last.graph if rec.last is not None else None
