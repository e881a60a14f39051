"""Signal processing under torch's names: `signal.windows`."""

from dovetail.signal import windows

__all__ = ["windows"]
