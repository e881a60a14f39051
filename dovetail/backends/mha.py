"""torch.backends.mha's names: a setting of nn.MultiheadAttention that changes nothing here, as there is one path."""

__all__ = ["get_fastpath_enabled", "set_fastpath_enabled"]

SETTING = {"fastpath": True}


def get_fastpath_enabled() -> bool:
    """Whether torch's own fast path may be taken."""
    return SETTING["fastpath"]


def set_fastpath_enabled(value: bool) -> None:
    """Accepted."""
    SETTING["fastpath"] = value
