"""torch.autograd.functional: derivatives of a function at given inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.nn.transform.tracking import gradient, jacobian_rows, tangent
from dovetail.tensor import staged
from dovetail.tensor.joint import join
from dovetail.tensor.modes import GradMode
from dovetail.tensor.tensor import Tensor

Tensors = Tensor | Sequence[Tensor]


def as_tuple(x: Any, what: str, call: str) -> tuple[bool, tuple[Tensor, ...]]:
    """(whether several were given, all as a tuple)"""
    several = isinstance(x, (tuple, list))
    found = tuple(x) if several else (x,)
    for i, t in enumerate(found):
        if not isinstance(t, Tensor):
            text = f"The {what} given to {call} must be either a Tensor or a tuple of Tensors"
            raise TypeError(f"{text} but the value at index {i} has type {type(t)}.")
    return several, found


def prepared(inputs: tuple[Tensor, ...], create_graph: bool) -> tuple[Tensor, ...]:
    """The inputs as tensors to differentiate at; with create_graph they stay connected with what they came from."""
    return tuple(x.clone() if create_graph and x.requires_grad else join([x])[0] for x in inputs)


def called(func: Callable, inputs: Any, create_graph: bool, call: str) -> tuple:
    """(several inputs?, inputs to differentiate at, several outputs?, outputs)"""
    several_in, given = as_tuple(inputs, "inputs", call)
    ins = prepared(given, create_graph)
    several_out, outs = as_tuple(func(*ins), "outputs of the user-provided function", call)
    return several_in, ins, several_out, outs


def check_strict(strict: bool, outs: Sequence[Tensor], ins: Sequence[Tensor]) -> None:
    """With strict, an output that does not depend on an input is an error."""
    if not strict:
        return
    for i, o in enumerate(outs):
        if not o.requires_grad:
            text = f"Output {i} of the user-provided function does not require gradients."
            raise RuntimeError(f"{text} This is not allowed in strict mode.")
        ones = [o.new_ones(o.shape)]
        for j, g in enumerate(staged.grad([o], ins, ones, True, False, allow_unused=True)):
            if g is None:
                text = f"Output {i} of the user-provided function is independent of input {j}."
                raise RuntimeError(f"{text} This is not allowed in strict mode.")


def result(x: Sequence[Tensor], several: bool, create_graph: bool) -> Any:
    """A tuple or its only member; cut off from the gradient unless asked to keep it."""
    made = tuple(t if create_graph or not t.requires_grad else t.detach() for t in x)
    return made if several else made[0]


def directions(v: Any, like: Sequence[Tensor], call: str, what: str) -> list[Tensor]:
    """The vectors given for `like`; a missing one is allowed for a single number."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"The vector v can only be None if {what} is a single Tensor with a single element.")
        return [like[0].new_ones(like[0].shape)]
    given = list(as_tuple(v, "vector v", call)[1])
    if len(given) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(given)}.")
    for i, (a, b) in enumerate(zip(given, like, strict=True)):
        if a.shape != b.shape:
            raise RuntimeError(f"Entry {i} of v has invalid size: should be {b.shape} but got {a.shape}.")
    return given


def jacobian(func: Callable, inputs: Tensors, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
             strategy: str = "reverse-mode") -> Any:  # fmt: skip
    """The Jacobian of `func` at `inputs`: sizes of the output, then of the input; nested tuples for several of either.

    Source: agrees with torch.autograd.functional.jacobian.

    >>> import dovetail
    >>> jacobian(lambda x: x * x, dovetail.tensor([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ArgumentError(message("jacobian", f'strategy is "reverse-mode" or "forward-mode", got {strategy!r}'))
    if strict and vectorize:
        raise RuntimeError(
            "jacobian: `strict=True` and `vectorized=True` are not supported together. "
            "Please either set `strict=False` or `vectorize=False`."
        )
    with GradMode(True):
        several_in, ins, several_out, outs = called(func, inputs, create_graph, "jacobian")
        check_strict(strict, outs, ins)
        rows = [result(jacobian_rows(o, ins, create_graph), several_in, create_graph) for o in outs]
    return tuple(rows) if several_out else rows[0]


def check_single(outs: Sequence[Tensor], several: bool, call: str) -> None:
    if several or outs[0].numel() != 1:
        raise RuntimeError(f"The function given to {call} should return a single Tensor with a single element")


def hessian(func: Callable, inputs: Tensors, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
            outer_jacobian_strategy: str = "reverse-mode") -> Any:  # fmt: skip
    """The second derivatives of a function with one number as its result.

    >>> import dovetail
    >>> hessian(lambda x: (x ** 3).sum(), dovetail.tensor([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    several_in, given = as_tuple(inputs, "inputs", "hessian")

    def slope(*ins: Tensor) -> tuple[Tensor, ...]:
        several, outs = as_tuple(func(*ins), "outputs of the user-provided function", "hessian")
        check_single(outs, several, "hessian")
        check_strict(strict, outs, ins)
        return tuple(gradient(outs, ins, [outs[0].new_ones(outs[0].shape)], True))

    found = jacobian(slope, given, create_graph=create_graph)
    return found if several_in else found[0][0]


def vjp(func: Callable, inputs: Tensors, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(*inputs), v times the Jacobian)."""
    with GradMode(True):
        several_in, ins, several_out, outs = called(func, inputs, create_graph, "vjp")
        check_strict(strict, outs, ins)
        found = gradient(outs, ins, directions(v, outs, "vjp", "the user-provided function returns"), create_graph)
    return result(outs, several_out, create_graph), result(found, several_in, create_graph)


def jvp(func: Callable, inputs: Tensors, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(*inputs), the Jacobian times v)."""
    with GradMode(True):
        _, ins, several_out, outs = called(func, inputs, create_graph, "jvp")
        check_strict(strict, outs, ins)
        found = tangent(outs, ins)(directions(v, ins, "jvp", "the input to the user-provided function"), create_graph)
    return result(outs, several_out, create_graph), result(found, several_out, create_graph)


def slopes(func: Callable, inputs: Tensors, create_graph: bool, strict: bool, call: str) -> tuple:
    """(several inputs?, inputs, the output, its gradient at the inputs, which can be differentiated again)"""
    several_in, ins, several_out, outs = called(func, inputs, create_graph, call)
    check_single(outs, several_out, call)
    check_strict(strict, outs, ins)
    return several_in, ins, outs, gradient(outs, ins, [outs[0].new_ones(outs[0].shape)], True)


def vhp(func: Callable, inputs: Tensors, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(*inputs), v times the Hessian)."""
    with GradMode(True):
        several_in, ins, outs, first = slopes(func, inputs, create_graph, strict, "vhp")
        found = gradient(first, ins, directions(v, ins, "vhp", "the input to the user-provided function"), create_graph)
    return result(outs, False, create_graph), result(found, several_in, create_graph)


def hvp(func: Callable, inputs: Tensors, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(*inputs), the Hessian times v)."""
    with GradMode(True):
        several_in, ins, outs, first = slopes(func, inputs, create_graph, strict, "hvp")
        given = directions(v, ins, "hvp", "the input to the user-provided function")
        found = tangent(first, ins)(given, create_graph)
    return result(outs, False, create_graph), result(found, several_in, create_graph)
