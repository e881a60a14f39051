"""What one kernel computes: expressions over its loop variables, whose leaves are loads from memory.

`Scribe` turns the members of a group into expressions. Variables are the positions of the group's full sizes; loads
carry an affine address in elements. Equal expressions are one object, so arithmetic is shared by itself.
"""

from __future__ import annotations

import numpy as np

from dovetail.base.dtypes import DType, bfloat16, bool_, float16, int64
from dovetail.ir.core import Node, Value
from dovetail.passes.affine import ZERO, Affine, Guard, Start, add, dot, identity, scale, shift, source, variable
from dovetail.passes.fuse import FOLDS, INLINE_MAKE, ONE_HOT, Fusion, FusionError, Group, fold_dims, is_trivial_fold
from dovetail.passes.sizes import Size, contiguous, is_one, product, sample, size, sizes
from dovetail.prims import families

CHEAP = {"add", "sub", "mul", "neg", "convert", "eq", "ne", "lt", "le", "gt", "ge", "where", "bitwise_and",
         "bitwise_or", "bitwise_not", "logical_not", "abs", "maximum", "minimum"}
SHORT_FLOATS = (float16, bfloat16)
EXACT = frozenset("abs ceil floor maximum minimum neg round sign trunc where".split())  # of what the dtype holds
COSTLY = {"div": 4, "sqrt": 6, "rsqrt": 6, "exp": 14, "tanh": 24, "erf": 30, "log": 20, "sigmoid": 20}
EFFORT = 40  # steps (COSTLY, or one each) that are repeated rather than a value kept for another kernel (nanogpt_train)
SMALL = 16  # a value so many times smaller than another is read for nothing beside it


class Storage:
    """Where a value lies. kind: "input", "output", "arena" or "literal"; strides in elements.

    whole, offset: a part of another storage, which no other part of it overlaps, and where it begins (in elements).
    """

    __slots__ = ("kind", "index", "shape", "strides", "dtype", "value", "whole", "offset")

    def __init__(self, kind: str, index, shape: tuple, strides: tuple, dtype: DType, value: Value):
        self.kind, self.index, self.value = kind, index, value
        self.shape, self.strides, self.dtype = shape, strides, dtype
        self.whole: Storage | None = None
        self.offset: Size = 0

    def part(self, shape: tuple, strides: tuple, offset, value: Value) -> Storage:
        """Some of this memory as the place of another value."""
        made = Storage(self.kind, self.index, shape, strides, self.dtype, value)
        made.whole, made.offset = self, self.offset + offset
        return made

    @property
    def base(self) -> Storage:
        """The storage that this is a part of, directly or not; itself if it is none."""
        return self if self.whole is None else self.whole.base

    def address(self, index: tuple) -> Affine:
        """Where element `index` lies, in elements from the start of the memory."""
        return shift(dot(index, self.strides), self.offset)

    def __repr__(self) -> str:
        return f"Storage({self.kind} {self.index} {self.shape})"

    @property
    def key(self) -> tuple:
        """Storages with one key are one piece of memory."""
        if self.whole is not None:
            return self.whole.key
        if self.kind in ("input", "output") or self.index is not None:
            return (self.kind, self.index)
        return (self.kind, self.value)

    @property
    def nbytes(self):
        """Bytes from the first element to the last."""
        if any(isinstance(n, int) and n == 0 for n in self.shape):
            return 0
        reach = 1
        for n, s in zip(self.shape, self.strides, strict=True):
            reach = (n - 1) * s + reach
        return reach * self.dtype.itemsize


class Expr:
    """kind: const, index, load, apply, row (a fold's result), product (a contract's accumulators), bits."""

    __slots__ = ("kind", "dtype", "args", "data", "vars", "need", "number")

    def __init__(self, kind: str, dtype: DType, args: tuple, data, variables: frozenset, need: int, number: int):
        self.kind, self.dtype, self.args, self.data = kind, dtype, args, data
        self.vars, self.need, self.number = variables, need, number

    def __repr__(self) -> str:
        inside = ", ".join(map(repr, self.args))
        return f"{self.data[0] if self.kind == 'apply' else self.kind}({inside or self.data})"


