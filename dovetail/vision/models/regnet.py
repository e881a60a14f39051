"""RegNet: networks whose widths and depths come from a line with four numbers."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from dovetail import nn
from dovetail.nn import init
from dovetail.tensor.tensor import Tensor
from dovetail.vision.models import trained
from dovetail.vision.models.weights import model
from dovetail.vision.ops.layers import Conv2dNormActivation, SqueezeExcitation, make_divisible

Norm = Callable[[int], nn.Module]


@dataclass(frozen=True)
class Stage:
    """`depth` blocks of `width` channels, in groups of `group_width`."""

    width: int
    depth: int
    group_width: int


def stages(depth: int, w_0: int, w_a: float, w_m: float, group_width: int) -> list[Stage]:
    """The stages of a network with `depth` blocks.

    Widths lie on the line w_0 + w_a * block, moved to powers of w_m and to multiples of eight; equal ones are a stage.
    Source: Radosavovic et al. 2020, arXiv:2003.13678, equations 2 to 4.
    """
    powers = np.round(np.log((np.arange(depth) * w_a + w_0) / w_0) / math.log(w_m))
    widths = (np.round(w_0 * w_m**powers / 8) * 8).astype(int).tolist()
    made = []
    for width in sorted(set(widths)):
        group = min(group_width, width)
        made.append(Stage(make_divisible(width, group), widths.count(width), group))
    return made


class BottleneckTransform(nn.Sequential):
    """1x1, 3x3 in groups, squeeze-and-excitation where asked, 1x1."""

    def __init__(self, channels: int, stage: Stage, stride: int, norm_layer: Norm, se_ratio: float | None):
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer)
        width = stage.width
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["a"] = unit(channels, width, 1)
        layers["b"] = unit(width, width, 3, stride, groups=width // stage.group_width)
        if se_ratio:
            layers["se"] = SqueezeExcitation(width, round(se_ratio * channels))
        layers["c"] = unit(width, width, 1, activation_layer=None)
        super().__init__(layers)


class ResBottleneckBlock(nn.Module):
    """The transform beside a shortcut."""

    def __init__(self, channels: int, stage: Stage, stride: int, norm_layer: Norm, se_ratio: float | None):
        super().__init__()
        self.proj = None
        if channels != stage.width or stride != 1:
            self.proj = Conv2dNormActivation(
                channels, stage.width, 1, stride, norm_layer=norm_layer, activation_layer=None
            )
        self.f = BottleneckTransform(channels, stage, stride, norm_layer, se_ratio)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation((x if self.proj is None else self.proj(x)) + self.f(x))


class RegNet(nn.Module):
    """A stem, the stages, the average over the picture, one fully connected layer.

    Shape: (n, 3, h, w) -> (n, num_classes)
    Source: Radosavovic et al. 2020, arXiv:2003.13678. Names of parameters as torchvision.models.RegNet.
    """

    def __init__(
        self,
        block_params: list[Stage],
        se_ratio: float | None = None,
        num_classes: int = 1000,
        stem_width: int = 32,
        norm_layer: Norm | None = None,
    ):
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        self.stem = Conv2dNormActivation(3, stem_width, 3, 2, norm_layer=norm)
        width, groups = stem_width, OrderedDict()
        for number, stage in enumerate(block_params, 1):
            blocks = OrderedDict()
            for place in range(stage.depth):
                block = ResBottleneckBlock(width, stage, 1 if place else 2, norm, se_ratio)
                blocks[f"block{number}-{place}"] = block
                width = stage.width
            groups[f"block{number}"] = nn.Sequential(blocks)
        self.trunk_output = nn.Sequential(groups)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                init.normal_(module.weight, mean=0.0, std=math.sqrt(2.0 / fan_out))
            elif isinstance(module, nn.Linear):
                init.normal_(module.weight, mean=0.0, std=0.01)
                init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.avgpool(self.trunk_output(self.stem(x))).flatten(1))


def make_regnet(line: tuple, se_ratio: float | None, options: dict) -> RegNet:
    options.setdefault("norm_layer", partial(nn.BatchNorm2d, eps=1e-5, momentum=0.1))
    return RegNet(stages(*line), se_ratio, **options)


@model(trained.RegNet_Y_400MF_Weights)
def regnet_y_400mf(**kwargs) -> RegNet:
    """RegNetY 400MF: 4.3 million parameters."""
    return make_regnet((16, 48, 27.89, 2.09, 8), 0.25, kwargs)


@model(trained.RegNet_Y_800MF_Weights)
def regnet_y_800mf(**kwargs) -> RegNet:
    """RegNetY 800MF: 6.4 million parameters."""
    return make_regnet((14, 56, 38.84, 2.4, 16), 0.25, kwargs)


@model(trained.RegNet_Y_1_6GF_Weights)
def regnet_y_1_6gf(**kwargs) -> RegNet:
    """RegNetY 1.6GF: 11.2 million parameters."""
    return make_regnet((27, 48, 20.71, 2.65, 24), 0.25, kwargs)


@model(trained.RegNet_Y_3_2GF_Weights)
def regnet_y_3_2gf(**kwargs) -> RegNet:
    """RegNetY 3.2GF: 19.4 million parameters."""
    return make_regnet((21, 80, 42.63, 2.66, 24), 0.25, kwargs)


@model(trained.RegNet_Y_8GF_Weights)
def regnet_y_8gf(**kwargs) -> RegNet:
    """RegNetY 8GF: 39.4 million parameters."""
    return make_regnet((17, 192, 76.82, 2.19, 56), 0.25, kwargs)


@model(trained.RegNet_Y_16GF_Weights)
def regnet_y_16gf(**kwargs) -> RegNet:
    """RegNetY 16GF: 83.6 million parameters."""
    return make_regnet((18, 200, 106.23, 2.48, 112), 0.25, kwargs)


@model(trained.RegNet_Y_32GF_Weights)
def regnet_y_32gf(**kwargs) -> RegNet:
    """RegNetY 32GF: 145.0 million parameters."""
    return make_regnet((20, 232, 115.89, 2.53, 232), 0.25, kwargs)


@model(trained.RegNet_Y_128GF_Weights)
def regnet_y_128gf(**kwargs) -> RegNet:
    """RegNetY 128GF: 644.8 million parameters."""
    return make_regnet((27, 456, 160.83, 2.52, 264), 0.25, kwargs)


@model(trained.RegNet_X_400MF_Weights)
def regnet_x_400mf(**kwargs) -> RegNet:
    """RegNetX 400MF: 5.5 million parameters."""
    return make_regnet((22, 24, 24.48, 2.54, 16), None, kwargs)


@model(trained.RegNet_X_800MF_Weights)
def regnet_x_800mf(**kwargs) -> RegNet:
    """RegNetX 800MF: 7.3 million parameters."""
    return make_regnet((16, 56, 35.73, 2.28, 16), None, kwargs)


@model(trained.RegNet_X_1_6GF_Weights)
def regnet_x_1_6gf(**kwargs) -> RegNet:
    """RegNetX 1.6GF: 9.2 million parameters."""
    return make_regnet((18, 80, 34.01, 2.25, 24), None, kwargs)


@model(trained.RegNet_X_3_2GF_Weights)
def regnet_x_3_2gf(**kwargs) -> RegNet:
    """RegNetX 3.2GF: 15.3 million parameters."""
    return make_regnet((25, 88, 26.31, 2.25, 48), None, kwargs)


@model(trained.RegNet_X_8GF_Weights)
def regnet_x_8gf(**kwargs) -> RegNet:
    """RegNetX 8GF: 39.6 million parameters."""
    return make_regnet((23, 80, 49.56, 2.88, 120), None, kwargs)


@model(trained.RegNet_X_16GF_Weights)
def regnet_x_16gf(**kwargs) -> RegNet:
    """RegNetX 16GF: 54.3 million parameters."""
    return make_regnet((22, 216, 55.59, 2.1, 128), None, kwargs)


@model(trained.RegNet_X_32GF_Weights)
def regnet_x_32gf(**kwargs) -> RegNet:
    """RegNetX 32GF: 107.8 million parameters."""
    return make_regnet((23, 320, 69.86, 2.0, 168), None, kwargs)
