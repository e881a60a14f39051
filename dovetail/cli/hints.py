"""A word more on errors that Python itself raises when a tensor was expected and something else was there.

`loss.backward()` on a float is an AttributeError of Python's; which line took the number out of the tensor, and what to
write instead, can be read in the user's own source. A hint that cannot tell is not given.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from dovetail.base import source
from dovetail.nn.module import Module
from dovetail.tensor.tensor import Tensor

AWAY = {  # calls that leave tensors for plain Python or NumPy
    "item": "item() took the number out of the tensor, which ends its gradient",
    "numpy": "numpy() made a NumPy array of the tensor",
    "tolist": "tolist() made Python numbers of the tensor",
    "float": "float(...) took the number out of the tensor",
    "int": "int(...) took the number out of the tensor",
    "len": "len(...) is a Python number",
    "array": "it is a NumPy array",
}
HAS_NO = re.compile(r"'([\w.]+)' object has no attribute '(\w+)'")


def hint(error: BaseException, place: TracebackType | None, hidden: Callable[[str], bool]) -> str:
    """What to add to the message of an error of Python's; "" for most. hidden: whether a file is not the user's."""
    frame, inside = innermost(place, hidden)
    if frame is None:
        return ""
    if inside:
        return several_results(str(error), frame)
    if isinstance(error, AttributeError):
        found = HAS_NO.search(str(error))
        return attribute(found[1], found[2], error, frame) if found else ""
    if isinstance(error, TypeError):
        return call(str(error), frame)
    return ""


def innermost(place: TracebackType | None, hidden: Callable[[str], bool]) -> tuple[FrameType | None, bool]:
    """The user's innermost frame, and whether the error was raised further inside, in the package."""
    frame, inside = None, False
    while place is not None:
        inside = hidden(place.tb_frame.f_code.co_filename)
        frame = frame if inside else place.tb_frame
        place = place.tb_next
    return frame, inside


def several_results(text: str, frame: FrameType) -> str:
    """A call that was given the tuple which another layer returned."""
    node = source.running(frame)
    if "tuple" not in text or not isinstance(node, ast.Call):
        return ""
    for given in node.args:
        name = source.short(given)
        value = frame.f_locals.get(name, frame.f_globals.get(name))
        if isinstance(value, tuple) and any(isinstance(x, Tensor) for x in value):
            return a_tuple(name, name, value)
    return ""


def a_tuple(who: str, name: str, value: tuple) -> str:
    shapes = ", ".join(str(tuple(x.shape)) if isinstance(x, Tensor) else type(x).__name__ for x in value)
    return (
        f"  {who} is a tuple of {len(value)} ({shapes}), not one tensor: some layers return several results\n"
        f"  Take them apart first: out, *rest = ..., or use {name or 'result'}[0]"
    )


def attribute(kind: str, wanted: str, error: AttributeError, frame: FrameType) -> str:
    """`kind` has no `wanted`, where a tensor or a module would have it."""
    node = source.running(frame)
    node = node.func if isinstance(node, ast.Call) else node
    name = source.short(node.value) if isinstance(node, ast.Attribute) else ""
    who = name or f"a {kind}"
    obj = getattr(error, "obj", None)
    if kind == "NoneType":
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "grad":
            return no_gradient(node.value)
        made = made_by_call(name, frame)
        return f"  {who} is None{made}" if made else ""
    if not (hasattr(Tensor, wanted) or hasattr(Module, wanted)):
        return ""
    if kind in ("float", "int", "ndarray", "float32", "float64", "bool", "list") and hasattr(Tensor, wanted):
        return left_tensors(kind, wanted, name, obj, frame)
    if kind == "tuple" and isinstance(obj, tuple) and any(isinstance(x, Tensor) for x in obj):
        return a_tuple(who, name, obj)
    if isinstance(obj, type) or kind == "type":
        return f"  {who} is a class, not an object of it: write {who}() to make one"
    return ""


def no_gradient(node: ast.Attribute) -> str:
    """`x.grad` was None where a gradient was expected."""
    owner = ast.unparse(node.value)
    return (
        f"  {owner}.grad is None: no backward() has reached {owner} since its gradient was cleared\n"
        f"  Call loss.backward() first; {owner} must be a leaf that requires grad, and the loss be computed from it"
    )


def left_tensors(kind: str, wanted: str, name: str, obj: Any, frame: FrameType) -> str:
    """A number, array or list where the method of a tensor was called."""
    file, line = frame.f_code.co_filename, frame.f_lineno
    article = "an" if kind[0] in "aeiou" else "a"
    rows = [f"  {name or 'it'} is {article} {kind}, not a tensor, and only tensors have {wanted}"]
    assigned = source.last_assignment(file, name, line) if name else None
    how = away(assigned.value) if assigned is not None else ""
    if assigned is not None and how:
        at = source.line_of((file, assigned.lineno, ""))
        rows.append(f"  {AWAY[how]}: {at}: {source.text_of((file, assigned.lineno, ''))}")
        spelled = f"{name}.{how}()" if how in ("item", "numpy", "tolist") else f"{how}({name})"
        rows.append(f"  Keep {name} a tensor on {at}: call {wanted} before {spelled}, which is only for showing it")
    elif kind == "ndarray":
        rows.append(f"  Make it a tensor: torch.from_numpy({name or 'array'})")
    elif kind == "list":
        items = name or "items"
        rows.append(f"  Make it one tensor: torch.stack({items}) for tensors, torch.tensor({items}) for numbers")
    else:
        rows.append(f"  Keep it a tensor until {wanted}() has been called; .item() and float() end the gradient")
    return "\n".join(rows)


def away(node: ast.AST) -> str:
    """The outermost call in an expression that leaves tensors; "" for none."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            if node.func.attr in AWAY:
                return node.func.attr
        elif isinstance(node.func, ast.Name) and node.func.id in AWAY:
            return node.func.id
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.BinOp) and (found := away(child)):
            return found
    return ""


def made_by_call(name: str, frame: FrameType) -> str:
    """Why a name is None: it was given the result of a call that returns nothing, or of a forward without return."""
    found = source.last_assignment(frame.f_code.co_filename, name, frame.f_lineno) if name else None
    if found is None or not isinstance(found.value, ast.Call):
        return ""
    made = source.short(found.value.func)
    at = source.line_of((frame.f_code.co_filename, found.lineno, ""))
    module = frame.f_locals.get(made, frame.f_globals.get(made))
    if isinstance(module, Module):
        return (
            f": {made}(...) on {at} returned nothing\n"
            f"  {type(module).__name__}.forward has no return statement: end it with `return x`"
        )
    if made.endswith((".backward", ".step", ".zero_grad", ".append", ".sort", ".train_")):
        return f": {made}() on {at} returns nothing; call it on a line of its own"
    return ""


def call(text: str, frame: FrameType) -> str:
    """Calls with the wrong number of arguments: a layer's class where a layer was meant."""
    if "unsupported operand" in text and "NoneType" in text:
        node = source.running(frame)
        for part in ast.walk(node) if node is not None else ():
            if isinstance(part, ast.Attribute) and part.attr == "grad":
                return no_gradient(part)
    return ""
