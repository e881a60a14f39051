"""Initial values: fill a tensor in place by a published rule and return it. Names and formulas are torch.nn.init's.

Every function takes an optional `generator`; without one the numbers follow manual_seed.
"""

from __future__ import annotations

import functools
import math
import warnings

from dovetail.base.errors import ArgumentError, message, warn
from dovetail.ops.create import empty
from dovetail.ops.create import eye as identity_matrix
from dovetail.ops.index import where
from dovetail.ops.linalg import qr
from dovetail.ops.random import normal_like, randperm, uniform_like
from dovetail.tensor.modes import no_grad
from dovetail.tensor.tensor import Tensor

GAINS = {"sigmoid": 1, "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4, "linear": 1} | {
    f"conv{kind}{n}d": 1 for kind in ("", "_transpose") for n in (1, 2, 3)
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much weights should grow to make up for what the nonlinearity takes away. param: the leaky slope.

    >>> calculate_gain("relu")
    1.4142135623730951

    Raises: ArgumentError (a ValueError) for an unknown name. Source: He et al. 2015; the table of torch.
    """
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, (int, float))):
            raise ArgumentError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in GAINS:
        known = ", ".join(sorted([*GAINS, "leaky_relu"]))
        raise ArgumentError(message("calculate_gain", f"Unsupported nonlinearity {nonlinearity}", [f"known: {known}"]))
    return GAINS[nonlinearity]


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator=None) -> Tensor:
    """Uniform in [a, b)."""
    with no_grad():
        return uniform_like.inplace(tensor, a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator=None) -> Tensor:
    """Normal with the given mean and standard deviation."""
    with no_grad():
        return normal_like.inplace(tensor, mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator=None
) -> Tensor:
    """Normal, drawn again where outside [a, b] (by rejection, so the tails are exact)."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be incorrect."
        )
    likely = _normal_cdf((b - mean) / std) - _normal_cdf((a - mean) / std)
    with no_grad():
        if likely > 0.3:
            _reject_normal(tensor, mean, std, a, b, generator)
        else:
            _reject_uniform(tensor, mean, std, a, b, generator)
    return tensor


def _normal_cdf(x: float) -> float:
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


def _reject_normal(tensor, mean, std, a, b, generator) -> None:
    result = normal_like.inplace(empty(*tensor.shape, dtype=tensor.dtype), mean, std, generator=generator)
    while True:
        outside = (result < a) | (result > b)
        if not outside.any():
            break
        result = where(
            outside,
            normal_like.inplace(empty(*tensor.shape, dtype=tensor.dtype), mean, std, generator=generator),
            result,
        )
    tensor.copy_(result)


def _reject_uniform(tensor, mean, std, a, b, generator) -> None:
    """Uniform candidates kept with the density relative to its peak: for windows that the normal seldom hits."""
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    result, pending = None, None
    while pending is None or pending.any():
        candidates = uniform_like.inplace(empty(*tensor.shape, dtype=tensor.dtype), a, b, generator=generator)
        chance = uniform_like.inplace(empty(*tensor.shape, dtype=tensor.dtype), generator=generator).log()
        refused = chance > ((candidates - mean) / std) ** 2 * -0.5 - peak
        result = candidates if pending is None else where(pending, candidates, result)
        pending = refused if pending is None else pending & refused
    tensor.copy_(result)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """One value everywhere."""
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    with no_grad():
        return tensor.zero_()


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix. Raises ArgumentError (a ValueError) unless the tensor has two dimensions."""
    _check_two(tensor)
    with no_grad():
        return tensor.copy_(identity_matrix(*tensor.shape, dtype=tensor.dtype))


def _check_two(tensor: Tensor) -> None:
    if tensor.ndim != 2:
        raise ArgumentError(message("init", "Only tensors with 2 dimensions are supported", [("tensor", tensor)]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution kernel that passes as many channels on unchanged as it can; each group by itself."""
    if tensor.ndim not in (3, 4, 5):
        raise ArgumentError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups:
        raise ArgumentError("dim 0 must be divisible by groups")
    per_group = tensor.shape[0] // groups
    middle = tuple(n // 2 for n in tensor.shape[2:])
    values = tensor.detach().clone().zero_().numpy()
    for group in range(groups):
        for d in range(min(per_group, tensor.shape[1])):
            values[(group * per_group + d, d, *middle)] = 1
    with no_grad():
        return tensor.copy_(Tensor.from_array(values))


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """(inputs of one output, outputs of one input) of a weight (out, in, *kernel)."""
    if tensor.ndim < 2:
        raise ArgumentError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    receptive = math.prod(tensor.shape[2:])
    return tensor.shape[1] * receptive, tensor.shape[0] * receptive


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ArgumentError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return _calculate_fan_in_and_fan_out(tensor)[mode.lower() == "fan_out"]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator=None) -> Tensor:
    """Uniform in ±gain * sqrt(6 / (fan_in + fan_out)). Source: Glorot & Bengio 2010."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    bound = math.sqrt(3.0) * gain * math.sqrt(2.0 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator=None) -> Tensor:
    """Normal with std gain * sqrt(2 / (fan_in + fan_out)). Source: Glorot & Bengio 2010."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator=None
) -> Tensor:
    """Uniform in ±gain * sqrt(3 / fan). a: the leaky slope. Source: He et al. 2015."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    bound = math.sqrt(3.0) * calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator=None
) -> Tensor:
    """Normal with std gain / sqrt(fan). a: the leaky slope. Source: He et al. 2015."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))
    return normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator=None) -> Tensor:
    """A (semi-)orthogonal matrix, uniformly distributed; dimensions after the first count as one.

    Source: Saxe et al. 2013; the sign correction is Mezzadri 2007.
    """
    if tensor.ndim < 2:
        raise ArgumentError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    cols = tensor.numel() // rows
    with no_grad():
        flat = normal_like.inplace(empty(rows, cols, dtype=tensor.dtype), generator=generator)
        q, r = qr(flat.t() if rows < cols else flat)
        q = q * r.diagonal().sign()
        return tensor.copy_(((q.t() if rows < cols else q) * gain).reshape(tensor.shape))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator=None) -> Tensor:
    """Normal, with a share `sparsity` of every column zero. Source: Martens 2010."""
    _check_two(tensor)
    rows, cols = tensor.shape
    zeros = math.ceil(sparsity * rows)
    values = normal_like.inplace(empty(rows, cols, dtype=tensor.dtype), 0, std, generator=generator).numpy()
    for column in range(cols):
        values[randperm(rows, generator=generator).numpy()[:zeros], column] = 0
    with no_grad():
        return tensor.copy_(Tensor.from_array(values))


def _older(function):
    """The name without the underscore, which warns."""
    name = function.__name__[:-1]

    @functools.wraps(function)
    def deprecated(*args, **kwargs):
        warnings.warn(f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`.", FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    deprecated.__name__ = name
    return deprecated


uniform, normal, constant, eye, dirac = map(_older, (uniform_, normal_, constant_, eye_, dirac_))
xavier_uniform, xavier_normal = map(_older, (xavier_uniform_, xavier_normal_))
kaiming_uniform, kaiming_normal = map(_older, (kaiming_uniform_, kaiming_normal_))
orthogonal, sparse = map(_older, (orthogonal_, sparse_))
