"""SqueezeNet: AlexNet's accuracy with fifty times fewer parameters."""

from __future__ import annotations

from dovetail import nn
from dovetail.base.errors import ArgumentError, message
from dovetail.nn import init
from dovetail.ops.shape import cat
from dovetail.tensor.tensor import Tensor
from dovetail.vision.models import trained
from dovetail.vision.models.weights import model

FIRST = {"1_0": (96, 7), "1_1": (64, 3)}  # width and size of the first convolution
FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
POOLS = {"1_0": (0, 3, 7), "1_1": (0, 2, 4)}  # a pooling stands before these fire modules


class Fire(nn.Module):
    """A 1x1 convolution that squeezes, then 1x1 and 3x3 convolutions side by side."""

    def __init__(self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int):
        super().__init__()
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, 1)
        self.squeeze_activation = nn.ReLU()
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, 1)
        self.expand1x1_activation = nn.ReLU()
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        return cat([self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    """Eight fire modules and a convolution that classifies.

    Shape: (n, 3, h, w) -> (n, num_classes)
    Source: Iandola et al. 2016, arXiv:1602.07360. Names of parameters as torchvision.models.SqueezeNet.
    """

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5):
        super().__init__()
        if version not in FIRST:
            raise ArgumentError(message("SqueezeNet", f"no version {version!r}", [("versions", sorted(FIRST))]))
        self.num_classes = num_classes
        self.features = make_features(version)
        last = nn.Conv2d(512, num_classes, 1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), last, nn.ReLU(), nn.AdaptiveAvgPool2d((1, 1)))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is last:
                    init.normal_(module.weight, mean=0.0, std=0.01)
                else:
                    init.kaiming_uniform_(module.weight)
                init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).flatten(1)


def make_features(version: str) -> nn.Sequential:
    """The layers before the classifier; version 1.1 pools earlier and so does 2.4 times less work."""
    width, size = FIRST[version]
    layers: list[nn.Module] = [nn.Conv2d(3, width, size, stride=2), nn.ReLU()]
    for place, (squeeze, expand) in enumerate(FIRES):
        if place in POOLS[version]:
            layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
        layers.append(Fire(width, squeeze, expand, expand))
        width = 2 * expand
    return nn.Sequential(*layers)


@model(trained.SqueezeNet1_0_Weights)
def squeezenet1_0(**kwargs) -> SqueezeNet:
    """SqueezeNet 1.0."""
    return SqueezeNet("1_0", **kwargs)


@model(trained.SqueezeNet1_1_Weights)
def squeezenet1_1(**kwargs) -> SqueezeNet:
    """SqueezeNet 1.1."""
    return SqueezeNet("1_1", **kwargs)
