"""torch.multiprocessing's own functions; the rest of its names are Python's multiprocessing.

Tensors go through queues and pipes by value. (PyTorch passes a handle to shared memory, so that a write in one process
is seen in the other. Here it is not: hand back what another process has computed.)
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing import connection
from typing import Any

from dovetail.base.errors import ArgumentError, message

SHARING = {"file_descriptor", "file_system"}
CHOSEN = ["file_system"]


class ProcessException(Exception):
    """A process of `spawn` that did not end well."""

    def __init__(self, text: str, error_index: int, pid: int) -> None:
        super().__init__(text)
        self.msg, self.error_index, self.error_pid, self.pid = text, error_index, pid, pid


class ProcessRaisedException(ProcessException):
    """It raised; the message holds its traceback."""


class ProcessExitedException(ProcessException):
    """It ended by a signal or with a status other than 0."""

    def __init__(self, text: str, error_index: int, pid: int, exit_code: int, signal_name: str | None = None) -> None:
        super().__init__(text, error_index, pid)
        self.exit_code, self.signal_name = exit_code, signal_name


def begin(fn: Callable, index: int, args: tuple, pipe: Any) -> None:
    """What a process of `spawn` runs."""
    try:
        fn(index, *args)
    except KeyboardInterrupt:
        pass
    except Exception:
        pipe.send(traceback.format_exc())
        sys.exit(1)


class ProcessContext:
    """The processes of `start_processes`."""

    def __init__(self, processes: list, pipes: list) -> None:
        self.processes, self.pipes = processes, pipes
        self.sentinels = {p.sentinel: i for i, p in enumerate(processes)}

    def pids(self) -> list[int]:
        return [p.pid for p in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait for the next process to end. True once all have ended well.

        Raises: ProcessRaisedException, ProcessExitedException for one that did not; the others are ended then.
        """
        if not self.sentinels:
            return True
        failed = None
        for sentinel in connection.wait(list(self.sentinels), timeout):
            index = self.sentinels.pop(sentinel)  # type: ignore[call-overload]
            process = self.processes[index]
            process.join()
            if process.exitcode != 0:
                failed = index
                break
        if failed is None:
            return not self.sentinels
        for process in self.processes:
            if process.is_alive():
                process.terminate()
            process.join(grace_period)
        raise self.reason(failed)

    def reason(self, index: int) -> ProcessException:
        process, pipe = self.processes[index], self.pipes[index]
        try:
            text = f"\n\n-- Process {index} terminated with the following error:\n{pipe.recv()}"
            return ProcessRaisedException(text, index, process.pid)
        except EOFError:  # it had no time to say anything
            pass
        code = process.exitcode
        if code < 0:
            name = signal.Signals(-code).name
            return ProcessExitedException(
                f"process {index} terminated with signal {name}", index, process.pid, code, name
            )
        return ProcessExitedException(f"process {index} terminated with exit code {code}", index, process.pid, code)


SpawnContext = ProcessContext


def start_processes(
    fn: Callable, args: tuple = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
    start_method: str = "spawn", numa_options: Any = None,
) -> ProcessContext | None:  # fmt: skip
    """Call fn(index, *args) in `nprocs` processes. join: wait for them; otherwise the context to wait with.

    Each process computes for itself: a group of them that trains together is not covered (dovetail.distributed).
    """
    context = multiprocessing.get_context(start_method)
    processes, pipes = [], []
    for index in range(nprocs):
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=begin, args=(fn, index, args, writer), daemon=daemon)  # type: ignore
        process.start()
        writer.close()
        processes.append(process)
        pipes.append(reader)
    made = ProcessContext(processes, pipes)
    if not join:
        return made
    while not made.join():
        pass
    return None


def spawn(
    fn: Callable, args: tuple = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:  # fmt: skip
    """start_processes with fresh interpreters."""
    return start_processes(fn, args, nprocs, join, daemon, start_method)


def set_sharing_strategy(new_strategy: str) -> None:
    """Accepted: tensors go by value. Raises: ArgumentError for a strategy that torch does not have."""
    if new_strategy not in SHARING:
        problem = f"unknown strategy {new_strategy!r}, there are {sorted(SHARING)}"
        raise ArgumentError(message("set_sharing_strategy", problem))
    CHOSEN[0] = new_strategy


def get_sharing_strategy() -> str:
    """What set_sharing_strategy was given last."""
    return CHOSEN[0]


def get_all_sharing_strategies() -> set[str]:
    """The strategies that torch has."""
    return set(SHARING)
