"""Products of matrices, vectors and stacks of them; einsum; the linear layer's arithmetic."""

from __future__ import annotations

import builtins

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops.dims import broadcast_sizes, numel, one_dim
from dovetail.ops.promote import cast, common, expanded, filled, is_number, need_float, placed, same_dtype
from dovetail.ops.shape import listed, permuted, reshaped
from dovetail.tensor.op import op


def product(a: Value, b: Value, batch=((), ()), sum=((), ())) -> Value:
    """The `contract` primitive; truth values are multiplied as 0 and 1."""
    if a.dtype.kind == "b":
        whole = p.contract(cast(a, dtypes.int64), cast(b, dtypes.int64), batch=batch, sum=sum)
        return cast(whole, dtypes.bool_)
    return p.contract(a, b, batch=batch, sum=sum)


def need_inner(call: str, a: Value, b: Value, left: int, right: int, names=("input", "other")) -> None:
    """The summed sizes must agree."""
    if a.shape[left] != b.shape[right]:
        problem = (
            f"{names[0]}'s last dim has {a.shape[left]} values, {names[1]}'s dim {right % b.ndim} has {b.shape[right]}"
        )
        cure = ""
        if a.ndim >= 2 and b.ndim >= 2 and a.shape[-1] == b.shape[-1]:
            cure = f"to compare rows with rows, transpose the second: {names[0]} @ {names[1]}.mT"
        elif a.ndim == 2 and b.ndim == 2 and a.shape[0] == b.shape[0]:
            cure = f"to sum over dim 0 of both, transpose the first: {names[0]}.mT @ {names[1]}"
        problem += " (mat1 and mat2 shapes cannot be multiplied)"
        raise ShapeError(message(call, problem, [(names[0], a), (names[1], b)], cure))


@op(method=True, also=("Tensor.__matmul__", "linalg.matmul"))
def matmul(input, other):
    """The matrix product of two tensors.

    Shape: (n, k), (k, m) -> (n, m); vectors lose their dim; leading dims are a batch and broadcast.
    Raises: ShapeError if the summed sizes differ; DTypeError if the dtypes do.
    """
    return matrix_product("matmul", input, other)


def matrix_product(call: str, a: Value, b: Value) -> Value:
    if not a.ndim or not b.ndim:
        raise ShapeError(
            message(
                call,
                "both arguments to matmul need to be at least 1D",
                [("input", a), ("other", b)],
                "use * for numbers",
            )
        )
    same_dtype(call, ("input", a), ("other", b))
    need_inner(call, a, b, -1, -2 if b.ndim > 1 else -1)
    if b.ndim <= 2:
        return product(a, b, sum=((a.ndim - 1,), (0,)))
    if a.ndim == 1:
        return product(b, a, sum=((b.ndim - 2,), (0,)))
    return stacked_product(call, a, b)


def stacked_product(call: str, a: Value, b: Value) -> Value:
    """Stacks of matrices, b with at least 3 dims; their leading dims broadcast."""
    outer = broadcast_sizes(call, a.shape[:-2], b.shape[:-2], facts=[("input", a), ("other", b)])
    if numel(a.shape[:-2]) == 1 and numel(outer) > 1 and len(outer) == b.ndim - 2:
        # one left matrix for the whole stack: its rows stay free, nothing is repeated
        left = reshaped(a, a.shape[-2:])
        out = product(b, left, sum=((b.ndim - 2,), (1,)))
        return permuted(out, [*range(len(outer)), out.ndim - 1, out.ndim - 2])
    a, b = expanded(a, outer + a.shape[-2:]), expanded(b, outer + b.shape[-2:])
    dims, k = tuple(range(len(outer))), len(outer)
    return product(a, b, batch=(dims, dims), sum=((k + 1,), (k,)))


@op(top=False, also=("Tensor.__rmatmul__",))
def rmatmul(input, other):
    """other @ input."""
    return matrix_product("matmul", other, input)


def need_rank(call: str, rank: int, **named: Value) -> None:
    for name, x in named.items():
        if x.ndim != rank:
            facts = [(n, v) for n, v in named.items()]
            raise ShapeError(message(call, f"{name} must be a {rank}D tensor, it has {x.ndim} dims", facts))


