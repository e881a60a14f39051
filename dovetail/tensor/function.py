"""Function: an operation whose gradient the user writes in Python, and other Python steps on a gradient's way.

forward runs at once on tensors, without recording a gradient of its own; its results are joints (`joint.py`). When a
gradient reaches them, backward runs on gradient tensors, like any other program.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any
from weakref import ref

from dovetail.base import errors
from dovetail.base.errors import GradientError, message
from dovetail.tensor import blame, dual
from dovetail.tensor.autograd import freed_error
from dovetail.tensor.family import members
from dovetail.tensor.history import version
from dovetail.tensor.joint import Joint, copy_of, join, leave
from dovetail.tensor.meta import forget_leaf
from dovetail.tensor.modes import GradMode
from dovetail.tensor.recorder import local
from dovetail.tensor.steps import step_before
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.views import root


class Context:
    """What forward and backward of one call share: `ctx`. Any attribute may be set on it.

    needs_input_grad  for each argument of forward, whether a gradient for it is wanted
    saved_tensors     what save_for_backward kept
    """

    def __init__(self, function: type[Function], args: tuple):
        self._function = function
        self._saved: list[Any] = []
        self._packed: list[Any] = []  # what hooks made of them (packing.py), and how to get them back
        self._unpack: Callable | None = None
        self._versions: list[int] = []
        self._where: tuple | None = None
        self._own: list[Tensor] = []
        self._step: FunctionStep | None = None
        self._materialize = True
        self._freed = False
        self._plain: set[int] = set()
        self._dirty: tuple = ()
        self.needs_input_grad = tuple(isinstance(a, Tensor) and a._meta.requires_grad for a in args)

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors (inputs, outputs or others) for backward; None is kept as None."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument is of type {type(t).__name__}"
                )
        self._saved, self._where = list(tensors), errors.user_line()
        self._unpack = None
        pair, rec = local.rec.packing, local.rec
        if pair is not None and any(self.needs_input_grad):
            rec.set_packing(None)
            with GradMode(False):
                self._packed = [None if t is None else pair[0](t) for t in tensors]
            rec.set_packing(pair)
            self._unpack, self._saved = pair[1], []
        self._versions = [0 if t is None else version(t) for t in tensors]

    save_for_forward = save_for_backward

    @property
    def saved_tensors(self) -> tuple:
        """What save_for_backward kept. Raises GradientError after they were let go or changed in place."""
        if self._freed:
            raise freed_error(("", 0, ""))
        for t, kept in zip(self._saved, self._versions, strict=True):
            if t is not None and version(t) != kept:
                raise blame.changed_since(t, self.name(), self._where)
        if self._unpack is not None:
            return tuple(None if p is None else self._unpack(p) for p in self._packed)
        return tuple(self._saved)

    saved_variables = saved_tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """These results of forward carry no gradient."""
        self._plain.update(id(t) for t in tensors)
        self._own += tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """These arguments were changed in place and are returned."""
        self._dirty = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (default) or None for results that no gradient came for."""
        self._materialize = bool(value)

    # as torch, where ctx is the step of the gradient itself

    def name(self) -> str:
        return self._function.__name__ + "Backward"

    @property
    def next_functions(self) -> tuple:
        """The steps that the arguments came from, each with the number of the result it was."""
        args = self._step.args if self._step is not None else ()
        return tuple(step_before(a) for a, wanted in zip(args, self.needs_input_grad, strict=True) if wanted)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"


class Step:
    """Python code on a gradient's way. `joints`: of its results, in order."""

    joints: list[Joint]

    def order(self) -> tuple[int, int]:
        return max(j.order for j in self.joints)

    def backward(self, gradients: list, create_graph: bool) -> list[tuple[Tensor, Tensor]]:
        """Gradients of the results (None where none came) -> [(tensor, its gradient)] to go on with."""
        raise NotImplementedError

    def free(self) -> None:
        """Let go of what backward needs."""

    def grad_fn(self) -> Any:
        return self


