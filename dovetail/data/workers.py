"""Workers that read ahead: threads by default, processes where a multiprocessing context is given.

Batch k goes to worker k % num_workers, and results are handed out in the order of the sampler, so the batches do not
depend on the number of workers or on which of them is quick. A worker's exception is raised in the loop that waits for
its batch. A worker that gives no sign for ten seconds is reported with the sample it is at and, for threads, the line
it stands on. A worker process that ends, whatever the reason, is reported at once: every process has its own pipe, so
that nobody waits for a lock that a killed one held.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import pickle
import queue
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dovetail.base.config import config
from dovetail.base.errors import ArgumentError, DovetailError, message, warn
from dovetail.data import packets
from dovetail.data.fetch import EndOfStream, short_list
from dovetail.tensor.random import manual_seed

STUCK_AFTER = 8.5  # seconds without a batch; looked at once a second, so the report comes before ten have passed
START_MAY_TAKE = 30.0  # seconds that a process may need to begin: it imports the program anew where it was spawned
NO_SAMPLE, NOT_STARTED = -1, -2  # in the place of a sample's index
STOP = None
RESTART = "restart"  # in the place of indices: begin the stream again


class WorkerTimeout(DovetailError, RuntimeError):
    """A worker took longer than the loader's timeout, or died."""


class WorkerInfo:
    """What get_worker_info returns inside a worker: id, num_workers, seed, dataset."""

    def __init__(self, id: int, num_workers: int, seed: int, dataset: Any):
        self.id, self.num_workers, self.seed, self.dataset = id, num_workers, seed, dataset

    def __repr__(self) -> str:
        return f"WorkerInfo(id={self.id}, num_workers={self.num_workers}, seed={self.seed}, dataset={self.dataset!r})"


_current = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """Which worker this code runs in; None outside workers. An IterableDataset uses it to read only its share."""
    return getattr(_current, "info", None)


def serve(
    info: WorkerInfo, recipe: Callable, init, at: Any, requests, answer: Callable, caught: type = Exception
) -> None:  # fmt: skip
    """A worker's life: take (ticket, indices), answer (ticket, ok, batch or exception) until STOP comes.

    caught: what is answered; anything else ends the worker.
    """
    _current.info = info
    fetch = None
    try:
        if init is not None:
            init(info.id)
        fetch = recipe(info.dataset, at)
        failure = None
    except caught as error:
        error.add_note(f"while starting worker {info.id}")
        failure = error
    while (request := requests.get()) is not STOP:
        ticket, indices = request
        if isinstance(indices, str):  # RESTART
            fetch = recipe(info.dataset, at)
            continue
        if failure is not None:
            answer((ticket, False, failure))
            continue
        try:
            made = (ticket, True, fetch(indices))
        except caught as error:
            made = (ticket, False, error)
        answer(made)


