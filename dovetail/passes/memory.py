"""The memory plan: where each intermediate lies in the arena.

Intermediates live from the kernel that writes them to the last that reads them; two that never live at the same time
share memory. Offsets are multiples of 64 bytes. Intermediates whose size is only known when the program runs come
after the others, each in a place of its own or in that of an equally large one that is done.
"""

from __future__ import annotations

from dovetail.passes.sizes import Poly, divide

ALIGN = 64


def aligned(n):
    return divide(n + (ALIGN - 1), ALIGN) * ALIGN


def plan(items: list[tuple[object, object, int, int]]) -> tuple[dict, object]:
    """items: (key, bytes, first kernel, last kernel). Returns ({key: offset}, total bytes)."""
    fixed = [i for i in items if not isinstance(i[1], Poly)]
    places, total = _fixed(fixed)
    end: object = total
    free: list[tuple[object, object, int]] = []  # (bytes, offset, last kernel)
    for key, nbytes, first, last in sorted((i for i in items if isinstance(i[1], Poly)), key=lambda i: i[2]):
        nbytes = aligned(nbytes)
        for number, (room, offset, done) in enumerate(free):
            if room == nbytes and done < first:
                places[key] = offset
                free[number] = (room, offset, last)
                break
        else:
            places[key] = end
            free.append((nbytes, end, last))
            end = end + nbytes
    return places, end


def _fixed(items: list) -> tuple[dict, int]:
    """Largest first, each at the lowest offset that is free for as long as it lives."""
    placed: list[tuple[int, int, int, int]] = []  # (offset, end, first, last)
    places: dict = {}
    for key, nbytes, first, last in sorted(items, key=lambda i: (-i[1], i[2])):
        room = max(ALIGN, -(-nbytes // ALIGN) * ALIGN)
        at = 0
        for low, high in sorted(p[:2] for p in placed if p[2] <= last and first <= p[3]):
            if low - at >= room:
                break
            at = max(at, high)
        places[key] = at
        placed.append((at, at + room, first, last))
    return places, max([p[1] for p in placed], default=0)
