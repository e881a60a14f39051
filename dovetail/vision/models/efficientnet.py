"""EfficientNet-B0: mobile inverted bottlenecks found by search."""

from __future__ import annotations

import math
from functools import partial

from dovetail import nn
from dovetail.nn import init
from dovetail.tensor.tensor import Tensor
from dovetail.vision.models.blocks import Conv2dNormActivation, SqueezeExcitation, StochasticDepth
from dovetail.vision.models.start import start_convolutions
from dovetail.vision.models.weights import no_weights

SETTING = (  # expansion, kernel, stride, channels, layers: table 1 of the paper
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


class MBConv(nn.Module):
    """Expand, convolve within each channel, weigh the channels, project; beside a shortcut where shapes allow."""

    def __init__(self, width: int, out: int, expansion: int, kernel: int, stride: int, drop: float):
        super().__init__()
        inner = width * expansion
        unit = partial(Conv2dNormActivation, activation_layer=nn.SiLU)
        layers: list[nn.Module] = [unit(width, inner, 1)] if inner != width else []
        layers += [
            unit(inner, inner, kernel, stride, groups=inner),
            SqueezeExcitation(inner, max(1, width // 4), activation=nn.SiLU),
            unit(inner, out, 1, activation_layer=None),
        ]
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(drop, "row")
        self.use_res_connect = stride == 1 and width == out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.stochastic_depth(self.block(x)) if self.use_res_connect else self.block(x)


class EfficientNet(nn.Module):
    """A stem, seven groups of blocks, a 1x1 convolution, one fully connected layer.

    Shape: (n, 3, h, w) -> (n, num_classes)
    Source: Tan and Le 2019, arXiv:1905.11946. Names of parameters as torchvision.models.EfficientNet.
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.2, stochastic_depth_prob: float = 0.2):
        super().__init__()
        groups: list[nn.Module] = [Conv2dNormActivation(3, 32, stride=2, activation_layer=nn.SiLU)]
        width, place, total = 32, 0, sum(row[4] for row in SETTING)
        for expansion, kernel, stride, channels, layers in SETTING:
            blocks = []
            for nth in range(layers):
                drop = stochastic_depth_prob * place / total
                blocks.append(MBConv(width, channels, expansion, kernel, 1 if nth else stride, drop))
                width, place = channels, place + 1
            groups.append(nn.Sequential(*blocks))
        groups.append(Conv2dNormActivation(width, 4 * width, 1, activation_layer=nn.SiLU))
        self.features = nn.Sequential(*groups)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        last = nn.Linear(4 * width, num_classes)
        self.classifier = nn.Sequential(nn.Dropout(dropout), last)
        start_convolutions(self)
        bound = 1.0 / math.sqrt(num_classes)
        init.uniform_(last.weight, -bound, bound)
        init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def efficientnet_b0(*, weights: object = None, progress: bool = True, **kwargs) -> EfficientNet:
    """EfficientNet-B0: 5.3 million parameters."""
    no_weights("efficientnet_b0", weights)
    return EfficientNet(**kwargs)
