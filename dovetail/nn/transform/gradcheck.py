"""gradcheck and gradgradcheck: a function's gradients against finite differences (torch.autograd.gradcheck)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dovetail.base import errors, tree
from dovetail.base.errors import DovetailError, message
from dovetail.nn.transform.tracking import basis, gradient
from dovetail.tensor import staged
from dovetail.tensor.modes import GradMode
from dovetail.tensor.tensor import Tensor


class GradcheckError(DovetailError, RuntimeError):
    """A gradient that does not agree with finite differences."""


def gradcheck(
    func: Callable, inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
    raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False, check_batched_grad: bool = False, check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False, check_backward_ad: bool = True, fast_mode: bool = False, masked: bool | None = None,
) -> bool:  # fmt: skip
    """Whether the gradients of `func` at `inputs` (float64, requiring grad) agree with finite differences.

    Raises GradcheckError where they do not, naming the output, the input and both Jacobians; with
    raise_exception=False it returns False instead.

    >>> import dovetail
    >>> gradcheck(lambda x: x.sin(), dovetail.tensor([0.3], dtype=dovetail.float64, requires_grad=True))
    True
    """
    try:
        return checked(func, as_inputs(inputs), eps, atol, rtol, nondet_tol)
    except GradcheckError:
        if raise_exception:
            raise
        return False


def as_inputs(inputs: Any) -> tuple:
    return tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)


def checked(func: Callable, inputs: tuple, eps: float, atol: float, rtol: float, nondet_tol: float) -> bool:
    wanted = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        text = "gradcheck expects at least one input tensor to require gradient, "
        raise ValueError(text + "but none of the them have requires_grad=True.")
    if any(inputs[i].dtype.itemsize < (16 if inputs[i].is_complex() else 8) for i in wanted):
        errors.warn("gradcheck: an input that requires gradient is not of double precision: the check will likely fail")
    outs = outputs_of(func, inputs)
    for k, out in enumerate(outs):
        exact = analytic(out, [inputs[i] for i in wanted])
        again = analytic(outputs_of(func, inputs)[k], [inputs[i] for i in wanted])
        for i, a, b in zip(wanted, exact, again, strict=True):
            if a.size and np.abs(a - b).max() > nondet_tol:
                text = "Backward is not reentrant, i.e., running backward with same input and grad_output multiple "
                text += f"times gives different values (output {k}, input {i})"
                raise GradcheckError(message("gradcheck", text))
            n = numeric(func, inputs, i, k, eps)
            if not np.allclose(a, n, rtol=rtol, atol=atol, equal_nan=True):
                facts = [f"numerical:\n{n}", f"analytical:\n{a}", f"largest difference: {np.abs(a - n).max():.3g}"]
                text = f"Jacobian mismatch for output {k} with respect to input {i}"
                raise GradcheckError(message("gradcheck", text, facts))
    return True


def outputs_of(func: Callable, inputs: Sequence) -> list[Tensor]:
    """The outputs that can have a gradient."""
    with GradMode(True):
        found = [o for o in tree.flatten(func(*inputs)) if isinstance(o, Tensor)]
    return [o for o in found if o.dtype.is_differentiable]


def analytic(out: Tensor, ins: list[Tensor]) -> list[np.ndarray]:
    """Jacobians by backward, in real parts: a row for the real part of each output (and one for the imaginary)."""
    rows: list[list[np.ndarray]] = [[] for _ in ins]
    for one in basis(out):
        for factor in (1, 1j) if out.is_complex() else (1,):
            found = gradient([out], ins, [one if factor == 1 else one * factor], False)
            for r, g in zip(rows, found, strict=True):
                r.append(parts(np.array(g.detach()._array())))
    return [np.array(r).reshape(len(r), -1) for r in rows]


def parts(a: np.ndarray) -> np.ndarray:
    """The numbers of an array in a row; complex ones as real parts, then imaginary parts."""
    flat = a.reshape(-1)
    return np.concatenate([flat.real, flat.imag]) if np.iscomplexobj(a) else flat


def rows_of(a: np.ndarray) -> np.ndarray:
    """As `parts`, but each complex number as two neighbours: the order of `analytic`'s rows."""
    flat = a.reshape(-1)
    return np.stack([flat.real, flat.imag], 1).reshape(-1) if np.iscomplexobj(a) else flat


def numeric(func: Callable, inputs: tuple, i: int, k: int, eps: float) -> np.ndarray:
    """The Jacobian of output `k` with respect to input `i` by central differences."""
    start = np.array(inputs[i].detach()._array())
    columns = []
    for factor in (1, 1j) if np.iscomplexobj(start) else (1,):
        for j in range(start.size):
            ends = [value_at(func, inputs, i, k, start, j, step * factor) for step in (eps, -eps)]
            columns.append((ends[0] - ends[1]) / (2 * eps))
    width = len(rows_of(np.array(outputs_of(func, inputs)[k].detach()._array())))
    return np.array(columns).T if columns else np.zeros((width, 0))


def value_at(func: Callable, inputs: tuple, i: int, k: int, start: np.ndarray, j: int, step: complex) -> np.ndarray:
    moved = start.copy()
    moved.reshape(-1)[j] += step
    there = Tensor.from_array(moved).requires_grad_()
    out = outputs_of(func, (*inputs[:i], there, *inputs[i + 1 :]))[k]
    return rows_of(np.array(out.detach()._array()))


def gradgradcheck(
    func: Callable, inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True, nondet_tol: float = 0.0,
    check_undefined_grad: bool = True, check_grad_dtypes: bool = False, check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True, fast_mode: bool = False, masked: bool = False,
) -> bool:  # fmt: skip
    """gradcheck of the gradient itself, so of second derivatives."""
    given = as_inputs(inputs)
    wanted = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    if grad_outputs is None:
        random = np.random.default_rng(0)
        cotangents = [random_like(o, random) for o in outputs_of(func, given)]
    else:
        cotangents = list(as_inputs(grad_outputs))

    def slope(*args: Any) -> tuple:
        ins, ends = args[: len(given)], args[len(given) :]
        outs = outputs_of(func, ins)
        pairs = [(o, c) for o, c in zip(outs, ends, strict=True) if o.requires_grad]
        targets = [ins[i] for i in wanted]
        found = staged.grad(
            [o for o, _ in pairs], targets, [c for _, c in pairs], True, True, allow_unused=True, materialize=False
        )
        return tuple(g for g in found if g is not None)

    settings: dict[str, Any] = {"raise_exception": raise_exception, "nondet_tol": nondet_tol}
    settings.update(eps=eps, atol=atol, rtol=rtol)
    return gradcheck(slope, (*given, *cotangents), **settings)


def random_like(x: Tensor, random: np.random.Generator) -> Tensor:
    a = random.standard_normal(x.shape)
    if x.is_complex():
        a = a + 1j * random.standard_normal(x.shape)
    return Tensor.from_array(np.asarray(a).astype(x.dtype.np)).requires_grad_()
