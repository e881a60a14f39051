"""Choices and loops inside a compiled program: Python turns the crank, machine code does each turn.

The bodies are compiled like any graph. A loop hands them addresses: slices of what is scanned are read where they lie,
results are written where they belong, and carries go back and forth between two buffers. So a turn costs one native
call, and the program around is left once for the whole loop.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dovetail.ir.core import Body, Graph, Node

Compile = Callable[[Graph], Any]  # -> Program


def control_call(node: Node, compile_graph: Compile) -> Callable | None:
    """What stands for the meaning of a choice or a loop in a compiled program; None for any other node."""
    name = node.prim.name
    return CALLS[name](compile_graph, **node.params) if name in CALLS else None


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def packed(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The arrays with their elements one after the other."""
    return [a if a.flags.c_contiguous else np.ascontiguousarray(a).reshape(a.shape) for a in arrays]


def empties(kinds: Sequence[tuple], before: tuple = ()) -> list[np.ndarray]:
    return [np.empty((*before, *shape), dtype.np) for shape, dtype in kinds]


def unpacked(made: list) -> Any:
    return made[0] if len(made) == 1 else made


def native_cond(compile_graph: Compile, then: Body, other: Body) -> Callable:
    programs = compile_graph(other.graph), compile_graph(then.graph)
    kinds = then.outs

    def run(pred, *operands):
        operands, made = packed(operands), empties(kinds)
        programs[bool(pred)].run([address(a) for a in operands], [address(a) for a in made])
        return unpacked(made)

    return run


def native_scan(
    compile_graph: Compile, body: Body, carried: int, scanned: int, length: int, reverse: bool
) -> Callable:
    program = compile_graph(body.graph)
    carries, ys = body.outs[:carried], body.outs[carried:]

    def run(*arrays):
        arrays = packed(arrays)
        turns = arrays[carried].shape[0] if scanned else length
        last, rows = [np.array(a) for a in arrays[:carried]], empties(ys, (turns,))
        if not turns:
            return unpacked([*last, *rows])
        buffers = [last, empties(carries)]
        places = [[address(a) for a in one] for one in buffers]
        over = arrays[carried : carried + scanned]
        reads = [(address(a), a.nbytes // turns) for a in over]
        writes = [(address(a), a.nbytes // turns) for a in rows]
        constants = [address(a) for a in arrays[carried + scanned :]]
        call, now = program.run, 0
        for i in range(turns - 1, -1, -1) if reverse else range(turns):
            ins = places[now] + [at + i * step for at, step in reads] + constants
            now = 1 - now
            call(ins, places[now] + [at + i * step for at, step in writes])
        return unpacked([*buffers[now], *rows])

    return run


def native_while(compile_graph: Compile, test: Body, body: Body, carried: int) -> Callable:
    check, program = compile_graph(test.graph), compile_graph(body.graph)
    kinds = body.outs

    def run(*arrays):
        arrays = packed(arrays)
        buffers = [[np.array(a) for a in arrays[:carried]], empties(kinds)]
        places = [[address(a) for a in one] for one in buffers]
        constants = [address(a) for a in arrays[carried:]]
        flag = ctypes.c_bool()
        goes_on = [ctypes.addressof(flag)]
        now = 0
        check.run(places[0] + constants, goes_on)
        while flag.value:
            program.run(places[now] + constants, places[1 - now])
            now = 1 - now
            check.run(places[now] + constants, goes_on)
        return unpacked(buffers[now])

    return run


def native_unwind(compile_graph: Compile, test: Body, body: Body, back: Body, carried: int) -> Callable:
    check, program, way_back = (compile_graph(one.graph) for one in (test, body, back))
    kinds, states = body.outs, back.outs
    count = len(states)

    def run(*arrays):
        arrays = packed(arrays)
        passed = [arrays[count : count + carried]]
        constants = [address(a) for a in arrays[count + carried :]]
        flag = ctypes.c_bool()
        goes_on = [ctypes.addressof(flag)]
        at = [address(a) for a in passed[0]]
        check.run(at + constants, goes_on)
        while flag.value:
            passed.append(empties(kinds))
            before, at = at, [address(a) for a in passed[-1]]
            program.run(before + constants, at)
            check.run(at + constants, goes_on)
        passed.pop()
        buffers = [[np.array(a) for a in arrays[:count]], empties(states)]
        places = [[address(a) for a in one] for one in buffers]
        now = 0
        while passed:
            carry = [address(a) for a in passed[-1]]
            way_back.run(places[now] + carry + constants, places[1 - now])
            now = 1 - now
            passed.pop()
        return unpacked(buffers[now])

    return run


CALLS: dict[str, Callable] = {
    "cond": native_cond, "scan": native_scan, "while_loop": native_while, "unwind": native_unwind,
}  # fmt: skip