class FunctionStep(Step):
    """One call of a Function."""

    def __init__(self, ctx: Context, args: tuple):
        self.ctx, self.args, self.joints = ctx, args, []
        self.outs: list[tuple[tuple, Any]] = []
        ctx._step = self

    def backward(self, gradients: list, create_graph: bool) -> list[tuple[Tensor, Tensor]]:
        ctx = self.ctx
        if ctx._freed:
            raise freed_error(("", 0, ""))
        given = []
        at = iter(gradients)
        for m, joined in self.outs:
            g = next(at) if joined else None
            if g is None and ctx._materialize and m is not None:
                g = Tensor.empty(m.shape, m.dtype)
                g._array()[...] = 0
            given.append(g)
        with GradMode(create_graph):
            found = backward_of(ctx._function)(ctx, *given)
        return self.fit(found if isinstance(found, tuple) else tuple(found) if isinstance(found, list) else (found,))

    def fit(self, found: tuple) -> list[tuple[Tensor, Tensor]]:
        """What backward returned, matched with the arguments."""
        name, count = self.ctx.name(), len(self.args)
        if len(found) > count and all(g is None for g in found[count:]):
            found = found[:count]
        if len(found) != count:
            text = f"returned an incorrect number of gradients (expected {count}, got {len(found)})"
            raise GradientError(message(f"function {name}", text))
        pairs = []
        for i, (a, g, wanted) in enumerate(zip(self.args, found, self.ctx.needs_input_grad, strict=True)):
            if g is None:
                continue
            if not isinstance(g, Tensor):
                raise GradientError(message(name, f"gradient {i} is a {type(g).__name__}, not a Tensor or None"))
            if not isinstance(a, Tensor):
                text = f"returned a gradient different from None at position {i + 1}"
                text += ", but the corresponding forward input was not a Variable"
                raise GradientError(message(f"function {name}", text))
            if wanted:
                pairs.append((a, fitted(name, i, a, g)))
        return pairs

    def free(self) -> None:
        ctx = self.ctx
        ctx._freed = bool(ctx._saved or ctx._packed)
        ctx._saved, ctx._versions, ctx._own, ctx._packed = [], [], [], []

    def grad_fn(self) -> Any:
        return self.ctx


def fitted(name: str, i: int, a: Tensor, g: Tensor) -> Tensor:
    """`g` in the shape and dtype of argument `a`: summed over what was broadcast. Raises where that cannot be."""
    if g._meta.shape != a._meta.shape:
        try:
            g = g.sum_to_size(*a._meta.shape)
        except (RuntimeError, ValueError) as e:
            text = f"returned an invalid gradient at index {i} - got {list(g.shape)} "
            text += f"but expected shape compatible with {list(a.shape)}"
            raise GradientError(message(f"Function {name}", text)) from e
    return g if g._meta.dtype is a._meta.dtype else g.to(a._meta.dtype)


def context_class(function: type[Function]) -> type[Context]:
    """A class of contexts under the name that torch gives the step of the gradient: `CubeBackward`."""
    found = function.__dict__.get("_backward_cls")
    if found is None:
        found = function._backward_cls = type(function.__name__ + "Backward", (Context,), {})
    return found


def backward_of(function: type[Function]) -> Callable:
    """The function's backward, under either of its names."""
    own = function.backward is not Function.backward
    if not own and function.vjp is not Function.vjp:
        return function.vjp
    return function.backward


class Function:
    """An operation with a gradient of one's own; call it as `Name.apply(...)`.

    forward(ctx, *args) computes; or forward(*args) with setup_context(ctx, inputs, output) beside it.
    backward(ctx, *gradients of the results) returns one gradient (or None) for each argument.

    >>> import dovetail
    >>> class Cube(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x ** 3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * 3 * x ** 2
    >>> x = dovetail.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad.item()
    12.0

    Source: agrees with torch.autograd.Function.
    """

    generate_vmap_rule = False

    def __init__(self, *args: Any, **kwargs: Any):
        raise TypeError(f"{type(self).__name__} is not made into objects: call {type(self).__name__}.apply(...)")

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the results; every subclass writes its own."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        """Keep in ctx what backward needs; used with a forward that takes no ctx."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the arguments; every subclass writes its own."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Forward-mode gradient; used where there is no backward, from which it is worked out otherwise."""
        raise NotImplementedError("You must implement the jvp function for custom autograd.Function to use it.")

    @staticmethod
    def vmap(info: Any, in_dims: tuple, *args: Any) -> Any:
        """A batched form; not used: vmap works on any Function."""
        raise NotImplementedError("To use autograd.Function with vmap, implement the vmap staticmethod.")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward; its results lead the gradient through backward."""
        ctx = context_class(cls)(cls, args)
        wanted = local.rec.grad and any(ctx.needs_input_grad)

        def forward() -> Any:
            if cls.setup_context is Function.setup_context:
                return cls.forward(ctx, *args, **kwargs)
            made = cls.forward(*args, **kwargs)
            cls.setup_context(ctx, args, made)
            return made

        if wanted and cls.jvp is not Function.jvp and backward_of(cls) is Function.backward:
            changed = dual.applied(cls, ctx, args, forward)
            if changed is not None:
                return changed
        with GradMode(False, local.rec.inference):
            made = forward()
        check_dirty(ctx, args, made)
        return connect(ctx, args, made) if wanted else plain(made, args)


def check_dirty(ctx: Context, args: tuple, made: Any) -> None:
    """Raise GradientError where an argument that was written in place is no result."""
    results = made if isinstance(made, (tuple, list)) else (made,)
    for i, a in enumerate(args):
        if is_one_of(a, ctx._dirty) and not is_one_of(a, results):
            problem = "some elements marked as dirty during the forward method were not returned as output. The "
            problem += "inputs that are modified inplace must all be outputs of the Function"
            cure = f"Return argument {i + 1} from forward, or leave it out of ctx.mark_dirty"
            raise GradientError(message(ctx.name(), problem, [(f"argument {i + 1}", a)], cure))


def is_one_of(a: Any, some: Any) -> bool:
    return any(a is b for b in some)