class Pool:
    """Hands out work and gives the answers back in order. Subclasses say what a worker is."""

    requests: list[Any]

    def __init__(self, loader, seed: int):
        self.loader, self.count = loader, loader.num_workers
        self.infos = [WorkerInfo(i, self.count, seed + i, loader.dataset) for i in range(self.count)]
        self.next_ticket = 0
        self.done: dict[int, tuple[bool, Any]] = {}
        self.asked: dict[int, tuple[int, Any]] = {}
        self.start()

    def start(self) -> None:
        raise NotImplementedError

    def next_answer(self, timeout: float) -> tuple | None:
        """Any worker's answer; None where none has come in time."""
        raise NotImplementedError

    def new_epoch(self, seed: int) -> None:
        """Start afresh with the same workers; answers of a broken-off epoch are thrown away when they come."""
        self.asked.clear()
        self.done.clear()
        for i, info in enumerate(self.infos):
            info.seed = seed + i
            if self.loader._iterable:
                self.requests[i].put((0, RESTART))

    def run(self, orders: Iterator[Any]) -> Iterator[Any]:
        """Batches in the order of `orders`, with prefetch_factor of them under way for each worker."""
        waiting: list[int] = []
        alive = list(range(self.count))
        turn = 0
        stream_ended = False
        while True:
            while not stream_ended and alive and len(waiting) < self.loader.prefetch_factor * len(alive):
                try:
                    indices = next(orders)
                except StopIteration:
                    stream_ended = True
                    break
                waiting.append(self.ask(alive[turn % len(alive)], indices))
                turn += 1
            if not waiting:
                return
            ticket = waiting.pop(0)
            worker, _ = self.asked[ticket]
            ok, answer = self.wait_for(ticket)
            if ok:
                yield answer
            elif isinstance(answer, EndOfStream):
                if worker in alive:  # its other tickets will say the same
                    turn = alive.index(worker)
                    alive.remove(worker)
            else:
                raise answer

    def ask(self, worker: int, indices) -> int:
        self.next_ticket += 1
        ticket = self.next_ticket
        self.asked[ticket] = (worker, indices)
        self.requests[worker].put((ticket, indices))
        return ticket

    def wait_for(self, ticket: int) -> tuple[bool, Any]:
        while ticket not in self.done:
            got, ok, answer = self.receive(ticket)
            if got in self.asked:  # not of an epoch that was broken off
                self.done[got] = (ok, answer)
        self.asked.pop(ticket, None)
        return self.done.pop(ticket)

    def receive(self, ticket: int) -> tuple:
        """The next answer of any worker; complains while the one that owes `ticket` gives no sign."""
        started, told = time.monotonic(), False
        while True:
            limit = self.loader.timeout
            waited = time.monotonic() - started
            found = self.next_answer(max(0.01, min(1.0, limit - waited if limit else 1.0)))
            if found is not None:
                return found
            waited = time.monotonic() - started
            self.check_alive(ticket)
            if limit and waited >= limit:
                raise WorkerTimeout(self.report(ticket, waited, "DataLoader timed out")) from None
            if not told and waited >= (STUCK_AFTER if self.has_started(ticket) else START_MAY_TAKE):
                told = True
                warn(self.report(ticket, waited, "still waiting for a batch"))

    def report(self, ticket: int, waited: float, problem: str) -> str:
        worker, _ = self.asked[ticket]
        facts = [f"worker {worker} has been reading {self.task(ticket)}"]
        return message("DataLoader", f"{problem} after {waited:.0f} seconds", facts + self.whereabouts(worker))

    def task(self, ticket: int) -> str:
        """What a worker was asked for, and the sample it is at."""
        worker, indices = self.asked[ticket]
        of = f" of {type(self.loader.dataset).__name__}"
        if indices is None:
            return "the next samples of a stream" + of
        text = (short_list(indices) if hasattr(indices, "__len__") else str(indices)) + of
        sample = self.sample_at(worker)
        if not self.has_started(ticket):
            return f"{text}, but has not started yet"
        return text if sample is None else f"{text}, at sample {sample}"

    def sample_at(self, worker: int) -> Any:
        """The index of the sample that a worker is reading; None where it is not known."""
        raise NotImplementedError

    def has_started(self, ticket: int) -> bool:
        """Whether the worker that owes `ticket` has begun to work."""
        return True

    def whereabouts(self, worker: int) -> list[str]:
        return []

    def check_alive(self, ticket: int) -> None:
        """Raise where the worker that owes `ticket` cannot answer any more."""


class ThreadPool(Pool):
    """Workers that are threads of this process."""

    def start(self) -> None:
        self.results: Any = queue.SimpleQueue()
        self.requests = [queue.SimpleQueue() for _ in self.infos]
        self.at: list[list] = [[None] for _ in self.infos]
        self.threads = []
        recipe, init = self.loader._recipe(), self.loader.worker_init_fn
        for info, at, requests in zip(self.infos, self.at, self.requests, strict=True):
            # A thread that ends says nothing, so SystemExit too goes to the loop, which it would end without workers.
            args = (info, recipe, init, at, requests, self.results.put, BaseException)
            thread = threading.Thread(target=serve, args=args, daemon=True, name=f"dovetail-loader-{info.id}")
            thread.start()
            self.threads.append(thread)

    def next_answer(self, timeout: float) -> tuple | None:
        try:
            return self.results.get(timeout=timeout)
        except queue.Empty:
            return None

    def check_alive(self, ticket: int) -> None:
        worker, _ = self.asked[ticket]
        if not self.threads[worker].is_alive() and self.results.empty():
            facts = [f"it was reading {self.task(ticket)}"]
            raise WorkerTimeout(message("DataLoader", f"worker {worker} (a thread) has ended unexpectedly", facts))

    def stop(self) -> None:
        for requests in self.requests:
            requests.put(STOP)

    def sample_at(self, worker: int) -> Any:
        return self.at[worker][0]

    def whereabouts(self, worker: int) -> list[str]:
        frame = sys._current_frames().get(self.threads[worker].ident or 0)
        if frame is None:
            return []
        where = traceback.extract_stack(frame)[-1]
        return [f"it stands in {where.name}, line {where.lineno} of {where.filename}: {where.line}"]

    def __del__(self):
        self.stop()


