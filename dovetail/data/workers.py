"""Workers that read ahead: threads by default, processes where a multiprocessing context is given.

Batch k goes to worker k % num_workers, and results are handed out in the order of the sampler, so the batches do not
depend on the number of workers or on which of them is quick. A worker's exception is raised in the loop that waits for
its batch. A worker that gives no sign for ten seconds is reported with what it was reading and, for threads, the line
it stands on.
"""

from __future__ import annotations

import multiprocessing
import queue
import random
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

from dovetail.base.config import config
from dovetail.base.errors import DovetailError, message, warn
from dovetail.data.fetch import EndOfStream, short_list

STUCK_AFTER = 8.5  # seconds without a batch; looked at once a second, so the report comes before ten have passed
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


def serve(info: WorkerInfo, make_fetcher, init, requests, results) -> None:
    """A worker's life: take (ticket, indices), answer (ticket, ok, batch or exception) until STOP comes."""
    _current.info = info
    fetch = None
    try:
        if init is not None:
            init(info.id)
        fetch = make_fetcher()
        failure = None
    except Exception as error:
        error.add_note(f"while starting worker {info.id}")
        failure = error
    while (request := requests.get()) is not STOP:
        ticket, indices = request
        if isinstance(indices, str):  # RESTART
            fetch = make_fetcher()
            continue
        if failure is not None:
            results.put((ticket, False, failure))
            continue
        try:
            results.put((ticket, True, fetch(indices)))
        except Exception as error:
            results.put((ticket, False, error))


class Pool:
    """Hands out work and gives the answers back in order. Subclasses say what a worker is."""

    def __init__(self, loader, seed: int):
        self.loader, self.count = loader, loader.num_workers
        self.infos = [WorkerInfo(i, self.count, seed + i, loader.dataset) for i in range(self.count)]
        self.next_ticket = 0
        self.done: dict[int, tuple[bool, Any]] = {}
        self.asked: dict[int, tuple[int, Any]] = {}
        self.start()

    def new_epoch(self, seed: int) -> None:
        """Start afresh with the same workers; answers of a broken-off epoch are thrown away."""
        for ticket in self.done:  # answered already, out of turn: nothing more comes for these
            self.asked.pop(ticket, None)
        while self.asked:
            ticket, _, _ = self.receive(min(self.asked))
            self.asked.pop(ticket, None)
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
        ticket, self.next_ticket = self.next_ticket, self.next_ticket + 1
        self.asked[ticket] = (worker, indices)
        self.requests[worker].put((ticket, indices))
        return ticket

    def wait_for(self, ticket: int) -> tuple[bool, Any]:
        while ticket not in self.done:
            got, ok, answer = self.receive(ticket)
            self.done[got] = (ok, answer)
        self.asked.pop(ticket, None)
        return self.done.pop(ticket)

    def receive(self, ticket: int):
        """The next answer of any worker; complains while the one that owes `ticket` gives no sign."""
        started, told = time.monotonic(), False
        while True:
            limit = self.loader.timeout
            waited = time.monotonic() - started
            try:
                return self.results.get(timeout=max(0.01, min(1.0, limit - waited if limit else 1.0)))
            except queue.Empty:
                waited = time.monotonic() - started
                self.check_alive(ticket)
                if limit and waited >= limit:
                    raise WorkerTimeout(self.report(ticket, waited, "DataLoader timed out")) from None
                if not told and waited >= STUCK_AFTER:
                    told = True
                    warn(self.report(ticket, waited, "still waiting for a batch"))

    def report(self, ticket: int, waited: float, problem: str) -> str:
        worker, indices = self.asked[ticket]
        what = (
            "the next samples of a stream"
            if indices is None
            else short_list(indices)
            if hasattr(indices, "__len__")
            else str(indices)
        )
        facts = [f"worker {worker} has been reading {what} of {type(self.loader.dataset).__name__}"]
        return message("DataLoader", f"{problem} after {waited:.0f} seconds", facts + self.whereabouts(worker))

    def whereabouts(self, worker: int) -> list[str]:
        return []

    def check_alive(self, ticket: int) -> None:
        """Raise where the worker that owes `ticket` cannot answer any more."""


class ThreadPool(Pool):
    """Workers that are threads of this process."""

    def start(self) -> None:
        self.results: Any = queue.SimpleQueue()
        self.requests: list[Any] = [queue.SimpleQueue() for _ in self.infos]
        self.threads = []
        for info, requests in zip(self.infos, self.requests, strict=True):
            args = (info, self.loader._fetcher, self.loader.worker_init_fn, requests, self.results)
            thread = threading.Thread(target=serve, args=args, daemon=True, name=f"dovetail-loader-{info.id}")
            thread.start()
            self.threads.append(thread)

    def stop(self) -> None:
        for requests in self.requests:
            requests.put(STOP)

    def whereabouts(self, worker: int) -> list[str]:
        frame = sys._current_frames().get(self.threads[worker].ident or 0)
        if frame is None:
            return []
        where = traceback.extract_stack(frame)[-1]
        return [f"it stands in {where.name}, line {where.lineno} of {where.filename}: {where.line}"]

    def __del__(self):
        self.stop()


def serve_process(info, make_fetcher, init, requests, results) -> None:
    """serve, in a process of its own, with exceptions made fit for travelling.

    A worker reads data; it interprets what little it computes and leaves the compiler and its threads, whose locks a
    fork may have caught in any state, alone.
    """
    config.tier, config.threads = 0, 1
    random.seed(info.seed)
    serve(info, make_fetcher, init, requests, Portable(results))


class Portable:
    """A result queue that replaces exceptions that cannot be pickled by their text."""

    def __init__(self, results):
        self.results = results

    def put(self, answer) -> None:
        ticket, ok, value = answer
        if not ok and not isinstance(value, EndOfStream):
            text = "".join(traceback.format_exception(value)).rstrip()
            value = RuntimeError(f"Caught {type(value).__name__} in DataLoader worker process.\nOriginal {text}")
        self.results.put((ticket, ok, value))


class ProcessPool(Pool):
    """Workers that are processes, started the way the loader's multiprocessing_context says."""

    def start(self) -> None:
        context = self.loader.multiprocessing_context
        if isinstance(context, str):
            context = multiprocessing.get_context(context)
        self.results = context.Queue()
        self.requests = [context.Queue() for _ in self.infos]
        self.processes = []
        for info, requests in zip(self.infos, self.requests, strict=True):
            args = (info, self.loader._fetcher, self.loader.worker_init_fn, requests, self.results)
            process = context.Process(target=serve_process, args=args, daemon=True, name=f"dovetail-loader-{info.id}")
            process.start()
            self.processes.append(process)

    def stop(self) -> None:
        for requests in self.requests:
            requests.put(STOP)
        for process in self.processes:
            process.join(timeout=1.0)
            if process.is_alive():
                process.terminate()
        for q in (*self.requests, self.results):
            q.cancel_join_thread()
            q.close()

    def check_alive(self, ticket: int) -> None:
        worker, _ = self.asked[ticket]
        process = self.processes[worker]
        if not process.is_alive():
            raise WorkerTimeout(
                message(
                    "DataLoader",
                    f"worker {worker} (pid {process.pid}) exited unexpectedly with code {process.exitcode}",
                    cure="num_workers=0 runs the dataset in this process and shows its own error.",
                )
            )
