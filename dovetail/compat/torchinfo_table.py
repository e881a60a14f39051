"""torchinfo and torchsummary: tables of a module's layers, answered by the board."""

from __future__ import annotations

from dovetail.compat.names import Names

TABLE = {
    "torchinfo": Names("dovetail.board.layers", {"__version__": "1.8.0+dovetail"}),
    "torchsummary": Names("dovetail.board.layers"),
}
