"""torch.utils.benchmark's names: how long a statement takes, in a loop of its own, as timeit does it.

A result that nobody reads would never be computed, since calls are recorded first. So each repetition keeps the value
of its last expression, and ends with running what it recorded.

Source: torch.utils.benchmark 2.13, its classes, its reports and its rule for how long to measure.
"""

from __future__ import annotations

import ast
import statistics
import textwrap
import timeit
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dovetail.base.config import config
from dovetail.base.errors import ArgumentError, message
from dovetail.engine.background import settle
from dovetail.runtime.flight import land
from dovetail.tensor.recorder import current

__all__ = ["Compare", "Measurement", "Timer", "select_unit", "timer", "trim_sigfig", "unit_to_english"]
UNITS = (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0))
COMPILING = 10.0  # seconds to wait for a program that a statement has become
ENGLISH = {"ns": "nanosecond", "us": "microsecond", "ms": "millisecond", "s": "second"}


def timer() -> float:
    """The time now, in seconds; what was recorded before is run first."""
    current().close("a clock was read")
    land()
    return timeit.default_timer()


def select_unit(t: float) -> tuple[str, float]:
    """(name, seconds) of the unit in which a time reads best: 0.002 is ("ms", 1e-3)."""
    fitting = [unit for unit in UNITS if t >= unit[1]]
    return fitting[-1] if fitting else UNITS[0]


def unit_to_english(u: str) -> str:
    """The unit's full word."""
    return ENGLISH[u]


def trim_sigfig(x: float, n: int) -> float:
    """x with n significant figures."""
    return float(f"{x:.{n}g}")


@dataclass(init=True, repr=False, eq=True)
class TaskSpec:
    """What was measured."""

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        if self.label is not None:
            return self.label + (f": {self.sub_label}" if self.sub_label else "")
        return self.stmt if "\n" not in self.stmt else "stmt:\n" + textwrap.indent(self.stmt, "  ")


@dataclass(init=True, repr=False)
class Measurement:
    """Times of one statement: `raw_times` are of `number_per_run` repetitions each, `times` of one."""

    number_per_run: int
    raw_times: list[float]
    task_spec: TaskSpec
    metadata: dict[Any, Any] | None = None
    times: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.times = sorted(t / self.number_per_run for t in self.raw_times)

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def mean(self) -> float:
        return statistics.fmean(self.times)

    @property
    def iqr(self) -> float:
        """The middle half's width."""
        if len(self.times) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.times, n=4, method="inclusive")
        return high - low

    @property
    def significant_figures(self) -> int:
        """How many figures of the median are worth reading."""
        spread = self.iqr / self.median if self.median else 1.0
        return 4 if spread < 0.001 else 3 if spread < 0.01 else 2

    @property
    def has_warnings(self) -> bool:
        return self.iqr > 0.1 * self.median

    title = property(lambda self: self.task_spec.title)
    stmt = property(lambda self: self.task_spec.stmt)
    num_threads = property(lambda self: self.task_spec.num_threads)
    description = property(lambda self: self.task_spec.description or "")
    as_row_name = property(lambda self: self.task_spec.sub_label or self.task_spec.stmt or "[Unknown]")

    def __repr__(self) -> str:
        unit, size = select_unit(self.median)
        rows = [f"<{type(self).__module__}.Measurement object at {hex(id(self))}>", self.title]
        if self.task_spec.setup not in ("", "pass"):
            rows.append("setup:" + ("\n" if "\n" in self.task_spec.setup else " ") + self.task_spec.setup)
        what = "Median" if len(self.times) > 1 else ""
        rows.append(f"  {what + ': ' if what else ''}{self.median / size:.2f} {unit}")
        if len(self.times) > 3:
            low, _, high = statistics.quantiles(self.times, n=4, method="inclusive")
            rows.append(f"  IQR:    {self.iqr / size:.2f} {unit} ({low / size:.2f} to {high / size:.2f})")
        threads = f"{self.num_threads} thread" + ("s" if self.num_threads > 1 else "")
        runs = f"{len(self.times)} measurement" + ("s" if len(self.times) > 1 else "")
        each = " per measurement" if len(self.times) > 1 else ""
        rows.append(f"  {runs}, {self.number_per_run} runs{each}, {threads}")
        if self.has_warnings:
            share = 100 * self.iqr / self.median
            rows.append(f"  WARNING: Interquartile range is {share:.1f}% of the median measurement.")
        return "\n".join(rows)

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """Measurements of the same thing as one."""
        found: dict[tuple, list[Measurement]] = defaultdict(list)
        for m in measurements:
            found[(m.number_per_run, repr(m.task_spec.__dict__))].append(m)
        return [
            Measurement(group[0].number_per_run, [t for m in group for t in m.raw_times], group[0].task_spec)
            for group in found.values()
        ]


def kept(stmt: str) -> str:
    """The statement with the value of its last expression bound to a name, and what it recorded run."""
    tree = ast.parse(stmt)
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = tree.body[-1]
        tree.body[-1] = ast.copy_location(ast.Assign([ast.Name("_kept", ast.Store())], last.value), last)
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n_run_recorded()"


