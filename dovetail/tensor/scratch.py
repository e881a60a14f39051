"""A recorder on the side: calls inside `scratch()` are worked out in shapes and dtypes and then forgotten.

Nothing is computed unless somebody looks at a value, the trace of the user's program is not touched, and tensors that
were written in place inside have their old values afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dovetail.tensor.recorder import Recorder, local


@contextmanager
def scratch(grad: bool = False) -> Iterator[Recorder]:
    """Record into a recorder of its own, which is dropped at the end."""
    outer = local.rec
    outer.close()  # so that no tensor used inside is pending outside
    inner = Recorder()
    inner.set_modes(grad)
    inner.set_autocast(outer.autocast)
    local.rec = inner
    try:
        yield inner
    finally:
        abandon(inner)
        local.rec = outer


def abandon(rec: Recorder) -> None:
    """Forget the pending trace: what it wrote in place keeps its value from before."""
    metas = {}
    for e in rec.node.path():
        for slot, m in zip(e.ins, e.new, strict=True):
            if m is not None:
                metas[id(rec.slots[slot])] = m
        for _, new, _ in e.repoints:
            t = rec.slots[new]
            if t is not None and t._run is rec.run and t._storage is not None:
                t._run, t._meta = None, metas.get(id(t), t._meta)
    rec.node = rec.root
