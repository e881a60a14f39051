"""The thread team: one fork per launch, cheap barriers inside, written as LLVM IR and compiled once.

    void dv_launch(ptr body, ptr args, i64 order)    body(args, thread, threads, barrier) on `threads` threads
    void dv_barrier(ptr barrier, i64 threads)        everyone waits for everyone
    dv_run_block(ptr block)                          dv_launch over a block [body, order, sizes, args...]
    dv_call(address, inputs, outputs)                the same from Python, with lists of addresses to put into the block
    dv_chain(address, inputs, outputs)               several bodies, one after the other (engine/chain.py)
    dv_wait()                                        until what was launched with APART is done

`order` is threads | FLUSH | RELEASE | APART. The caller is thread 0. Who waits looks again and again for a while,
then sleeps in the kernel; on a busy machine long spinning takes the processor from the thread one waits for.

The team serves one launch at a time. Where it is busy, or no thread can be had, the body runs on one thread; results
do not depend on that. After a fork the child starts a team of its own.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

from dovetail.runtime import flight
from dovetail.runtime.native import Code, Store, object_code, resolve_target
from dovetail.runtime.team import HEADER, team_text

BUILT_IN = sys.implementation.name == "cpython"
MOST_THREADS = 128
FLUSH = 1 << 8  # in an order: denormal numbers count as zero while the body runs
RELEASE = 1 << 9  # in an order: let go of Python's lock while the body runs
APART = 1 << 10  # in an order: one of the team runs the body while the caller goes on (flight.py)


class MethodDef(ctypes.Structure):
    """Python's PyMethodDef."""

    _fields_ = [
        ("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p),
    ]


METH_FASTCALL = 0x80


@dataclass(frozen=True)
class Team:
    """The loaded team: what programs link against, and what Python calls.

    symbols: addresses of dv_launch and dv_barrier
    call(address, inputs, outputs): fill the block at an address with two lists of addresses and run it
    chain(address, inputs, outputs): the same for a chain of bodies; None where Python has no entry of its own
    size(): threads that exist, the caller included
    apart: whether bodies can be launched with APART
    """

    code: Code
    symbols: dict[str, int]
    call: Callable[[int, list[int], list[int]], None]
    chain: Callable[[int, list[int], list[int]], None] | None
    size: Callable[[], int]
    apart: bool = False


_team: Team | None = None
_lock = threading.Lock()


def team(store: Store | None = None) -> Team:
    """The team of this process, compiled at the first call (`store` keeps the code on disk)."""
    global _team
    if _team is None:
        with _lock:
            if _team is None:
                text = team_text(python=BUILT_IN)
                _team = load_team(object_code(text, resolve_target("generic"), level=2, store=store))
                if hasattr(os, "register_at_fork"):
                    os.register_at_fork(after_in_child=reset_after_fork)
    return _team


def load_team(machine_code: bytes) -> Team:
    """Place the code and make its entries callable. It is never unloaded: sleeping workers stand in it."""
    code = Code(machine_code)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(code))
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(code._image))
    symbols = {name: code.address(name) for name in ("dv_launch", "dv_barrier")}
    call = python_function(b"dv_call", code.address("dv_call")) if BUILT_IN else None
    chain = python_function(b"dv_chain", code.address("dv_chain")) if BUILT_IN else None
    size = ctypes.PYFUNCTYPE(ctypes.c_int64)(code.address("dv_team_size"))
    apart = BUILT_IN and not sys.platform.startswith("win")
    if apart:
        flight.WAITS.append(python_function(b"dv_wait", code.address("dv_wait")))
    return Team(code, symbols, call or foreign_call(code.address("dv_run_block")), chain, size, apart)


def foreign_call(address: int) -> Callable[[int, list[int], list[int]], None]:
    """What `Team.call` does, through ctypes: for Pythons without the C interface of CPython."""
    run_block = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)

    def call(block: int, inputs: list[int], outputs: list[int]) -> None:
        header = (ctypes.c_uint64 * HEADER).from_address(block)
        n_in, n_out = header[2], header[3]
        if (n_in, n_out) != (len(inputs), len(outputs)):
            raise ValueError("a program takes one address for each operand.")
        (ctypes.c_uint64 * (n_in + n_out)).from_address(block + 8 * HEADER)[:] = [*inputs, *outputs]
        run_block(block)

    return call


def python_function(name: bytes, address: int):
    """A built-in function over native code that speaks Python's C interface: 30 ns a call against 170 by ctypes."""
    make = ctypes.pythonapi.PyCMethod_New
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p] * 4
    method = MethodDef(name, address, METH_FASTCALL, None)
    _kept.append(method)
    return make(ctypes.addressof(method), None, None, None)


_kept: list = []  # method tables that Python's functions point into


def reset_after_fork() -> None:
    """In a child process: forget the parent's workers."""
    if _team is not None:
        ctypes.PYFUNCTYPE(None)(_team.code.address("dv_reset"))()


def order(threads: int, *, flush: bool, release: bool = False, apart: bool = False) -> int:
    """The number that tells dv_launch how to run a body. apart: by another thread alone, whatever `threads` says."""
    if apart:
        return 2 | APART | (FLUSH if flush else 0)
    return max(1, min(threads, MOST_THREADS)) | (FLUSH if flush else 0) | (RELEASE if release else 0)
