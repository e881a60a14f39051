"""torch's names for the steps of a gradient, from the op that the user called and how it was called."""

from __future__ import annotations

from typing import Any

from dovetail.ir.core import Region, Value
from dovetail.tensor.trace import HOLE


def step_name(op_name: str) -> str:
    """torch's name for the gradient step of an op; the Origin of a value knows how the op was called."""
    name = op_name.strip("_")
    known = getattr(op_name, "step", "") or STEP_NAMES.get(name)
    return known or "".join(w.capitalize() for w in name.split("_")) + "Backward0"


def step_of(region: Region) -> str:
    """The name where it depends on the arguments; "" where the op's name decides."""
    rule = RULES.get(region.name.strip("_"))
    return "" if rule is None else rule(region.settings.get("args", ()), region.inputs)


def with_dim(name: str, whole: int) -> Any:
    """A reduction over all dims or over some: the one is number `whole`, the other 1 - whole."""
    def rule(args: tuple, inputs: tuple) -> str:
        over_all = all(a is HOLE or a is None or a == () for a in args[:2])
        return f"{name}Backward{whole if over_all else 1 - whole}"

    return rule


def of_power(args: tuple, inputs: tuple) -> str:
    return "PowBackward1" if args[1:2] == (HOLE,) else "PowBackward0"


def of_index(args: tuple, inputs: tuple) -> str:
    """What torch does last: parts of an index are taken from left to right."""
    index = args[1] if len(args) > 1 else None
    items = index if isinstance(index, tuple) and (not index or index[0] != "slice") else (index,)
    if len(inputs) > 1:
        return "IndexBackward0"
    name = "AliasBackward0"
    for item in items:
        if isinstance(item, tuple) and item[0] == "slice":
            name = "SliceBackward0" if item[1] != (None, None, None) else name
        elif item is None:
            name = "UnsqueezeBackward0"
        elif item is not Ellipsis:
            name = "SelectBackward0"
    return name


def of_clamp(args: tuple, inputs: tuple) -> str:
    return "ClampBackward0" if len(inputs) > 1 else "ClampBackward1"


def of_matmul(args: tuple, inputs: tuple) -> str:
    ranks = tuple(x.ndim for x in inputs if isinstance(x, Value))
    return PRODUCTS.get(ranks, "UnsafeViewBackward0")


def of_linear(args: tuple, inputs: tuple) -> str:
    flat = inputs[0].ndim == 2
    if len(inputs) > 2:
        return "AddmmBackward0" if flat else "ViewBackward0"
    return "MmBackward0" if flat else "UnsafeViewBackward0"


PRODUCTS: dict[tuple, str] = {  # by the factors' ranks
    (2, 2): "MmBackward0", (2, 1): "MvBackward0", (1, 1): "DotBackward0", (1, 2): "SqueezeBackward4",
}  # fmt: skip
RULES = {
    "sum": with_dim("Sum", 0), "mean": with_dim("Mean", 0), "max": with_dim("Max", 1), "min": with_dim("Min", 1),
    "prod": with_dim("Prod", 0), "pow": of_power, "getitem": of_index, "clamp": of_clamp, "matmul": of_matmul,
    "linear": of_linear,
}  # fmt: skip
STEP_NAMES = {
    "linear": "AddmmBackward0", "cross_entropy": "NllLossBackward0", "nll_loss": "NllLossBackward0",
    "matmul": "MmBackward0", "log_softmax": "LogSoftmaxBackward0", "getitem": "SelectBackward0",
    "permute": "PermuteBackward0", "reshape": "ViewBackward0", "flatten": "ViewBackward0", "ravel": "ViewBackward0",
    "binary_cross_entropy_with_logits": "BinaryCrossEntropyWithLogitsBackward0",
    "rsub": "RsubBackward1", "rdiv": "MulBackward0", "rpow": "PowBackward2", "T": "PermuteBackward0",
    "mT": "TransposeBackward0", "movedim": "PermuteBackward0", "adjoint": "TransposeBackward0",
    "norm": "LinalgVectorNormBackward0", "vector_norm": "LinalgVectorNormBackward0", "dropout": "MulBackward0",
    "to": "ToCopyBackward0", "type_as": "ToCopyBackward0", "cast": "ToCopyBackward0",
    "chunk": "SplitBackward0", "narrow": "SliceBackward0", "square": "PowBackward0", "log1p": "Log1PBackward0",
    "einsum": "ViewBackward0", "l1_loss": "MeanBackward0", "kl_div": "MeanBackward0", "outer": "MulBackward0",
    "layer_norm": "NativeLayerNormBackward0", "batch_norm": "NativeBatchNormBackward0",
    "group_norm": "NativeGroupNormBackward0", "conv1d": "ConvolutionBackward0", "conv2d": "ConvolutionBackward0",
    "conv3d": "ConvolutionBackward0", "conv_transpose1d": "ConvolutionBackward0",
    "conv_transpose2d": "ConvolutionBackward0", "conv_transpose3d": "ConvolutionBackward0",
    "max_pool2d": "MaxPool2DWithIndicesBackward0", "max_pool_values": "MaxPool2DWithIndicesBackward0",
    "avg_pool2d": "AvgPool2DBackward0", "adaptive_avg_pool2d": "MeanBackward1",
    "interpolate": "UpsampleNearest2DBackward0", "det": "LinalgDetBackward0", "inverse": "LinalgInvExBackward0",
    "inv": "LinalgInvExBackward0", "pad": "ConstantPadNdBackward0", "prelu": "PreluKernelBackward0",
    "logsigmoid": "LogSigmoidBackward0",
}  # fmt: skip
