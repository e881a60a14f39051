"""Progress of training in the terminal, in Keras's words: a bar that moves a few times a second, or a line an epoch."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import Any

WIDTH = 20
INTERVAL = 0.2  # seconds between two updates of the bar


class Progress:
    """The lines of one epoch. verbose: 0 nothing, 1 a bar, 2 one line at the end."""

    def __init__(self, steps: int | None, verbose: int, stream: Any = None):
        self.steps, self.verbose = steps, verbose
        self.stream = stream or sys.stdout
        self.live = bool(getattr(self.stream, "isatty", lambda: False)())
        self.start = self.shown_at = time.perf_counter()
        self.drawn = 0

    def due(self) -> bool:
        """Whether the bar should be drawn again now."""
        if self.verbose != 1 or not self.live:
            return False
        now = time.perf_counter()
        if now - self.shown_at < INTERVAL:
            return False
        self.shown_at = now
        return True

    def draw(self, step: int, logs: Mapping[str, float]) -> None:
        """The bar in the middle of an epoch."""
        self.write("\r" + self.padded(self.bar(step) + f" {self.remaining(step)}" + values(logs)))

    def close(self, step: int, logs: Mapping[str, float]) -> None:
        """The last line of an epoch."""
        took = time.perf_counter() - self.start
        if self.verbose == 1:
            text = self.bar(step, done=True) + f" {self.bold(f'{took:.0f}s')} {per_step(took, step)}" + values(logs)
            self.write(("\r" + self.padded(text) if self.live else text) + "\n")
        elif self.verbose == 2:
            count = f"{step}/{self.steps}" if self.steps else str(step)
            self.write(f"{count} - {took:.0f}s - {per_step(took, step)}{values(logs)}\n")

    def bar(self, step: int, done: bool = False) -> str:
        if self.steps is None:
            return self.bold(f"{step:>7}/{'Unknown' if not done else step}")
        digits = int(math.log10(max(self.steps, 1))) + 1
        share = WIDTH if done else int(WIDTH * step / max(self.steps, 1))
        full, rest = "━" * share, "━" * (WIDTH - share)
        count = self.bold(f"{step:>{digits}}/{self.steps}")
        return f"{count} \x1b[32m{full}\x1b[0m\x1b[37m{rest}\x1b[0m" if self.live else f"{count} {full}{rest}"

    def remaining(self, step: int) -> str:
        took = time.perf_counter() - self.start
        each = took / max(step, 1)
        if self.steps is None:
            return f"{self.bold(f'{took:.0f}s')} {per_step(took, step)}"
        left = each * (self.steps - step)
        clock = f"{left / 3600:.0f}:{left % 3600 / 60:02.0f}:{left % 60:02.0f}" if left > 3600 else (
            f"{int(left // 60)}:{int(left % 60):02d}" if left > 60 else f"{left:.0f}s")  # fmt: skip
        return f"{self.bold(clock)} {per_step(took, step)}"

    def bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self.live else text

    def padded(self, text: str) -> str:
        """Blanks over what a longer line left behind."""
        size, self.drawn = len(text), max(len(text), self.drawn)
        return text + " " * (self.drawn - size)

    def write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def per_step(took: float, steps: int) -> str:
    each = took / max(steps, 1)
    if each >= 1:
        return f"{each:.0f}s/step"
    return f"{each * 1e3:.0f}ms/step" if each >= 1e-3 else f"{each * 1e6:.0f}us/step"


def values(logs: Mapping[str, float]) -> str:
    """' - accuracy: 0.9876 - loss: 0.0432'."""
    return "".join(f" - {name}: {number(value)}" for name, value in logs.items())


def number(value: Any) -> str:
    value = float(value)
    return f"{value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{value:.4e}"
