"""DenseNet: each layer reads the outputs of all layers before it."""

from __future__ import annotations

from collections import OrderedDict

from dovetail import nn
from dovetail.nn import functional as F
from dovetail.nn import init
from dovetail.ops.shape import cat
from dovetail.tensor.tensor import Tensor
from dovetail.vision.models import trained
from dovetail.vision.models.start import start_convolutions
from dovetail.vision.models.weights import model


class DenseLayer(nn.Module):
    """Normalization, ReLU and convolution, twice: 1x1 down to bn_size * growth_rate channels, then 3x3."""

    def __init__(self, num_input_features: int, growth_rate: int, bn_size: int, drop_rate: float):
        super().__init__()
        inner = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(num_input_features, inner, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(inner, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = float(drop_rate)

    def forward(self, features: list[Tensor]) -> Tensor:
        x = self.conv1(self.relu1(self.norm1(cat(features, 1))))
        x = self.conv2(self.relu2(self.norm2(x)))
        return F.dropout(x, self.drop_rate, self.training) if self.drop_rate else x


class DenseBlock(nn.ModuleDict):
    """Layers that each add `growth_rate` channels to what they were given."""

    def __init__(self, num_layers: int, num_input_features: int, bn_size: int, growth_rate: int, drop_rate: float):
        super().__init__()
        for place in range(num_layers):
            layer = DenseLayer(num_input_features + place * growth_rate, growth_rate, bn_size, drop_rate)
            self.add_module(f"denselayer{place + 1}", layer)

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return cat(features, 1)


class Transition(nn.Sequential):
    """Between two blocks: fewer channels, half the size."""

    def __init__(self, num_input_features: int, num_output_features: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(num_input_features, num_output_features, 1, bias=False)
        self.pool = nn.AvgPool2d(2, 2)


class DenseNet(nn.Module):
    """Four dense blocks with transitions between them.

    Shape: (n, 3, h, w) -> (n, num_classes)
    Source: Huang et al. 2016, arXiv:1608.06993. Names of parameters as torchvision.models.DenseNet.
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: tuple[int, int, int, int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
    ):
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                conv0=nn.Conv2d(3, num_init_features, 7, 2, 3, bias=False),
                norm0=nn.BatchNorm2d(num_init_features),
                relu0=nn.ReLU(),
                pool0=nn.MaxPool2d(3, 2, 1),
            )
        )
        width = num_init_features
        for place, layers in enumerate(block_config, 1):
            block = DenseBlock(layers, width, bn_size, growth_rate, drop_rate)
            self.features.add_module(f"denseblock{place}", block)
            width += layers * growth_rate
            if place < len(block_config):
                self.features.add_module(f"transition{place}", Transition(width, width // 2))
                width //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, num_classes)
        start_convolutions(self, mode="fan_in")
        init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.features(x))
        return self.classifier(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


def make_densenet(growth: int, blocks: tuple, width: int, options: dict) -> DenseNet:
    return DenseNet(growth, blocks, width, **options)


@model(trained.DenseNet121_Weights)
def densenet121(**kwargs) -> DenseNet:
    """DenseNet-121."""
    return make_densenet(32, (6, 12, 24, 16), 64, kwargs)


@model(trained.DenseNet161_Weights)
def densenet161(**kwargs) -> DenseNet:
    """DenseNet-161."""
    return make_densenet(48, (6, 12, 36, 24), 96, kwargs)


@model(trained.DenseNet169_Weights)
def densenet169(**kwargs) -> DenseNet:
    """DenseNet-169."""
    return make_densenet(32, (6, 12, 32, 32), 64, kwargs)


@model(trained.DenseNet201_Weights)
def densenet201(**kwargs) -> DenseNet:
    """DenseNet-201."""
    return make_densenet(32, (6, 12, 48, 32), 64, kwargs)
