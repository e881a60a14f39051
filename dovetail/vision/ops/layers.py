"""Layers that the networks share: convolution with normalization, squeeze-and-excitation, skipped branches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dovetail import nn
from dovetail.base.errors import ArgumentError, message
from dovetail.nn import functional as F
from dovetail.ops.create import ones, zeros
from dovetail.ops.random import rand
from dovetail.tensor.tensor import Tensor

Make = Callable[..., nn.Module]


def spread(value: int | Sequence[int], dims: int) -> tuple[int, ...]:
    """One number for each axis."""
    return (value,) * dims if isinstance(value, int) else tuple(value)


class ConvNormActivation(nn.Sequential):
    """Convolution (0), normalization (1), activation (2). The size is kept at stride 1.

    padding: None keeps the size. bias: None means a bias where there is no normalization.
    Source: agrees with torchvision.ops.misc.ConvNormActivation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int] = 3,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str | None = None,
        groups: int = 1,
        norm_layer: Make | None = nn.BatchNorm2d,
        activation_layer: Make | None = nn.ReLU,
        dilation: int | Sequence[int] = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
        conv_layer: Make = nn.Conv2d,
    ):
        if padding is None:
            dims = 3 if conv_layer is nn.Conv3d else 2
            sizes, steps = spread(kernel_size, dims), spread(dilation, dims)
            padding = tuple((size - 1) // 2 * step for size, step in zip(sizes, steps, strict=True))
        with_bias = norm_layer is None if bias is None else bias
        layers = [conv_layer(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias=with_bias)]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer() if inplace is None else activation_layer(inplace=inplace))
        super().__init__(*layers)
        self.out_channels = out_channels


class Conv2dNormActivation(ConvNormActivation):
    """ConvNormActivation for pictures.

    Shape: (n, in_channels, h, w) -> (n, out_channels, h / stride, w / stride)
    """


class Conv3dNormActivation(ConvNormActivation):
    """ConvNormActivation for films and volumes.

    Shape: (n, in_channels, t, h, w) -> (n, out_channels, t / stride, h / stride, w / stride)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int] = 3,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str | None = None,
        groups: int = 1,
        norm_layer: Make | None = nn.BatchNorm3d,
        activation_layer: Make | None = nn.ReLU,
        dilation: int | Sequence[int] = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ):
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            groups,
            norm_layer,
            activation_layer,
            dilation,
            inplace,
            bias,
            nn.Conv3d,
        )


class SqueezeExcitation(nn.Module):
    """Weighs the channels by what the whole picture shows.

    Shape: (n, c, h, w) -> (n, c, h, w)
    Source: Hu et al. 2017, arXiv:1709.01507.
    """

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Make = nn.ReLU,
        scale_activation: Make = nn.Sigmoid,
    ):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, input: Tensor) -> Tensor:
        scale = self.fc2(self.activation(self.fc1(self.avgpool(input))))
        return self.scale_activation(scale) * input


class MLP(nn.Sequential):
    """Fully connected layers, each but the last followed by normalization, activation and dropout.

    Shape: (*, in_channels) -> (*, hidden_channels[-1])
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Sequence[int],
        norm_layer: Make | None = None,
        activation_layer: Make | None = nn.ReLU,
        inplace: bool | None = None,
        bias: bool = True,
        dropout: float = 0.0,
    ):
        options = {} if inplace is None else {"inplace": inplace}
        layers: list[nn.Module] = []
        for width in hidden_channels[:-1]:
            layers.append(nn.Linear(in_channels, width, bias=bias))
            if norm_layer is not None:
                layers.append(norm_layer(width))
            if activation_layer is not None:
                layers.append(activation_layer(**options))
            layers.append(nn.Dropout(dropout, **options))
            in_channels = width
        layers += [nn.Linear(in_channels, hidden_channels[-1], bias=bias), nn.Dropout(dropout, **options)]
        super().__init__(*layers)


class Permute(nn.Module):
    """Dimensions in another order."""

    def __init__(self, dims: Sequence[int]):
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(*self.dims)


