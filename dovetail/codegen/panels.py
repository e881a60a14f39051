"""Panels: a part of a matrix copied so that its rows are adjacent, each a few vectors wide."""

from __future__ import annotations

from collections.abc import Callable

from dovetail.codegen.cuts import runs_whole
from dovetail.codegen.vectors import Extent, is_, known


def pack(w, base: str, col: Extent, panel: str, n: list, k: list, phase, masks: list, target) -> str:
    """Copy the columns from `col` on, as wide as the phase, to `panel`; returns it.

    w: the product being written. n: (size, stride) for each dim of the matrix's columns; k: (size, stride, rows of the
    panel that one step takes) for each dim of its rows. Columns past the last hold anything; the panel has room for
    `lanes` more rows.
    """
    if is_(n[-1][1], 1) and (len(n) == 1 or runs_whole(w.dims, w.cut.phases)):
        pack_rows(w, w.at(base, w.place(col, n)), panel, k, phase, masks)
        return panel
    k = sorted(k, key=lambda dim: is_(dim[1], 1))  # a dim of neighbours goes last
    if is_(k[-1][1], 1):
        pack_turned(w, base, col, panel, k, phase, masks, target)
    else:
        pack_numbers(w, base, col, panel, k, phase)
    return panel


def along(w, dims: list, width: int, source: str, target: str, body: Callable[[str, str], None]) -> None:
    """Loops over dims; body(source, target) is written inside all of them."""
    if not dims:
        body(source, target)
        return
    (count, step, rows), *inner = dims
    with w.b.loop("0", w.text(count), carry=[("ptr", source), ("ptr", target)]) as turn:
        here, there = turn.carried
        along(w, inner, width, here, there, body)
        turn.next(w.at(here, step), w.at(there, w.mul(rows, width)))


def pack_rows(w, source: str, panel: str, k: list, phase, masks: list) -> None:
    """The columns are adjacent."""

    def row(source: str, target: str) -> None:
        for v in range(phase.vectors):
            value = w.load(w.at(source, v * phase.lanes), phase.lanes, masks[v])
            w.store(value, w.at(target, v * phase.lanes), phase.lanes)

    along(w, k, phase.width, source, panel, row)


def pack_turned(w, base: str, col: Extent, panel: str, k: list, phase, masks: list, target) -> None:
    """Rows are adjacent along the last dim of k: blocks of lanes x lanes numbers are transposed in registers.

    Where masks are cheap, a last block may be short; elsewhere the last rows are copied number by number.
    """
    lanes, width = phase.lanes, phase.width
    *outer, (depth, _, rows) = k
    whole = w.mul(w.div(depth, lanes), lanes)
    rest = depth % lanes if known(depth) else None
    last = w.sub(w.n, 1)
    with w.b.loop("0", str(phase.vectors)) as across:
        into = w.mul(across.i, lanes)
        first = w.add(col, into)
        if all(mask is None for mask in masks) and len(w.dims.n) == 1:
            start = w.at(base, w.place(first, w.dims.n))
            sides = [w.mul(j, w.dims.n[0][1]) for j in range(lanes)]
        else:
            start = base
            sides = [w.place(w.least(w.add(first, j), last), w.dims.n) for j in range(lanes)]

        def block(source: str, target_row: str, count: int, mask: str | None) -> None:
            turned = w.transpose([w.load(w.at(source, side), lanes, mask) for side in sides], lanes)
            for i, row in enumerate(turned[:count]):
                w.store(row, w.at(target_row, w.mul(w.mul(rows, i), width)), lanes)

        def run(source: str, target_row: str) -> None:
            if not is_(whole, 0):
                with w.b.loop("0", w.text(whole), lanes) as down:
                    block(w.at(source, down.i), w.at(target_row, w.mul(w.mul(rows, down.i), width)), lanes, None)
                    down.next()
            if rest == 0:
                return
            if rest is not None and target.masks:
                place = w.at(target_row, w.mul(w.mul(rows, whole), width))
                block(w.at(source, whole), place, rest, w.mask_below(rest, lanes))
                return
            with w.b.loop(w.text(whole), w.text(depth)) as down:
                now, place = w.at(source, down.i), w.at(target_row, w.mul(w.mul(rows, down.i), width))
                for j, side in enumerate(sides):
                    w.store(w.load(w.at(now, side), 1), w.at(place, j), 1)

        along(w, outer, width, start, w.at(panel, into), run)


def pack_numbers(w, base: str, col: Extent, panel: str, k: list, phase) -> None:
    """Any strides, number by number; columns past the last repeat it."""
    last = w.sub(w.n, 1)
    with w.b.loop("0", str(phase.width)) as across:
        source = w.at(base, w.place(w.least(w.add(col, across.i), last), w.dims.n))
        along(w, k, phase.width, source, w.at(panel, across.i), lambda a, b: w.store(w.load(a, 1), b, 1))
