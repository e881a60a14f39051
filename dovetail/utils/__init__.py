"""torch's spelling of some rooms: `dovetail.utils.data`, `dovetail.utils.checkpoint`. This file is a door."""

from dovetail.utils import benchmark, checkpoint, data, dlpack

__all__ = ["benchmark", "checkpoint", "data", "dlpack"]
