"""A tensor's part in gradients: requires_grad_, backward, detach, data.

They stand above Tensor, recorder and autograd, which they join, and are given to Tensor at the end of the file.
"""

from __future__ import annotations

from typing import Any

from dovetail.base.config import config
from dovetail.base.errors import GradientError, message
from dovetail.prims.elementwise import detach as cut_off
from dovetail.runtime.flight import land
from dovetail.tensor import autograd, eager, staged, steps  # noqa: F401  (steps gives Tensor its grad_fn)
from dovetail.tensor.meta import INFERENCE, WATCHED, forget_leaves, meta
from dovetail.tensor.op import op
from dovetail.tensor.recorder import current
from dovetail.tensor.tensor import Tensor


def requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Ask for gradients (or stop asking), in place. Raises GradientError for integer tensors and for non-leaves."""
    if requires_grad and not self._meta.dtype.is_differentiable:
        problem = "only Tensors of floating point and complex dtype can require gradients"
        raise GradientError(message("requires_grad_", problem, [("tensor", self)], "x = x.float() first"))
    if requires_grad and self._meta.history is INFERENCE and not current().inference:
        problem = "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed."
        raise GradientError(
            message("requires_grad_", problem, [("tensor", self)], "x.clone() gives an ordinary tensor")
        )
    if requires_grad == self._meta.requires_grad:
        self._leaf = self._leaf or (requires_grad and self._hist is None and self._run is None)
        return self
    if not requires_grad and not self._leaf:
        problem = "you can only change requires_grad flags of leaf variables"
        raise GradientError(
            message("requires_grad_", problem, [("tensor", self)], "Use x.detach() for a tensor without gradient")
        )
    current().close()
    self._settle()
    self._meta = self._meta.with_grad(requires_grad)
    self._leaf = requires_grad
    forget_leaves()
    current().enter_root()
    return self


def backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradient of this tensor to `.grad` of every leaf it depends on.

    gradient: d(objective)/d(self), needed unless self has one element. retain_graph: allow a second backward.
    Raises GradientError where nothing requires grad, or where the graph has been freed already.
    """
    plain = gradient is None and not retain_graph and not create_graph and inputs is None and not config.anomaly
    if plain and autograd.quick_backward(self):
        return
    keep = create_graph if retain_graph is None else bool(retain_graph)
    if not create_graph and inputs is None and not config.anomaly and eager.backward(self, gradient, keep):
        return
    targets = None if inputs is None else [inputs] if isinstance(inputs, Tensor) else list(inputs)
    staged.backward([self], [gradient], keep, create_graph, targets)


@op(top=False, view=True, differentiable=False, name="detach")
def detached(input):
    """The same numbers, cut off from the gradient, of a tensor that is still pending."""
    return cut_off(input)


@op(top=False, view=True, differentiable=False, name="data")
def as_data(input):
    """As detached; an op of its own, since a trace must tell a write that counts from one that does not."""
    return cut_off(input)


def detach(self: Tensor) -> Tensor:
    """The same values and memory without gradient."""
    if self._run is not None and not self._leaf:
        return detached(self)
    return self._alias(self._meta.shape, self._meta.strides, 0)


def data_of(self: Tensor) -> Tensor:
    """The same values and memory without gradient, written to without anybody being told."""
    made = as_data(self) if self._run is not None and not self._leaf else detach(self)
    made._uncounted = True
    return made


def show(self: Tensor) -> None:
    """Others are about to see this tensor's memory: its value must be there, and what reads it must have been run."""
    if self._run is not None:
        self._run.settle(self)
    current().release(self._storage)
    if not self._shared:
        self._note_sharing()


def wait(self: Tensor) -> None:
    """Somebody looks at a value while a program runs beside Python: its errors come first."""
    land()
    current().prove()


def set_data(self: Tensor, value: Tensor) -> None:
    value._settle()
    current().close()
    m = value._meta
    watched = WATCHED if self._joint is not None else None
    self._meta = meta(m.shape, m.dtype, m.device, self._meta.requires_grad, m.strides, watched)
    self._storage, self._ptr, self._run = value._storage, value._ptr, None
    self._shared = value._shared = True
    forget_leaves()
    current().enter_root()


Tensor._show, Tensor._await = show, wait
Tensor.requires_grad_ = requires_grad_
Tensor.backward = backward
Tensor.detach = detach
Tensor.data = property(data_of, set_data, doc="The same values and memory without gradient.")
