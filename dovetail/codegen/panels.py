"""Panels: a part of a matrix copied so that its rows are adjacent, each a few vectors wide."""

from __future__ import annotations

from collections.abc import Callable

from dovetail.codegen.vectors import Extent, is_, known


def pack(w, base: str, col: Extent, panel: str, n: list, k: list, phase, masks: list, target) -> str:
    """Copy the columns from `col` on, as wide as the phase, to `panel`; returns it.

    w: the product being written. n, k: (size, stride) for each dim of the matrix's columns and rows. Columns past the
    last hold anything; the panel has room for `lanes` more rows.
    """
    if len(n) == 1 and is_(n[0][1], 1):
        pack_rows(w, w.at(base, col), panel, k, phase, masks)
    elif is_(k[-1][1], 1):
        pack_turned(w, base, col, panel, k, phase, masks, target)
    else:
        pack_numbers(w, base, col, panel, k, phase)
    return panel


def along(w, dims: list, source: str, target: str, body: Callable[[str, str, Extent], str], last: int = 1) -> str:
    """Loops over all but the `last` of dims; body(source, target, k) writes and returns the next target."""
    if len(dims) == last:
        return body(source, target)
    (count, step), *inner = dims
    with w.b.loop("0", w.text(count), carry=[("ptr", source), ("ptr", target)]) as turn:
        following = along(w, inner, *turn.carried, body, last)
        turn.next(w.at(turn.carried[0], step), following)
    return turn.results[1]


def pack_rows(w, source: str, panel: str, k: list, phase, masks: list) -> None:
    """The columns are adjacent."""

    def row(source: str, target: str) -> str:
        for v in range(phase.vectors):
            value = w.load(w.at(source, v * phase.lanes), phase.lanes, masks[v])
            w.store(value, w.at(target, v * phase.lanes), phase.lanes)
        return w.at(target, phase.width)

    along(w, k, source, panel, row, 0)


def pack_turned(w, base: str, col: Extent, panel: str, k: list, phase, masks: list, target) -> None:
    """The rows are adjacent: blocks of lanes x lanes numbers are transposed in registers.

    Where masks are cheap, a last block may be short: the rows it has too many are zeros, overwritten later or lying in
    the panel's slack. Elsewhere the last rows are copied number by number.
    """
    lanes, width, depth = phase.lanes, phase.width, k[-1][0]
    ragged = not (known(depth) and depth % lanes == 0)
    whole = depth if target.masks or not ragged else w.mul(w.div(depth, lanes), lanes)
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

        def block(source: str, target_row: str) -> str:
            with w.b.loop("0", w.text(whole), lanes) as down:
                mask = w.mask_below(w.sub(depth, down.i), lanes) if ragged and target.masks else None
                now = w.at(source, down.i)
                rows = w.transpose([w.load(w.at(now, side), lanes, mask) for side in sides], lanes)
                place = w.at(target_row, w.mul(down.i, width))
                for i, row in enumerate(rows):
                    w.store(row, w.at(place, i * width), lanes)
                down.next()
            if ragged and not target.masks:
                with w.b.loop(w.text(whole), w.text(depth)) as down:
                    now, place = w.at(source, down.i), w.at(target_row, w.mul(down.i, width))
                    for j, side in enumerate(sides):
                        w.store(w.load(w.at(now, side), 1), w.at(place, j), 1)
            return w.at(target_row, w.mul(depth, width))

        along(w, k, start, w.at(panel, into), block)


def pack_numbers(w, base: str, col: Extent, panel: str, k: list, phase) -> None:
    """Any strides, number by number; columns past the last repeat it."""
    last = w.sub(w.n, 1)
    with w.b.loop("0", str(phase.width)) as across:
        source = w.at(base, w.place(w.least(w.add(col, across.i), last), w.dims.n))

        def number(source: str, target: str) -> str:
            w.store(w.load(source, 1), target, 1)
            return w.at(target, phase.width)

        along(w, k, source, w.at(panel, across.i), number, 0)
