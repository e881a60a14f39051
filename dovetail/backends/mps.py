"""torch.backends.mps's probes."""

__all__ = ["is_available", "is_built", "is_macos13_or_newer", "is_macos_or_newer"]


def is_available() -> bool:
    """Whether tensors can be put on Apple's graphics processor: not in this version.

    >>> "mps" if is_available() else "cpu"
    'cpu'
    """
    return False


def is_built() -> bool:
    """Whether this program was built for it: no."""
    return False


def is_macos_or_newer(major: int, minor: int) -> bool:
    """Whether the system offers that processor through a macOS of this version or newer: no."""
    return False


def is_macos13_or_newer(minor: int = 0) -> bool:
    """As is_macos_or_newer(13, minor)."""
    return False
