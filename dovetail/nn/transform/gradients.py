"""Gradients of functions: grad, vjp, jvp, jacobians, hessians (torch.func)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, message
from dovetail.nn.transform.tracking import (
    basis,
    connected,
    gradient,
    inside,
    jacobian_rows,
    released,
    tangent,
    track_tree,
)
from dovetail.tensor.tensor import Tensor

Argnums = int | tuple[int, ...]


def chosen(args: tuple, argnums: Argnums, call: str) -> tuple[list, Any, list[Tensor]]:
    """(args with the chosen ones tracked, those in the structure of argnums, their tensors)."""
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    made = list(args)
    parts, flat = [], []
    for n in numbers:
        if not -len(args) <= n < len(args):
            raise ArgumentError(message(call, f"got argnum={n}, but the function takes {len(args)} positional inputs"))
        made[n], found = track_tree(args[n], call)
        parts.append(made[n])
        flat += found
    return made, parts[0] if isinstance(argnums, int) else tuple(parts), flat


def split_aux(result: Any, has_aux: bool, call: str) -> tuple[Any, Any]:
    """(output, aux)"""
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        raise ArgumentError(message(call, "with has_aux=True the function returns a pair (output, aux)"))
    return result


def grad_and_value(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """A function that returns (gradient, value), or (gradient, (value, aux)).

    >>> import dovetail
    >>> slope, value = grad_and_value(lambda x: x ** 3)(dovetail.tensor(2.0))
    >>> slope.item(), value.item()
    (12.0, 8.0)
    """

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with inside() as recorded:
            made, targets, flat = chosen(args, argnums, "grad")
            value, aux = split_aux(func(*made, **kwargs), has_aux, "grad")
            check_scalar(value)
            keep = connected([value], flat, tree.flatten(args), recorded)
            found = tree.pack(targets, gradient([value], flat, [None], keep))
        value, aux = released(value, keep), released(aux, keep)
        return found, ((value, aux) if has_aux else value)

    return named(wrapped, func)


def named(wrapped: Callable, func: Callable) -> Callable:
    """`wrapped` under the name of what it is made from."""
    wrapped.__name__ = getattr(func, "__name__", type(func).__name__)
    wrapped.__doc__ = getattr(func, "__doc__", None)
    wrapped.__wrapped__ = func
    return wrapped


def check_scalar(value: Any) -> None:
    if not isinstance(value, Tensor):
        text = f"Expected f(*args) to return a scalar tensor, got {type(value).__name__}"
        raise ArgumentError(message("grad", text))
    if value.ndim:
        text = f"Expected f(*args) to return a scalar tensor, got tensor with {value.ndim} dims."
        raise ArgumentError(message("grad", text, [("value", value)], "Did you forget a reduction such as .sum()?"))


def grad(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """A function that returns the gradient of `func` (or (gradient, aux)) with respect to the arguments `argnums`.

    Can be nested for higher orders.
    Source: agrees with torch.func.grad.

    >>> import dovetail
    >>> grad(grad(lambda x: x ** 3))(dovetail.tensor(2.0)).item()
    12.0
    """
    both = grad_and_value(func, argnums, has_aux)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return named(wrapped, func)


def value_and_grad(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """A function that returns (value, gradient), or ((value, aux), gradient): grad_and_value the other way round."""
    both = grad_and_value(func, argnums, has_aux)
    return named(lambda *args, **kwargs: both(*args, **kwargs)[::-1], func)


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """(func(*primals), function from cotangents to gradients), and aux as a third.

    >>> import dovetail
    >>> out, back = vjp(lambda x: x * x, dovetail.tensor([1.0, 2.0]))
    >>> back(dovetail.tensor([1.0, 1.0]))[0].tolist()
    [2.0, 4.0]
    """
    with inside() as recorded:
        made, flat = track_tree(tuple(primals), "vjp")
        out, aux = split_aux(func(*made), has_aux, "vjp")
        outs = tree.flatten(out)
        keep = connected(outs, flat, tree.flatten(primals), recorded)

    def back(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        given = tree.flatten(cotangents)
        if len(given) != len(outs):
            text = f"expected cotangents of the same structure as the output: {len(outs)} tensors, got {len(given)}"
            raise ArgumentError(message("vjp", text))
        with inside() as now:
            further = keep or now and any(isinstance(c, Tensor) and c.requires_grad for c in given)
            found = gradient(outs, flat, given, further)
        return tree.pack(made, found)

    def for_many(cotangents: list[Tensor]) -> Any:
        """As back, for cotangents along a further first dim."""
        with inside():
            found = gradient(outs, flat, cotangents, keep, batched=True)
        return tree.pack(made, found)

    back.for_many = for_many  # type: ignore[attr-defined]
    result = (released(out, keep), back)
    return (*result, released(aux, keep)) if has_aux else result


def jvp(func: Callable, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> tuple:
    """(func(*primals), its change along `tangents`), and aux as a third.

    >>> import dovetail
    >>> x = dovetail.tensor([1.0, 2.0])
    >>> jvp(lambda x: x * x, (x,), (dovetail.ones(2),))[1].tolist()
    [2.0, 4.0]
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple) or len(primals) != len(tangents):
        raise ArgumentError(message("jvp", "primals and tangents are tuples of the same length"))
    with inside() as recorded:
        made, flat = track_tree(primals, "jvp")
        out, aux = split_aux(func(*made), has_aux, "jvp")
        directions = tree.flatten(tangents)
        keep = connected(tree.flatten(out), flat, [*tree.flatten(primals), *directions], recorded)
        change = tree.pack(out, tangent(tree.flatten(out), flat)(directions, keep))
    result = (released(out, keep), released(change, keep))
    return (*result, released(aux, keep)) if has_aux else result


