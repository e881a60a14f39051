"""torch.autograd.profiler's names."""

from dovetail.board.profile import (
    EventList,
    FunctionEvent,
    FunctionEventAvg,
    emit_itt,
    emit_nvtx,
    kineto_available,
    record_function,
)
from dovetail.board.profile import older_profile as profile

__all__ = [
    "EventList", "FunctionEvent", "FunctionEventAvg", "emit_itt", "emit_nvtx", "kineto_available", "profile",
    "record_function",
]  # fmt: skip
