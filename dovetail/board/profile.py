"""torch.profiler's names: how long the regions of a program take, and when.

Calls are recorded first and run as whole programs, so there is no time of a single operation to show. What can be
measured is what the user names: `record_function` blocks and the profiler's steps. Each ends with running what was
recorded in it, so that its time is its own. Programs and their operations are shown by `dovetail.explain()`.

Source: torch.profiler 2.13: its names, its schedule, the columns of its table, Chrome's trace format.
"""

from __future__ import annotations

import enum
import functools
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.io.atomic import written_whole
from dovetail.tensor.recorder import current

__all__ = [
    "EventList", "FunctionEvent", "FunctionEventAvg", "ProfilerAction", "ProfilerActivity", "emit_itt", "emit_nvtx",
    "kineto_available", "profile", "record_function", "schedule", "supported_activities", "tensorboard_trace_handler",
]  # fmt: skip


class ProfilerActivity(enum.Enum):
    """What is measured; here it is always the CPU."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(enum.Enum):
    """What a schedule says of a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """The CPU."""
    return {ProfilerActivity.CPU}


def kineto_available() -> bool:
    """False: times are taken by the clock."""
    return False


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """A function of the step's number: skip, then cycles of waiting, warming up and recording.

    repeat: so many cycles, 0 for no end. skip_first_wait: 1 leaves the first cycle's wait out.

    >>> plan = schedule(wait=1, warmup=1, active=2)
    >>> [plan(i).name for i in range(4)]
    ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE']
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active < 1:
        problem = f"Invalid profiler schedule arguments: wait={wait}, warmup={warmup}, active={active}"
        raise AssertionError(message("profiler.schedule", problem))
    cycle = wait + warmup + active

    def plan(step: int) -> ProfilerAction:
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if wait and skip_first_wait:
            step += wait
        if repeat and step // cycle >= repeat:
            return ProfilerAction.NONE
        at = step % cycle
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if at == cycle - 1 else ProfilerAction.RECORD

    return plan


@dataclass
class FunctionEvent:
    """One run of a region. Times in microseconds since the profiler's start."""

    name: str
    start: float
    end: float = 0.0
    inner: float = 0.0  # time of regions inside
    thread: int = 0
    args: str | None = None
    count: int = 1

    @property
    def key(self) -> str:
        return self.name

    @property
    def cpu_time_total(self) -> float:
        return self.end - self.start

    @property
    def self_cpu_time_total(self) -> float:
        return self.cpu_time_total - self.inner

    @property
    def cpu_time(self) -> float:
        return self.cpu_time_total


@dataclass
class FunctionEventAvg:
    """All runs of one region."""

    key: str
    count: int = 0
    cpu_time_total: float = 0.0
    self_cpu_time_total: float = 0.0
    device_time_total: float = 0.0
    self_device_time_total: float = 0.0

    def add(self, event: FunctionEvent) -> None:
        self.count += 1
        self.cpu_time_total += event.cpu_time_total
        self.self_cpu_time_total += event.self_cpu_time_total

    @property
    def name(self) -> str:
        return self.key

    @property
    def cpu_time(self) -> float:
        """Of one run, on average."""
        return self.cpu_time_total / self.count if self.count else 0.0

    cuda_time_total = property(lambda self: 0.0)
    self_cuda_time_total = property(lambda self: 0.0)


def as_time(us: float) -> str:
    """A time in microseconds as torch's tables write it."""
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    return f"{us / 1e3:.3f}ms" if us >= 1e3 else f"{us:.3f}us"


