"""Gradient clipping by total norm or by value. Names and meaning are torch.nn.utils's."""

from __future__ import annotations

import math
import types
import warnings
from collections.abc import Iterable

from dovetail.nn.module import MemberIterator
from dovetail.ops.create import zeros
from dovetail.ops.shape import stack
from dovetail.tensor.modes import no_grad
from dovetail.tensor.tensor import Tensor


def listed(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """The parameters as a list; a generator that gives nothing draws a warning, since it may have been used up."""
    if isinstance(parameters, Tensor):
        return [parameters]
    found = list(parameters)
    if not found and isinstance(parameters, (types.GeneratorType, MemberIterator)):
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3)
    return found


def norm_of(t: Tensor, order: float) -> Tensor:
    """The p-norm of all elements, 0-d."""
    if order == 2.0:
        return (t * t).sum().sqrt()
    if order == math.inf:
        return t.abs().max()
    if order == -math.inf:
        return t.abs().min()
    if order == 0:
        return (t != 0).to(t.dtype).sum()
    return t.abs().pow(order).sum().pow(1.0 / order)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all elements of all tensors taken together. foreach: accepted.

    Raises: RuntimeError with error_if_nonfinite where the norm is not a finite number.
    """
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    order = float(norm_type)
    if not tensors:
        return zeros(())
    total = norm_of(stack([norm_of(t, order) for t in tensors]), order)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped. "
            "To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale the gradients so that a total norm above max_norm becomes max_norm."""
    grads = [p.grad for p in listed(parameters) if p.grad is not None]
    share = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    with no_grad():
        for g in grads:
            g.mul_(share)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients by one factor so that their total norm is at most max_norm; returns the norm before.

    Raises: RuntimeError with error_if_nonfinite where the norm is not a finite number.
    """
    parameters = listed(parameters)
    with no_grad():
        grads = [p.grad for p in parameters if p.grad is not None]
        total = get_total_norm(grads, norm_type, error_if_nonfinite, foreach)
        clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(parameters, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach=None):
    """clip_grad_norm_ under its older name."""
    warnings.warn(
        "torch.nn.utils.clip_grad_norm is now deprecated in favor of torch.nn.utils.clip_grad_norm_.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Cut every element of the gradients to [-clip_value, clip_value]."""
    limit = float(clip_value)
    with no_grad():
        for p in listed(parameters):
            if p.grad is not None:
                p.grad.clamp_(-limit, limit)
