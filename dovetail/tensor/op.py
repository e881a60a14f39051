"""`@op`: the only crossing between Tensors above and Values below.

Seen before: the recorder's cursor expects this very call; the wrapper hands out the next Tensor, the body is not run.
New: the body runs on Values, its nodes join the trace, and the call is remembered.

A body may depend on its inputs' shapes and dtypes and on its settings only, since a replay skips it.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.autodiff.gradient import gradients
from dovetail.base import errors
from dovetail.base.device import require_cpu
from dovetail.base.dtypes import CATEGORY, overflows
from dovetail.base.errors import ArgumentError, DTypeError, GradientError, ShapeError, message
from dovetail.base.layout import strided
from dovetail.ir.core import Region, Value, building, region, scope
from dovetail.prims.elementwise import add, detach, identity
from dovetail.prims.make import full
from dovetail.prims.sugar import cast
from dovetail.runtime import memory
from dovetail.tensor import blame, checks, closing, family, joint, lint, packing, replay, views
from dovetail.tensor.meta import INFERENCE, meta, normal_strides
from dovetail.tensor.random import default_generator
from dovetail.tensor.recorder import flatten, local, substitute
from dovetail.tensor.tensor import Tensor, fresh, number_tensor
from dovetail.tensor.trace import HOLE, Event, Wild

OPS: dict[str, Op] = {}
NOT_TENSORS = (bool, int, float, complex, str, list, np.ndarray, np.generic)  # what users put in a tensor's place
WHOLE_SETTINGS = frozenset(  # of primitives
    "shape starts stops steps dims dim perm size sizes window stride dilation padding".split()
)
SELF = frozenset(("contiguous", "flatten", "real", "resolve_conj", "resolve_neg", "atleast_1d", "atleast_2d",
                  "atleast_3d"))  # views that give the very tensor back where nothing changes
NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other"}
WHOLE = frozenset(  # parameters that are Python numbers: a tensor with one element is looked at, as torch does
    "C HxW N chunks col diagonal dilation dim dim0 dim1 dim2 dimension dims downscale_factor end_dim group groups "
    "high hop_length k kernel_size length low m n n_fft normalized_shape num_classes num_groups num_samples offset "
    "output_padding output_size pad padding row shape shifts size sizes split_size split_size_or_sections split_sizes "
    "start_dim steps storage_offset stride upscale_factor win_length window_length".split()
)
WHOLE_STEPS = WHOLE | {"start", "end", "step"}  # where these belong together: arange, slice_scatter


class Op:
    """An operation users call. See `op` for the flags."""

    def __init__(self, body: Callable, **flags):
        self.name: str = flags["name"] or body.__name__
        self.body = body
        self.flags = flags
        self.view: bool = flags["view"]
        self.random: bool = flags["random"]
        self.differentiable: bool = flags["differentiable"]
        self.writes: bool = flags.get("writes", False)
        self.arithmetic = body.__module__ == "dovetail.ops.elementwise"  # its result may not be narrowed by a write
        self.functional_op: Op | None = flags.get("of")
        code = body.__code__  # inspect.signature says the same but would double the time of `import dovetail`
        count = code.co_argcount
        self.names = list(code.co_varnames[2 if self.random else 0 : count])
        self.keyword_only = list(code.co_varnames[count : count + code.co_kwonlyargcount])
        self.variadic = bool(code.co_flags & inspect.CO_VARARGS)
        given = body.__defaults__ or ()
        self.defaults = {
            **dict(zip(self.names[len(self.names) - len(given) :], given, strict=True)),
            **(body.__kwdefaults__ or {}),
        }
        self.scalars = frozenset(i for i, n in enumerate(self.names + self.keyword_only) if n in flags["scalars"])
        self.creates = not any(n in ("input", "self", "tensors", "x") for n in self.names[:1])
        self.takes = frozenset(self.names) | frozenset(self.keyword_only)
        self.need_tensor = {i: n for i, n in enumerate(self.names) if self.must_be_tensor(i, n)}

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def must_be_tensor(self, position: int, name: str) -> bool:
        """Whether torch refuses a Python number here: where `tensors` says so, and for an `input` in front."""
        first = position == 0 and name == "input" and (self.writes or 0 not in self.scalars)
        return first or name in self.flags.get("tensors", ())

    def refuse_numbers(self, args: tuple) -> None:
        """Raise TypeError where a number (or an array) stands in a tensor's place."""
        for i, name in self.need_tensor.items():
            if i < len(args) and isinstance(args[i], NOT_TENSORS):
                raise TypeError(self.not_a_tensor(name, i, args[i]))
        if self.flags.get("one_tensor") and not any(isinstance(a, Tensor) for a in args):
            kinds = ", ".join(type(a).__name__ for a in args)
            facts = "at least one operand must be a Tensor"
            raise TypeError(message(self.name, f"got ({kinds}), {facts}", [], "make one: dovetail.tensor(2)"))

    def not_a_tensor(self, name: str, position: int, given: Any) -> str:
        cure = f"wrap it: dovetail.as_tensor({name})"
        problem = f"argument {name!r} (position {position + 1}) must be Tensor, not {type(given).__name__}"
        return message(self.name, problem, [(name, given)], cure)

    # -- a call that the quick wrapper did not recognise --------------------------------------

    def slow(self, args: tuple, kwargs: dict) -> Any:
        if scope.nodes is not None:
            return self.inside(args, kwargs)
        if local.rec.held:
            local.rec.forget_guesses()
        if self.holds_sizes(args, kwargs):
            args, kwargs = self.with_numbers(args, kwargs)
        out = generator = extra = form = None
        if kwargs:
            form = (dict(kwargs), tuple(map(type, kwargs.values())), args)
            out, generator, extra, args, kwargs = self.tidy(args, kwargs)
        result = self.call(args, generator)
        if form is not None:
            replay.remember_form(self, local.rec.node, *form, plain=extra is None and out is None)
        if extra is not None:
            result = self.finish(result, *extra)
        if out is not None:
            return write_out(self.name, out, result, args, self.flags.get("exact_out", False))
        return result

    def inside(self, args: tuple, kwargs: dict) -> Any:
        """Called from another op's body: Values in, Values out, no events."""
        with region(self.name, args, kwargs) as r:
            result = self.body(*args, **kwargs)
        r.outs = (result,) if isinstance(result, Value) else result
        return result

    @functools.cached_property
    def whole(self) -> tuple[list[int], frozenset[str], bool]:
        """Which parameters are Python numbers: positions, names, and whether what is given beyond them is."""
        named = WHOLE_STEPS if "step" in self.takes else WHOLE
        if self.names[1:2] == ["dim"] and "other" in self.takes:  # max(x, y) is another call than max(x, dim)
            named = named - {"dim"}
        named = named.union(self.flags["numbers"])
        code = self.body.__code__
        last = code.co_varnames[code.co_argcount + code.co_kwonlyargcount] if self.variadic else ""
        places = [i for i, n in enumerate(self.names) if n in named]
        return places, named & self.takes, last in ("given", "shape", "size")

    def holds_sizes(self, args: tuple, kwargs: dict) -> bool:
        """Whether a tensor stands where only Python numbers can be used: zeros(2, lengths.max())."""
        places, names, rest = self.whole
        for i in places:
            if i < len(args) and holds_tensor(args[i]):
                return True
        if rest and any(map(holds_tensor, args[len(self.names) :])):
            return True
        return any(holds_tensor(a) for n, a in kwargs.items() if n in names) if kwargs else False

    def with_numbers(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """The arguments with such tensors looked at."""
        places, names, rest = self.whole
        made = [looked_at(a) if i in places or (i >= len(self.names) and rest) else a for i, a in enumerate(args)]
        return tuple(made), {n: looked_at(a) if n in names else a for n, a in kwargs.items()}

    def tidy(self, args: tuple, kwargs: dict):
        """Split off what the desk does itself and move the other keywords to their positions."""
        out = kwargs.pop("out", None) if "out" in kwargs and "out" not in self.takes else None
        generator = kwargs.pop("generator", None) if self.random else None
        extra = None
        for name in ("layout", "pin_memory", "memory_format"):
            if name in kwargs and name not in self.takes:
                need_strided(self.name, name, kwargs.pop(name))
        wants = kwargs.pop("requires_grad", None) if "requires_grad" not in self.takes else None
        where = kwargs.pop("device", None) if "device" not in self.takes else None
        if wants or where is not None:
            extra = (bool(wants), where)
        if kwargs:
            args, kwargs = self.positional(args, self.by_our_names(kwargs))
        return out, generator, extra, args, kwargs

    def by_our_names(self, kwargs: dict) -> dict:
        """Keywords with NumPy's names for `dim` and its like, which torch takes too."""
        if self.takes.issuperset(kwargs):
            return kwargs
        made: dict = {}
        for name, value in kwargs.items():
            ours = NUMPY_NAMES.get(name, name)
            name = ours if name not in self.takes and ours in self.takes else name
            if name in made:
                raise TypeError(f"{self.name}() got multiple values for argument {name!r}")
            made[name] = value
        return made

    def positional(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """All arguments by position, keyword-only ones behind the positional ones as ("kw", dict)."""
        if self.variadic:
            return args + (Keywords(kwargs),), {}
        args = list(args)
        rest = {}
        for name, value in kwargs.items():
            if name in self.names:
                if self.names.index(name) < len(args):
                    raise TypeError(f"{self.name}() got multiple values for argument {name!r}")
                rest[name] = value
            elif name in self.keyword_only:
                rest[name] = value
            else:
                raise TypeError(self.unexpected(name))
        for name in self.names[len(args) :]:
            if name not in rest:
                if any(n in rest for n in self.names[self.names.index(name) :]) and name in self.defaults:
                    args.append(self.defaults[name])
                    continue
                break
            args.append(rest.pop(name))
        if rest:
            args.append(Keywords(rest))
        return tuple(args), {}

    def no_target(self, args: tuple) -> str:
        """What to say to a write in place whose first argument is no tensor."""
        if not args or type(args[0]) is Keywords:
            return f"{self.name}() missing a required argument: {self.names[0]!r}"
        return f"{self.name}(): argument {self.names[0]!r} (position 1) must be Tensor, not {type(args[0]).__name__}"

    def unexpected(self, name: str) -> str:
        known = self.names + self.keyword_only
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; it takes {', '.join(known) or 'nothing'}"
        return f"{self.name}() got an unexpected keyword argument {name!r}{hint}"

    def finish(self, result: Any, wants_grad: bool, where: Any) -> Any:
        if where is not None:
            require_cpu(where, self.name)
        if wants_grad:
            if not isinstance(result, Tensor):
                raise TypeError(message(self.name, "requires_grad is for calls that make one tensor"))
            result.requires_grad_(True)
        return result

    # -- one event ------------------------------------------------------------------------------

    def call(self, args: tuple, generator: Any = None) -> Any:
        if args and type(args[-1]) is Keywords and not args[-1].values:
            args = args[:-1]
        rec = local.rec
        if rec.autocast is not None:
            args = rec.autocast.cast(self, args)
        if rec.packing is not None and rec.grad and rec.capture is None:
            result = packing.call(self, rec, args, generator)
            if result is not packing.OTHERWISE:
                return result
        tensors: list[Tensor] = []
        key, types = flatten_call(args, tensors)
        offset = 2 if self.random else 0
        if rec.held:
            rec.look_again(tensors)
        if self.random:
            generator = generator or default_generator
            tensors = [generator.seed_tensor, generator.counter_tensor, *tensors]
        for i, t in enumerate(tensors):
            if t._run is not rec.run and (t._run is not None or rec.capture is not None):
                tensors[i] = rec.own(t)
        if self.writes and (len(tensors) == offset or not isinstance(args[0] if args else None, Tensor)):
            raise TypeError(self.no_target(args))
        if self.writes and tensors[offset]._unwritable is not None and rec.grad:
            self.need_writable(tensors)
        for _ in range(2):
            if self.writes:
                target = tensors[offset]
                root = views.root(target)
                if closing.shares_memory(root) or rec.capture is None and family.written(rec, root, tensors):
                    return self.write_for_all(rec, target, tensors, key, types, args)
            e = rec.find(self, tensors, key, types)
            if e is not None:
                return self.commit(rec, e, tensors, args)
            if not rec.must_close(self, tensors):
                break
            rec.close("the next step or the next turn of a loop began", beside=True)
        return self.record(rec, tensors, key, types, args)

    def write_for_all(self, rec, target: Tensor, tensors: list, key: tuple, types: tuple, args: tuple) -> Any:
        """A write into memory that others see is not put off; they may have a part in its gradient too."""
        rec.close("memory that others see was written")
        rec.together = True
        try:
            if family.written(rec, target, tensors):
                family.bring_in(rec, target, OPS)
            e = rec.find(self, tensors, key, types)
            if e is None:
                result = self.record(rec, tensors, key, types, args)
            else:
                result = self.commit(rec, e, tensors, args)
        finally:
            rec.together = False
        where = rec.node.where
        rec.close("memory that others see was written")
        note_write(target, where)
        return result

    def commit(self, rec, e: Event, tensors: list, args: tuple) -> Any:
        """Follow a known event: make its tensors, move what it writes."""
        slots, run = rec.slots, rec.run
        if e.limits:
            self.need_room(e, flat_numbers(args))
        rec.advance(e)
        if e.numbers:
            flat = flat_numbers(args)
            for position, slot in e.numbers:
                slots[slot] = number_tensor(flat[position])
                rec.log.append(slot)
        waited = []
        for old, new, m in e.repoints:
            t = slots[old]
            if (t._joint is not None or t._readers) and joint.waits(t, rec.grad):
                waited.append((t, joint.copy_of(t), old))
            slots[new] = t
            t._slot, t._run, t._meta = new, run, m
            t._version += 1
            t._written = t._version, e.where
        made = []
        for slot, m, base in e.outs:
            t = fresh(m, run, slot)
            slots[slot] = t
            if base:
                t._view = views.looked_into(slots[base])
                t._unwritable = views.unwritable(self, rec.grad, slots[base], len(made))
            made.append(t)
        for t, was, old in waited:
            joint.leave(t, was, old)
        if e.result is None:
            return made[0]
        return e.result(made, tensors[2:] if self.random else tensors)

    def record(self, rec, tensors: list, key: tuple, types: tuple, args: tuple) -> Any:
        """A new event: run the body on Values and remember the call."""
        for t in tensors:
            if t._instead is not None:  # no dense tensor: it knows what this op means for it
                return t._instead(self, args)
        self.refuse_numbers(args)
        state = rec.sync()
        rec.clear_beyond(rec.node.end)
        scope.where = errors.user_line()
        e = rec.new_event(self, key)
        e.rest_types = types
        if tensors and not self.random and all(t._run is None for t in tensors):
            e.start, e.site, e.metas = e, errors.user_site(), [t._meta for t in tensors]
        if self.writes:
            self.check_write(rec, tensors[2 if self.random else 0])
        try:
            self.fill(rec, state, e, tensors, key, types, args)
        except BaseException as error:
            rec.clear_beyond(rec.node.end)
            wrong = errors.wrong_argument(self.name, self.names, args, error) if type(error) is AttributeError else None
            if wrong is not None:
                raise wrong from None
            raise
        e.plain = e.parent.plain and not e.repoints
        rec.add(e)
        rec.novelty.note(self, key, types, tensors, rec.run.serial)
        if self.name in lint.SUMS and rec.grad and rec.capture is None and any(t._meta.requires_grad for t in tensors):
            old, serial = any([lint.spent(rec, t) for t in tensors]), rec.run.serial
            result = self.commit(rec, e, tensors, args)
            lint.running_total(rec, tensors, result, serial, old)
            return result
        return self.commit(rec, e, tensors, args)

    def fill(self, rec, state, e: Event, tensors: list, key: tuple, types: tuple, args: tuple) -> None:
        taken: dict[int, int] = {}
        values = [rec.take(e, t, taken) for t in tensors]
        offset = 2 if self.random else 0
        changed = self.changed_numbers(rec, e, key, types)
        if changed:
            args = self.promote(rec, e, args, changed)
        arguments = substitute_call(args, iter(values[offset:]))
        keywords = arguments[-1].values if arguments and type(arguments[-1]) is Keywords else {}
        if keywords or (arguments and type(arguments[-1]) is Keywords):
            arguments = arguments[:-1]
        body = self.functional_op.body if self.functional_op else self.body
        scope.checks, scope.limits = [], []
        with building() as nodes:
            with region(self.name, tuple(values), {"args": key}) as r:
                result = body(*values[:offset], *arguments, **keywords)
            self.refuse_numbers_of_tensors(nodes)
            e.checks, scope.checks = checks.note(e, scope.checks, nodes, tensors, rec.slots), None
            self.note_limits(e, scope.limits or [])
            scope.limits = None
            leaves: list[Value] = []
            shape_of_result = tree_of(result, leaves)
            r.outs = tuple(leaves)
            gives_grad = rec.grad and self.differentiable and any(t._meta.requires_grad for t in tensors)
            blocked = not gives_grad and any(t._meta.requires_grad for t in tensors)
            if gives_grad and any(t._meta.history is INFERENCE for t in tensors):
                self.check_inference(tensors, values, leaves)
            if self.random:
                self.advance_counter(e, state, nodes, values)
            if self.writes:
                self.write(rec, e, state, tensors, values, leaves[0], gives_grad, blocked)
            else:
                self.hand_out(e, values[offset:], leaves, shape_of_result, gives_grad, blocked, tensors[offset:], r)
        e.nodes = nodes
        e.needs_grad = e.needs_grad or any(m.requires_grad for _, m, _ in e.outs)
        self.quicken(e, tensors, key, types)
        replay.look_again(e, tensors)

    def refuse_numbers_of_tensors(self, nodes: list) -> None:
        """Raise TypeError where a tensor stands for a size or another setting, whose numbers nobody knows yet."""
        for node in nodes:
            for name, setting in node.params.items():
                if holds_value(setting):
                    raise TypeError(
                        message(
                            self.name,
                            f"a tensor was given where Python numbers are needed ({name} of {node.prim.name})",
                            cure="Pass numbers: x.item(), or x.tolist()",
                        )
                    )
                if name in WHOLE_SETTINGS and holds_fraction(setting):
                    problem = f"whole numbers are needed, got {setting!r} ({name} of {node.prim.name})"
                    raise TypeError(message(self.name, f"argument must be int, not float: {problem}"))

    def hand_out(
        self, e: Event, values: list, leaves: list, tree, gives_grad: bool, blocked: bool, tensors: list,
        op_region: Region,
    ) -> None:  # fmt: skip
        """Slots and metas for what the body returned. A Value that is an input gives the same Tensor back."""
        plan: list[tuple[str, int]] = []
        made_in = INFERENCE if local.rec.inference else None
        for value in leaves:
            copied = bool(self.flags["copies"]) and self.must_copy(value, values[0], tensors[0])
            if copied and self.flags["copies"] == "refused":
                raise self.no_view(tensors[0], value)
            another = self.view and value in values and self.name not in SELF  # torch gives a new tensor here
            if copied or another:
                value = identity(value)
                value.node.region = op_region
            if value in values and not blocked:
                plan.append(("in", values.index(value)))
                continue
            if value.weak:
                value = Value(value.shape, value.dtype, value.node, value.index)
            if blocked and value.dtype.is_differentiable:
                value = detach(value)
            slot = e.end
            e.end += 1
            m = meta(
                value.shape, value.dtype, requires_grad=gives_grad and value.dtype.is_differentiable, history=made_in
            )
            e.defs.append((slot, value))
            base = 0
            if self.view and not copied and not (value.seen_as is not None and gives_grad):
                base = next((s for s, v in zip(e.ins, values, strict=False) if views.derives(value, v)), 0)
                e.views = e.views or base > 0
            if m.nbytes >= memory.LARGE and not base:
                memory.check_available(m.nbytes, self.name, [("result", value)])
            plan.append(("out", len(e.outs)))
            e.outs.append((slot, m, base))
        if not (tree == 0 and plan == [("out", 0)]):
            e.result = lambda made, given: rebuild(tree, [made[i] if kind == "out" else given[i] for kind, i in plan])

    def must_copy(self, value: Value, source: Value, given: Tensor) -> bool:
        """Whether torch would copy here: `value`, made of `source`, is no strided view of what `given` looks into."""
        if not value.numel:
            return False
        base, start, rec = given, source, local.rec
        if given._run is not None and given._view is not None:
            base = views.root(given)
            slot = rec.slot_of(base)
            start = rec.sync().values.get(slot) if slot else source
        links = None if start is None else views.chain(value, start)
        if links is None:
            return False
        where = views.strided(links, base._meta)
        if where is None:
            return True
        return self.flags["copies"] == "unordered" and normal_strides(value.shape, where[0]) is not None

    def no_view(self, given: Tensor, value: Value) -> Exception:
        problem = "view size is not compatible with input tensor's size and stride (at least one dimension spans "
        problem += "across two contiguous subspaces)"
        facts = [("input", given), ("size", str(tuple(value.shape)))]
        return ArgumentError(message(self.name, problem, facts, "Use .reshape(...) instead, or x.contiguous() first"))

    def quicken(self, e: Event, tensors: list, key: tuple, types: tuple) -> None:
        """Give the event its replay: a quick one for one to three leading tensors and plain settings with one fresh
        result or one write, else one for any form."""
        count = len(tensors)
        if e.numbers or self.random or e.limits or not count:
            return
        if self.writes:
            short = len(e.repoints) == 1 and e.repoints[0][0] == e.ins[0] and not e.outs
        else:
            short = e.result is None and not e.repoints and len(e.outs) == 1 and not e.outs[0][2]
        if not short or count > 3 or key[:count] != (HOLE,) * count or any(t is None for t in types[count:]):
            short = False
        elif any(isinstance(k, tuple) or type(k) is Keywords for k in key[count:]):
            short = False
        if short:
            replay.quicken(e, self, count, key, types)
        elif not e.repoints or self.writes:
            replay.any_of(e, self, key, types)

    # -- Python numbers that change -------------------------------------------------------------

    def changed_numbers(self, rec, e: Event, key: tuple, types: tuple) -> list[int]:
        """Positions of numeric arguments in which this call differs from an earlier one at the same point."""
        if not self.scalars:
            return []
        if rec.numbers:
            return rec.numbers
        for child in rec.node.children:
            if child.op is not self or child.rest_types != types or child.ins != e.ins:
                continue
            before, now = flat_numbers(child.key), flat_numbers(key)
            if before.keys() != now.keys():
                continue
            differ = [i for i in now if before[i] != now[i] or isinstance(before[i], Wild)]
            if all(self.is_scalar_position(i) and type(now[i]) in (int, float) for i in differ):
                if mask(child.key, differ) == mask(key, differ):
                    return differ
        return []

    def note_limits(self, e: Event, found: list[tuple]) -> None:
        """Remember which numbers that became inputs must fit into which dtypes."""
        made = {slot: v for slot, v in e.defs}
        e.limits = tuple(
            (position, dtype) for position, slot in e.numbers for v, dtype in found if v is made[slot]
        )  # fmt: skip

    def need_room(self, e: Event, numbers: dict) -> None:
        """Raise ArgumentError where a number does not fit, as the call does that finds it among its settings."""
        for position, dtype in e.limits:
            n = numbers[position]
            if overflows(n, dtype):
                problem = f"value cannot be converted to type {dtype.name} without overflow: {n}"
                raise ArgumentError(message(self.name, problem, cure="Use a number in range, or a dtype that holds it"))

    def is_scalar_position(self, position) -> bool:
        names = self.names + self.keyword_only
        if isinstance(position, str):
            return position in names and names.index(position) in self.scalars
        return position in self.scalars

    def promote(self, rec, e: Event, args: tuple, changed: list) -> tuple:
        """Turn the numbers at `changed` into 0-d inputs of the event."""
        flat = flat_numbers(args)
        replaced = {}
        numbers = []
        for position in changed:
            t = number_tensor(flat[position])
            slot = e.end
            e.end += 1
            rec.slots[slot] = t
            rec.log.append(slot)
            value = Value((), t._meta.dtype, weak=t._weak)
            e.defs.append((slot, value))
            numbers.append((position, slot))
            replaced[position] = value
        e.numbers = tuple(numbers)
        e.key = replace_numbers(e.key, {p: Wild(type(flat[p])) for p in changed})
        return replace_numbers(args, replaced)

    def check_inference(self, tensors: list, values: list, leaves: list) -> None:
        """A tensor of inference mode may take part, but its value may not be what a gradient reads."""
        marked = {v: t for t, v in zip(tensors, values, strict=True) if t._meta.history is INFERENCE}
        sources = [v for t, v in zip(tensors, values, strict=True) if t._meta.requires_grad]
        outs = [v for v in leaves if v.dtype.is_differentiable and v.node is not None]
        with building() as nodes:
            gradients(outs, [Value(v.shape, v.dtype) for v in outs], sources)
        for node in nodes:
            for v in node.inputs:
                if v in marked:
                    text = "Inference tensors cannot be saved for backward"
                    cure = "x.clone() gives an ordinary tensor; or use no_grad() in place of inference_mode()"
                    raise GradientError(message(self.name, text, [("tensor", marked[v])], cure))

    # -- in-place -------------------------------------------------------------------------------

    def check_write(self, rec, target: Tensor) -> None:
        views.need_single_places(self.name, target, target._meta.shape, target._meta.strides)
        if rec.grad and target._meta.requires_grad and (target._of_leaf or views.root(target)._leaf):
            raise blame.leaf_written(self.name, target)
        if target._meta.history is INFERENCE and not rec.inference:
            text = "Inplace update to inference tensor outside InferenceMode is not allowed"
            cure = "x.clone() gives an ordinary tensor"
            raise GradientError(message(self.name, text, [("tensor", target)], cure))

    def need_writable(self, tensors: list) -> None:
        """Raise GradientError where torch refuses to write to a view, because of how it was made."""
        target = tensors[2 if self.random else 0]
        if target._unwritable == views.NO_GRAD or any(t._meta.requires_grad for t in tensors):
            raise blame.view_written(self.name, target)

    def write(
        self, rec, e: Event, state, tensors: list, values: list, result: Value, gives_grad: bool, blocked: bool
    ) -> None:
        """The result becomes the target's new value, and with it that of everything the target is a view of."""
        target = tensors[2] if self.random else tensors[0]
        old = values[2] if self.random else values[0]
        if result.shape != old.shape:
            raise ShapeError(
                message(
                    self.name,
                    f"the result has shape {result.shape}, which does not fit into the tensor it is written to",
                    [("tensor", target), ("result", result)],
                    "In-place operations cannot grow their tensor; use the form without underscore",
                )
            )
        if self.arithmetic and CATEGORY[result.dtype.kind] > CATEGORY[old.dtype.kind]:
            text = f"result type {result.dtype.name} can't be cast to the desired output type {old.dtype.name}"
            cure = "Use the form without underscore, or make the tensor floating-point first"
            raise ArgumentError(message(self.name, text, [("tensor", target)], cure))
        new = cast(result, old.dtype)
        if blocked and new.dtype.is_differentiable:
            new = detach(new)
        if rec.grad and target._meta.requires_grad:
            new = views.overwritten(new, old, values)
        requires = gives_grad or (rec.grad and target._meta.requires_grad)
        requires = requires or target._meta.requires_grad
        views.rewrite(rec, e, state, target, e.ins[2 if self.random else 0], old, new, requires)
        e.result = lambda made, given: given[0]

    def advance_counter(self, e: Event, state, nodes: list, values: list) -> None:
        draws = sum(-(-n.out.numel // 4) for n in nodes if n.prim.name == "random_bits")
        counter = values[1]
        new = add(counter, full(shape=(), dtype=counter.dtype, value=draws))
        slot = e.end
        e.end += 1
        e.defs.append((slot, new))
        e.repoints.append((e.ins[1], slot, meta((), counter.dtype)))


def holds_tensor(setting: Any) -> bool:
    return isinstance(setting, Tensor) or (type(setting) in (tuple, list) and any(map(holds_tensor, setting)))


def looked_at(setting: Any) -> Any:
    """The setting with its tensors of one element as Python numbers."""
    if isinstance(setting, Tensor):
        return setting.item() if setting.numel() == 1 else setting
    if type(setting) in (tuple, list):
        return type(setting)(map(looked_at, setting))
    return setting


def note_write(t: Tensor, where: tuple) -> None:
    """Memory that several tensors look into was written through `t`."""
    if not t._uncounted and t._storage is not None:
        t._storage.writes += 1
        t._storage.written = where


def holds_fraction(setting: Any) -> bool:
    return isinstance(setting, float) or (type(setting) in (tuple, list) and any(map(holds_fraction, setting)))


def holds_value(setting: Any) -> bool:
    return isinstance(setting, Value) or (type(setting) in (tuple, list) and any(map(holds_value, setting)))


class Keywords:
    """Keyword-only arguments of a call, as its last positional argument."""

    __slots__ = ("values",)

    def __init__(self, values: dict):
        self.values = values


def flatten_call(args: tuple, tensors: list) -> tuple[tuple, tuple]:
    if args and type(args[-1]) is Keywords:
        key, types = flatten(args[:-1], Tensor, tensors)
        named = args[-1].values
        k, t = flatten(tuple(named.values()), Tensor, tensors)
        return (*key, ("keywords", tuple(named), k)), (*types, ("keywords", t))
    return flatten(args, Tensor, tensors)


def substitute_call(args: tuple, values) -> tuple:
    if args and type(args[-1]) is Keywords:
        head = substitute(args[:-1], Tensor, values)
        named = args[-1].values
        return (*head, Keywords(dict(zip(named, substitute(tuple(named.values()), Tensor, values), strict=True))))
    return substitute(args, Tensor, values)


def flat_numbers(args: tuple) -> dict:
    """The int, float and Wild arguments of a call or key, by position or name."""
    found = {}
    for i, a in enumerate(args):
        if type(a) in (int, float, Wild):
            found[i] = a
        elif type(a) is Keywords:
            found.update({n: v for n, v in a.values.items() if type(v) in (int, float)})
        elif type(a) is tuple and len(a) == 3 and a[0] == "keywords":
            found.update({n: v for n, v in zip(a[1], a[2], strict=True) if type(v) in (int, float, Wild)})
    return found


def replace_numbers(args: tuple, new: dict) -> tuple:
    made = []
    for i, a in enumerate(args):
        if i in new:
            made.append(new[i])
        elif type(a) is Keywords:
            made.append(Keywords({n: new.get(n, v) for n, v in a.values.items()}))
        elif type(a) is tuple and len(a) == 3 and a[0] == "keywords":
            made.append(("keywords", a[1], tuple(new.get(n, v) for n, v in zip(a[1], a[2], strict=True))))
        else:
            made.append(a)
    return tuple(made)


def mask(key: tuple, positions: list) -> tuple:
    return replace_numbers(key, dict.fromkeys(positions))


def tree_of(result: Any, leaves: list) -> Any:
    """The structure of a body's result with Values moved to `leaves`; 0 for a single Value."""
    if isinstance(result, Value):
        leaves.append(result)
        return len(leaves) - 1
    if isinstance(result, (tuple, list)):
        return (type(result), [tree_of(r, leaves) for r in result])
    if isinstance(result, dict):
        return (dict, [(k, tree_of(v, leaves)) for k, v in result.items()])
    return Constant(result)


class Constant:
    def __init__(self, value: Any):
        self.value = value


def rebuild(tree: Any, tensors: list) -> Any:
    if isinstance(tree, int):
        return tensors[tree]
    if isinstance(tree, Constant):
        return tree.value
    kind, parts = tree
    if kind is dict:
        return {k: rebuild(v, tensors) for k, v in parts}
    made = [rebuild(p, tensors) for p in parts]
    return kind(*made) if hasattr(kind, "_fields") else kind(made)


def need_strided(call: str, name: str, given: Any) -> None:
    """Results are dense: another layout is refused instead of being ignored."""
    if name == "layout" and given is not None and given is not strided:
        raise ArgumentError(message(call, f"is implemented for strided tensors only, got: {given}"))


def shares_with(t: Tensor, out: Tensor) -> bool:
    """Whether two tensors have one memory."""
    return t is out or (t._run is None and out._run is None and t._storage is out._storage)


def write_out(call: str, out: Any, result: Any, given: tuple = (), exact: bool = False) -> Any:
    """out= : the result's values are copied into the tensors given, which are returned.

    given: the call's own arguments; a tensor among them must not lie in memory that `out` would have to resize.
    exact: no conversion, the dtypes must agree (selections, as torch has it).
    """
    if isinstance(out, (tuple, list)):
        if not isinstance(result, (tuple, list)) or len(out) != len(result):
            problem = f"out= holds {len(out)} tensors, which does not fit the result"
            raise TypeError(message(call, problem))
        for o, r in zip(out, result, strict=True):
            write_out(call, o, r, given, exact)
        return type(result)(*out) if hasattr(result, "_fields") else tuple(out)
    if not isinstance(out, Tensor):
        raise TypeError(message(call, f"argument 'out' must be Tensor, not {type(out).__name__}"))
    if not isinstance(result, Tensor):
        raise TypeError(message(call, f"argument 'out' must be {type(result).__name__} of Tensors, not Tensor"))
    if out._meta.requires_grad or result._meta.requires_grad:
        problem = "out=... arguments don't support automatic differentiation, but one of the arguments requires grad"
        raise GradientError(message(call, problem, [("out", out)]))
    if exact and out.dtype is not result.dtype:
        problem = f"expected out tensor to have dtype {result.dtype.name}, but got {out.dtype.name} instead"
        raise DTypeError(message(call, problem, [("out", out)]))
    if CATEGORY[result.dtype.kind] > CATEGORY[out.dtype.kind]:
        problem = f"result type {result.dtype.name} can't be cast to the desired output type {out.dtype.name}"
        raise ArgumentError(message(call, problem, [("out", out)]))
    if out.shape != result.shape:
        if any(isinstance(t, Tensor) and shares_with(t, out) for t in given):
            problem = "unsupported operation: the input and out= refer to the same memory, which would be resized"
            raise ShapeError(message(call, problem, [("out", out), ("result", result)], "clone() the input first"))
        out.resize_(result.shape)
    return out.copy_(result)


def place_of(t) -> tuple[Any, int]:
    """(root of the views, offset in it) of a tensor: where its memory begins, or will begin."""
    base = views.root(t)
    if base is t or t._run is None:
        return t, 0
    rec = local.rec
    values = rec.sync().values
    slot, at = rec.slot_of(t), rec.slot_of(base)
    links = views.chain(values[slot], values[at]) if slot and at else None
    found = None if links is None else views.strided(links, base._meta)
    return (t, 0) if found is None else (base, found[1])


# -- the decorator ----------------------------------------------------------------------------------


def op(
    body: Callable | None = None,
    *,
    method=False,
    functional=False,
    inplace=False,
    top=True,
    view=False,
    parts: str = "",
    copies: str = "",
    random=False,
    also: tuple[str, ...] = (),
    scalars: tuple[str, ...] = (),
    tensors: tuple[str, ...] = (),
    numbers: tuple[str, ...] = (),
    one_tensor: bool = False,
    exact_out: bool = False,
    differentiable: bool = True,
    name: str | None = None,
    draws=None,
):
    """Make a function of Values an op that users call with Tensors.

    method, functional, top  where the name shows: Tensor.name, nn.functional.name, dovetail.name (tools/doors.py)
    also                     further public names, e.g. ("special.expit",)
    inplace                  also make `name_`, which writes the result into the first argument
    view                     the result shares memory with the first argument
    parts                    a view op that makes several at once, which "refuse" writes while gradients are recorded,
                             or are "free"
    copies                   where a view op copies instead: "strided" where no strides show the result in the first
                             argument's memory, "unordered" where its elements do not follow each other there;
                             "refused": it raises where no strides show the result
    scalars                  numeric arguments that become inputs of the program when they change
    tensors                  arguments that must be Tensors (a leading `input` must, unless it is one of `scalars`)
    numbers                  arguments, besides those of WHOLE, for which a tensor of one element is looked at
    one_tensor               at least one argument must be a Tensor
    exact_out                a tensor given as out= must have the result's dtype
    random                   the body's first two parameters are the generator's seed and counter
    differentiable           False: results never require grad
    """

    def decorate(body: Callable) -> Callable:
        flags = dict(
            method=method,
            functional=functional,
            inplace=inplace,
            top=top,
            view=view,
            parts=parts,
            copies=copies,
            random=random,
            also=also,
            scalars=scalars,
            tensors=tensors,
            numbers=numbers,
            one_tensor=one_tensor,
            exact_out=exact_out,
            differentiable=differentiable,
            name=name,
        )
        made = Op(body, **flags)
        OPS[made.name] = made
        call = wrapper(made)
        if inplace:
            writer = Op(body, **{**flags, "name": made.name + "_", "view": False}, writes=True, of=made)
            OPS[writer.name] = writer
            call.inplace = wrapper(writer)
        return call

    return decorate if body is None else decorate(body)


def wrapper(made: Op) -> Callable:
    """The function that users call; the expected event says what it gives (replay.py)."""

    def call(*args, **kwargs):
        rec = local.rec
        return rec.expect.replay(rec, made, args, kwargs)

    call.__name__ = call.__qualname__ = made.name
    call.__doc__ = made.body.__doc__
    call.__module__ = made.body.__module__
    call.__wrapped__ = made.body
    call.op = made
    if made.random:
        call.__signature__ = public_signature(made)
    return call


def public_signature(made: Op) -> inspect.Signature:
    """What `inspect` shows: the body's parameters without the generator's seed and counter."""
    return inspect.Signature(list(inspect.signature(made.body).parameters.values())[2:])
