"""VGG: stacks of 3x3 convolutions, with or without batch normalization."""

from __future__ import annotations

from dovetail import nn
from dovetail.tensor.tensor import Tensor
from dovetail.vision.models import trained
from dovetail.vision.models.start import start_convolutions, start_linear
from dovetail.vision.models.weights import model

REPEATS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Features, pooled to 7x7, then three fully connected layers.

    Shape: (n, 3, h, w) -> (n, num_classes), h and w at least 32
    Source: Simonyan and Zisserman 2014, arXiv:1409.1556. Names of parameters as torchvision.models.VGG.
    """

    def __init__(self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            start_convolutions(self)
            start_linear(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def make_features(depth: int, batch_norm: bool) -> nn.Sequential:
    """The convolutions of a VGG with `depth` layers."""
    layers: list[nn.Module] = []
    channels = 3
    for width, repeat in zip(WIDTHS, REPEATS[depth], strict=True):
        for _ in range(repeat):
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            layers += [nn.BatchNorm2d(width), nn.ReLU()] if batch_norm else [nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)


def make_vgg(depth: int, batch_norm: bool, options: dict) -> VGG:
    return VGG(make_features(depth, batch_norm), **options)


@model(trained.VGG11_Weights)
def vgg11(**kwargs) -> VGG:
    """VGG-11."""
    return make_vgg(11, False, kwargs)


@model(trained.VGG11_BN_Weights)
def vgg11_bn(**kwargs) -> VGG:
    """VGG-11 with batch normalization."""
    return make_vgg(11, True, kwargs)


@model(trained.VGG13_Weights)
def vgg13(**kwargs) -> VGG:
    """VGG-13."""
    return make_vgg(13, False, kwargs)


@model(trained.VGG13_BN_Weights)
def vgg13_bn(**kwargs) -> VGG:
    """VGG-13 with batch normalization."""
    return make_vgg(13, True, kwargs)


@model(trained.VGG16_Weights)
def vgg16(**kwargs) -> VGG:
    """VGG-16."""
    return make_vgg(16, False, kwargs)


@model(trained.VGG16_BN_Weights)
def vgg16_bn(**kwargs) -> VGG:
    """VGG-16 with batch normalization."""
    return make_vgg(16, True, kwargs)


@model(trained.VGG19_Weights)
def vgg19(**kwargs) -> VGG:
    """VGG-19."""
    return make_vgg(19, False, kwargs)


@model(trained.VGG19_BN_Weights)
def vgg19_bn(**kwargs) -> VGG:
    """VGG-19 with batch normalization."""
    return make_vgg(19, True, kwargs)
