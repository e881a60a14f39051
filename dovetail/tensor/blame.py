"""What errors about gradients say: which tensor, on which line it was made, and what to change there.

Only called when something is already wrong, so the user's source may be read and the trace be walked.
"""

from __future__ import annotations

from typing import Any

from dovetail.base import errors, source
from dovetail.base.errors import GradientError, message
from dovetail.base.source import Where, line_of
from dovetail.ir.core import Node, Value
from dovetail.prims.elementwise import detach
from dovetail.tensor.kept import kept_as, op_of
from dovetail.tensor.recorder import local
from dovetail.tensor.trace import Event

MODES = ("no_grad", "inference_mode", "set_grad_enabled")


# -- nothing to differentiate -----------------------------------------------------------------------------------------


def no_gradient(call: str, t: Any) -> GradientError:
    """`backward()` of a tensor that does not require grad."""
    name = source.object_name()
    problem = "element 0 of tensors does not require grad and does not have a grad_fn"
    problem += f": no gradient leads to {name}" if name else ""
    facts: list = [(name or "tensor", t)]
    if t._meta.dtype.kind not in "fc":
        cure = f"Integer results carry no gradient; this one is {t._meta.dtype.name}"
        return GradientError(message(call, problem, facts, cure))
    where = cut_at(t)
    block, text = source.block_around(where, MODES) if where else (0, "")
    if block:
        facts.append(f"it was computed on {line_of(where)} under {text}, where gradients are not recorded")
        at = line_of((where[0], block, ""))
        cure = f"Remove {text} on {at} from the training step; it is only for evaluation"
        if not source.text_of((where[0], block, "")).startswith("with"):
            cure = f"Remove {text} on {at} from the function that computes it; it is only for evaluation"
    elif where:
        facts.append(f"gradients were switched off (no_grad) or cut off (detach) on {line_of(where)}")
        cure = f"Compute {name or 'it'} outside no_grad() and without detach() or .data"
    else:
        cure = (
            "No parameter or input that requires grad led to it, "
            "or it was computed under no_grad() or from detached values"
        )
        if name:
            cure += f"\nCompute {name} from the model's output, without item(), detach(), argmax(), torch.tensor(...)"
    return GradientError(message(call, problem, facts, cure))


def cut_at(t: Any) -> Where | None:
    """Where, on the way to `t`, a value that requires grad went into an op that passes no gradient on."""
    if t._run is not None:
        rec = t._run.recorder
        values, path = rec.sync().values, rec.node.path()
    else:  # it has been looked at: the trace that ran last is the one, if the tensor fits what it made there
        last = local.rec.last
        made = None if last is None else last.source.values.get(t._slot)
        if made is None or (made.shape, made.dtype) != (t._meta.shape, t._meta.dtype):
            return None
        values, path = last.source.values, last.source.event.path()
    requiring = {values[s] for e in path for s, m in metas_of(e) if m.requires_grad and s in values}
    found: Where | None = None
    seen: set[Value] = set()
    stack = [values[t._slot]] if t._slot in values else []
    while stack:
        v = stack.pop()
        if v in seen or v.node is None:
            continue
        seen.add(v)
        for x in v.node.inputs:
            if x in requiring or (v.node.prim is detach and x.dtype.is_differentiable and x.node is None):
                found = v.node.where if found is None or v.node.where[1] > found[1] else found
        stack.extend(v.node.inputs)
    return found if found and found[0] else None


def metas_of(e: Event):
    """(slot, Meta) of the tensors an event took for the first time or made."""
    yield from ((s, m) for s, m in zip(e.ins, e.new, strict=False) if m is not None)
    yield from ((s, m) for s, m, _ in e.outs)
    yield from ((new, m) for _, new, m in e.repoints)


# -- a graph that is gone ---------------------------------------------------------------------------------------------


def freed(where: Where | None, made: Where | None = None, by: str = "") -> GradientError:
    """A second way through a graph. where: the backward that freed it; made: where the tensor was made, by which op."""
    name = source.object_name()
    at = line_of(where) if where else ""
    problem = (
        f"the graph was already freed by an earlier backward(){f' ({at})' if at else ''}: "
        "trying to backward through the graph a second time"
    )
    facts = []
    line = line_of(made) if made else ""
    if line:
        way = f"the way of {name} leads" if name else "it leads"
        facts.append(f"{way} through the result of {by or 'an op'}, made on {line}")
    here = errors.user_line()
    cure = "Do the forward pass again before each backward()"
    if made and line and made[0] == here[0] and made[1] < here[1]:
        cure += f" (is {line} outside the loop?)"
    elif line:
        cure += ", and detach() what is carried over from the step before (h = h.detach())"
    again = f"{name or 'loss'}.backward(retain_graph=True)"
    cure += f", add the losses and call backward() once,\nor keep the graph: {again} the first time"
    return GradientError(message("backward", problem, facts, cure))


# -- writes in place --------------------------------------------------------------------------------------------------


def leaf_written(op: str, t: Any) -> GradientError:
    """An in-place write to a parameter or another leaf that requires grad."""
    name = source.object_name()
    who = f"{name}, a leaf tensor that requires grad," if name else "a leaf Variable that requires grad"
    where = errors.user_line()
    text = source.text_of(where)
    better = source.out_of_place(where)
    cure = f"Update parameters without recording:  with torch.no_grad(): {text}".rstrip()
    if better:
        better = better.replace(f"{name} =", f"new_{name} =", 1)
        cure += f"\nor, to compute with the changed values, write out of place: {better}"
    problem = f"{who} is being changed in place (an in-place operation), which would lose its gradient"
    return GradientError(message(op, problem, [(name or "tensor", t)], cure))


