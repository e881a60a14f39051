"""MobileNetV3: inverted residuals with squeeze-and-excitation and hard swish."""

from __future__ import annotations

from functools import partial

from dovetail import nn
from dovetail.tensor.tensor import Tensor
from dovetail.vision.models import trained
from dovetail.vision.models.start import start_convolutions, start_linear
from dovetail.vision.models.weights import model
from dovetail.vision.ops.layers import Conv2dNormActivation, SqueezeExcitation, make_divisible

# channels in, kernel, expanded, channels out, squeeze-and-excitation, hard swish, stride: tables 1 and 2 of the paper
LARGE = (
    (16, 3, 16, 16, False, False, 1),
    (16, 3, 64, 24, False, False, 2),
    (24, 3, 72, 24, False, False, 1),
    (24, 5, 72, 40, True, False, 2),
    (40, 5, 120, 40, True, False, 1),
    (40, 5, 120, 40, True, False, 1),
    (40, 3, 240, 80, False, True, 2),
    (80, 3, 200, 80, False, True, 1),
    (80, 3, 184, 80, False, True, 1),
    (80, 3, 184, 80, False, True, 1),
    (80, 3, 480, 112, True, True, 1),
    (112, 3, 672, 112, True, True, 1),
    (112, 5, 672, 160, True, True, 2),
    (160, 5, 960, 160, True, True, 1),
    (160, 5, 960, 160, True, True, 1),
)
SMALL = (
    (16, 3, 16, 16, True, False, 2),
    (16, 3, 72, 24, False, False, 2),
    (24, 3, 88, 24, False, False, 1),
    (24, 5, 96, 40, True, True, 2),
    (40, 5, 240, 40, True, True, 1),
    (40, 5, 240, 40, True, True, 1),
    (40, 5, 120, 48, True, True, 1),
    (48, 5, 144, 48, True, True, 1),
    (48, 5, 288, 96, True, True, 2),
    (96, 5, 576, 96, True, True, 1),
    (96, 5, 576, 96, True, True, 1),
)
Row = tuple[int, int, int, int, bool, bool, int]
NORM = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)


class InvertedResidual(nn.Module):
    """One row of the table."""

    def __init__(self, row: Row):
        super().__init__()
        width, kernel, expanded, out, squeeze, hard_swish, stride = row
        activation = nn.Hardswish if hard_swish else nn.ReLU
        unit = partial(Conv2dNormActivation, norm_layer=NORM, activation_layer=activation)
        layers: list[nn.Module] = [unit(width, expanded, 1)] if expanded != width else []
        layers.append(unit(expanded, expanded, kernel, stride, groups=expanded))
        if squeeze:
            inner = make_divisible(expanded // 4)
            layers.append(SqueezeExcitation(expanded, inner, scale_activation=nn.Hardsigmoid))
        layers.append(unit(expanded, out, 1, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.use_res_connect = stride == 1 and width == out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.use_res_connect else self.block(x)


class MobileNetV3(nn.Module):
    """A stem, the rows of the table, a 1x1 convolution, two fully connected layers.

    Shape: (n, 3, h, w) -> (n, num_classes)
    Source: Howard et al. 2019, arXiv:1905.02244. Names of parameters as torchvision.models.MobileNetV3.
    """

    def __init__(self, setting: tuple[Row, ...], last_channel: int, num_classes: int = 1000, dropout: float = 0.2):
        super().__init__()
        unit = partial(Conv2dNormActivation, norm_layer=NORM, activation_layer=nn.Hardswish)
        width = setting[-1][3]
        self.features = nn.Sequential(
            unit(3, setting[0][0], stride=2), *[InvertedResidual(row) for row in setting], unit(width, 6 * width, 1)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * width, last_channel),
            nn.Hardswish(),
            nn.Dropout(dropout),
            nn.Linear(last_channel, num_classes),
        )
        start_convolutions(self)
        start_linear(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


@model(trained.MobileNet_V3_Large_Weights)
def mobilenet_v3_large(**kwargs) -> MobileNetV3:
    """The large one: 5.5 million parameters."""
    return MobileNetV3(LARGE, 1280, **kwargs)


@model(trained.MobileNet_V3_Small_Weights)
def mobilenet_v3_small(**kwargs) -> MobileNetV3:
    """The small one: 2.5 million parameters."""
    return MobileNetV3(SMALL, 1024, **kwargs)
