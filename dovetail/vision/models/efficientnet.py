"""EfficientNet: mobile inverted bottlenecks found by search, and the second version with fused ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from dovetail import nn
from dovetail.nn import init
from dovetail.tensor.tensor import Tensor
from dovetail.vision.models import trained
from dovetail.vision.models.start import start_convolutions
from dovetail.vision.models.weights import model
from dovetail.vision.ops.layers import Conv2dNormActivation, SqueezeExcitation, StochasticDepth, make_divisible

Norm = Callable[[int], nn.Module]
LATE_NORM = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)  # B5 to B7
V2_NORM = partial(nn.BatchNorm2d, eps=1e-3)


@dataclass(frozen=True)
class Stage:
    """One row of the paper's table: `layers` blocks, the first with the stride."""

    expansion: int
    kernel: int
    stride: int
    width: int
    out: int
    layers: int
    fused: bool = False


TABLE = (  # table 1 of the first paper
    Stage(1, 3, 1, 32, 16, 1),
    Stage(6, 3, 2, 16, 24, 2),
    Stage(6, 5, 2, 24, 40, 2),
    Stage(6, 3, 2, 40, 80, 3),
    Stage(6, 5, 1, 80, 112, 3),
    Stage(6, 5, 2, 112, 192, 4),
    Stage(6, 3, 1, 192, 320, 1),
)
V2_S = (  # table 4 of the second paper
    Stage(1, 3, 1, 24, 24, 2, fused=True),
    Stage(4, 3, 2, 24, 48, 4, fused=True),
    Stage(4, 3, 2, 48, 64, 4, fused=True),
    Stage(4, 3, 2, 64, 128, 6),
    Stage(6, 3, 1, 128, 160, 9),
    Stage(6, 3, 2, 160, 256, 15),
)
V2_M = (
    Stage(1, 3, 1, 24, 24, 3, fused=True),
    Stage(4, 3, 2, 24, 48, 5, fused=True),
    Stage(4, 3, 2, 48, 80, 5, fused=True),
    Stage(4, 3, 2, 80, 160, 7),
    Stage(6, 3, 1, 160, 176, 14),
    Stage(6, 3, 2, 176, 304, 18),
    Stage(6, 3, 1, 304, 512, 5),
)
V2_L = (
    Stage(1, 3, 1, 32, 32, 4, fused=True),
    Stage(4, 3, 2, 32, 64, 7, fused=True),
    Stage(4, 3, 2, 64, 96, 7, fused=True),
    Stage(4, 3, 2, 96, 192, 10),
    Stage(6, 3, 1, 192, 224, 19),
    Stage(6, 3, 2, 224, 384, 25),
    Stage(6, 3, 1, 384, 640, 7),
)


def scaled(width: float, depth: float) -> tuple[Stage, ...]:
    """The first paper's table, `width` times as many channels and `depth` times as many layers."""
    return tuple(
        Stage(
            row.expansion,
            row.kernel,
            row.stride,
            make_divisible(row.width * width),
            make_divisible(row.out * width),
            math.ceil(row.layers * depth),
        )
        for row in TABLE
    )