class Sender:
    """Sends a worker process's answers through its pipe, batches as packets, exceptions made fit for travelling."""

    def __init__(self, pipe: Any, folder: str, worker: int):
        self.pipe, self.folder, self.worker = pipe, folder, worker

    def __call__(self, answer: tuple) -> None:
        ticket, ok, value = answer
        if ok:
            try:
                self.pipe.send((ticket, True, packets.pack(value, self.folder, f"{self.worker}-{ticket}")))
                return
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                error.add_note("while sending the batch from a worker process, which needs it to be picklable")
                ok, value = False, error
        if not isinstance(value, EndOfStream):
            text = "".join(traceback.format_exception(value)).rstrip()
            value = RuntimeError(f"Caught {type(value).__name__} in DataLoader worker process.\nOriginal {text}")
        self.pipe.send((ticket, False, packets.pack(value, self.folder, f"{self.worker}-{ticket}")))


def serve_process(info: WorkerInfo, recipe: Callable, init, at: Any, requests, pipe, folder: str) -> None:
    """serve, in a process of its own.

    A worker reads data; it interprets what little it computes and leaves the compiler and its threads, whose locks a
    fork may have caught in any state, alone. Its random numbers are its own: they follow from the worker's seed.
    """
    at[0] = NO_SAMPLE
    config.tier, config.threads = 0, 1
    random.seed(info.seed)
    np.random.seed(info.seed % 2**32)
    manual_seed(info.seed)
    try:
        serve(info, recipe, init, at, requests, Sender(pipe, folder, info.id))
    except (BrokenPipeError, KeyboardInterrupt):
        pass  # the loader is gone


class ProcessPool(Pool):
    """Workers that are processes, started the way the loader's multiprocessing_context says."""

    def start(self) -> None:
        context = self.loader.multiprocessing_context
        if isinstance(context, str):
            context = multiprocessing.get_context(context)
        self.folder, self.stopped = packets.Folder(), False
        self.requests, self.pipes, self.processes = [], [], []
        self.at = [context.RawArray("q", [NOT_STARTED]) for _ in self.infos]
        recipe, init = self.loader._recipe(), self.loader.worker_init_fn
        for info, at in zip(self.infos, self.at, strict=True):
            requests = context.Queue()
            mine, theirs = context.Pipe(duplex=False)
            args = (info, recipe, init, at, requests, theirs, self.folder.path)
            process = context.Process(target=serve_process, args=args, daemon=True, name=f"dovetail-loader-{info.id}")
            self.requests.append(requests)
            self.pipes.append(mine)
            try:
                process.start()
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                self.stop()
                problem = f"cannot be sent to a worker process: {error}"
                cure = "Define dataset, collate_fn and worker_init_fn at the top of a file, or leave out\n"
                cure += "multiprocessing_context: workers are threads then"
                raise ArgumentError(message("DataLoader", problem, cure=cure)) from error
            theirs.close()  # so that the pipe ends with the process
            self.processes.append(process)

    def next_answer(self, timeout: float) -> tuple | None:
        for pipe in multiprocessing.connection.wait(self.open_pipes(), timeout):
            try:
                ticket, ok, packet = pipe.recv()  # type: ignore
            except (EOFError, OSError):
                self.pipes[self.pipes.index(pipe)] = None  # its process has ended; check_alive says so
                continue
            return ticket, ok, packets.unpack(packet)  # type: ignore
        return None

    def open_pipes(self) -> list:
        return [pipe for pipe in self.pipes if pipe is not None]

    def sample_at(self, worker: int) -> Any:
        return None if self.at[worker][0] < 0 else self.at[worker][0]

    def has_started(self, ticket: int) -> bool:
        return self.at[self.asked[ticket][0]][0] != NOT_STARTED

    def stop(self) -> None:
        if self.stopped:
            return
        self.stopped = True
        for requests in self.requests:
            requests.put(STOP)
        for process in self.processes:
            process.join(timeout=1.0)
            if process.is_alive():
                process.terminate()
        for q in self.requests:
            q.cancel_join_thread()
            q.close()
        for pipe in self.open_pipes():
            pipe.close()
        self.folder.remove()

    def check_alive(self, ticket: int) -> None:
        worker, _ = self.asked[ticket]
        process = self.processes[worker]
        if self.pipes[worker] is None or not process.is_alive():
            process.join(timeout=1.0)
            code = process.exitcode
            how = f"was killed by signal {-code}" if code is not None and code < 0 else f"exited with code {code}"
            raise WorkerTimeout(
                message(
                    "DataLoader",
                    f"worker {worker} (pid {process.pid}) exited unexpectedly: it {how}",
                    [f"it was reading {self.task(ticket)}"],
                    "num_workers=0 runs the dataset in this process and shows its own error.",
                )
            )

    def __del__(self):
        if hasattr(self, "stopped"):
            self.stop()
