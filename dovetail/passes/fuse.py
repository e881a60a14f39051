"""Grouping: which nodes become one kernel.

Shape primitives, constants and their kin never get a kernel of their own: they are address arithmetic inside whoever
reads them (`passes.affine`). Every other node becomes a *member* of a group. A group walks one iteration space, the
*full* sizes, of which some dims may be *reduced*; the others are its *rows*. Members live on one of two levels:

    full   one element for every point of the space
    row    one element for every row: results of the reductions, and arithmetic on them

Softmax is one group: max over the row, exp(x - max) on the full level, sum over the row, division on the full level.
A contract's group has the product as its anchor; members read the product's accumulators.

Members are joined greedily in the order of the graph, to the group of what they read, as long as no circle between
groups arises. Only members that another group or the caller reads are stored in memory.
"""

from __future__ import annotations

from dovetail.base.errors import DovetailError
from dovetail.ir.core import PRIMITIVES, Graph, Node, Primitive, Value, building, scope
from dovetail.passes.affine import INLINE_SHAPE, Affine, Start, identity, source, variable
from dovetail.passes.sizes import is_one, product, sample, size, sizes, squeeze
from dovetail.prims import families

VIEWS = {"reshape", "transpose", "broadcast", "slice", "windows", "detach", "identity"}
INLINE_MAKE = {"full", "iota", "literal"}
MOST_PARTS = 3  # a concat of more operands is always put together in memory
PICKS = {"take", "gather", "gather_nd"}
ONE_HOT = {"scatter", "scatter_add"}
LIGHT = {"add", "sub", "mul", "neg"}  # as cheap to compute as to load
FOLDS = {"reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_all", "reduce_any", "argmax", "argmin"}
ALONE = {"scatter", "scatter_add", "index_add", "scatter_nd", "argsort", "cumsum", "cumprod", "cummax", "cummin",
         "logcumsumexp", "host"}


class FusionError(DovetailError):
    """The groups contradict each other; a bug in this file."""


class Group:
    """Nodes that become one kernel.

    kind: "loops", "contract" (anchor: the product) or "alone" (anchor: a node with loops of its own).
    full: sizes of the iteration space without dims of size 1; reduced: positions in it that are folded away.
    chunk: the number of indices of reduced position `chunk[0]` that one row folds, where a long fold is cut in parts.
    """

    __slots__ = ("number", "kind", "full", "reduced", "members", "nodes", "anchor", "chunk", "before", "reads")

    def __init__(self, number: int, kind: str, full: tuple):
        self.number, self.kind, self.full = number, kind, full
        self.reduced: frozenset[int] = frozenset()
        self.members: dict[Value, str] = {}
        self.nodes: list[Node] = []
        self.anchor: Node | None = None
        self.chunk: tuple[int, int] | None = None
        self.before = 0  # bits: the groups that must be finished first, transitively
        self.reads: list[tuple[str, Value, tuple]] = []  # (level of the reader, what, at which index) from elsewhere

    @property
    def kept(self) -> list[int]:
        return [p for p in range(len(self.full)) if p not in self.reduced]

    @property
    def rows(self) -> tuple:
        return tuple(self.full[p] for p in self.kept)

    def __repr__(self) -> str:
        return f"Group({self.number} {self.kind} {self.full} {[n.prim.name for n in self.nodes]})"


def fold_dims(node: Node) -> tuple[int, ...]:
    """The dims a reduction folds, as the primitive's settings name them."""
    dims = node.params["dims"] if "dims" in node.params else (node.params["dim"],)
    rank = max(1, len(node.inputs[0].shape))
    return tuple(sorted(d % rank for d in dims))


def is_trivial_fold(node: Node) -> bool:
    shape = node.inputs[0].shape
    return all(is_one(size(shape[d])) for d in fold_dims(node))


def is_one_hot(node: Node) -> bool:
    """scatter(x, idx, u, dim) with one index along dim: an element is u where dim's index is idx, so no scatter."""
    if node.prim.name not in ONE_HOT:
        return False
    x, idx = node.inputs[0], node.inputs[1]
    dim = node.params["dim"] % max(1, len(x.shape))
    if not x.shape or not is_one(size(idx.shape[dim])):
        return False
    return all(size(a) == size(b) for d, (a, b) in enumerate(zip(x.shape, idx.shape, strict=True)) if d != dim)


