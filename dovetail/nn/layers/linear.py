"""Affine maps: Linear, Bilinear, and Identity, which maps nothing."""

from __future__ import annotations

import math
from typing import Any

from dovetail.nn import functional as F
from dovetail.nn import init
from dovetail.nn.module import Module
from dovetail.nn.parameter import new_parameter


class Identity(Module):
    """Returns its input. Takes and ignores any arguments, so that it can stand in for any layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input):
        return input


class Linear(Module):
    """Affine map of the last axis: y = x Wᵀ + b.

    Shape: (*, in_features) -> (*, out_features)
    weight (out_features, in_features), bias (out_features,): both start uniform in ±1/sqrt(in_features).

    >>> import dovetail
    >>> Linear(20, 30)(dovetail.zeros(8, 20)).shape
    dovetail.Size([8, 30])
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device=None, dtype=None) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = new_parameter(out_features, in_features, device=device, dtype=dtype)
        if bias:
            self.bias = new_parameter(out_features, device=device, dtype=dtype)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights: Kaiming uniform with slope sqrt(5), which is ±1/sqrt(in_features)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input):
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"

    def _short_text(self) -> str:
        return f"{type(self).__name__}({self.in_features}, {self.out_features})"

    def _cure(self, args: tuple, model_args: tuple) -> str:
        x, first = args[0], model_args[0] if model_args else args[0]
        shape, wanted = getattr(x, "shape", ()), self.in_features
        if not shape or shape[-1] == wanted:
            return ""
        if getattr(first, "ndim", 0) == 3 and math.prod(shape) == wanted:
            return (
                f"The model was given one sample {tuple(first.shape)} without a batch dimension; add it: x.unsqueeze(0)"
            )
        for start in range(len(shape) - 1):
            if math.prod(shape[start:]) == wanted:
                sizes = " x ".join(str(n) for n in shape[start:])
                return f"The last dimension must be {wanted} = {sizes}: flatten before this layer, x.flatten({start})"
        return (
            f"The last dimension must equal in_features = {wanted}. Build the layer for this data, "
            f"nn.Linear({shape[-1]}, {self.out_features}), or reshape the input to (..., {wanted})."
        )


class NonDynamicallyQuantizableLinear(Linear):
    """Linear under the name that attention layers print."""


class Bilinear(Module):
    """y = x1ᵀ A x2 + b, one matrix for each output.

    Shape: (*, in1_features), (*, in2_features) -> (*, out_features)
    weight (out, in1, in2), bias (out,): both start uniform in ±1/sqrt(in1_features).
    """

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, device=None, dtype=None
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got {in1_features}")
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = new_parameter(out_features, in1_features, in2_features, device=device, dtype=dtype)
        if bias:
            self.bias = new_parameter(out_features, device=device, dtype=dtype)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.weight.shape[1])
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1, input2):
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )
