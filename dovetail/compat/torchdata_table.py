"""torchdata's loader that can be stopped and resumed: ours can."""

from __future__ import annotations

from dovetail.compat.names import Names

LOADER = {"StatefulDataLoader": "dovetail.data:DataLoader"}

TABLE = {
    "torchdata": Names(None, {"__version__": "0.11.0+dovetail"}),
    "torchdata.stateful_dataloader": Names(None, private=LOADER),
    "torchdata.stateful_dataloader.stateful_dataloader": Names(None, private=LOADER),
}