def view_written(op: str, t: Any) -> GradientError:
    """An in-place write to a view that torch refuses to write, because of how it was made."""
    name = source.object_name()
    better = source.out_of_place(errors.user_line())
    cure = f"Write out of place: {better}" if better else "Write out of place (y = x * 2)"
    if type(t._unwritable) is tuple:
        maker, index = t._unwritable
        problem = f"output {index} of {maker} is a view and is being modified inplace. This view is the output of a "
        problem += "function that returns multiple views, through which gradients do not follow a write"
        cure += ", or write to the whole: x[i] = ..., x.narrow(dim, start, length).mul_(2)"
    else:
        problem = "a view was created in no_grad mode and is being modified inplace with grad mode enabled"
        cure = "Move both the view and the write into the no_grad block (the write has no gradient), or both out of it"
    return GradientError(message(op, problem, [(name or "view", t)], cure))


def check_overwritten(path: list[Event], nodes: list[Node]) -> None:
    """Raise GradientError where a gradient reads a value that the user has written over since.

    The numbers would still be at hand here, but a program that relies on that fails in PyTorch; the rule is PyTorch's:
    ops that keep their result or their inputs for the gradient want them unchanged.
    """
    over: dict[Value, Event] = {}
    values: dict[int, Value] = {}
    for e in path:
        if getattr(e.op, "writes", False) and not written_as_data(e):
            over.update((values[old], e) for old, _, _ in e.repoints if old in values)
        values.update(e.defs)
    if not over:
        return
    for node in nodes:
        for v in node.inputs:
            w = over.get(v)
            if w is None or (w.op.name == op_of(node) and w.where == node.where):  # the very op that wrote it over
                continue
            part = kept_as(node, v)
            if part:
                text = source.text_of(w.where)
                change = f"the in-place change is on {line_of(w.where)}{f': {text}' if text else ''}"
                raise overwritten(v, op_of(node), node.where, part, w.op.name, change, source.out_of_place(w.where))


def written_as_data(e: Event) -> bool:
    """Whether a write went through x.data, of which a gradient is not told, as in PyTorch."""
    t = local.rec.slots[e.ins[2 if e.op.random else 0]]
    return t is not None and t._uncounted


def overwritten(v: Any, op: str, where: Where, part: str, by: str, change: str, better: str) -> GradientError:
    """`v`, which is `part` (the result or an input) of `op`, was changed by another op."""
    whose = "the result" if part == "result" else "an input"
    made = f"{whose} of {op} ({line_of(where)})"
    problem = f"{made} was changed in place{f' by {by}' if by else ''}, and its gradient needs the value from before"
    problem += " (one of the variables needed for gradient computation has been modified by an inplace operation)"
    facts = [("value", v), change, f"backward() computes the gradient of {op} from its {part}{'s' * (part == 'input')}"]
    cure = f"Write out of place: {better}" if better else "Write out of place (y = x * 2)"
    return GradientError(message("backward", problem, facts, cure + ", or change a copy: clone() it first"))


def last_write(t: Any) -> Where | None:
    """The line on which a tensor's memory was last written in place, where that is known."""
    version, where = t._written
    if version == t._version and where is not None:
        return where
    return t._storage.written if t._storage is not None and t._storage.writes else None


def told_write(t: Any) -> tuple[str, str]:
    """(what to say about the last write to a tensor, the same out of place)."""
    where = last_write(t)
    if where is None or not line_of(where):
        where = local.rec.updated if t._leaf else None
        if where is None or not line_of(where):
            return "the in-place change came after it was used", ""
    text = source.text_of(where)
    better = "" if t._leaf and t._meta.requires_grad else source.out_of_place(where)
    return f"the in-place change is on {line_of(where)}{f': {text}' if text else ''}", better


def written_since(t: Any, op: str, where: Where, part: str) -> GradientError:
    """A tensor that PyTorch would keep for the gradient was changed after its trace had been run."""
    change, better = told_write(t)
    return overwritten(t, op, where, part, "", change, better)


def changed_since(t: Any, op: str = "", where: Where | None = None) -> GradientError:
    """A kept value was changed between the forward pass and `backward()`. op, where: what needs it for its gradient."""
    by = str(t._made_by)
    made = line_of(getattr(t._made_by, "where", ("", 0, "")))
    who = f"the result of {by}{f' ({made})' if made else ''}" if by else "a tensor (a weight or an input)"
    change, better = told_write(t)
    at = line_of(where) if where else ""
    facts = [("tensor", t), f"{op} needs it for its gradient{f', on {at}' if at else ''}" if op else "", change]
    return GradientError(
        message(
            "backward",
            f"{who} that the gradient needs was changed in place after it was used (one of the variables needed for "
            "gradient computation has been modified by an inplace operation)",
            [fact for fact in facts if fact],
            f"Write out of place ({better or 'x = x + 1'}) or clone() the tensor before changing it; "
            "after optimizer.step() do the forward pass again",
        )
    )
