"""torch.jit's names."""

from dovetail.io.scripted import *  # noqa: F403
from dovetail.io.scripted import __all__ as __all__