def linearize(func: Callable, *primals: Any) -> tuple:
    """(func(*primals), function from tangents to the change of the output at these primals)."""
    with inside() as recorded:
        made, flat = track_tree(tuple(primals), "linearize")
        out = func(*made)
        keep = connected(tree.flatten(out), flat, tree.flatten(primals), recorded)
        push = tangent(tree.flatten(out), flat)

    def along(*tangents: Any) -> Any:
        with inside():
            return released(tree.pack(out, push(tree.flatten(tangents), keep)), keep)

    return released(out, keep), along


def jacrev(func: Callable, argnums: Argnums = 0, *, has_aux: bool = False, chunk_size: int | None = None,
           _preallocate_and_copy: bool = False) -> Callable:  # fmt: skip
    """A function that returns the Jacobian, row by row: for each output, sizes of the output then of the argument.

    Source: agrees with torch.func.jacrev.

    >>> import dovetail
    >>> jacrev(lambda x: x * x)(dovetail.tensor([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with inside() as recorded:
            made, targets, flat = chosen(args, argnums, "jacrev")
            out, aux = split_aux(func(*made, **kwargs), has_aux, "jacrev")
            keep = connected(tree.flatten(out), flat, tree.flatten(args), recorded)
            check_tensors(tree.flatten(out), "jacrev")
            found = tree.map_leaves(lambda o: tree.pack(targets, jacobian_rows(o, flat, keep, chunk_size)), out)
        return (found, released(aux, keep)) if has_aux else found

    return named(wrapped, func)


def jacfwd(func: Callable, argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error") -> Callable:
    """As jacrev, column by column: the better way round for few inputs and many outputs."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with inside() as recorded:
            made, targets, flat = chosen(args, argnums, "jacfwd")
            out, aux = split_aux(func(*made, **kwargs), has_aux, "jacfwd")
            outs = tree.flatten(out)
            keep = connected(outs, flat, tree.flatten(args), recorded)
            push = tangent(outs, flat)
            columns = [jacobian_columns(push, outs, flat, i, keep) for i in range(len(flat))]
            parts = [tree.pack(targets, [column[k] for column in columns]) for k in range(len(outs))]
        at = iter(parts)
        found = tree.map_leaves(lambda _: next(at), out)
        return (found, released(aux, keep)) if has_aux else found

    return named(wrapped, func)


def jacobian_columns(push: Callable, outs: list, flat: list, i: int, keep: bool) -> list[Tensor]:
    """For each output, its Jacobian with respect to input `i`: all directions at once."""
    count = flat[i].numel()
    if not count:
        return [o.new_zeros((*o.shape, *flat[i].shape)) for o in outs]
    given = [basis(x) if k == i else x.new_zeros((count, *x.shape)) for k, x in enumerate(flat)]
    rows = push(given, keep, True)
    return [row.movedim(0, -1).reshape((*o.shape, *flat[i].shape)) for row, o in zip(rows, outs, strict=True)]


def check_tensors(outs: list, call: str) -> None:
    for o in outs:
        if not isinstance(o, Tensor):
            text = f"Expected f to only return Tensors, got unsupported type {type(o).__name__}"
            raise ArgumentError(message(call, text))


def hessian(func: Callable, argnums: Argnums = 0) -> Callable:
    """A function that returns the matrix of second derivatives.

    >>> import dovetail
    >>> hessian(lambda x: (x ** 3).sum())(dovetail.tensor([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    return jacfwd(jacrev(func, argnums), argnums)


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """`func` itself: programs are recorded without in-place writes in any case."""
    return func