class Fusion:
    """The grouping of one graph.

    home: the group of every member; same: a reshape that is no address arithmetic -> the value whose memory it shares.
    """

    def __init__(self, graph: Graph, strided=frozenset()):
        self.graph, self.strided = graph, strided  # strided: inputs whose elements are not row-major
        self.groups: list[Group] = []
        self.count = 0
        self.bases: dict[Node, tuple[Value, ...]] = {}  # of contracts: what in memory the operands are views of
        self.copied: dict[Value, Value] = {}  # inputs that are not row-major -> their row-major copies
        self.home: dict[Value, Group] = {}
        self.same: dict[Value, Value] = {}
        self.fresh_extents: dict[int, object] = {}

    def run(self) -> Fusion:
        for node in live_nodes(self.graph):
            if not self.is_inline(node):
                self.place(node)
        for out in self.graph.outputs:
            self.need(plain(out))
        self.hand_on()
        return self

    def is_inline(self, node: Node) -> bool:
        if node.prim.name == "concat" and len(node.inputs) > MOST_PARTS:
            return False
        return node.prim.name in INLINE_SHAPE or node.prim.name in INLINE_MAKE

    # Reading

    def reach(self, v: Value, index: tuple, found: list[tuple[Value, tuple]]) -> None:
        """Add to `found` the members and inputs that element `index` of v is computed from."""
        node = v.node
        if node is None or not self.is_inline(node):
            found.append((v, index))
            return
        if node.prim.name in INLINE_MAKE:
            return
        sources = source(node, index, self.extent)
        if sources is None:
            if v not in self.same:
                self.share(v)
            found.append((v, index))
            return
        for s in sources:
            if s.value is None:
                continue
            self.reach(s.value, s.index, found)
            for a in (*s.index, *(g.index for g in s.guards)):
                for symbol in getattr(a, "terms", ()):
                    if isinstance(symbol, Start):
                        self.reach(symbol.value, (), found)

    def extent(self, symbol):
        return self.fresh_extents.get(symbol) if isinstance(symbol, int) else None

    def space(self, shape: tuple) -> tuple:
        """The identity index of a value of this shape, over variables 0, 1, ..."""
        full = squeeze(shape)
        self.fresh_extents = dict(enumerate(full))
        return identity(shape, list(range(len(full))))

    def share(self, v: Value) -> None:
        """Make the reshape v another name for the memory of what it reshapes."""
        base = v.node.inputs[0]
        self.same[v] = self.row_major(base)

    def need(self, v: Value) -> None:
        """Make sure that v exists in memory, row-major."""
        if v in self.home or v in self.same or v.node is None:
            return
        if v.node.prim.name == "reshape":
            self.share(v)
            return
        saved = self.fresh_extents
        if v.node.prim.name == "concat":
            self.place_alone(v.node)
            self.fresh_extents = saved
            return
        group = self.new_group("loops", squeeze(sizes(v.shape)))
        found: list = []
        self.reach(v, self.space(sizes(v.shape)), found)
        self.fresh_extents = saved
        self.join(group, v, "full", found)

    def root(self, v: Value) -> Value:
        while v in self.same and v not in self.home:
            v = self.same[v]
        return v

    # Placing

    def place(self, node: Node) -> None:
        name, family = node.prim.name, node.prim.family
        if name == "contract":
            self.place_contract(node)
        elif name == "scan":
            self.place_loop(node)
        elif name in ALONE and not is_one_hot(node) or node.prim.host or name == "concat":
            self.place_alone(node)
        elif name in FOLDS:
            self.place_fold(node)
        elif name == "partial":
            self.place_partial(node)
        elif family == families.ELEMENT or name in PICKS or name in ONE_HOT or family == families.MAKE:
            self.place_element(node)
        else:
            raise FusionError(f"no grouping rule for the primitive {name}")

    def new_group(self, kind: str, full: tuple) -> Group:
        group = Group(self.count, kind, full)
        self.count += 1
        self.groups.append(group)
        return group

    def place_element(self, node: Node) -> None:
        shape = sizes(node.out.shape)
        index, found = self.space(shape), []
        for x, at in operand_indices(node, index):
            self.reach(x, at, found)
        self.settle(node, squeeze(shape), found)

    def settle(self, node: Node, shape: tuple, found: list) -> None:
        """Join the node to the best group among those it reads, or open a new one."""
        homes = self.homes(found)
        fitting = [(g, self.level(g, shape, found)) for g in homes]
        fitting = [(g, level) for g, level in fitting if level]
        fitting.sort(key=lambda pair: (pair[0].kind == "contract", bool(pair[0].reduced), pair[0].number), reverse=True)
        for group, level in fitting:
            if any(h.before >> group.number & 1 for h in homes if h is not group):
                continue
            self.join(group, node.out, level, found)
            for other, _ in fitting:
                if other is not group and other in self.groups:
                    group = self.merge(group, other) or group
            return
        self.join(self.new_group("loops", shape), node.out, "full", found)

    def homes(self, found: list) -> list[Group]:
        groups: dict[Group, None] = {}
        for v, _ in found:
            home = self.home.get(self.root(v))
            if home is not None:
                groups[home] = None
        return list(groups)

    def level(self, group: Group, shape: tuple, found: list) -> str | None:
        """The level on which a node of this (squeezed) shape can join the group, or None."""
        if group.kind == "alone":
            return None
        if shape == group.full:
            level = "full"
        elif group.reduced and shape == group.rows:
            level = "row"
        else:
            return None
        mine = [(v, at) for v, at in found if self.home.get(self.root(v)) is group]
        return level if all(self.agrees(group, level, v, at) for v, at in mine) else None

    def agrees(self, group: Group, level: str, v: Value, at: tuple, members: dict | None = None) -> bool:
        """Whether a node on `level` may read v, a member of the same group (or of `members`), at this index."""
        if v not in self.home or level == "anchor":
            return False  # another name for a member's memory, or all of it: it must be written first
        members = members or group.members
        shape, kept = sizes(v.shape), group.kept
        if level == "full":
            variables = range(len(group.full)) if members[v] == "full" else kept
            return at == identity(shape, list(variables))
        if members[v] == "row":
            return at == identity(shape, list(range(len(kept))))
        if group.chunk:
            return False
        position = 0  # a full-level member at one place of each row: it is computed again, there
        for a, n in zip(at, shape, strict=True):
            if is_one(n):
                continue
            if position in group.reduced:
                if not isinstance(a, Affine):
                    return False
            elif a != variable(kept.index(position)):
                return False
            position += 1
        return True

    def join(self, group: Group, v: Value, level: str, found: list) -> None:
        self.home[v] = group
        group.members[v] = "row" if level == "fold" else level
        group.reads += [("full" if level == "fold" else level, u, at) for u, at in found]
        if v.node not in group.nodes[-1:]:
            group.nodes.append(v.node)
        before = group.before
        for other in self.homes(found):
            if other is not group:
                before |= other.before | 1 << other.number
        self.set_before(group, before)

    def set_before(self, group: Group, before: int) -> None:
        if before >> group.number & 1:
            raise FusionError(f"{group} would wait for itself")
        if before == group.before:
            return
        group.before = before
        for other in self.groups:
            if other.before >> group.number & 1:
                other.before |= before

    def merge(self, a: Group, b: Group) -> Group | None:
        """Make one group of two with the same space, unless a third lies between them."""
        if a.full != b.full or (a.kind == "contract" and b.kind == "contract") or a.chunk != b.chunk:
            return None
        contract = a if a.kind == "contract" else b if b.kind == "contract" else None
        if a.reduced and b.reduced and a.reduced != b.reduced:
            return None
        if contract and (a.reduced or b.reduced):
            return None
        for first, last in ((a, b), (b, a)):
            between = last.before
            for g in self.groups:
                if between >> g.number & 1 and g is not a and g is not b and g.before >> first.number & 1:
                    return None
        keep, drop = (contract, a if contract is b else b) if contract else (a, b)
        before = keep.reduced
        keep.reduced = keep.reduced | drop.reduced
        crossing = [(r, g) for g, other in ((a, b), (b, a)) for r in g.reads if self.home.get(self.root(r[1])) is other]
        members = keep.members | drop.members
        if not all(self.agrees(keep, level, v, at, members) for (level, v, at), _ in crossing):
            keep.reduced = before
            return None
        for v, level in drop.members.items():
            keep.members[v] = level
            self.home[v] = keep
        keep.nodes += drop.nodes
        keep.reads += drop.reads
        self.groups.remove(drop)
        gone, stays = 1 << drop.number, 1 << keep.number
        for g in self.groups:
            if g.before & gone:
                g.before = g.before & ~gone | stays
        self.set_before(keep, (keep.before | drop.before) & ~gone & ~stays)
        for g in self.groups:
            if g is not keep and g.before & stays:
                g.before |= keep.before
        return keep

    def place_fold(self, node: Node) -> None:
        x = node.inputs[0]
        shape = sizes(x.shape)
        positions = frozenset(squeezed_positions(shape, fold_dims(node)))
        found: list = []
        self.reach(x, self.space(shape), found)
        if not is_trivial_fold(node):
            self.fold_into(node, squeeze(shape), positions, None, found)
        else:  # over dims of size 1 only: the element itself
            self.settle(node, squeeze(shape), found)

    def place_partial(self, node: Node) -> None:
        """One part of a long fold: see `split_long_folds`."""
        x = node.inputs[0]
        shape = sizes(x.shape)
        positions = frozenset(squeezed_positions(shape, node.params["dims"]))
        (at,) = squeezed_positions(shape, (node.params["dim"],))
        found: list = []
        self.reach(x, self.space(shape), found)
        self.fold_into(node, squeeze(shape), positions, (at, node.params["length"]), found)

    def fold_into(self, node: Node, full: tuple, positions: frozenset, chunk, found: list) -> None:
        homes = self.homes(found)
        for group in sorted(homes, key=lambda g: -g.number):
            if group.kind != "loops" or group.full != full or (group.reduced and group.reduced != positions):
                continue
            if group.reduced and group.chunk != chunk:
                continue
            if any(h.before >> group.number & 1 for h in homes if h is not group):
                continue
            mine = [(v, at) for v, at in found if self.home.get(self.root(v)) is group]
            if not all(self.agrees(group, "full", v, at) for v, at in mine):
                continue
            group.reduced, group.chunk = positions, chunk
            self.join(group, node.out, "fold", found)
            for other in homes:
                if other is not group and other in self.groups and not other.chunk and not chunk:
                    self.merge(group, other)
            return
        group = self.new_group("loops", full)
        group.reduced, group.chunk = positions, chunk
        self.join(group, node.out, "fold", found)

    def place_contract(self, node: Node) -> None:
        bases = tuple(self.view_or_need(x) for x in node.inputs)
        self.bases[node] = bases
        group = self.new_group("contract", squeeze(sizes(node.out.shape)))
        group.anchor = node
        self.join(group, node.out, "full", [])
        self.await_all(group, [(base, ()) for base in bases])

    def place_loop(self, node: Node) -> None:
        """States begin in memory of their own order, and so do transposed operands that every turn reads; the other
        operands may be strided views of memory."""
        carried, whole = node.params["carried"], node.params["carried"] + node.params["scanned"]
        bases = tuple(
            self.row_major(x) if i < carried or i >= whole and self.is_turned(x) else self.view_or_need(x)
            for i, x in enumerate(node.inputs)
        )
        self.bases[node] = bases
        group = self.new_group("alone", squeeze(sizes(node.outs[-1].shape)))
        group.anchor = node
        for out in node.outs:
            self.join(group, out, "full", [])
        self.await_all(group, [(base, ()) for base in bases])

    def is_turned(self, x: Value) -> bool:
        """Whether x is a view of memory whose dims lie in another order there."""
        while self.is_view(x):
            if x.node.prim.name == "transpose":
                return True
            x = x.node.inputs[0]
        return False

    def row_major(self, x: Value) -> Value:
        """x, which is made to lie in memory in its own order."""
        if x in self.strided:
            if x not in self.copied:
                with building():
                    self.copied[x] = PRIMITIVES["identity"](x)
            x = self.copied[x]
        self.need(x)
        return x

    def await_all(self, group: Group, found: list) -> None:
        """The group's anchor reads these whole, so they must be in memory before it starts."""
        group.reads += [("anchor", u, at) for u, at in found]
        before = group.before
        for other in self.homes(found):
            before |= other.before | 1 << other.number
        self.set_before(group, before)

    def view_or_need(self, x: Value) -> Value:
        """What a contract's operand is a strided view of: memory, or a copy made as early as it is smallest."""
        self.reach(x, self.space(sizes(x.shape)), [])
        seen = [x]
        while self.is_view(seen[-1]):
            seen.append(seen[-1].node.inputs[0])
        base = seen[-1]
        if base.node is not None and base not in self.same and base not in self.home and self.is_inline(base.node):
            base = min(reversed(seen), key=lambda v: sample(product(sizes(v.shape))))
            self.need(base)
        return base

    def is_view(self, x: Value) -> bool:
        """Whether x is not in memory itself, but one value seen through strides, without conditions."""
        if x.node is None or x in self.home or x in self.same or x.node.prim.name not in VIEWS:
            return False
        return not any(map(any, x.node.params["padding"] if x.node.prim.name == "windows" else ()))

    def place_alone(self, node: Node) -> None:
        found: list = []
        for x in node.inputs:
            self.reach(x, self.space(sizes(x.shape)), found)
        group = self.new_group("alone", squeeze(sizes(node.out.shape)))
        group.anchor = node
        for out in node.outs:
            self.join(group, out, "full", [])
        self.await_all(group, found)


    # Handing on

    def hand_on(self) -> None:
        """Leave to its reader what a product's epilogue would only store for it, where that makes fewer arrays.

        A product that three kernels read times something is stored once instead of three times: the gradient of a
        layer norm, the squares of a gradient's norm (benchmark nanogpt_train).
        """
        users: dict[Value, list[Node]] = {}
        for node in live_nodes(self.graph):
            for x in node.inputs:
                users.setdefault(x, []).append(node)
        given = {self.root(plain(out)) for out in self.graph.outputs} | {self.root(v) for v in self.same}
        for group in self.groups:
            if group.kind == "contract" and len(group.members) > 1:
                self.lighten(group, users, given)

    def lighten(self, group: Group, users: dict[Value, list[Node]], given: set[Value]) -> None:
        """hand_on for one group. given: values that must lie in memory."""
        to: dict[Value, Group] = {}
        for v in reversed(list(group.members)):
            readers = {to.get(n.out, self.home.get(n.out)) for n in users.get(v, ())}
            reader = readers.pop() if len(readers) == 1 else None
            if v in given or v.node.prim.name not in LIGHT or reader is None or reader is group:
                continue
            members = {**reader.members, v: "full"}
            reads = [r for r in reader.reads if r[1] is v]
            if reader.kind == "loops" and reader.full == group.full and all(
                [level == "full" and self.agrees(reader, level, v, at, members) for level, _, at in reads]
            ):
                to[v] = reader

        def stored(left: dict) -> int:
            return sum([v in given or any([n.out not in left for n in users.get(v, ())]) for v in left])

        left = {v: level for v, level in group.members.items() if v not in to}
        if not to or stored(left) >= stored(group.members):
            return
        saved = self.fresh_extents
        group.members = left
        group.nodes = [n for n in group.nodes if n.out in left]
        group.reads = [r for r in group.reads if r[0] == "anchor"]
        for v in left:
            group.reads += [("full", *read) for read in self.operands(v)] if v.node is not group.anchor else []
        for reader in set(to.values()):
            mine = [v for v in to if to[v] is reader][::-1]
            self.home.update(dict.fromkeys(mine, reader))
            reader.members = {**dict.fromkeys(mine, "full"), **reader.members}
            reader.nodes = [v.node for v in mine] + reader.nodes
            reader.reads += [("full", *read) for v in mine for read in self.operands(v)]
        self.fresh_extents = saved

    def operands(self, v: Value) -> list[tuple[Value, tuple]]:
        """What a member on the full level is computed from: members and inputs, each with the index of its element."""
        index, found = self.space(sizes(v.shape)), []
        for x, at in operand_indices(v.node, index):
            self.reach(x, at, found)
        return found