@op(method=True)
def mm(input, mat2):
    """Matrix product of two matrices, no broadcasting. Shape: (n, k), (k, m) -> (n, m)"""
    need_rank("mm", 2, input=input, mat2=mat2)
    same_dtype("mm", ("input", input), ("mat2", mat2))
    need_inner("mm", input, mat2, -1, 0, ("input", "mat2"))
    return product(input, mat2, sum=((1,), (0,)))


@op(method=True)
def bmm(input, mat2):
    """Matrix products of two stacks. Shape: (b, n, k), (b, k, m) -> (b, n, m)"""
    need_rank("bmm", 3, input=input, mat2=mat2)
    same_dtype("bmm", ("input", input), ("mat2", mat2))
    if input.shape[0] != mat2.shape[0]:
        problem = f"the batches differ: {input.shape[0]} and {mat2.shape[0]}"
        raise ShapeError(message("bmm", problem, [("input", input), ("mat2", mat2)]))
    need_inner("bmm", input, mat2, -1, 1, ("input", "mat2"))
    return product(input, mat2, batch=((0,), (0,)), sum=((2,), (1,)))


@op(method=True)
def mv(input, vec):
    """Matrix times vector. Shape: (n, k), (k,) -> (n,)"""
    need_rank("mv", 2, input=input)
    need_rank("mv", 1, vec=vec)
    same_dtype("mv", ("input", input), ("vec", vec))
    need_inner("mv", input, vec, -1, 0, ("input", "vec"))
    return product(input, vec, sum=((1,), (0,)))


@op(method=True)
def dot(input, tensor):
    """Sum of products of two vectors. Shape: (n,), (n,) -> ()"""
    need_rank("dot", 1, input=input, tensor=tensor)
    same_dtype("dot", ("input", input), ("tensor", tensor))
    need_inner("dot", input, tensor, 0, 0, ("input", "tensor"))
    return product(input, tensor, sum=((0,), (0,)))


@op(method=True)
def vdot(input, other):
    """dot with the first vector conjugated."""
    need_rank("vdot", 1, input=input, other=other)
    same_dtype("vdot", ("input", input), ("other", other))
    need_inner("vdot", input, other, 0, 0)
    return product(p.conj(input) if input.dtype.kind == "c" else input, other, sum=((0,), (0,)))


@op(method=True)
def inner(input, other):
    """Sum of products over the last dims. Shape: (*, n), (+, n) -> (*, +)"""
    if not input.shape or not other.shape:
        a, b = common("inner", input, other)
        return p.mul(a, b)
    same_dtype("inner", ("input", input), ("other", other))
    need_inner("inner", input, other, -1, -1)
    return product(input, other, sum=((input.ndim - 1,), (other.ndim - 1,)))


@op(method=True, also=("ger",))
def outer(input, vec2):
    """Products of all pairs of elements. Shape: (n,), (m,) -> (n, m)"""
    need_rank("outer", 1, input=input, vec2=vec2)
    shape = (input.shape[0], vec2.shape[0])
    a, b = common("outer", p.reshape(input, shape=(shape[0], 1)), p.reshape(vec2, shape=(1, shape[1])))
    return p.bitwise_and(a, b) if a.dtype.kind == "b" else p.mul(a, b)


def scaled(x: Value, factor) -> Value:
    return x if is_number(factor) and factor == 1 else x * placed(factor, x.dtype, x.shape)


def added(call: str, input: Value, made: Value, beta, alpha) -> Value:
    """beta * input + alpha * made; with beta 0 the input does not count, not even its NaN."""
    same_dtype(call, ("input", input), ("product", made))
    try:
        fits = broadcast_sizes(call, input.shape, made.shape) == made.shape
    except ShapeError:
        fits = False
    if not fits:
        problem = f"input {tuple(input.shape)} does not broadcast to the product's shape {tuple(made.shape)}"
        raise ShapeError(message(call, problem, [("input", input)]))
    if is_number(beta) and beta == 0:
        return scaled(made, alpha)
    base = expanded(input, made.shape)
    if isinstance(beta, Value):  # a beta that changes is known only when the program runs
        nothing = p.eq(placed(beta, base.dtype, base.shape), filled(base, 0))
        base = p.where(nothing, filled(base, 0), base)
    return scaled(base, beta) + scaled(made, alpha)


