"""torch.utils.checkpoint's names."""

from dovetail.nn.transform.checkpoint import checkpoint, checkpoint_sequential, noop_context_fn

__all__ = ["checkpoint", "checkpoint_sequential", "noop_context_fn"]
