"""Blocks that the small networks share: convolution with normalization, squeeze-and-excitation, skipped branches."""

from __future__ import annotations

from collections.abc import Callable

from dovetail import nn
from dovetail.nn import functional as F
from dovetail.ops.random import rand
from dovetail.tensor.tensor import Tensor


class Conv2dNormActivation(nn.Sequential):
    """Convolution (0), normalization (1), activation (2). The size is kept at stride 1.

    Shape: (n, in_channels, h, w) -> (n, out_channels, h / stride, w / stride)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        groups: int = 1,
        norm_layer: Callable[[int], nn.Module] = nn.BatchNorm2d,
        activation_layer: Callable[[], nn.Module] | None = nn.ReLU,
        dilation: int = 1,
    ):
        padding = (kernel_size - 1) // 2 * dilation
        conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias=False)
        layers = [conv, norm_layer(out_channels)]
        if activation_layer is not None:
            layers.append(activation_layer())
        super().__init__(*layers)
        self.out_channels = out_channels


class SqueezeExcitation(nn.Module):
    """Weighs the channels by what the whole picture shows.

    Shape: (n, c, h, w) -> (n, c, h, w)
    Source: Hu et al. 2017, arXiv:1709.01507.
    """

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Callable[[], nn.Module] = nn.ReLU,
        scale_activation: Callable[[], nn.Module] = nn.Sigmoid,
    ):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, x: Tensor) -> Tensor:
        scale = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        return x * self.scale_activation(scale)


class StochasticDepth(nn.Module):
    """While training, drops a residual branch of each picture (mode="row") or of the whole batch with probability p.

    Source: Huang et al. 2016, arXiv:1603.09382.
    """

    def __init__(self, p: float, mode: str = "row"):
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.p:
            return x
        if self.p >= 1:
            return x * 0
        rows = x.shape[0] if self.mode == "row" else 1
        kept = (rand(rows, *[1] * (x.ndim - 1)) >= self.p).to(x.dtype)
        return x * (kept / (1 - self.p))


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
