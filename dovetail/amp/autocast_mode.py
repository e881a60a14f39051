"""torch.amp.autocast_mode's names. This file is a door."""

from dovetail.ops.autocast import autocast, custom_bwd, custom_fwd, is_autocast_available

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