def plain(made: Any, args: tuple) -> Any:
    """Results without a gradient: an argument handed through loses its own."""
    if isinstance(made, tuple):
        return tuple(plain(m, args) for m in made)
    return made.detach() if isinstance(made, Tensor) and made._meta.requires_grad else made


def connect(ctx: Context, args: tuple, made: Any) -> Any:
    """The results of forward as joints of one step, whose gradients go to the arguments.

    An argument that forward has written to is given its joint as by a write in place, so that those who share its
    memory learn of it. The gradient leads on to what it was: under no_grad a write leaves gradients their way.
    """
    step = FunctionStep(ctx, args)
    parts = list(made) if isinstance(made, (tuple, list)) else [made]
    joined = [i for i, p in enumerate(parts) if isinstance(p, Tensor) and differentiable(ctx, p)]
    dirty = [p for i, p in enumerate(parts) if i in joined and is_one_of(p, ctx._dirty) and is_one_of(p, args)]
    for t in dirty:
        if t._leaf and t._meta.requires_grad:
            raise blame.leaf_written(ctx.name(), t)
    fresh = join([parts[i] for i in joined], step)
    step.joints = [t._joint for t in fresh]
    replaced = {id(parts[i]): t for i, t in zip(joined, fresh, strict=True) if not is_one_of(parts[i], args)}
    step.outs = [(p._meta if isinstance(p, Tensor) else None, i in joined) for i, p in enumerate(parts)]
    for a, needed in zip(args, ctx.needs_input_grad, strict=True):
        if needed and not a._leaf:
            a._readers = [*(a._readers or ()), ref(step)]
    for i, t in zip(joined, fresh, strict=True):
        if is_one_of(parts[i], dirty):
            write(parts[i], t)
            t = parts[i]
        parts[i] = t
    keep = [replaced.get(id(t), t) for t in ctx._saved]
    ctx._saved, ctx._versions = keep, [0 if t is None else version(t) for t in keep]
    parts = [plain(p, args) if i not in joined else p for i, p in enumerate(parts)]
    return type(made)(parts) if isinstance(made, (tuple, list)) else parts[0]


def write(t: Tensor, other: Tensor) -> None:
    """Let an argument that forward has written to hold the result, whose gradient leads through the step."""
    if t._view is not None or t._shared or len(members(t)) > 1 or is_looked_into(t):
        with GradMode(True):
            t.copy_(other)
    else:
        become(t, other)


def is_looked_into(t: Tensor) -> bool:
    """Whether a pending tensor is a view of `t`."""
    rec = local.rec
    return any(u is not None and u._view is not None and root(u) is t for u in rec.slots[1 : rec.node.end])


def differentiable(ctx: Context, t: Tensor) -> bool:
    return t._meta.dtype.is_differentiable and id(t) not in ctx._plain


def become(t: Tensor, other: Tensor) -> None:
    """Let an argument that nobody shares memory with stand for the result."""
    rec = local.rec
    was, slot = copy_of(t), rec.slot_of(t)
    rec.run.joints[:] = [t if j is other else j for j in rec.run.joints]
    forget_leaf(t)
    rec.slots[other._slot] = t
    t._meta, t._hist, t._view, t._leaf = other._meta, None, None, False
    t._run, t._slot, t._storage, t._ptr = other._run, other._slot, other._storage, other._ptr
    leave(t, was, slot)  # the trace goes on writing to the memory that the argument had
    keeps, t._joint = t._joint, other._joint
    if keeps is not None:
        t._joint.kept = keeps.kept
        rec.run.hooked[:] = [w for w in rec.run.hooked if w is not t]


class InplaceFunction(Function):
    """A Function that may write to its arguments."""


class NoSecondGradient(Function):
    """Passes values on; going back through it is an error."""

    @staticmethod
    def forward(ctx: Any, *tensors: Any) -> tuple:
        return tensors

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        problem = "trying to differentiate twice a function that was marked with @once_differentiable"
        raise GradientError(message("backward", problem))


def once_differentiable(backward: Callable) -> Callable:
    """For a Function's backward: what it returns cannot be differentiated again, and trying so is an error."""

    @functools.wraps(backward)
    def wrapped(ctx: Any, *gradients: Any) -> Any:
        with GradMode(False):
            found = backward(ctx, *gradients)
        if not local.rec.grad or not any(isinstance(g, Tensor) and g._meta.requires_grad for g in gradients):
            return found
        several = found if isinstance(found, tuple) else (found,)
        at = [i for i, g in enumerate(several) if isinstance(g, Tensor)]
        need = [several[i].detach().requires_grad_() for i in at]
        closed = NoSecondGradient.apply(*need)
        made = list(several)
        for i, g in zip(at, closed, strict=True):
            made[i] = g
        return tuple(made) if isinstance(found, tuple) else made[0]

    return wrapped


def identity_with(tensors: Sequence[Tensor], step: Step) -> list[Tensor]:
    """The same values as results of `step`."""
    made = join(tensors, step)
    step.joints = [t._joint for t in made]
    return made