@op(method=True, inplace=True, scalars=("beta", "alpha"))
def addmm(input, mat1, mat2, *, beta=1, alpha=1):
    """beta * input + alpha * mat1 @ mat2."""
    return added("addmm", input, mm(mat1, mat2), beta, alpha)


@op(method=True, inplace=True, scalars=("beta", "alpha"))
def addmv(input, mat, vec, *, beta=1, alpha=1):
    """beta * input + alpha * mat @ vec."""
    return added("addmv", input, mv(mat, vec), beta, alpha)


@op(method=True, inplace=True, scalars=("beta", "alpha"))
def addr(input, vec1, vec2, *, beta=1, alpha=1):
    """beta * input + alpha * outer(vec1, vec2)."""
    made = outer(vec1, vec2)
    dtype = dtypes.promote_types(input.dtype, made.dtype)
    if dtype.kind == "b":
        base = expanded(cast(input, dtype), made.shape)
        first, second = (p.bitwise_and(x, placed(n, dtype, x.shape)) for x, n in ((base, beta), (made, alpha)))
        return p.bitwise_or(first, second)
    return added("addr", cast(input, dtype), cast(made, dtype), beta, alpha)


@op(method=True, inplace=True, scalars=("beta", "alpha"))
def baddbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """beta * input + alpha * bmm(batch1, batch2)."""
    return added("baddbmm", input, bmm(batch1, batch2), beta, alpha)


@op(method=True, inplace=True, scalars=("beta", "alpha"))
def addbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """beta * input + alpha * the sum of bmm(batch1, batch2) over the batch."""
    return added("addbmm", input, p.reduce_sum(bmm(batch1, batch2), dims=(0,)), beta, alpha)


@op(also=("linalg.multi_dot",))
def chain_matmul(*matrices):
    """Product of several matrices, grouped so that the fewest multiplications are needed."""
    xs = listed(matrices)
    if len(xs) < 2:
        raise ArgumentError(message("multi_dot", f"expected at least 2 tensors but got {len(xs)}"))
    first, last = xs[0].ndim, xs[-1].ndim
    if xs[0].ndim == 1:
        xs[0] = p.reshape(xs[0], shape=(1, xs[0].shape[0]))
    if xs[-1].ndim == 1:
        xs[-1] = p.reshape(xs[-1], shape=(xs[-1].shape[0], 1))
    for x in xs:
        need_rank("multi_dot", 2, tensor=x)
    out = chained(xs, best_split([x.shape[0] for x in xs] + [xs[-1].shape[1]]), 0, len(xs) - 1)
    shape = (
        out.shape
        if first == 2 and last == 2
        else out.shape[1:]
        if first == 1 and last == 2
        else out.shape[:1]
        if last == 1 and first == 2
        else ()
    )
    return reshaped(out, shape)