def plain(v: Value) -> Value:
    """What v is another name of: through detach and identity."""
    while v.node is not None and v.node.prim.name in ("detach", "identity"):
        v = v.node.inputs[0]
    return v


def squeezed_positions(shape: tuple, dims: tuple) -> list[int]:
    """Positions of `dims` among the dims other than size 1."""
    position, found = 0, []
    for d, n in enumerate(shape):
        if is_one(n):
            continue
        if d in dims:
            found.append(position)
        position += 1
    return found


class _Picked:
    """A symbol: an index that is read from memory."""


def operand_indices(node: Node, index: tuple) -> list[tuple[Value, tuple]]:
    """What element `index` of an element-like node reads: (operand, index in it)."""
    name, inputs = node.prim.name, node.inputs
    if name == "take":
        x, idx = inputs
        dim = node.params["dim"] % len(x.shape)
        inner = index[dim : dim + len(idx.shape)]
        return [(idx, inner), (x, (*index[:dim], variable(_Picked()), *index[dim + len(idx.shape) :]))]
    if name == "gather":
        x, idx = inputs
        dim = node.params["dim"] % max(1, len(x.shape))
        return [(idx, index), (x, (*index[:dim], variable(_Picked()), *index[dim + 1 :]))]
    if name == "gather_nd":
        x, picks = inputs[0], inputs[1:]
        rank = len(picks[0].shape)
        return [(p, index[:rank]) for p in picks] + [
            (x, (*(variable(_Picked()) for _ in picks), *index[rank:]))
        ]
    if name in ONE_HOT:
        x, idx, u = inputs
        dim = node.params["dim"] % len(x.shape)
        at = (*index[:dim], Affine(0, {}), *index[dim + 1 :])
        return [(x, index), (idx, at), (u, at)]
    if name == "random_bits":
        return [(x, ()) for x in inputs]
    return [(x, index) for x in inputs]


