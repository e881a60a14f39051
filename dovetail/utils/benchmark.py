"""torch.utils.benchmark's names."""

from dovetail.train.timing import Compare, Measurement, Timer, select_unit, timer, trim_sigfig, unit_to_english

__all__ = ["Compare", "Measurement", "Timer", "select_unit", "timer", "trim_sigfig", "unit_to_english"]
