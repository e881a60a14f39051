"""torch.library's names for operators made of Python functions."""

from dovetail.nn.transform.custom import (
    CustomOpDef,
    custom_op,
    register_autograd,
    register_fake,
    register_kernel,
    register_vmap,
)

__all__ = [
    "CustomOpDef", "custom_op", "register_autograd", "register_fake", "register_kernel", "register_vmap",
]  # fmt: skip
