"""What PyTorch keeps for a gradient, so that programs which write over it are refused here as they are there."""

from __future__ import annotations

from dovetail.ir.core import Node, Region, Value

SAVE_RESULT = frozenset(  # ops whose gradient is computed from what they returned
    "sigmoid tanh exp exp2 expm1 sqrt rsqrt reciprocal tan softmax log_softmax relu cumprod".split()
)
SAVE_INPUTS = frozenset(  # ops whose gradient is computed from what they were given
    "mul multiply div true_divide pow square sin cos log log2 log10 log1p abs matmul mm bmm mv dot linear conv1d "
    "conv2d conv3d gelu silu softplus mse_loss layer_norm batch_norm group_norm erf atan leaky_relu maximum minimum "
    "einsum".split()
)


def top(region: Region | None) -> Region | None:
    """The region of the op that the user called; a gradient's region has the inputs of the op it belongs to."""
    while region is not None and region.parent is not None:
        region = region.parent
    return region


def op_of(node: Node) -> str:
    """The op whose gradient a node computes."""
    region = top(node.region)
    return "" if region is None else region.name.removesuffix(".grad")


def kept_as(node: Node, v: Value) -> str:
    """What `v` is to the op whose gradient `node` computes, if PyTorch would keep it: "result", "input" or ""."""
    region = top(node.region)
    if region is None:
        return ""
    plain = region.name.removesuffix(".grad").removesuffix("_")
    made = top(v.node.region) if v.node is not None else None
    own = made is not None and made.inputs is region.inputs
    if plain in SAVE_RESULT and own:
        return "result"
    return "input" if plain in SAVE_INPUTS and not own else ""
