"""Facts about numbers that an op relies on and that only the run can see.

A shape is checked when the line runs; a label or an index is a number, unknown until the step is computed. An op says
here what must hold.
"""

from __future__ import annotations

from dovetail.ir.core import Value, scope
from dovetail.prims.elementwise import logical_not
from dovetail.tensor.op import op


def require_in_range(index: Value, low: float, high: float, what: str) -> Value:
    """State that every element of `index` lies in [low, high), or in [low, high] for floats. Returns `index`.

    what: the subject and the cure of the message, for people: "cross_entropy: target must name one of 10 classes".
    """
    if scope.checks is not None:
        scope.checks.append((index, low, high, what))
    return index


@op(top=False, differentiable=False)
def require_all(verdict, words: str):
    """State that `verdict` is true everywhere. Where it is not, looking at what the step has computed is an error.

    words: "call: what is wrong". The step goes on: what is not known when the line runs is checked with it.
    """
    if scope.checks is not None:
        scope.checks.append((logical_not(verdict), 0, None, words))
    return verdict
