"""torch.autograd: gradients asked for by hand, to any order."""

from __future__ import annotations

from collections.abc import Sequence

from dovetail.autograd import anomaly_mode, forward_ad, function, functional, graph, profiler, variable
from dovetail.autograd.variable import Variable
from dovetail.base.errors import ArgumentError, message
from dovetail.nn.transform.gradcheck import gradcheck, gradgradcheck
from dovetail.nn.transform.tracking import batched_grad
from dovetail.tensor import staged
from dovetail.tensor.detect import detect_anomaly, set_detect_anomaly
from dovetail.tensor.function import Function
from dovetail.tensor.modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from dovetail.tensor.tensor import Tensor

__all__ = [
    "Function", "Variable", "anomaly_mode", "backward", "detect_anomaly", "enable_grad", "forward_ad", "function",
    "functional",
    "grad", "gradcheck", "gradgradcheck", "graph", "inference_mode", "no_grad", "profiler", "set_detect_anomaly",
    "set_grad_enabled", "variable",
]  # fmt: skip

Tensors = Tensor | Sequence[Tensor]
Cotangents = Tensor | Sequence[Tensor | None] | None


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Cotangents = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of sum(outputs * grad_outputs) with respect to each of the inputs; `.grad` is left alone.

    create_graph: the result can be differentiated again. allow_unused: an input that no output depends on gives None,
    or zeros with materialize_grads, instead of an error. is_grads_batched: grad_outputs have a further first dim, and
    so have the results, one gradient for each.
    Raises: GradientError if an output needs no gradient, or an input is not used.
    Source: agrees with torch.autograd.grad.

    >>> import dovetail
    >>> x = dovetail.tensor(2.0, requires_grad=True)
    >>> (slope,) = grad(x**3, x, create_graph=True)
    >>> slope.item(), grad(slope, x)[0].item()
    (12.0, 12.0)
    """
    outputs, inputs = as_list(outputs), as_list(inputs)
    if allow_unused is False and materialize_grads:
        text = "Expected allow_unused to be True or not passed when materialize_grads=True"
        raise ArgumentError(message("autograd.grad", text))
    unused = materialize_grads if allow_unused is None else allow_unused
    keep = create_graph if retain_graph is None else retain_graph
    given = cotangents(outputs, grad_outputs)
    if not is_grads_batched:
        return staged.grad(outputs, inputs, given, keep, create_graph, unused, materialize_grads)
    return batched_grad(outputs, inputs, given, keep, create_graph, unused, materialize_grads)


def backward(
    tensors: Tensors,
    grad_tensors: Cotangents = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensors | None = None,
) -> None:
    """Add the gradients of sum(tensors * grad_tensors) to `.grad` of every leaf, or of `inputs` only.

    Source: agrees with torch.autograd.backward.
    """
    tensors = as_list(tensors)
    keep = create_graph if retain_graph is None else retain_graph
    staged.backward(
        tensors, cotangents(tensors, grad_tensors), keep, create_graph, None if inputs is None else as_list(inputs)
    )


def as_list(given: Tensors) -> list[Tensor]:
    """One tensor or several, as a list."""
    several = [given] if isinstance(given, (Tensor, graph.GradientEdge)) else list(given)
    return [x.ownership_token if isinstance(x, graph.GradientEdge) else x for x in several]


def cotangents(outputs: list[Tensor], given: Cotangents) -> list[Tensor | None]:
    """One for each output; None stands for a one."""
    if given is None:
        return [None] * len(outputs)
    return [given] if isinstance(given, Tensor) else list(given)