class FrozenBatchNorm2d(nn.Module):
    """Batch normalization whose numbers are buffers: nothing is learnt and nothing is measured.

    Shape: (n, num_features, h, w) -> (n, num_features, h, w)
    """

    def __init__(self, num_features: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", ones(num_features))
        self.register_buffer("bias", zeros(num_features))
        self.register_buffer("running_mean", zeros(num_features))
        self.register_buffer("running_var", ones(num_features))

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        state_dict.pop(prefix + "num_batches_tracked", None)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(self, x: Tensor) -> Tensor:
        scale = (self.weight * (self.running_var + self.eps).rsqrt()).reshape(1, -1, 1, 1)
        return x * scale + (self.bias.reshape(1, -1, 1, 1) - self.running_mean.reshape(1, -1, 1, 1) * scale)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.weight.shape[0]}, eps={self.eps})"


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """Zero for each row (mode="row") or the whole batch (mode="batch") with probability p, else scaled by 1 / (1 - p).

    Source: Huang et al. 2016, arXiv:1603.09382.
    """
    if not 0 <= p <= 1 or mode not in ("batch", "row"):
        facts = [("p", p), ("mode", mode)]
        raise ArgumentError(message("stochastic_depth", "takes p in 0..1 and mode batch or row", facts))
    if not training or not p:
        return input
    kept = (rand(input.shape[0] if mode == "row" else 1, *[1] * (input.ndim - 1)) >= p).to(input.dtype)
    return input * (kept / (1 - p) if p < 1 else kept)


class StochasticDepth(nn.Module):
    """While training, drops a residual branch of each picture (mode="row") or of the whole batch with probability p."""

    def __init__(self, p: float, mode: str):
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, input: Tensor) -> Tensor:
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"


def drop_block(input: Tensor, p: float, block_size: int, inplace: bool, eps: float, training: bool) -> Tensor:
    """Squares (cubes) of `block_size` set to zero, the rest scaled up so that the mean stays."""
    if not training or not p:
        return input
    sizes = input.shape[2:]
    block = min(block_size, *sizes)
    rate = p
    for size in sizes:
        rate = rate * size / ((size - block + 1) * block)
    seeds = (rand(*input.shape[:2], *[size - block + 1 for size in sizes]) < rate).to(input.dtype)
    seeds = F.pad(seeds, [block // 2] * (2 * len(sizes)))
    pool = F.max_pool2d if len(sizes) == 2 else F.max_pool3d
    noise = pool(seeds, block, 1, block // 2)
    if block % 2 == 0:  # an even window reaches one place further on one side
        noise = noise[(..., *[slice(0, size) for size in sizes])]
    kept = 1 - noise
    made = input * kept * (kept.numel() / (kept.sum() + eps))
    return input.copy_(made) if inplace else made


def drop_block2d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-6, training: bool = True
) -> Tensor:
    """While training, squares of the picture are zero.

    Source: Ghiasi et al. 2018, arXiv:1810.12890.
    """
    return drop_block(input, p, block_size, inplace, eps, training)


def drop_block3d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-6, training: bool = True
) -> Tensor:
    """drop_block2d for films and volumes."""
    return drop_block(input, p, block_size, inplace, eps, training)


class DropBlock2d(nn.Module):
    """drop_block2d as a layer."""

    def __init__(self, p: float, block_size: int, inplace: bool = False, eps: float = 1e-6):
        super().__init__()
        self.p, self.block_size, self.inplace, self.eps = p, block_size, inplace, eps

    def forward(self, input: Tensor) -> Tensor:
        return drop_block(input, self.p, self.block_size, self.inplace, self.eps, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, block_size={self.block_size}, inplace={self.inplace})"


class DropBlock3d(DropBlock2d):
    """drop_block3d as a layer."""


class LayerNorm2d(nn.LayerNorm):
    """Normalization over the channels of a picture.

    Shape: (n, c, h, w) -> (n, c, h, w)
    """

    def forward(self, x: Tensor) -> Tensor:
        rows = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return rows.permute(0, 3, 1, 2)


def make_divisible(value: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `value`, but not more than a tenth below it."""
    near = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return near + divisor if near < 0.9 * value else near
