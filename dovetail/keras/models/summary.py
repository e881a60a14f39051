"""model.summary(): the table of layers, as Keras prints it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from typing import Any

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, message
from dovetail.nn.module import Module


def readable(nbytes: float) -> str:
    """
    >>> readable(220200)
    '215.04 KB'
    """
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if nbytes < 1024 or unit == "TB":
            return f"{nbytes:.2f} {unit}"
        nbytes /= 1024
    return ""


def count(weights: list) -> int:
    return sum(w._meta.numel for w in weights)


def memory(weights: list) -> int:
    return sum(w._meta.nbytes for w in weights)


def shape_text(layer: Any, graph: Any) -> str:
    """The output shape of a layer, '?' where it is not known yet."""
    nodes = (
        list(graph.nodes_of(layer))
        if graph is not None and hasattr(layer, "_inbound_nodes")
        else getattr(layer, "_inbound_nodes", [])
    )
    if nodes:
        shapes = [tuple_text(x.shape) for x in tree.leaves(nodes[-1].outputs)]
        return shapes[0] if len(shapes) == 1 else "[" + ", ".join(shapes) + "]"
    shape = getattr(layer, "_last_shape", None)
    if shape is not None:
        return tuple_text(shape)
    given = getattr(layer, "_build_shapes", None) or {}
    if getattr(layer, "built", False) and "input_shape" in given and given["input_shape"] is not None:
        try:
            return tuple_text(layer.compute_output_shape(given["input_shape"]))
        except Exception:  # a layer that cannot tell its shape is shown with a question mark
            return "?"
    return "?"


def tuple_text(shape: Any) -> str:
    return str(tuple(shape))


def parameters_text(layer: Any) -> str:
    if isinstance(layer, Module) and not hasattr(layer, "built"):
        return f"{sum(p._meta.numel for p in layer.parameters()):,}"
    if not hasattr(layer, "count_params"):
        return "0"
    if not layer.built:
        return "0 (unbuilt)"
    return f"{layer.count_params():,}"


def connections(layer: Any, graph: Any) -> str:
    found = [f"{x._keras_history.operation.name}[{x._keras_history.node_index}][{x._keras_history.tensor_index}]"
             for node in graph.nodes_of(layer) for x in node.inputs]  # fmt: skip
    return ", ".join(found) or "-"


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions=None,
    print_fn: Callable | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range=None,
) -> None:
    """Print the table, through `print_fn` if given (which gets the whole text at once, as in Keras)."""
    graph = model._graph_or_none()
    functional = graph is not None and not model._is_sequential
    layers = graph.operations() if functional else model.layers
    chain = not functional or graph.is_chain()
    header, align = ["Layer (type)", "Output Shape", "Param #"], ["left", "left", "right"]
    places = positions or [0.45, 0.80, 1.0]
    width = 88
    if not chain:
        header, align = [*header, "Connected to"], [*align, "left"]
        places, width = positions or [0.3, 0.56, 0.74, 1.0], 108
    if show_trainable:
        header, align, width = [*header, "Trainable"], [*align, "center"], width + 12
        places = [p * 0.9 for p in places] + [1.0]
    width = line_length or min(width, max(shutil.get_terminal_size((100, 24)).columns - 4, 40))
    rows = []
    for layer in in_range(layers, layer_range):
        rows += rows_of(layer, graph, chain, show_trainable, expand_nested, 0)
    text = table(header, align, column_widths(places, width), rows)
    trainable, others = model.trainable_weights, model.non_trainable_weights
    lines = [f'Model: "{model.name}"', *text]
    optimizer = getattr(model, "optimizer", None)
    own = (
        optimizer.variables
        if optimizer is not None and getattr(optimizer, "built", False) and hasattr(optimizer, "variables")
        else []
    )
    totals = [("Total", trainable + others + own), ("Trainable", trainable), ("Non-trainable", others)]
    totals += [("Optimizer", own)] if own else []
    lines += [f" {name} params: {count(ws):,} ({readable(memory(ws))})" for name, ws in totals]
    (print_fn or print)("\n".join(lines))


def rows_of(layer: Any, graph: Any, chain: bool, trainable: bool, nested: bool, level: int) -> list[list[str]]:
    head = "   " * level + "└ " if level else ""
    name = getattr(layer, "name", type(layer).__name__)
    kind = display_kind(layer)
    row = [f"{head}{name} ({kind})", shape_text(layer, graph if not level else None), parameters_text(layer)]
    if not chain:
        row.append(connections(layer, graph) if not level else "-")
    if trainable:
        row.append(("Y" if layer.trainable else "N") if getattr(layer, "weights", None) else "-")
    rows = [row]
    if nested:
        for inner in getattr(layer, "layers", []):
            rows += rows_of(inner, graph, chain, trainable, nested, level + 1)
    return rows


def display_kind(layer: Any) -> str:
    function = getattr(layer, "function", None)
    if function is not None and type(layer).__name__ == "FunctionCall":
        return "".join(part.title() for part in function.__name__.split("_"))
    inner = getattr(layer, "module", None)
    return (
        type(inner).__name__
        if inner is not None and type(layer).__name__ == "TorchModuleWrapper"
        else (
            "Functional"
            if getattr(layer, "_is_functional", False) and type(layer).__name__ == "Model"
            else type(layer).__name__
        )
    )


def in_range(layers: list, names) -> list:
    """The layers from the first whose name matches names[0] to the last that matches names[1]."""
    if names is None:
        return layers
    if len(names) != 2 or not all(isinstance(n, str) for n in names):
        raise ArgumentError(message("summary", f"layer_range must be two names, got {names!r}"))
    first = [i for i, layer in enumerate(layers) if re.match(names[0], layer.name)]
    last = [i for i, layer in enumerate(layers) if re.match(names[1], layer.name)]
    if not first or not last:
        raise ArgumentError(message("summary", f"no layer is called {names[0] if not first else names[1]!r}"))
    return layers[min(first) : max(last) + 1]


def column_widths(places: list, width: int) -> list[int]:
    widths, at = [], 0
    for place in places:
        widths.append(max(int(place * width) - at, 4))
        at += widths[-1]
    return widths


def wrapped(text: str, width: int) -> list[str]:
    """Text in lines of at most `width`, broken at blanks where it can be."""
    lines, line = [], ""
    for word in re.findall(r"\s*\S+", text) or [""]:
        if len(line + word) <= width:
            line += word
            continue
        if line:
            lines.append(line)
        word = word.lstrip()
        while len(word) > width:
            lines.append(word[:width])
            word = word[width:]
        line = word
    return [*lines, line]


def table(header: list[str], align: list[str], widths: list[int], rows: list[list[str]]) -> list[str]:
    """Lines of a table with a heavy head, in box characters."""
    inner = [w - 3 for w in widths]
    inner[-1] -= 1

    def rule(left: str, middle: str, right: str, dash: str) -> str:
        return left + middle.join(dash * (w + 2) for w in inner) + right

    def line(cells: list[str], bar: str) -> list[str]:
        parts = [wrapped(c, w) for c, w in zip(cells, inner, strict=True)]
        height = max(map(len, parts))
        return [
            bar
            + bar.join(
                f" {placed(p[i] if i < len(p) else '', w, a)} " for p, w, a in zip(parts, inner, align, strict=True)
            )
            + bar
            for i in range(height)
        ]

    made = [rule("┏", "┳", "┓", "━"), *line(header, "┃"), rule("┡", "╇", "┩", "━")]
    for i, row in enumerate(rows):
        made += [*([rule("├", "┼", "┤", "─")] if i else []), *line(row, "│")]
    return [*made, rule("└", "┴", "┘", "─")]


def placed(text: str, width: int, align: str) -> str:
    return text.rjust(width) if align == "right" else text.center(width) if align == "center" else text.ljust(width)