class EventList(list):
    """Events or averages, with a table."""

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """One row for each name."""
        found: dict[str, FunctionEventAvg] = {}
        for event in self:
            found.setdefault(event.key, FunctionEventAvg(event.key)).add(event)
        return EventList(found.values())

    def total_average(self) -> FunctionEventAvg:
        """All of it in one row."""
        made = FunctionEventAvg("Total")
        for event in self:
            made.count += event.count
            made.cpu_time_total += event.cpu_time_total
            made.self_cpu_time_total += event.self_cpu_time_total
        return made

    @property
    def self_cpu_time_total(self) -> float:
        return sum(event.self_cpu_time_total for event in self)

    def table(
        self, sort_by: str | None = None, row_limit: int = 100, max_src_column_width: int = 75,
        max_name_column_width: int = 55, max_shapes_column_width: int = 80, header: str | None = None,
        top_level_events_only: bool = False, time_unit: str | None = None,
    ) -> str:  # fmt: skip
        """The rows as text. sort_by: an attribute of a row, such as "cpu_time_total"; the largest comes first."""
        rows = list(self)
        if sort_by is not None:
            if rows and not hasattr(rows[0], sort_by):
                raise ArgumentError(message("EventList.table", f"there is no column {sort_by!r} to sort by"))
            rows.sort(key=lambda r: getattr(r, sort_by), reverse=True)
        rows = rows[:row_limit] if row_limit >= 0 else rows
        total = self.self_cpu_time_total or 1.0
        head = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "# of Calls"]
        cells = [
            [
                r.key[:max_name_column_width],
                f"{100 * r.self_cpu_time_total / total:.2f}%",
                as_time(r.self_cpu_time_total),
                f"{100 * r.cpu_time_total / total:.2f}%",
                as_time(r.cpu_time_total),
                as_time(r.cpu_time),
                str(r.count),
            ]
            for r in rows
        ]
        widths = [max(len(row[i]) for row in [head, *cells]) for i in range(len(head))]
        bar = "  ".join("-" * w for w in widths)
        lines = [bar, "  ".join(f"{h:>{w}}" for h, w in zip(head, widths, strict=True)), bar]
        lines += ["  ".join(f"{c:>{w}}" for c, w in zip(row, widths, strict=True)) for row in cells]
        lines += [bar, f"Self CPU time total: {as_time(self.self_cpu_time_total)}"]
        return "\n".join(([header] if header else []) + lines) + "\n"

    def export_chrome_trace(self, path: str | os.PathLike) -> None:
        """The events as a file for chrome://tracing or Perfetto."""
        pid = os.getpid()
        found = [
            {"ph": "X", "cat": "user_annotation", "name": e.name, "pid": pid, "tid": e.thread, "ts": e.start,
             "dur": e.cpu_time_total, **({"args": {"arguments": e.args}} if e.args else {})}
            for e in self
        ]  # fmt: skip
        with written_whole(path) as file:
            file.write(json.dumps({"schemaVersion": 1, "traceEvents": found}).encode())

    def __str__(self) -> str:
        return self.table()


class Running(threading.local):
    """The regions that are open on this thread."""

    def __init__(self) -> None:
        self.open: list[FunctionEvent] = []


running = Running()
watching: list[profile] = []  # profilers that record now


def now() -> float:
    return time.perf_counter() * 1e6


def begin(name: str, args: str | None) -> FunctionEvent:
    current().close("a region of the profiler began")
    event = FunctionEvent(name, now(), thread=threading.get_ident() % 100_000, args=args)
    running.open.append(event)
    return event


def finish(event: FunctionEvent) -> None:
    current().close("a region of the profiler ended")
    event.end = now()
    if event in running.open:
        del running.open[running.open.index(event) :]
    if running.open:
        running.open[-1].inner += event.cpu_time_total
    for profiler in watching:
        profiler.found.append(event)


