"""Compiles on a thread of its own, while the caller goes on with the interpreter.

A ticket is handed out at once and polled between steps. What fails is kept in the ticket and told once, in the
caller's thread; the caller simply stays with the interpreter.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import warn

compiling: list = []  # the piece of work under way, if any: programs leave it a processor meanwhile
FORK_WAIT = 2.0  # seconds that a fork waits for a compilation that is under way
EXIT_WAIT = 60.0  # seconds that the process waits for it at its end: on a busy machine one takes several


class Ticket:
    """The promise of a program. `program` is None until it is there; `error` keeps what went wrong."""

    __slots__ = ("_program", "error", "_told", "_done", "__weakref__")

    def __init__(self):
        self._program: Any = None
        self.error: BaseException | None = None
        self._told = False
        self._done = threading.Event()

    @property
    def program(self) -> Any:
        """The program, or None while it is being made and where it could not be made (which is told once)."""
        if self.error is not None and not self._told:
            self._told = True
            tell(self.error)
        return self._program

    @property
    def done(self) -> bool:
        return self._done.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the work is done, well or not; False where the time is over before."""
        return self._done.wait(timeout)

    def fill(self, make: Callable[[], Any]) -> None:
        """Do the work and keep what came of it."""
        try:
            self._program = make()
        except Exception as e:
            self.error = e
        finally:
            self._done.set()


_told_kinds: set[str] = set()


def tell(error: BaseException) -> None:
    """Warn that a step stays interpreted; once for each kind of reason."""
    words = f"{type(error).__name__}: {error}".partition("\n")[0]
    if words not in _told_kinds:
        _told_kinds.add(words)
        warn(
            f"a step could not be compiled and keeps running in the NumPy interpreter, correct but slower ({words}). "
            "This is a gap in Dovetail; a report with the model's code would help to close it."
        )


class Worker:
    """One daemon thread and its queue; started by the first ticket, and again in the child of a fork."""

    def __init__(self):
        self._queue: deque[tuple[Ticket, Callable[[], Any]]] = deque()
        self._wake = threading.Condition()
        self._working = threading.Lock()  # held during one piece of work
        self._paused = False
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._current: tuple[Ticket, Callable[[], Any]] | None = None

    def submit(self, ticket: Ticket, make: Callable[[], Any]) -> None:
        with self._wake:
            self._queue.append((ticket, make))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="dovetail-compile", daemon=True)
                self._thread.start()
            self._wake.notify()

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._queue:
                    self._wake.wait()
                self._current = self._queue.popleft()
            with self._working:
                if self._stopping:
                    return
                ticket, make = self._current
                compiling.append(ticket)
                ticket.fill(make)
                compiling.clear()
                del ticket, make  # an idle thread keeps nothing alive
                self._current = None

    def unfinished(self) -> list[tuple[Ticket, Callable[[], Any]]]:
        """What is still to be done."""
        return ([self._current] if self._current else []) + list(self._queue)

    def pause(self, most: float = FORK_WAIT) -> bool:
        """Wait for the end of the piece of work under way and begin nothing until `go_on`."""
        self._paused = self._working.acquire(timeout=most)
        return self._paused

    def go_on(self) -> None:
        if self._paused:  # where the wait was in vain, the lock belongs to the thread that is working
            self._paused = False
            self._working.release()

    def stop(self) -> None:
        """At the end of the process: begin nothing new and let the piece of work under way finish.

        LLVM's static objects are destroyed at exit; code that still uses them would crash.
        """
        self._stopping = True
        self.pause(EXIT_WAIT)


_worker = Worker()


def submit(make: Callable[[], Any]) -> Ticket:
    """Run `make` in the background; the ticket's `program` becomes what it returns."""
    ticket = Ticket()
    _worker.submit(ticket, make)
    return ticket


def settle(timeout: float) -> None:
    """Wait until what is being compiled is done, for `timeout` seconds at most for each program."""
    for ticket, _ in _worker.unfinished():
        ticket.wait(timeout)


def filled(program: Any) -> Ticket:
    """A ticket for a program that is there already."""
    ticket = Ticket()
    ticket.fill(lambda: program)
    return ticket


def _start_afresh() -> None:
    """In the child of a fork the thread is gone; its unfinished work is done by a new one."""
    global _worker
    unfinished = _worker.unfinished()
    _worker = Worker()
    compiling.clear()
    for ticket, make in unfinished:
        _worker.submit(ticket, make)


def _pause() -> None:
    _worker.pause()


def _go_on() -> None:
    _worker.go_on()


def _stop() -> None:
    _worker.stop()


atexit.register(_stop)
if hasattr(os, "register_at_fork"):
    # LLVM must not be forked in the middle of its work: its locks would stay locked in the child.
    os.register_at_fork(before=_pause, after_in_parent=_go_on, after_in_child=_start_afresh)
