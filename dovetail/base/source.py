"""The user's own words for a message: the expression that is being run, variables in it, the lines around it.

Nothing here runs while things go well. Every function answers "" or None where the source is not at hand (a console).
"""

from __future__ import annotations

import ast
import itertools
import linecache
import os
from types import FrameType

from dovetail.base.errors import user_frame

Where = tuple[str, int, str]


def line_of(where: Where) -> str:
    """`line 7 of main.py`; "" for a place that is not known."""
    return f"line {where[1]} of {os.path.basename(where[0])}" if where and where[0] and where[1] else ""


def text_of(where: Where) -> str:
    """The user's line itself, without indent and comment-free at its ends; "" where it cannot be read."""
    return linecache.getline(where[0], where[1]).strip() if where and where[0] else ""


def running(frame: FrameType | None = None) -> ast.AST | None:
    """The expression or statement that `frame` (the user's innermost one) is at, as Python parses it."""
    frame = frame or user_frame()
    if frame is None:
        return None
    at = next(itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), None)
    return None if at is None else parsed(frame.f_code.co_filename, *at)


def parsed(file: str, first: int | None, last: int | None, start: int | None, end: int | None) -> ast.AST | None:
    """The piece of a file between two places (columns in bytes), parsed."""
    if first is None or last is None or start is None or end is None:
        return None
    rows = [linecache.getline(file, n).encode() for n in range(first, last + 1)]
    if not all(rows):
        return None
    rows[-1] = rows[-1][:end]
    rows[0] = rows[0][start:]
    text = b"".join(rows).decode(errors="replace")
    for attempt in (text, f"({text})"):
        try:
            body = ast.parse(attempt).body
        except (SyntaxError, ValueError):
            continue
        if len(body) == 1:
            return body[0].value if isinstance(body[0], ast.Expr) else body[0]
    return None


def object_name(frame: FrameType | None = None) -> str:
    """What the user calls the tensor at hand: `loss` in loss.backward(), `w` in w -= 1, `x` in x[0] = 1 or f(x)."""
    node = running(frame)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and not is_module(node.func.value, frame):
            node = node.func.value
        else:
            node = node.args[0] if node.args else None
    elif isinstance(node, ast.AugAssign):
        node = node.target
    elif isinstance(node, ast.Assign):
        node = node.targets[0]
    while isinstance(node, ast.Subscript):
        node = node.value
    return short(node)


def is_module(node: ast.AST, frame: FrameType | None) -> bool:
    """Whether an expression names an imported module (`torch.relu`, `nn.functional.relu`), not an object."""
    while isinstance(node, ast.Attribute):
        node = node.value
    frame = frame or user_frame()
    if not isinstance(node, ast.Name) or frame is None:
        return False
    found = frame.f_locals.get(node.id, frame.f_globals.get(node.id))
    return type(found).__name__ == "module"


def short(node: ast.AST | None, most: int = 40) -> str:
    """The text of a plain name or attribute path; "" for anything longer, which would not help as a name."""
    if not isinstance(node, (ast.Name, ast.Attribute)):
        return ""
    text = ast.unparse(node)
    return text if len(text) <= most else ""


def out_of_place(where: Where) -> str:
    """The in-place line `h *= 2` or `h.mul_(2)` as one that makes a new tensor, `h = h * 2`; "" where unclear."""
    try:
        node = ast.parse(text_of(where)).body[0]
    except (SyntaxError, ValueError, IndexError):
        return ""
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        value = ast.BinOp(ast.Name(node.target.id), node.op, node.value)
        return f"{node.target.id} = {ast.unparse(value)}"
    call = node.value if isinstance(node, (ast.Expr, ast.Assign)) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        method = call.func.attr
        if method.endswith("_") and not method.startswith("_"):
            name = call.func.value.id
            call.func.attr = method.rstrip("_")
            return f"{name} = {ast.unparse(call)}"
    return ""


def tree(file: str) -> ast.Module | None:
    """A source file, parsed; None where it cannot be."""
    try:
        return ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return None


def block_around(where: Where, words: tuple[str, ...]) -> tuple[int, str]:
    """(line, text) of the innermost `with` or decorator around a line that mentions one of `words`, or (0, "")."""
    program = tree(where[0]) if where and where[0] else None
    best = (0, "")
    for node in ast.walk(program) if program is not None else ():
        if isinstance(node, (ast.With, ast.AsyncWith)):
            heads = [item.context_expr for item in node.items]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            heads = node.decorator_list
        else:
            continue
        if not (node.body[0].lineno <= where[1] <= (node.end_lineno or 0)):
            continue
        for head in heads:
            text = ast.unparse(head)
            if any(word in text for word in words) and head.lineno > best[0]:
                best = (head.lineno, text)
    return best


def last_assignment(file: str, name: str, before: int) -> ast.Assign | None:
    """The nearest assignment to `name` above line `before`, or on it."""
    program = tree(file)
    best = None
    for node in ast.walk(program) if program is not None else ():
        if not isinstance(node, ast.Assign) or node.lineno > before:
            continue
        if any(isinstance(t, (ast.Name, ast.Attribute)) and ast.unparse(t) == name for t in node.targets):
            best = node if best is None or node.lineno > best.lineno else best
    return best
