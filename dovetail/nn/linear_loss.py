"""LinearCrossEntropyLoss: the last layer of a classifier and its loss in one module."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from dovetail.base.dtypes import DType, bfloat16, float16, float32, float64
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.nn import functional as F
from dovetail.nn.layers.linear import Linear
from dovetail.nn.losses import _WeightedLoss
from dovetail.tensor.tensor import Tensor

POLICIES = ("auto", "accurate", "balanced", "compact")


@dataclasses.dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """How torch cuts the scores into pieces. Checked and kept; here the compiler decides what is kept in memory.

    Raises: ArgumentError (a ValueError) for a value that torch does not take either.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: Literal["accurate", "balanced", "compact", "auto"] = "auto"
    acc_dtype: DType | None = None

    def __post_init__(self) -> None:
        if self.acc_policy not in POLICIES:
            raise ArgumentError(f"invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method not in (None, "auto"):
            name, colon, factor = str(self.chunking_method).partition(":")
            if name != "aspect_ratio" or (colon and not (factor.isdigit() and int(factor) > 0)):
                raise ArgumentError(f"invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ArgumentError(f"batch_chunk_size must be positive int or None, got {size!r}")
        if self.acc_dtype not in (None, float16, bfloat16, float32, float64):
            raise ArgumentError(f"acc_dtype must be None or a floating-point dtype, got {self.acc_dtype!r}")


class LinearCrossEntropyLoss(_WeightedLoss):
    """cross_entropy of a linear layer's scores; the layer is the member `linear`, without bias unless asked for.

    Shape: input (N, in_features) or (in_features,); target (N, *out_features) of class numbers, or
    (N, num_classes, *out_features) with probabilities -> ()
    Raises: ShapeError for a weight that is not one number for each class.

    >>> import dovetail
    >>> loss = LinearCrossEntropyLoss(5, 10, out_features=(4, 3))
    >>> loss(dovetail.randn(2, 5), dovetail.randint(0, 10, (2, 4, 3))).shape
    dovetail.Size([])
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device=None,
        dtype=None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:
        if weight is not None and tuple(weight.shape) != (num_classes,):
            problem = f"expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}"
            raise ShapeError(message("LinearCrossEntropyLoss", problem))
        if not 0 <= label_smoothing <= 1:
            problem = f"expected label_smoothing to be in range [0, 1], got {label_smoothing}"
            raise ArgumentError(message("LinearCrossEntropyLoss", problem))
        super().__init__(weight, None, None, reduction)
        self.num_classes, self.out_features = num_classes, out_features
        self.ignore_index, self.label_smoothing, self.options = ignore_index, label_smoothing, options
        width = math.prod(out_features, start=num_classes)
        self.linear = Linear(in_features, width, bias=bias, device=device, dtype=dtype)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        classes = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return F.linear_cross_entropy(
            input,
            self.linear.weight.reshape((*classes, self.linear.in_features)),
            target,
            linear_bias=None if bias is None else bias.reshape(classes),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
        )

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, out_features={self.out_features}, "
            f"bias={self.linear.bias is not None}, reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )
