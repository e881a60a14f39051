"""torch.multiprocessing's names: Python's multiprocessing, and starting several processes at once."""

import multiprocessing
from multiprocessing import *  # noqa: F403

from dovetail.data.processes import (
    ProcessContext,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    get_all_sharing_strategies,
    get_sharing_strategy,
    set_sharing_strategy,
    spawn,
    start_processes,
)

__all__ = [
    *multiprocessing.__all__, "ProcessContext", "ProcessExitedException", "ProcessRaisedException", "SpawnContext",
    "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy", "spawn", "start_processes",
]  # fmt: skip
