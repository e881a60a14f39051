"""Check a gradient against finite differences, to any order, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dovetail.autodiff.gradient import gradients
from dovetail.base.dtypes import from_numpy_dtype
from dovetail.base.errors import GradientError, message
from dovetail.ir.core import Graph, Value, building
from dovetail.ir.evaluate import evaluate
from dovetail.prims.make import constant_like, zeros_like


def graph_of(function: Callable, arrays: Sequence[np.ndarray]) -> Graph:
    """The graph that `function` builds from Values of these arrays' shapes and dtypes."""
    inputs = [Value(a.shape, from_numpy_dtype(a.dtype)) for a in arrays]
    with building() as nodes:
        outs = function(*inputs)
    return Graph(inputs, nodes, list(outs) if isinstance(outs, (tuple, list)) else [outs])


def inner(a: np.ndarray, b: np.ndarray) -> float:
    """The change of a real loss with gradient a along b (for complex values: torch's convention)."""
    return float(np.real(np.sum(np.conj(a) * b)))


def direction_like(random: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """A random direction; nothing for integers."""
    if x.dtype.kind == "c":
        return random.standard_normal(x.shape) + 1j * random.standard_normal(x.shape)
    return random.standard_normal(x.shape) if x.dtype.kind == "f" else np.zeros(x.shape, x.dtype)


def moved(arrays: Sequence[np.ndarray], move: Sequence[np.ndarray], by: float) -> list[np.ndarray]:
    return [a + by * m if a.dtype.kind in "fc" else a for a, m in zip(arrays, move, strict=True)]


def gradient_function(function: Callable, weights: Sequence[float]) -> Callable:
    """The function that gives the gradients of sum(weight * output) for all differentiable inputs.

    The weights make the outputs unequal, so that errors cannot cancel in the next order's check.
    """

    def derived(*inputs: Value) -> list[Value]:
        outs = function(*inputs)
        outs = [o for o in (outs if isinstance(outs, (tuple, list)) else [outs]) if o.dtype.is_differentiable]
        cotangents = [constant_like(o, w) for o, w in zip(outs, weights, strict=False)]
        sources = [x for x in inputs if x.dtype.is_differentiable]
        found = gradients(outs, cotangents, sources)
        return [zeros_like(x) if g is None else g for x, g in zip(sources, found, strict=True)]

    return derived


def check_gradients(
    function: Callable, *arrays: np.ndarray, order: int = 1, step: float = 1e-6, tolerance: float = 1e-5, seed: int = 0
) -> None:
    """Compare the gradients of a function of Values with central differences along random directions.

    function: Values -> Value or several. arrays: float64 or complex128 inputs; integer ones are held fixed.
    order: 2 also checks the gradients of the gradients, and so on.
    Raises: GradientError with both numbers where they differ by more than `tolerance`, relative to their size.
    """
    random = np.random.default_rng(seed)
    for level in range(order):
        check_once(function, arrays, random, step, tolerance, level + 1)
        function = gradient_function(function, random.uniform(0.5, 1.5, 64).tolist())


def check_once(function: Callable, arrays, random, step: float, tolerance: float, level: int) -> None:
    forward = graph_of(function, arrays)
    outs = [i for i, o in enumerate(forward.outputs) if o.dtype.is_differentiable]
    shapes = evaluate(forward, arrays)
    weights = [direction_like(random, shapes[i]) for i in outs]
    analytic = vector_products(function, arrays, outs, weights)
    for _ in range(3):
        move = [direction_like(random, a) for a in arrays]
        high, low = (evaluate(forward, moved(arrays, move, way)) for way in (step, -step))
        slope = sum(inner(w, (high[i] - low[i]) / (2 * step)) for i, w in zip(outs, weights, strict=True))
        ours = sum(inner(g, m) for g, m in zip(analytic, move, strict=True) if g is not None)
        scale = max(abs(slope), abs(ours), 1.0)
        if not abs(slope - ours) <= tolerance * scale:
            facts = [("by the rules", f"{ours:.9g}"), ("by differences", f"{slope:.9g}")]
            raise GradientError(message("check_gradients", f"order {level}: the gradient is wrong", facts))


def vector_products(function: Callable, arrays, outs: list[int], weights) -> list[np.ndarray | None]:
    """The gradients of sum(weight * output) for each input, None for integer ones."""
    extra = len(arrays)

    def derived(*values: Value) -> list[Value]:
        made = function(*values[:extra])
        made = list(made) if isinstance(made, (tuple, list)) else [made]
        sources = [x for x in values[:extra] if x.dtype.is_differentiable]
        found = gradients([made[i] for i in outs], list(values[extra:]), sources)
        return [zeros_like(x) if g is None else g for x, g in zip(sources, found, strict=True)]

    weights = [np.asarray(w) for w in weights]
    results = iter(evaluate(graph_of(derived, [*arrays, *weights]), [*arrays, *weights]))
    return [next(results) if a.dtype.kind in "fc" else None for a in arrays]
