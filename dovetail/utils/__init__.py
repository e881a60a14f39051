"""A door sign: torch's spelling for the data room (`dovetail.utils.data`)."""

from dovetail.utils import data

__all__ = ["data"]
