"""Writes the text of one LLVM function: fresh names, blocks and loops with carried values.

Everything is in SSA form already when written (loops carry their values in phis), so no LLVM pass has to tidy up.
An operand is its text (`%v3`, `1.0`, `splat (float 0.0)`); types are given where LLVM wants them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Loop:
    """What a loop body needs: the index `i`, the `carried` values; call `next` with their new values once."""

    def __init__(self, i: str, carried: list[str]):
        self.i, self.carried = i, carried
        self.new: list[str] | None = None if carried else []

    def next(self, *values: str) -> None:
        self.new = list(values)

    @property
    def results(self) -> list[str]:
        """After the loop: the carried values as the last turn left them (the start values after no turn)."""
        return self.carried


class Builder:
    """Text of a function body. `block` is the label of the block being written."""

    def __init__(self, prefix: str = ""):
        self.lines: list[str] = []
        self.count = 0
        self.block = "entry"
        self.prefix = prefix

    def fresh(self, hint: str = "v") -> str:
        self.count += 1
        return f"%{self.prefix}{hint}{self.count}"

    def line(self, text: str) -> None:
        self.lines.append("  " + text)

    def op(self, text: str, hint: str = "v") -> str:
        """Write `name = text` under a fresh name and return the name."""
        name = self.fresh(hint)
        self.lines.append(f"  {name} = {text}")
        return name

    def label(self, name: str) -> None:
        """Begin the block `name` (without the percent sign); the block before must have ended in a branch."""
        self.lines.append(f"{name}:")
        self.block = name

    def new_label(self, hint: str) -> str:
        self.count += 1
        return f"{self.prefix}{hint}{self.count}"

    @contextmanager
    def loop(self, lo: str, hi: str, step: int | str = 1, carry: list[tuple[str, str]] = ()) -> Iterator[Loop]:
        """for i = lo; i < hi; i += step (all i64), with carried values [(type, start)]. May run no turn at all."""
        head, body, done = self.new_label("head"), self.new_label("body"), self.new_label("done")
        before = self.block
        i, i_next = self.fresh("i"), self.fresh("inext")
        names = [self.fresh("c") for _ in carry]
        self.line(f"br label %{head}")
        at = len(self.lines)
        self.label(head)
        more = self.op(f"icmp slt i64 {i}, {hi}")
        self.line(f"br i1 {more}, label %{body}, label %{done}")
        self.label(body)
        loop = Loop(i, names)
        yield loop
        if loop.new is None or len(loop.new) != len(names):
            raise ValueError("a loop body must call next() with one new value for each carried value")
        self.line(f"{i_next} = add nsw i64 {i}, {step}")
        latch = self.block
        self.line(f"br label %{head}")
        phis = [f"  {i} = phi i64 [ {lo}, %{before} ], [ {i_next}, %{latch} ]"]
        for (kind, start), name, new in zip(carry, names, loop.new, strict=True):
            phis.append(f"  {name} = phi {kind} [ {start}, %{before} ], [ {new}, %{latch} ]")
        self.lines[at + 1 : at + 1] = phis
        self.label(done)

    @contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """if (condition: i1) { body }"""
        then, done = self.new_label("then"), self.new_label("endif")
        self.line(f"br i1 {condition}, label %{then}, label %{done}")
        self.label(then)
        yield
        self.line(f"br label %{done}")
        self.label(done)

    def text(self, indent: str = "") -> str:
        return "\n".join(indent + line for line in self.lines)