class MBConv(nn.Module):
    """Expand, convolve within each channel, weigh the channels, project; beside a shortcut where shapes allow.

    fused: expand and convolve in one, and no weighing of channels.
    """

    def __init__(self, row: Stage, width: int, stride: int, drop: float, norm_layer: Norm):
        super().__init__()
        inner = make_divisible(width * row.expansion)
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        layers: list[nn.Module] = []
        if row.fused:
            layers.append(unit(width, inner if inner != width else row.out, row.kernel, stride))
            if inner != width:
                layers.append(unit(inner, row.out, 1, activation_layer=None))
        else:
            if inner != width:
                layers.append(unit(width, inner, 1))
            layers += [
                unit(inner, inner, row.kernel, stride, groups=inner),
                SqueezeExcitation(inner, max(1, width // 4), activation=partial(nn.SiLU, inplace=True)),
                unit(inner, row.out, 1, activation_layer=None),
            ]
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(drop, "row")
        self.use_res_connect = stride == 1 and width == row.out
        self.out_channels = row.out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.stochastic_depth(self.block(x)) if self.use_res_connect else self.block(x)


class EfficientNet(nn.Module):
    """A stem, the groups of blocks, a 1x1 convolution, one fully connected layer.

    Shape: (n, 3, h, w) -> (n, num_classes)
    Source: Tan and Le 2019, arXiv:1905.11946, and 2021, arXiv:2104.00298. Names of parameters as
    torchvision.models.EfficientNet.
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[Stage] = TABLE,
        dropout: float = 0.2,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Norm | None = None,
        last_channel: int | None = None,
    ):
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        unit = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.SiLU)
        width = inverted_residual_setting[0].width
        groups: list[nn.Module] = [unit(3, width, stride=2)]
        place, total = 0, sum(row.layers for row in inverted_residual_setting)
        for row in inverted_residual_setting:
            blocks = []
            for nth in range(row.layers):
                drop = stochastic_depth_prob * place / total
                blocks.append(MBConv(row, width, 1 if nth else row.stride, drop, norm))
                width, place = row.out, place + 1
            groups.append(nn.Sequential(*blocks))
        last_width = 4 * width if last_channel is None else last_channel
        groups.append(unit(width, last_width, 1))
        self.features = nn.Sequential(*groups)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        last = nn.Linear(last_width, num_classes)
        self.classifier = nn.Sequential(nn.Dropout(dropout, inplace=True), last)
        start_convolutions(self)
        bound = 1.0 / math.sqrt(num_classes)
        init.uniform_(last.weight, -bound, bound)
        init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def first_version(width: float, depth: float, dropout: float, options: dict) -> EfficientNet:
    return EfficientNet(scaled(width, depth), options.pop("dropout", dropout), **options)


def second_version(table: Sequence[Stage], dropout: float, options: dict) -> EfficientNet:
    options = {"norm_layer": V2_NORM, "last_channel": 1280, "dropout": dropout, **options}
    return EfficientNet(table, **options)


@model(trained.EfficientNet_B0_Weights)
def efficientnet_b0(**kwargs) -> EfficientNet:
    """EfficientNet-B0: 5.3 million parameters."""
    return first_version(1.0, 1.0, 0.2, kwargs)


@model(trained.EfficientNet_B1_Weights)
def efficientnet_b1(**kwargs) -> EfficientNet:
    """EfficientNet-B1: 7.8 million parameters."""
    return first_version(1.0, 1.1, 0.2, kwargs)


@model(trained.EfficientNet_B2_Weights)
def efficientnet_b2(**kwargs) -> EfficientNet:
    """EfficientNet-B2: 9.1 million parameters."""
    return first_version(1.1, 1.2, 0.3, kwargs)


@model(trained.EfficientNet_B3_Weights)
def efficientnet_b3(**kwargs) -> EfficientNet:
    """EfficientNet-B3: 12.2 million parameters."""
    return first_version(1.2, 1.4, 0.3, kwargs)


@model(trained.EfficientNet_B4_Weights)
def efficientnet_b4(**kwargs) -> EfficientNet:
    """EfficientNet-B4: 19.3 million parameters."""
    return first_version(1.4, 1.8, 0.4, kwargs)


@model(trained.EfficientNet_B5_Weights)
def efficientnet_b5(**kwargs) -> EfficientNet:
    """EfficientNet-B5: 30.4 million parameters."""
    return first_version(1.6, 2.2, 0.4, {"norm_layer": LATE_NORM, **kwargs})


@model(trained.EfficientNet_B6_Weights)
def efficientnet_b6(**kwargs) -> EfficientNet:
    """EfficientNet-B6: 43.0 million parameters."""
    return first_version(1.8, 2.6, 0.5, {"norm_layer": LATE_NORM, **kwargs})


@model(trained.EfficientNet_B7_Weights)
def efficientnet_b7(**kwargs) -> EfficientNet:
    """EfficientNet-B7: 66.3 million parameters."""
    return first_version(2.0, 3.1, 0.5, {"norm_layer": LATE_NORM, **kwargs})


@model(trained.EfficientNet_V2_S_Weights)
def efficientnet_v2_s(**kwargs) -> EfficientNet:
    """EfficientNetV2-S: 21.5 million parameters."""
    return second_version(V2_S, 0.2, kwargs)


@model(trained.EfficientNet_V2_M_Weights)
def efficientnet_v2_m(**kwargs) -> EfficientNet:
    """EfficientNetV2-M: 54.1 million parameters."""
    return second_version(V2_M, 0.3, kwargs)


@model(trained.EfficientNet_V2_L_Weights)
def efficientnet_v2_l(**kwargs) -> EfficientNet:
    """EfficientNetV2-L: 118.5 million parameters."""
    return second_version(V2_L, 0.4, kwargs)
