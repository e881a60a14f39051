"""detect_anomaly: search every program for NaN, and name the line that made it."""

from __future__ import annotations

import warnings
from typing import Any

from dovetail.base.config import config
from dovetail.tensor.recorder import local


def is_anomaly_enabled() -> bool:
    """Whether programs are searched for NaN."""
    return config.anomaly


def is_anomaly_check_nan_enabled() -> bool:
    """Whether programs are searched for NaN: the search has no other kind."""
    return config.anomaly


class set_detect_anomaly:
    """Search programs for NaN from now on, or no more; as a context manager, as before at the end.

    Raises AnomalyError (a RuntimeError) at the line that runs the program, naming the op and line that made the NaN.
    """

    def __init__(self, mode: bool, check_nan: bool = True):
        self.before = config.anomaly
        self.switch(bool(mode) and check_nan)

    def switch(self, mode: bool) -> None:
        """What is pending still runs under the setting it was recorded in."""
        local.rec.close()
        config.anomaly = mode

    def __enter__(self) -> set_detect_anomaly:
        return self

    def __exit__(self, kind: Any, *exc: Any) -> None:
        try:
            self.switch(self.before)
        finally:
            config.anomaly = self.before


class detect_anomaly(set_detect_anomaly):
    """Inside the block, a NaN in results or gradients is an error that names the op and line which made it.

    >>> import dovetail
    >>> x = dovetail.tensor(0.0, requires_grad=True)
    >>> with detect_anomaly():
    ...     (x.sqrt() * 0).backward()
    Traceback (most recent call last):
    dovetail.tensor.anomaly.AnomalyError: detect_anomaly: Function 'SqrtBackward0' returned nan values ...
    """

    def __init__(self, check_nan: bool = True):
        self.before = config.anomaly
        self.wanted = check_nan
        text = "Anomaly Detection has been enabled. This mode will increase the runtime "
        warnings.warn(text + "and should only be enabled for debugging.", stacklevel=2)

    def __enter__(self) -> detect_anomaly:
        self.before = config.anomaly
        self.switch(self.wanted)
        return self
