"""Shape-generic programs: one graph for all sizes at a place, made from graphs for some of them.

Two graphs that differ only in numbers have the same *signature key*; the numbers themselves are listed in a fixed
order. Where the samples agree a number stays; where they differ it becomes a `Sym`: an index into the table of
run-time sizes, or an expression over such indices that fits every sample (2 * n, n - 1, n * m). A fit may be a
coincidence, so `match` checks every number of a new graph against its expression before the program is used for it.

Differing fill values (`full(value=1/n)`) become extra inputs without dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dovetail.ir.core import Body, Graph, Literal, Node, Value, building
from dovetail.ir.printing import body as body_of
from dovetail.ir.printing import param_key
from dovetail.ir.sym import Sym, evaluate
from dovetail.prims.shape import broadcast

SIZES = frozenset({"shape", "sizes", "size"})  # settings that hold sizes
PLACES = frozenset({"starts", "stops", "low", "high", "offset"})  # settings that hold positions or widths
NUMBERS = SIZES | PLACES

Number = int | float | bool | complex


@dataclass(frozen=True)
class Signature:
    """A graph taken apart: `key` holds everything but the numbers; graphs of one key differ in numbers only.

    numbers: sizes and positions, in a fixed order; is_size: which of them are sizes; fills: the values of `full` nodes
    """

    key: tuple
    numbers: list[int]
    is_size: list[bool]
    fills: list[Number]


def signature(graph: Graph) -> Signature:
    """The key and the numbers of a graph that has no run-time sizes yet."""
    numbers: list[int] = []
    is_size: list[bool] = []
    fills: list[Number] = []
    place: dict[Value, int] = {}
    parts: list[tuple] = []
    for value in graph.inputs:
        place[value] = len(place)
        parts.append((value.dtype.name, len(value.shape)))
        numbers += value.shape
    is_size += [True] * len(numbers)
    for node in graph.nodes:
        settings = []
        for name, setting in sorted(node.params.items()):
            if name in NUMBERS:
                given = setting if type(setting) is tuple else (setting,)
                settings.append((name, len(given) if type(setting) is tuple else -1))
                numbers += given
                is_size += [name in SIZES] * len(given)
            elif type(setting) is Body:
                inner = signature(setting.graph)
                settings.append((name, inner.key, tuple(map(param_key, inner.fills))))
                numbers += inner.numbers
                is_size += inner.is_size
            elif name == "value" and node.prim.name == "full":
                fills.append(setting)
            else:
                settings.append((name, setting if type(setting) is Literal else param_key(setting)))
        parts.append((node.prim.name, tuple([place[value] for value in node.inputs]), tuple(settings)))
        for value in node.outs:
            place[value] = len(place)
    parts.append(tuple([place[value] for value in graph.outputs]))
    return Signature(tuple(parts), numbers, is_size, fills)


def outline(graph: Graph) -> int:
    """Equal for graphs of one signature key, and quick to tell: a first question before that is worked out."""
    return hash((len(graph.inputs), *[node.prim.name for node in graph.nodes]))


@dataclass(frozen=True)
class Match:
    """What a generic program is given for one graph: the table of sizes, and the values of its extra inputs."""

    sizes: list[int]
    fills: list[Number]


@dataclass(frozen=True)
class Generic:
    """A graph for many sizes. Its inputs are those of the samples and then one 0-d input for each differing fill.

    numbers: an int or a Sym for each number of the signature; fills: (position, value or None where it is an input)
    sources: for each entry of the table the position of the number it is read from
    """

    graph: Graph
    key: tuple
    numbers: list[int]
    fills: list[Number | None]
    sources: list[int]

    def match(self, given: Signature) -> Match | None:
        """The sizes for another graph, or None where this one does not compute the same."""
        if given.key != self.key:
            return None
        sizes = [given.numbers[position] for position in self.sources]
        for n, actual, is_size in zip(self.numbers, given.numbers, given.is_size, strict=True):
            if n is not actual and evaluate(n, sizes) != actual or (is_size and type(n) is Sym and actual < 1):
                return None
        extra = []
        for fixed, actual in zip(self.fills, given.fills, strict=True):
            if fixed is None:
                extra.append(actual)
            elif param_key(fixed) != param_key(actual):
                return None
        return Match(sizes, extra)


def generalise(graphs: Sequence[Graph]) -> Generic | None:
    """A generic graph that stands for all of `graphs`, or None where they differ in more than numbers."""
    taken = [signature(graph) for graph in graphs]
    if any(one.key != taken[0].key for one in taken):
        return None
    sample = max(range(len(graphs)), key=lambda k: sum(value.numel for value in graphs[k].inputs))
    found = expressions(taken, sample)
    if found is None:
        return None
    numbers, sources = found
    fills = [column[0] if all_equal(column) else None for column in zip(*[one.fills for one in taken], strict=True)]
    try:
        graph = rebuild(graphs[sample], numbers, fills)
    except (RuntimeError, ValueError, IndexError, TypeError):  # a shape rule that does not hold for these expressions
        return None
    return Generic(graph, taken[0].key, numbers, fills, sources)


def all_equal(column: Sequence[Number]) -> bool:
    return all(param_key(one) == param_key(column[0]) for one in column)


def expressions(taken: list[Signature], sample: int) -> tuple[list[int], list[int]] | None:
    """An int or a Sym for each number, and the positions that the table is read from."""
    count = len(taken)
    known: dict[tuple, Sym] = {}
    numbers: list[int] = []
    sources: list[int] = []
    columns = zip(*[one.numbers for one in taken], strict=True)
    for position, (column, is_size) in enumerate(zip(columns, taken[0].is_size, strict=True)):
        if column.count(column[0]) == count:
            numbers.append(int(column[0]))
            continue
        if is_size and min(column) <= 1:
            return None  # a size of 1 broadcasts, and a size of 0 computes nothing: other programs
        fitted = fit(column, known, sample)
        if fitted is None:
            fitted = known[column] = Sym(column[sample], ("table", len(sources)))
            sources.append(position)
        numbers.append(fitted)
    return numbers, sources


def fit(column: tuple, known: dict[tuple, Sym], sample: int) -> Sym | None:
    """An expression over the known sizes that gives `column` in every sample: simple ones first."""
    if column in known:
        return known[column]
    for base, n in known.items():
        factor = column[0] // base[0] if base[0] else 0  # a slice that begins at 0
        if factor > 1 and all(a == factor * b for a, b in zip(column, base, strict=True)):
            return n * factor
    for base, n in known.items():
        distance = column[0] - base[0]
        if all(a - b == distance for a, b in zip(column, base, strict=True)):
            return n + distance if distance > 0 else n - -distance
    for base, n in known.items():
        for other, m in known.items():
            if all(a == b * c for a, b, c in zip(column, base, other, strict=True)):
                return n * m
    if len(column) > 2:  # a line through two points proves nothing
        for base, n in known.items():
            line = line_through(column, base)
            if line is not None:
                return n * line[0] + line[1]
    return None


def line_through(column: tuple, base: tuple) -> tuple[int, int] | None:
    """(slope, start) with column = slope * base + start in every sample, in whole numbers."""
    run, rise = next(
        ((b - base[0], a - column[0]) for a, b in zip(column, base, strict=True) if b != base[0]), (1, 0)
    )
    slope, rest = divmod(rise, run)
    start = column[0] - slope * base[0]
    if rest or slope == 0 or any(a != slope * b + start for a, b in zip(column, base, strict=True)):
        return None
    return slope, start


def rebuild(graph: Graph, numbers: Iterable[int], fills: list[Number | None]) -> Graph:
    """The sample's graph with `numbers` in the places of its numbers; shapes follow by the shape rules."""
    upcoming, filling = iter(numbers), iter(fills)
    new: dict[Value, Value] = {}
    extra: list[Value] = []
    for value in graph.inputs:
        new[value] = Value(tuple([next(upcoming) for _ in value.shape]), value.dtype, name=value.name)
    with building() as nodes:
        for node in graph.nodes:
            settings = with_numbers(node, upcoming)
            inputs = [new[value] for value in node.inputs]
            if node.prim.name == "full" and next(filling) is None:
                fill = Value((), node.out.dtype, name=f"fill{len(extra)}")
                extra.append(fill)
                made = broadcast(fill, shape=settings["shape"], dims=())
            else:
                made = node.prim(*inputs, **settings)
            outs = made if isinstance(made, tuple) else (made,)
            check(node, outs)
            nodes[-1].where, nodes[-1].region = node.where, node.region
            new.update(zip(node.outs, outs, strict=True))
    return Graph([new[value] for value in graph.inputs] + extra, nodes, [new[value] for value in graph.outputs])


def with_numbers(node: Node, upcoming) -> dict:
    """A node's settings with the next numbers in the places of its own."""
    settings = dict(node.params)
    for name in sorted(settings):
        if type(settings[name]) is Body:
            graph = settings[name].graph
            fills = [n.params["value"] for n in graph.nodes if n.prim.name == "full"]
            settings[name] = body_of(rebuild(graph, upcoming, fills))
        elif name in NUMBERS:
            given = settings[name]
            settings[name] = tuple([next(upcoming) for _ in given]) if type(given) is tuple else next(upcoming)
    return settings


def check(node: Node, outs: tuple[Value, ...]) -> None:
    """The sample's own shapes must come out again. Raises ValueError."""
    for old, made in zip(node.outs, outs, strict=True):
        if tuple(old.shape) != tuple(map(int, made.shape)) or old.dtype is not made.dtype:
            raise ValueError(f"{node.prim.name}: {made} where the sample has {old}")