class Fold:
    """A reduction of a group: `arg` is folded over the reduced dims in loop number `stage`."""

    __slots__ = ("name", "node", "arg", "dtype", "stage", "index")

    def __init__(self, name: str, node: Node, arg: Expr, dtype: DType, stage: int, index: Expr | None):
        self.name, self.node, self.arg, self.dtype, self.stage, self.index = name, node, arg, dtype, stage, index


class Store:
    """Writes `expr` to `storage`; level "full" or "row"."""

    __slots__ = ("expr", "storage", "address", "level")

    def __init__(self, expr: Expr, storage: Storage, address: Affine, level: str):
        self.expr, self.storage, self.address, self.level = expr, storage, address, level


class Memory:
    """Where every value of a program lies, and what has to be stored at all."""

    def __init__(self, fusion: Fusion, storages: dict[Value, Storage], avoid: frozenset[Value]):
        self.fusion, self.storages = fusion, storages
        self.stored: set[Value] = set()
        self.literals: dict[Value, Storage] = {}
        self.avoid = avoid  # inputs that are overwritten: not to be read later than necessary
        self.whole = {fusion.root(u) for g in fusion.groups for level, u, _ in g.reads if level == "anchor"}

    def find(self, v: Value) -> Storage:
        """The storage of v, seen with v's own sizes."""
        root = self.fusion.root(v)
        base = self.storages.get(root)
        if base is None:
            shape = sizes(root.shape)
            if root.node is not None and root.node.prim.name == "literal":
                base = self.literal(root)
            else:
                base = Storage("arena", None, shape, contiguous(shape), root.dtype, root)
            self.storages[root] = base
        if base.kind not in ("input", "literal"):
            self.stored.add(root)
        if root is v:
            return base
        shape = sizes(v.shape)
        return Storage(base.kind, base.index, shape, contiguous(shape), v.dtype, root)


    def literal(self, v: Value) -> Storage:
        """Where a literal's numbers are read: in the code itself, also where an output holds a copy of them."""
        if v not in self.literals:
            shape = sizes(v.shape)
            self.literals[v] = Storage("literal", None, shape, contiguous(shape), v.dtype, v)
        return self.literals[v]