def best_split(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to cut each run of matrices (Cormen et al., matrix-chain order)."""
    n = len(sizes) - 1
    cost = {(i, i): 0 for i in range(n)}
    cut = {}
    for width in range(1, n):
        for i in range(n - width):
            j = i + width
            options = [(cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)]
            cost[i, j], cut[i, j] = builtins.min(options)
    return cut


def chained(xs: list[Value], cut: dict, i: int, j: int) -> Value:
    if i == j:
        return xs[i]
    return matrix_product("multi_dot", chained(xs, cut, i, cut[i, j]), chained(xs, cut, cut[i, j] + 1, j))


@op()
def tensordot(a, b, dims=2):
    """Sum of products over pairs of dims: the last `dims` of a with the first of b, or two lists of dims."""
    if isinstance(dims, int):
        if dims < 0 or dims > builtins.min(a.ndim, b.ndim):
            raise ArgumentError(message("tensordot", f"expects dims >= 0, but got dims={dims}"))
        left, right = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    left = [one_dim("tensordot", d, a.ndim, a) for d in left]
    right = [one_dim("tensordot", d, b.ndim, b) for d in right]
    if len(left) != len(right):
        raise ArgumentError(message("tensordot", "both dimension lists should have same length"))
    for i, j in zip(left, right, strict=True):
        m, n = a.shape[i], b.shape[j]
        if m != n and 1 not in (m, n):
            problem = (
                f"contracted dimensions need to match, but first has size {m} in dim {i} and second has "
                f"size {n} in dim {j}"
            )
            raise ShapeError(message("tensordot", problem, [("a", a), ("b", b)]))
        if m != n:  # torch sums the longer one and lets the other broadcast
            long, dim = (a, i) if m > n else (b, j)
            folded = reshaped(p.reduce_sum(long, dims=(dim,)), long.shape[:dim] + (1,) + long.shape[dim + 1 :])
            a, b = (folded, b) if m > n else (a, folded)
    same_dtype("tensordot", ("a", a), ("b", b))
    return product(a, b, sum=(tuple(left), tuple(right)))


@op(method=True)
def kron(input, other):
    """Every element of the first times the whole second. Shape: (a, b), (c, d) -> (a c, b d)"""
    rank = builtins.max(input.ndim, other.ndim)
    a, b = ((1,) * (rank - x.ndim) + x.shape for x in (input, other))
    left = reshaped(input, tuple(n for m in a for n in (m, 1)))
    right = reshaped(other, tuple(n for m in b for n in (1, m)))
    x, y = common("kron", left, right)
    made = p.bitwise_and(x, y) if x.dtype.kind == "b" else p.mul(x, y)
    return reshaped(made, tuple(m * n for m, n in zip(a, b, strict=True)))


@op(functional=True, top=False)
def linear(input, weight, bias=None):
    """Affine map of the last axis: input @ weight.T + bias.

    Shape: input (*, k), weight (n, k), bias (n,) -> (*, n); a vector as weight -> (*)
    Raises: ShapeError if the last axis does not fit; DTypeError if the dtypes differ.
    """
    check_linear(input, weight, bias)
    same_dtype("linear", ("input", input), ("weight", weight), ("bias", bias))
    out = product(input, weight, sum=((input.ndim - 1,), (weight.ndim - 1,)))
    return out if bias is None else out + expanded(bias, out.shape)


def check_linear(input: Value, weight: Value, bias: Value | None) -> None:
    facts = [("input", input), ("weight", weight)]
    if not input.shape or weight.ndim not in (1, 2):
        raise ShapeError(
            message("linear", "needs an input with at least 1 dim and a weight (out_features, in_features)", facts)
        )
    have, takes = input.shape[-1], weight.shape[-1]
    if have != takes:
        problem = f"the input's last axis has {have} values (features), the weight takes {takes}"
        raise ShapeError(message("linear", problem, facts, linear_cure(input, weight)))
    if bias is not None and weight.ndim == 2 and bias.shape not in ((), (1,), (weight.shape[0],)):
        problem = f"the bias has shape {tuple(bias.shape)}, the output has {weight.shape[0]} features"
        raise ShapeError(message("linear", problem, [*facts, ("bias", bias)]))


def linear_cure(input: Value, weight: Value) -> str:
    """Flatten, transpose or another in_features: whichever the sizes speak for."""
    have, takes = input.shape[-1], weight.shape[-1]
    if input.ndim > 2 and numel(input.shape[1:]) == takes:
        inside = " x ".join(str(n) for n in input.shape[1:])
        return f"{inside} = {takes}: the input needs flattening first, x.flatten(1)"
    if input.ndim > 1 and numel(input.shape) == takes:
        return "one sample without a batch dim? add one and flatten: x.unsqueeze(0).flatten(1)"
    if weight.ndim == 2 and weight.shape[0] == have:
        return f"the weight's other size is {have}: it is stored as (out_features, in_features)"
    return f"in_features must equal the last axis: in_features={have}, or reshape the input to (..., {takes})"


@op(functional=True)
def bilinear(input1, input2, weight, bias=None):
    """input1 · W[k] · input2 for every k. Shape: (*, a), (*, b), weight (n, a, b) -> (*, n)"""
    facts = [("input1", input1), ("input2", input2), ("weight", weight)]
    if input1.shape[:-1] != input2.shape[:-1]:
        raise ShapeError(message("bilinear", "the inputs' batch dimensions do not match", facts))
    if weight.ndim != 3 or weight.shape[1:] != (input1.shape[-1], input2.shape[-1]):
        raise ShapeError(message("bilinear", "the weight must be (out, in1, in2)", facts))
    same_dtype("bilinear", ("input1", input1), ("input2", input2), ("weight", weight))
    half = p.contract(input1, weight, batch=((), ()), sum=((input1.ndim - 1,), (1,)))  # (*, n, b)
    right = expanded(p.reshape(input2, shape=input2.shape[:-1] + (1, input2.shape[-1])), half.shape)
    out = p.reduce_sum(half * right, dims=(half.ndim - 1,))
    return out if bias is None else out + expanded(bias, out.shape)


# --- einsum -----------------------------------------------------------------------------------------------------------


@op()
def einsum(equation, *operands):
    """Einstein's notation: sums of products along named dims, e.g. einsum("bij,bjk->bik", a, b)."""
    xs = listed(operands) if not isinstance(equation, Value) else [equation, *operands]
    if not isinstance(equation, str):
        equation, xs = from_sublists(xs)
    terms, result = parse_equation(equation, xs)
    return contracted(terms, result, xs)


def from_sublists(items: list) -> tuple[str, list[Value]]:
    """einsum(a, [0, 1], b, [1, 2], [0, 2]) as an equation."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

    def word(sub) -> str:
        return "".join("..." if n is Ellipsis else letters[n] for n in sub)

    xs = items[: len(items) // 2 * 2 : 2]
    text = ",".join(word(s) for s in items[1::2][: len(xs)])
    return (text + "->" + word(items[-1]) if len(items) % 2 else text), xs


def parse_equation(equation: str, xs: list[Value]) -> tuple[list[list[str]], list[str]]:
    """Names of the dims of every operand and of the result; those behind '...' are named '.0', '.1' from the right."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    words = left.split(",")
    if len(words) != len(xs):
        problem = f"the equation {equation!r} speaks of {len(words)} operands, {len(xs)} were given"
        raise ArgumentError(message("einsum", problem))
    spread = 0
    for word, x in zip(words, xs, strict=True):
        named = len(word.replace("...", ""))
        if "..." in word and x.ndim >= named:
            spread = builtins.max(spread, x.ndim - named)
        elif "..." in word or named != x.ndim:
            problem = (
                f"the number of subscripts in the equation ({named}) does not match the number of dimensions ({x.ndim})"
            )
            raise ShapeError(message("einsum", f"{problem} for {word!r}", [("operand", x)]))
    terms = [dim_names(word, x.ndim - len(word.replace("...", ""))) for word, x in zip(words, xs, strict=True)]
    if arrow:
        result = dim_names(right, spread)
    else:
        flat = "".join(words).replace("...", "")
        result = dim_names("..." if "..." in left else "", spread) + sorted(c for c in set(flat) if flat.count(c) == 1)
    known = {n for t in terms for n in t}
    for n in result:
        if n not in known or result.count(n) > 1:
            raise ArgumentError(
                message("einsum", f"output subscript {n} appears more than once or does not appear in any input")
            )
    return terms, result


def dim_names(word: str, spread: int) -> list[str]:
    before, dots, after = word.partition("...")
    for c in before + after:
        if not c.isalpha():
            raise ArgumentError(message("einsum", f"invalid subscript {c!r}: subscripts must be letters in [a-zA-Z]"))
    return [*before, *([f".{i}" for i in range(spread - 1, -1, -1)] if dots else []), *after]


def contracted(terms: list[list[str]], result: list[str], xs: list[Value]) -> Value:
    """Operands folded together two by two; a name is summed as soon as nothing later speaks of it."""
    sizes = name_sizes(terms, xs)
    items = [diagonals(t, x) for t, x in zip(terms, xs, strict=True)]
    while len(items) > 1:
        i, j = cheapest_pair(items, result, sizes)
        (a_names, a), (b_names, b) = items[i], items[j]
        later = set(result).union(*(names for k, (names, _) in enumerate(items) if k not in (i, j)))
        made = pair_product(a_names, a, b_names, b, later)
        items = [made] + [item for k, item in enumerate(items) if k not in (i, j)]
    names, x = items[0]
    names, x = summed(names, x, set(result))
    for n in result:
        if n not in names:
            raise ArgumentError(message("einsum", f"output subscript {n} does not appear in the operands"))
    out = permuted(x, [names.index(n) for n in result])
    return expanded(out, tuple(sizes[n] for n in result))


def name_sizes(terms, xs) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for names, x in zip(terms, xs, strict=True):
        for n, size in zip(names, x.shape, strict=True):
            known = sizes.get(n, 1)
            if size != 1 and known not in (1, size):
                raise ShapeError(
                    message(
                        "einsum",
                        f"operands do not broadcast: subscript {n} has size {size} and {known}",
                        [("operand", x)],
                    )
                )
            sizes[n] = size if known == 1 else known
    return sizes


def diagonals(names: list[str], x: Value) -> tuple[list[str], Value]:
    """A name used twice in one operand stands for its diagonal."""
    names = list(names)
    for n in dict.fromkeys(names):
        while names.count(n) > 1:
            a = names.index(n)
            b = names.index(n, a + 1)
            rest = [d for d in range(x.ndim) if d not in (a, b)]
            x = p.diagonal(permuted(x, [*rest, a, b]), starts=(0, 0), size=x.shape[a])
            names = [names[d] for d in rest] + [n]
    return names, x


def summed(names: list[str], x: Value, keep: set[str]) -> tuple[list[str], Value]:
    gone = tuple(d for d, n in enumerate(names) if n not in keep)
    return ([n for n in names if n in keep], p.reduce_sum(x, dims=gone)) if gone else (names, x)


def cheapest_pair(items, result, sizes) -> tuple[int, int]:
    """The two operands whose product has the fewest elements."""
    if len(items) == 2:
        return 0, 1
    best = None
    for i in range(len(items)):
        for j in range(i + 1, len(items)):
            later = set(result).union(*(names for k, (names, _) in enumerate(items) if k not in (i, j)))
            both = set(items[i][0]) | set(items[j][0])
            size = numel(sizes[n] for n in both & later)
            if best is None or size < best[0]:
                best = (size, i, j)
    return best[1], best[2]


def pair_product(a_names, a: Value, b_names, b: Value, later: set[str]) -> tuple[list[str], Value]:
    """The product of two operands summed over what nothing later needs."""
    a_names, a = summed(a_names, a, later | set(b_names))
    b_names, b = summed(b_names, b, later | set(a_names))
    shared = [n for n in a_names if n in b_names]
    for n in shared:  # a size of 1 against n broadcasts
        i, j = a_names.index(n), b_names.index(n)
        size = builtins.max(a.shape[i], b.shape[j])
        if 0 in (a.shape[i], b.shape[j]):
            size = 0
        a = expanded(a, a.shape[:i] + (size,) + a.shape[i + 1 :])
        b = expanded(b, b.shape[:j] + (size,) + b.shape[j + 1 :])
    batch = [n for n in shared if n in later]
    fold = [n for n in shared if n not in later]
    same_dtype("einsum", ("first", a), ("second", b))
    out = product(
        a, b,
        batch=(tuple(a_names.index(n) for n in batch), tuple(b_names.index(n) for n in batch)),
        sum=(tuple(a_names.index(n) for n in fold), tuple(b_names.index(n) for n in fold)),
    )  # fmt: skip
    names = batch + [n for n in a_names if n not in shared] + [n for n in b_names if n not in shared]
    return names, out


# --- distances --------------------------------------------------------------------------------------------------------


@op(also=("linalg.vecdot",))
def vecdot(x, y, dim=-1):
    """Sum of products along one dim, the first conjugated."""
    a, b = common("vecdot", x, y)
    at = one_dim("vecdot", dim, a.ndim, a)
    return p.reduce_sum((p.conj(a) if a.dtype.kind == "c" else a) * b, dims=(at,))


def need_matrix(call: str, x: Value) -> None:
    need_float(call, x)
    if x.ndim < 2:
        raise ShapeError(message(call, "The input tensor must have at least 2 dimensions", [("input", x)]))
