"""The arithmetic of Keras's layers where its layout differs from torch's. Each is one op."""

from __future__ import annotations

import dovetail.ops.primitives as p
from dovetail.base.errors import ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops.promote import cast, expanded
from dovetail.ops.shape import reshaped
from dovetail.tensor.op import op


@op(top=False, name="affine")
def affine(input: Value, kernel: Value, bias: Value | None = None) -> Value:
    """input @ kernel + bias; whole numbers take the kernel's dtype, the kernel takes the input's.

    Shape: (*, n), (n, units), (units,) -> (*, units)
    """
    x = input if input.dtype.kind == "f" else cast(input, kernel.dtype)
    if x.shape[-1] != kernel.shape[0]:
        raise ShapeError(
            message(
                "Dense",
                f"the input's last axis has {x.shape[-1]} values, the kernel takes {kernel.shape[0]}",
                [("input", x), ("kernel", kernel)],
            )
        )
    out = p.contract(x, cast(kernel, x.dtype), sum=((x.ndim - 1,), (0,)), batch=((), ()))
    return out if bias is None else out + expanded(cast(bias, x.dtype), out.shape)


@op(top=False, name="rescale")
def rescale(input: Value, scale, offset, dtype) -> Value:
    """input * scale + offset."""
    return cast(input, dtype) * scale + offset


@op(top=False, name="flatten_batch")
def flatten_batch(input: Value) -> Value:
    """All axes but the first as one. Shape: (n, *) -> (n, m)"""
    n = 1
    for size in input.shape[1:]:
        n *= size
    return reshaped(input, (input.shape[0] if input.shape else 1, n))


__all__ = ["affine", "flatten_batch", "rescale"]
