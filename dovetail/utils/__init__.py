"""torch's spelling for the data room: `dovetail.utils.data`. This file is a door."""

from dovetail.utils import data

__all__ = ["data"]