def live_nodes(graph: Graph) -> list[Node]:
    """The nodes that some output (or an effect) depends on, in order."""
    needed = {v.node for v in graph.outputs if v.node is not None}
    live = []
    for node in reversed(graph.nodes):
        if node in needed or node.prim.effect:
            live.append(node)
            needed.update(x.node for x in node.inputs if x.node is not None)
    live.reverse()
    return live


PARTIAL = Primitive("partial", families.REDUCE, None)
PARTIAL.kinds = ""


@PARTIAL.shape
def partial_shape(x, *, fold, dims, dim, length):
    """A reduction over `dims` in parts: the leading dim counts runs of `length` indices of `dim`."""
    parts = (x.shape[dim] + (length - 1)) // length
    return (parts, *(n for d, n in enumerate(x.shape) if d not in dims)), x.dtype


def split_long_folds(graph: Graph) -> Graph:
    """Cut long reductions in parts that threads share; the parts are folded in a fixed order afterwards."""
    if not any(long_fold(n) for n in graph.nodes):
        return graph
    new: dict[Value, Value] = {}
    with building() as nodes:
        for node in graph.nodes:
            inputs = tuple(new.get(x, x) for x in node.inputs)
            cut = long_fold(node)
            scope.where = node.where
            if cut:
                dim, length = cut
                parts = PARTIAL(*inputs, fold=node.prim.name, dims=fold_dims(node), dim=dim, length=length)
                new[node.out] = node.prim(parts, dims=(0,))
            elif any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
                made = Node(node.prim, inputs, node.params)
                made.outs = tuple(Value(v.shape, v.dtype, made, v.index) for v in node.outs)
                made.where, made.region = node.where, node.region
                nodes.append(made)
                new.update(zip(node.outs, made.outs, strict=True))
            else:
                nodes.append(node)
    return Graph(graph.inputs, nodes, [new.get(v, v) for v in graph.outputs])


def long_fold(node: Node) -> tuple[int, int] | None:
    """(dim, length) where a reduction is so long, over so few rows, that it is worth cutting in parts."""
    if node.prim.name not in FOLDS or node.prim.name.startswith("arg"):
        return None
    shape, dims = sizes(node.inputs[0].shape), fold_dims(node)
    total = product([sample(n) for n in shape])
    rows = product([sample(n) for d, n in enumerate(shape) if d not in dims])
    if total < 1 << 17 or rows > 1024 or total // max(1, rows) < 1024:
        return None
    dim = next((d for d in dims if sample(shape[d]) >= 16), None)
    if dim is None:
        return None
    parts = min(64, total // 16384, sample(shape[dim]))
    return dim, -(-sample(shape[dim]) // parts)
