"""Where in the model something failed: the layer by the user's own name, its sizes, the line that built it.

Nothing here runs while things go well. When a forward raises, each Module.__call__ on the way out adds the name it
knows, so the outermost one leaves a message such as

    ShapeError: linear: the input's last axis has 100 values, the weight takes 784
      input  (32, 100) float32
      weight (64, 784) float32
      layer net.fc1 = Linear(784, 64), built on line 13 of main.py
      Build the layer for this data, nn.Linear(100, 64), or reshape the input to (..., 784).
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from dovetail.base.errors import PACKAGE, DovetailError, describe, user_frame


class Place:
    """What is known so far about where an error came from."""

    def __init__(self, text: str, module, args: tuple):
        self.text, self.leaf, self.leaf_args = text, module, args
        self.outer, self.outer_args, self.trail = module, args, ""

    def climb(self, module, args: tuple) -> None:
        """The error has reached `module`, which was running `self.outer`."""
        self.trail = join(path_to(module, self.outer), self.trail)
        self.outer, self.outer_args = module, args


def place_error(error: DovetailError, module, args: tuple) -> None:
    """Rewrite the message of `error` so that it names the layer, as seen from `module`."""
    place = getattr(error, "place", None)
    if place is None:
        error.place = place = Place(str(error), module, args)
    else:
        place.climb(module, args)
    rows = rows_of(place)
    set_text(error, "\n".join([without_repeated(place.text, rows), *rows]))


def set_text(error: DovetailError, text: str) -> None:
    error.args = (text, *error.args[1:])
    if hasattr(error, "msg"):  # ImportError prints this one
        error.msg = text


def rows_of(place: Place) -> list[str]:
    """The rows added to the message: the layer, what the whole model got, the layer's own advice."""
    leaf, outer = place.leaf, place.outer
    root = variable_name(outer)
    if leaf is outer and not is_simple(leaf):
        return []
    name = join(root, place.trail) if leaf is not outer else root
    row = f"  layer {name} = {short_text(leaf)}" if name else f"  layer {short_text(leaf)}"
    if leaf is not outer and not root:
        row += f" in {type(outer).__name__}"
    built = built_on(leaf)
    rows = [row + ("" if built.removeprefix(", ") in place.text else built)]
    if leaf is not outer:
        got = ", ".join(describe(a) for a in place.outer_args if hasattr(a, "shape"))
        known = got == ", ".join(describe(a) for a in place.leaf_args if hasattr(a, "shape"))
        rows += [f"  {root or type(outer).__name__} was called with {got}"] if got and not known else []
    cure = leaf._cure(place.leaf_args, place.outer_args)
    return rows + ["  " + line for line in cure.split("\n") if line and not already_said(line, place.text)]


def without_repeated(text: str, rows: list[str]) -> str:
    """The op's message without its advice (the last row) where the layer's advice has all its numbers and more."""
    head, _, last = text.rpartition("\n")
    numbers = set(re.findall(r"\d+", last))
    better = rows and head and len(numbers) > 1 and numbers < set(re.findall(r"\d+", rows[-1]))
    is_fact = re.match(r"  [\w.]+ +\(", last) is not None
    return head if better and not is_fact else text


def already_said(line: str, text: str) -> bool:
    """Whether the call that a piece of advice comes down to (`flatten(1)`) is in the message already."""
    calls = re.findall(r"\.(\w+\([^()]*\))", line)
    return line in text or any(call in text for call in calls)


def is_simple(module) -> bool:
    """Whether the module is a layer of the library without children, whose one-line text helps the reader."""
    return not module._modules and type(module).__module__.startswith("dovetail.")


def short_text(module) -> str:
    return module._short_text() if is_simple(module) else type(module).__name__


def join(head: str, tail: str) -> str:
    if not head or not tail:
        return head or tail
    return head + tail if tail.startswith("[") else f"{head}.{tail}"


def path_to(outer, inner) -> str:
    """How the user reaches `inner` from `outer`: `fc1`, `blocks[2].attn`, `layers['fc']`; "" where it is not found."""
    for name, module in outer.named_modules():
        if module is inner and name:
            return spelled(outer, name)
    for name, value in vars(outer).items():
        key = key_in(value, inner)
        if key is not None:
            return f"{name}[{key!r}]"
    return ""


def spelled(outer, dotted: str) -> str:
    """A dotted path with the children of lists written as `[i]`."""
    text, module = "", outer
    for part in dotted.split("."):
        text = f"{text}[{part}]" if part.isdigit() and hasattr(module, "__getitem__") else join(text, part)
        module = module._modules[part]
    return text


def key_in(container: Any, inner):
    """The key or index of `inner` in a plain list, tuple or dict; None elsewhere."""
    if isinstance(container, dict):
        return next((k for k, v in container.items() if v is inner), None)
    if isinstance(container, (list, tuple)):
        return next((i for i, v in enumerate(container) if v is inner), None)
    return None


def variable_name(module) -> str:
    """The name of the user's variable that holds `module` where it is being called; "" where there is none."""
    frame = user_frame()
    if frame is None:
        return ""
    for names in (frame.f_locals, frame.f_globals):
        for name, value in names.items():
            if value is module and name != "self" and not name.startswith("_"):
                return name
    return ""


def built_at() -> tuple[str, int]:
    """(file, line) of the user's line that is building a module; called once by Module.__init__."""
    frame = sys._getframe(2)
    while frame is not None:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return (frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return ("", 0)


def built_on(module) -> str:
    file, line = vars(module).get("_built_at", ("", 0))
    return f", built on line {line} of {os.path.basename(file)}" if line else ""