class Timer:
    """Measures a statement.

    stmt, setup: Python text; globals: the names that it sees. num_threads: threads of Dovetail's kernels meanwhile.
    label, sub_label, description, env: words for the reports. language: "python".

    >>> import dovetail
    >>> m = Timer("x + 1", globals={"x": dovetail.ones(4)}).timeit(10)
    >>> m.median > 0
    True
    """

    def __init__(
        self, stmt: str = "pass", setup: str = "pass", global_setup: str = "", timer: Any = timer,
        globals: dict | None = None, label: str | None = None, sub_label: str | None = None,  # noqa: A002
        description: str | None = None, env: str | None = None, num_threads: int = 1, language: Any = "python",
    ) -> None:  # fmt: skip
        if str(getattr(language, "name", language)).lower() not in ("python", "py"):
            raise ArgumentError(message("Timer", f"measures Python statements, got language={language!r}"))
        if not isinstance(stmt, str):
            raise ArgumentError(message("Timer", "Currently only a `str` stmt is supported.", [("stmt", stmt)]))
        self.task_spec = TaskSpec(
            textwrap.dedent(stmt).strip(), textwrap.dedent(setup).strip(), global_setup, label, sub_label, description,
            env, num_threads,
        )  # fmt: skip
        names = {**(globals or {}), "_run_recorded": current().close}
        self.inner = timeit.Timer(kept(self.task_spec.stmt), self.task_spec.setup, timer, names)

    def run(self, number: int) -> float:
        before, config.threads = config.threads, self.task_spec.num_threads
        try:
            return max(self.inner.timeit(number), 1e-9)
        finally:
            config.threads = before

    def measured(self, number: int, times: list[float]) -> Measurement:
        return Measurement(number, times, self.task_spec)

    def timeit(self, number: int = 1000000) -> Measurement:
        """One measurement of `number` repetitions, after a few to warm up."""
        self.warm_up()
        self.run(max(int(number // 100), 2))
        return self.measured(number, [self.run(number)])

    def repeat(self, repeat: int = -1, number: int = -1) -> Any:
        """Not in torch either. Raises: NotImplementedError."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def autorange(self, callback: Any = None) -> Any:
        """Not in torch either. Raises: NotImplementedError."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def warm_up(self) -> None:
        """Record, repeat, and wait for the programs that are compiled meanwhile."""
        for _ in range(4):
            self.run(1)
            settle(COMPILING)

    def block_size(self, seconds: float) -> int:
        """How many repetitions make reading the clock cheap beside them."""
        self.warm_up()
        number = 1
        while True:
            taken = self.run(number)
            if taken >= seconds:
                return number
            number *= 10 if taken < seconds / 20 else 2

    def blocked_autorange(self, callback: Any = None, min_run_time: float = 0.2) -> Measurement:
        """Blocks of repetitions for at least `min_run_time` seconds. callback: called with (number, seconds)."""
        number, times = self.block_size(min_run_time / 1000), []
        start = timeit.default_timer()
        while not times or timeit.default_timer() - start < min_run_time:
            times.append(self.run(number))
            if callback is not None:
                callback(number, times[-1])
        return self.measured(number, times)

    def adaptive_autorange(
        self, threshold: float = 0.1, *, min_run_time: float = 0.01, max_run_time: float = 10.0, callback: Any = None
    ) -> Measurement:  # fmt: skip
        """Blocks until the middle half of them lies within `threshold` of the median, or max_run_time is over."""
        number, times = self.block_size(0.0001), []
        start = timeit.default_timer()
        while (gone := timeit.default_timer() - start) < max_run_time:
            times.append(self.run(number))
            if callback is not None:
                callback(number, times[-1])
            made = self.measured(number, times)
            if gone > min_run_time and len(times) > 3 and made.iqr < threshold * made.median:
                break
        return self.measured(number, times)


class Compare:
    """A table of measurements: a row for each sub_label, a column for each description, a block for each label."""

    def __init__(self, results: Iterable[Measurement]) -> None:
        self.results: list[Measurement] = Measurement.merge(results)
        self.trimmed = self.coloured = self.by_row = False

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """More measurements."""
        self.results = Measurement.merge([*self.results, *results])

    def trim_significant_figures(self) -> None:
        """Show no more figures than are worth reading."""
        self.trimmed = True

    def colorize(self, rowwise: bool = False) -> None:
        """Accepted: the table stays plain text."""
        self.coloured, self.by_row = True, rowwise

    def highlight_warnings(self) -> None:
        """Accepted."""

    def print(self) -> None:
        """Print the table."""
        print(self)

    def __str__(self) -> str:
        found: dict[str, list[Measurement]] = defaultdict(list)
        for m in self.results:
            found[m.task_spec.label or m.task_spec.title].append(m)
        return "\n".join(self.table(label, group) for label, group in found.items())

    def table(self, label: str, group: list[Measurement]) -> str:
        unit, size = select_unit(min(m.median for m in group))
        columns = list(dict.fromkeys(m.description for m in group))
        cells: dict[tuple, str] = {}
        for m in group:
            t = trim_sigfig(m.median / size, m.significant_figures) if self.trimmed else m.median / size
            cells[(m.num_threads, m.as_row_name, m.description)] = f"{t:.4g}" if self.trimmed else f"{t:.1f}"
        names = list(dict.fromkeys(m.as_row_name for m in group))
        left = max(map(len, names)) + 6
        widths = [max([len(c), *(len(v) for k, v in cells.items() if k[2] == c)]) + 2 for c in columns]

        def line(first: str, parts: list[str]) -> str:
            shown = (f"{p:^{w}}" for p, w in zip(parts, widths, strict=True))
            return f"{first:<{left}}" + "".join(f"|{p}" for p in shown)

        head = line("", columns)
        rows = [f"[{f' {label} ':-^{len(head) - 2}}]", head]
        for threads in sorted({m.num_threads for m in group}):
            rows.append(f"{threads} threads: ".ljust(len(head), "-"))
            for name in names:
                parts = [cells.get((threads, name, c), "") for c in columns]
                if any(parts):
                    rows.append(line(f"      {name}", parts))
        return "\n".join([*rows, "", f"Times are in {unit_to_english(unit)}s ({unit}).", ""])
