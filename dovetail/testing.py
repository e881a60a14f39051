"""torch.testing's names."""

from dovetail.ops.testing import assert_allclose, assert_close, make_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]
