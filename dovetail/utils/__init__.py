"""torch's spelling of some rooms: `dovetail.utils.data`, `dovetail.utils.checkpoint`. This file is a door."""

from dovetail.utils import checkpoint, data

__all__ = ["checkpoint", "data"]