class record_function:  # noqa: N801
    """A block, or a decorated function, with a name in the profiler's table. Outside a profiler it does nothing."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self.event: FunctionEvent | None = None

    def __enter__(self) -> record_function:
        self.event = begin(self.name, self.args) if watching else None
        return self

    def __exit__(self, *exc: Any) -> None:
        if self.event is not None:
            finish(self.event)

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return function(*args, **kwargs)

        return called


class profile:  # noqa: N801
    """A block whose regions are measured: those of record_function, and the steps between calls of `step()`.

    schedule: which steps to record; on_trace_ready: called with the profiler after the last step of each cycle, and at
    the end. What PyTorch's profiler measures besides (shapes, memory, stacks, modules, FLOPs) is accepted and left out.

    >>> with profile() as prof:
    ...     with record_function("work"):
    ...         pass
    >>> [row.key for row in prof.key_averages()]
    ['work']
    """

    def __init__(
        self, *, activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None, on_trace_ready: Callable[..., Any] | None = None,
        record_shapes: bool = False, profile_memory: bool = False, with_stack: bool = False, with_flops: bool = False,
        with_modules: bool = False, experimental_config: Any = None, execution_trace_observer: Any = None,
        acc_events: bool = False, use_cuda: bool | None = None, custom_trace_id_callback: Any = None,
        post_processing_timeout_s: float | None = None,
    ) -> None:  # fmt: skip
        self.plan, self.on_trace_ready = schedule, on_trace_ready
        self.found = EventList()
        self.step_num = 0
        self.at: FunctionEvent | None = None
        self.metadata: dict[str, str] = {}

    @property
    def action(self) -> ProfilerAction:
        return ProfilerAction.RECORD if self.plan is None else self.plan(self.step_num)

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.stop()

    def start(self) -> None:
        """Begin."""
        self.turn()

    def stop(self) -> None:
        """End, and hand over what was recorded since."""
        recording = self in watching
        self.close_step()
        if recording:
            watching.remove(self)
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)

    def step(self) -> None:
        """The next step begins."""
        saving = self.action is ProfilerAction.RECORD_AND_SAVE
        self.close_step()
        if saving:
            if self in watching:
                watching.remove(self)
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)
        self.step_num += 1
        if saving and self.action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE):
            self.found = EventList()
        self.turn()

    def turn(self) -> None:
        recording = self.action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        if recording and self not in watching:
            if self.plan is not None:
                self.found = EventList()
            watching.append(self)
        elif not recording and self in watching:
            watching.remove(self)
        if recording and self.plan is not None:
            self.at = begin(f"ProfilerStep#{self.step_num}", None)

    def close_step(self) -> None:
        if self.at is not None:
            finish(self.at)
            self.at = None

    def events(self) -> EventList:
        """Every run of a region."""
        return self.found

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, **more: Any) -> EventList:
        """One row for each region. `.table(sort_by="cpu_time_total", row_limit=10)` shows them."""
        return self.found.key_averages()

    def export_chrome_trace(self, path: str | os.PathLike) -> None:
        """The regions as a file for chrome://tracing or Perfetto."""
        self.found.export_chrome_trace(path)

    def add_metadata(self, key: str, value: str) -> None:
        """A word of the user's own about this run."""
        self.metadata[key] = value

    add_metadata_json = add_metadata

    def table(self, *args: Any, **kwargs: Any) -> str:
        """The averages as text."""
        return self.key_averages().table(*args, **kwargs)

    def total_average(self) -> FunctionEventAvg:
        return self.found.total_average()

    @property
    def self_cpu_time_total(self) -> float:
        return self.found.self_cpu_time_total

    def __iter__(self) -> Iterator:
        return iter(self.found)


class older_profile(profile):  # noqa: N801
    """torch.autograd.profiler.profile: the same, with that one's settings."""

    def __init__(self, enabled: bool = True, **settings: Any) -> None:
        super().__init__(schedule=None if enabled else lambda step: ProfilerAction.NONE)


class emit_nvtx:  # noqa: N801
    """Accepted: there is no NVTX here."""

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        pass

    def __enter__(self) -> emit_nvtx:
        return self

    def __exit__(self, *exc: Any) -> None:
        return None


emit_itt = emit_nvtx


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:  # fmt: skip
    """For on_trace_ready: a trace file in that folder, named as TensorBoard's plugin looks for it."""

    def handler(prof: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        prof.export_chrome_trace(os.path.join(dir_name, f"{worker}.{time.time_ns()}.pt.trace.json"))

    return handler
