"""MobileNetV2: inverted residuals with linear bottlenecks."""

from __future__ import annotations

from dovetail import nn
from dovetail.tensor.tensor import Tensor
from dovetail.vision.models import trained
from dovetail.vision.models.start import start_convolutions, start_linear
from dovetail.vision.models.weights import model
from dovetail.vision.ops.layers import Conv2dNormActivation, make_divisible

SETTING = (  # expansion, channels, repeats, stride of the first: table 2 of the paper
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """1x1 to more channels, 3x3 within each channel, 1x1 to fewer; beside a shortcut where shapes allow."""

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: int):
        super().__init__()
        hidden = inp * expand_ratio
        self.use_res_connect = stride == 1 and inp == oup
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(Conv2dNormActivation(inp, hidden, 1, activation_layer=nn.ReLU6))
        layers += [
            Conv2dNormActivation(hidden, hidden, stride=stride, groups=hidden, activation_layer=nn.ReLU6),
            nn.Conv2d(hidden, oup, 1, bias=False),
            nn.BatchNorm2d(oup),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """A stem, seventeen inverted residuals, a 1x1 convolution, one fully connected layer.

    Shape: (n, 3, h, w) -> (n, num_classes)
    Source: Sandler et al. 2018, arXiv:1801.04381. Names of parameters as torchvision.models.MobileNetV2.
    """

    def __init__(self, num_classes: int = 1000, width_mult: float = 1.0, dropout: float = 0.2):
        super().__init__()
        width = make_divisible(32 * width_mult)
        self.last_channel = make_divisible(1280 * max(1.0, width_mult))
        features: list[nn.Module] = [Conv2dNormActivation(3, width, stride=2, activation_layer=nn.ReLU6)]
        for expansion, channels, repeats, stride in SETTING:
            out = make_divisible(channels * width_mult)
            for place in range(repeats):
                features.append(InvertedResidual(width, out, 1 if place else stride, expansion))
                width = out
        features.append(Conv2dNormActivation(width, self.last_channel, 1, activation_layer=nn.ReLU6))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes))
        start_convolutions(self)
        start_linear(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


@model(trained.MobileNet_V2_Weights)
def mobilenet_v2(**kwargs) -> MobileNetV2:
    """MobileNetV2 at width 1.0 unless `width_mult` says otherwise."""
    return MobileNetV2(**kwargs)