class Scribe:
    """Builds the expressions of one kernel."""

    def __init__(self, group: Group | None, memory: Memory, full: tuple):
        self.group, self.memory, self.fusion = group, memory, memory.fusion
        self.full = full
        self.extents: dict[int, object] = dict(enumerate(full))
        self.made: dict = {}
        self.cache: dict = {}
        self.folds: list[Fold] = []
        self.fold_of: dict[Value, Expr] = {}
        self.stores: list[Store] = []
        self.sums: list[int] | None = None  # a contract in plain loops: the variables it sums over

    def extent(self, symbol):
        return self.extents.get(symbol) if isinstance(symbol, int) else None

    # Making expressions

    def make(self, kind: str, dtype: DType, args: tuple, data, variables: frozenset | None = None, need=0) -> Expr:
        key = (kind, dtype.name, tuple([a.number for a in args]), data)
        found = self.made.get(key)
        if found is None:
            if variables is None:
                variables = frozenset().union(*[a.vars for a in args])
            need = max([need] + [a.need for a in args])
            found = self.made[key] = Expr(kind, dtype, args, data, variables, need, len(self.made))
        return found

    def const(self, value, dtype: DType) -> Expr:
        if isinstance(value, float):
            data = ("f", value.hex() if value == value else "nan", value)
            key = ("const", dtype.name, (), data[:2])
            found = self.made.get(key)
            if found is None:
                found = self.made[key] = Expr("const", dtype, (), value, frozenset(), 0, len(self.made))
            return found
        key = ("const", dtype.name, (), (type(value).__name__, value))
        found = self.made.get(key)
        if found is None:
            found = self.made[key] = Expr("const", dtype, (), value, frozenset(), 0, len(self.made))
        return found

    def apply(self, name: str, dtype: DType, *args: Expr, params: tuple = ()) -> Expr:
        return self.make("apply", dtype, args, (name, params))

    def place(self, a) -> Expr:
        """An index as an int64 expression."""
        if isinstance(a, tuple):  # (position, step): position / step, exact where it is used
            return self.apply("floor_divide", int64, self.place(a[0]), self.const(a[1], int64))
        a = self.resolved(a)
        if not a.terms:
            return self.const(a.const, int64)
        return self.make("index", int64, symbols(a), a, variables_of(a))

    def resolved(self, a) -> Affine:
        """The affine with run-time starts turned into expressions."""
        if isinstance(a, tuple):
            return variable(self.place(a))
        if not any(isinstance(s, Start) for s in a.terms):
            return a
        total = Affine(a.const, {s: c for s, c in a.terms.items() if not isinstance(s, Start)})
        for s, c in a.terms.items():
            if isinstance(s, Start):
                start = self.convert(self.value(s.value, ()), int64)
                start = self.apply("maximum", int64, start, self.const(0, int64))
                start = self.apply("minimum", int64, start, self.const(s.high, int64))
                total = add(total, scale(variable(start), c))
        return total

    def convert(self, x: Expr, dtype: DType) -> Expr:
        return x if x.dtype is dtype else self.apply("convert", dtype, x, params=(("dtype", dtype),))

    def open_guards(self, guards: tuple[Guard, ...]) -> tuple[Guard, ...] | None:
        """The guards that may hold or not; None if one of them never holds."""
        left = []
        for g in guards:
            reach = self.reach(g.index) if isinstance(g.low, int) and isinstance(g.high, int) else None
            if reach is not None and (reach[1] < g.low or reach[0] >= g.high):
                return None
            if reach is not None and reach[0] == reach[1] and (reach[0] - g.low) % g.step:
                return None
            sure = reach is not None and g.low <= reach[0] and reach[1] < g.high
            if not sure or (g.step != 1 and reach[0] != reach[1]):
                left.append(g)
        return tuple(left)

    def reach(self, a: Affine) -> tuple[int, int] | None:
        """The smallest and the largest value an index takes; None where that is not known now."""
        if not isinstance(a.const, int):
            return None
        low = high = a.const
        for symbol, c in a.terms.items():
            n = self.extent(symbol)
            if not isinstance(n, int) or not isinstance(c, int):
                return None
            low, high = low + min(0, c * (n - 1)), high + max(0, c * (n - 1))
        return low, high

    def condition(self, guards: tuple[Guard, ...]) -> Expr | None:
        """All guards hold."""
        parts = []
        for g in guards:
            if isinstance(g.index, tuple):
                raise FusionError("a guard over a divided index")
            at = self.place(g.index)
            parts.append(self.apply("ge", bool_, at, self.const(g.low, int64)))
            parts.append(self.apply("lt", bool_, at, self.const(g.high, int64)))
            if g.step != 1:
                rest = self.apply("remainder", int64, at, self.const(g.step, int64))
                parts.append(self.apply("eq", bool_, rest, self.const(0, int64)))
        if not parts:
            return None
        total = parts[0]
        for p in parts[1:]:
            total = self.apply("bitwise_and", bool_, total, p)
        return total

    # From values to expressions

    def value(self, v: Value, index: tuple, guard: Expr | None = None) -> Expr:
        """Element `index` of v. guard: where it does not hold, the element is not used and may be out of range."""
        key = (v, index, guard)
        found = self.cache.get(key)
        if found is None:
            found = self.cache[key] = self.fresh_value(v, index, guard)
        return found

    def fresh_value(self, v: Value, index: tuple, guard: Expr | None) -> Expr:
        node, home = v.node, self.fusion.home.get(v)
        if node is None:
            return self.load(v, index, guard)
        if home is not None and home is not self.group and not self.fusion.is_inline(node):
            return self.load(v, index, guard) if not self.can_repeat(v) else self.compute(v, index, guard)
        return self.compute(v, index, guard)

    def compute(self, v: Value, index: tuple, guard: Expr | None) -> Expr:
        node = v.node
        name = node.prim.name
        if name in INLINE_MAKE:
            return self.make_value(node, index, guard)
        if name in FOLDS and is_trivial_fold(node):
            return self.only_element(node, index, guard)
        if name == "partial":
            return self.row(v)
        if name in FOLDS:
            return self.rounded(self.row(v))
        if self.group is not None and node is self.group.anchor:
            if self.group.kind == "alone":
                raise FusionError("an alone group reads itself")
            return self.rounded(self.product(v))
        if node.prim.family == families.SHAPE or name in ("detach", "identity"):
            return self.shaped(node, index, guard)
        if name in ("take", "gather", "gather_nd"):
            return self.picked(node, index, guard)
        if name in ONE_HOT:
            return self.one_hot(node, index, guard)
        if name == "random_bits":
            at = dot(index, contiguous(sizes(v.shape)))
            seed, counter = [self.convert(self.value(x, ()), int64) for x in node.inputs]
            return self.make("bits", v.dtype, (seed, counter, *symbols(at)), (at, size(node.params.get("offset", 0))),
                             variables_of(at))
        args = [self.value(x, index, guard) for x in node.inputs]
        params = tuple(sorted(node.params.items(), key=lambda item: item[0]))
        made = self.apply(name, v.dtype, *args, params=params)
        return made if name in EXACT else self.rounded(made)

    def rounded(self, x: Expr) -> Expr:
        """A result as its own dtype holds it: short floats are computed in float32, also between fused ops."""
        return self.apply("rounded", x.dtype, x, params=(("dtype", x.dtype),)) if x.dtype in SHORT_FLOATS else x

    def only_element(self, node: Node, index: tuple, guard: Expr | None) -> Expr:
        """A fold over dims of size 1."""
        if node.prim.name in ("argmax", "argmin"):
            return self.const(0, node.out.dtype)
        left, dims = iter(index), fold_dims(node)
        x = node.inputs[0]
        return self.value(x, tuple(ZERO if d in dims else next(left) for d in range(len(x.shape))), guard)

    def make_value(self, node: Node, index: tuple, guard: Expr | None) -> Expr:
        name, dtype = node.prim.name, node.out.dtype
        if name == "full":
            value = node.params["value"]
            value = size(value) if isinstance(value, int) and not isinstance(value, bool) else value
            if isinstance(value, np.generic):
                value = value.item()
            if dtype in SHORT_FLOATS:
                with np.errstate(over="ignore"):
                    value = float(np.asarray(value, np.float64).astype(np.float32).astype(dtype.np))
            return self.const(value, dtype)
        if name == "iota":
            return self.convert(self.place(index[node.params["dim"]]), dtype)
        array = node.params["value"].array
        if array.ndim == 0 or array.size == 1:
            return self.const(array.reshape(()).item(), dtype)
        storage = self.memory.literal(node.out)
        return self.load_at(storage, storage.address(tuple(self.resolved(a) for a in index)), guard)

    def shaped(self, node: Node, index: tuple, guard: Expr | None) -> Expr:
        sources = source(node, index, self.extent)
        if sources is None and node.out in self.fusion.same:
            return self.load(node.out, index, guard)
        if sources is None:
            return self.value(node.inputs[0], self.divided(node, index), guard)
        total = None
        for s in reversed(sources):
            if s.value is None:
                total = self.const(s.fill, node.out.dtype)
                continue
            guards = self.open_guards(s.guards)
            if guards is None:
                continue
            mine = self.condition(guards)
            inner = guard if mine is None else mine if guard is None else self.apply("bitwise_and", bool_, guard, mine)
            part = self.value(s.value, s.index, inner)
            total = part if mine is None or total is None else self.apply("where", node.out.dtype, mine, part, total)
        return total

    def divided(self, node: Node, index: tuple) -> tuple:
        """The index in what a reshape reshapes, by division: an element picked at run time is read through it."""
        linear = self.place(dot(tuple(self.resolved(a) for a in index), contiguous(sizes(node.out.shape))))
        inner, shape = [], sizes(node.inputs[0].shape)
        for n, step in zip(shape, contiguous(shape), strict=True):
            above = self.apply("floor_divide", int64, linear, self.const(step, int64))
            inner.append(variable(self.apply("remainder", int64, above, self.const(n, int64))))
        return tuple(inner)

    def picked(self, node: Node, index: tuple, guard: Expr | None) -> Expr:
        name, x = node.prim.name, node.inputs[0]
        if name == "gather_nd":
            rank = len(node.inputs[1].shape)
            picks = [self.pick(p, index[:rank], x, d, guard) for d, p in enumerate(node.inputs[1:])]
            return self.value(x, (*picks, *index[rank:]), guard)
        idx = node.inputs[1]
        dim = node.params["dim"] % max(1, len(x.shape))
        if name == "take":
            at = self.pick(idx, index[dim : dim + len(idx.shape)], x, dim, guard)
            return self.value(x, (*index[:dim], at, *index[dim + len(idx.shape) :]), guard)
        at = self.pick(idx, index, x, dim, guard)
        return self.value(x, (*index[:dim], at, *index[dim + 1 :]), guard)

    def pick(self, idx: Value, index: tuple, x: Value, dim: int, guard: Expr | None) -> Affine:
        """An index read from memory, kept inside the dim so that bad data can never touch other memory."""
        at = self.convert(self.value(idx, index, guard), int64)
        at = self.apply("maximum", int64, at, self.const(0, int64))
        return variable(self.apply("minimum", int64, at, self.const(size(x.shape[dim]) - 1, int64)))

    def one_hot(self, node: Node, index: tuple, guard: Expr | None) -> Expr:
        x, idx, u = node.inputs
        dim = node.params["dim"] % len(x.shape)
        at = (*index[:dim], ZERO, *index[dim + 1 :])
        hit = self.apply("eq", bool_, self.place(index[dim]), self.convert(self.value(idx, at, guard), int64))
        new, old = self.value(u, at, guard), self.value(x, index, guard)
        if node.prim.name == "scatter_add":
            new = new if old.kind == "const" and old.data == 0 else self.apply("add", u.dtype, old, new)
        return self.apply("where", x.dtype, hit, new, old)

    def row(self, v: Value) -> Expr:
        """The result of a fold of this group."""
        if v in self.fold_of:
            return self.fold_of[v]
        node = v.node
        if self.group is None or self.fusion.home.get(v) is not self.group:
            raise FusionError(f"{node.prim.name} is read outside its group")
        x = node.inputs[0]
        index = identity(sizes(x.shape), list(range(len(self.full))))
        arg = self.value(x, index)
        name = node.params["fold"] if node.prim.name == "partial" else node.prim.name
        where = None
        if name in ("argmax", "argmin"):
            where = self.place(index[node.params["dim"]])
        fold = Fold(name, node, arg, v.dtype, arg.need, where)
        self.folds.append(fold)
        kept = frozenset(p for p in range(len(self.full)) if p not in self.group.reduced)
        made = self.make("row", v.dtype, (), len(self.folds) - 1, kept, fold.stage + 1)
        self.fold_of[v] = made
        return made

    def product(self, v: Value) -> Expr:
        """The accumulators of this group's contract; in plain loops, a fold over its products."""
        if self.sums is None:
            return self.make("product", v.dtype, (), None, frozenset(range(len(self.full))))
        if v not in self.fold_of:
            (a, at_a), (b, at_b) = self.factors(v.node)
            arg = self.apply("mul", v.dtype, self.value(a, at_a), self.value(b, at_b))
            self.folds.append(Fold("reduce_sum", v.node, arg, v.dtype, 0, None))
            self.fold_of[v] = self.make("row", v.dtype, (), len(self.folds) - 1, frozenset(range(len(self.full))), 1)
        return self.fold_of[v]

    def factors(self, node: Node) -> list[tuple[Value, tuple]]:
        """Both operands of a contract, with indices over the result's variables and those of the sums."""
        out = identity(sizes(node.out.shape), list(range(len(self.full))))
        batch, sums = node.params["batch"], node.params["sum"]
        at, found = len(batch[0]), []
        for x, b, s in zip(node.inputs, batch, sums, strict=True):
            index: list = [ZERO] * len(x.shape)
            for number, d in enumerate(b):
                index[d] = out[number]
            for number, d in enumerate(s):
                index[d] = ZERO if is_one(size(x.shape[d])) else variable(self.sums[number])
            for d in range(len(x.shape)):
                if d not in b and d not in s:
                    index[d] = out[at]
                    at += 1
            found.append((x, tuple(index)))
        return found

    # Memory

    def load(self, v: Value, index: tuple, guard: Expr | None) -> Expr:
        storage = self.memory.find(v)
        at = storage.address(tuple(self.resolved(a) for a in index))
        return self.load_at(storage, at, guard)

    def load_at(self, storage: Storage, at: Affine, guard: Expr | None) -> Expr:
        args = symbols(at) + ((guard,) if guard is not None else ())
        data = LoadAt(storage, at, guard)
        return self.make("load", storage.dtype, args, data, variables_of(at) | self.guard_vars(guard))

    def roots(self) -> list[Expr]:
        """Everything that the kernel needs computed."""
        found = [s.expr for s in self.stores] + [f.arg for f in self.folds]
        return found + [f.index for f in self.folds if f.index is not None]

    def reads_only_inputs(self) -> bool:
        return all(e.data.storage.kind == "input" for e in self.made.values() if e.kind == "load")

    @staticmethod
    def guard_vars(guard: Expr | None) -> frozenset:
        return guard.vars if guard is not None else frozenset()

    def can_repeat(self, v: Value) -> bool:
        """Whether computing v again costs less than keeping it: little arithmetic on what lies in memory anyway.

        Where the kernel looks at v once only, that may be an exponential or two: what backward needs of an activation
        comes from the activation's input, which one kernel writes once (benchmark nanogpt_train).
        """
        memory = self.memory
        if v in memory.stored or v in memory.whole or memory.storages.get(v) is not None:
            return False
        leaves: dict[Value, bool] = {}
        effort = self.effort(v, leaves, {})
        count = sample(product(sizes(v.shape)))
        folded = self.group is not None and bool(self.group.reduced)
        once = not folded and sample(product(self.full)) <= count
        if v in leaves or effort > (EFFORT if once else 4):
            return False
        large = [u for u in leaves if sample(product(sizes(u.shape))) * SMALL > count]
        if len(large) > 1 or (not once and len(leaves) > 1):
            return False
        return all(u.dtype.itemsize <= (4 if leaves[u] else 1) * v.dtype.itemsize for u in large)

    def effort(self, v: Value, leaves: dict[Value, bool], seen: dict[Value, int]) -> int:
        """Vector steps from memory to v, and what they read: {value: whether it lies there in any case}."""
        if v in seen:
            return 0
        seen[v] = 1
        memory, root = self.memory, self.fusion.root(v)
        if root in memory.avoid:
            return 2 * EFFORT
        certain = root.node is None or root in memory.stored or root in memory.whole
        if certain and (v is root or v in self.fusion.same):
            leaves[root] = True
            return 0 if sample(product(sizes(v.shape))) > 1 or root.node is None else 2 * EFFORT
        name = v.node.prim.name
        if name == "full" or name == "iota":
            return 0
        if v is root and v in self.fusion.home and (name == "contract" or name in FOLDS):
            leaves[root] = False
            return 0
        own = 1 if name in CHEAP else COSTLY.get(name)
        if own is None and name not in ("transpose", "broadcast", "detach", "identity", "slice"):
            return 2 * EFFORT
        total = own or 0
        for x in v.node.inputs:
            total += self.effort(x, leaves, seen)
            if total > EFFORT:
                break
        return total

    def store(self, v: Value, storages: list[Storage]) -> None:
        """Write a member (or, for a copy, any value) to memory."""
        level = self.group.members[v] if self.group is not None and v in self.group.members else "full"
        variables = list(range(len(self.full)))
        if level == "row":
            variables = self.group.kept
        if v.node is not None and v.node.prim.name == "partial":
            index = (variable(len(self.full)), *identity(sizes(v.shape)[1:], variables))
        else:
            index = identity(sizes(v.shape), variables)
        expr = self.value(v, index)
        for storage in storages:
            self.store_expr(expr, storage, storage.address(index), level)

    def store_expr(self, expr: Expr, storage: Storage, address: Affine, level: str = "full") -> None:
        self.stores.append(self.stored(expr, storage, address, level))

    def stored(self, expr: Expr, storage: Storage, address: Affine, level: str = "full") -> Store:
        return Store(expr, storage, self.resolved(address), level)


class LoadAt:
    """The data of a load; compared by what it reads."""

    __slots__ = ("storage", "at", "guard", "key")

    def __init__(self, storage: Storage, at: Affine, guard: Expr | None):
        self.storage, self.at, self.guard = storage, at, guard
        self.key = (storage.key, at, None if guard is None else guard.number)

    def __eq__(self, other) -> bool:
        return self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"{self.storage.kind}[{self.at}]"


def symbols(a: Affine) -> tuple[Expr, ...]:
    return tuple(s for s in a.terms if isinstance(s, Expr))


def variables_of(a: Affine) -> frozenset:
    found = {s for s in a.terms if isinstance(s, int)}
    for s in a.terms:
        if isinstance(s, Expr):
            found |= s.vars
    return frozenset(found)


