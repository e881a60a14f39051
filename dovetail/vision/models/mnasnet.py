"""MNASNet: inverted residuals found by search for phones."""

from __future__ import annotations

from dovetail import nn
from dovetail.nn import init
from dovetail.tensor.tensor import Tensor
from dovetail.vision.models import trained
from dovetail.vision.models.weights import model
from dovetail.vision.ops.layers import make_divisible

MOMENTUM = 1 - 0.9997
WIDTHS = (32, 16, 24, 40, 80, 96, 192, 320)
STACKS = ((3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1))
# kernel, stride of the first, expansion, repeats: figure 7 of the paper


def norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, momentum=MOMENTUM)


class InvertedResidual(nn.Module):
    """1x1 to more channels, convolution within each channel, 1x1 to fewer; beside a shortcut where shapes allow."""

    def __init__(self, in_ch: int, out_ch: int, kernel_size: int, stride: int, expansion_factor: int):
        super().__init__()
        inner = in_ch * expansion_factor
        self.apply_residual = in_ch == out_ch and stride == 1
        self.layers = nn.Sequential(
            nn.Conv2d(in_ch, inner, 1, bias=False),
            norm(inner),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, inner, kernel_size, padding=kernel_size // 2, stride=stride, groups=inner, bias=False),
            norm(inner),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, out_ch, 1, bias=False),
            norm(out_ch),
        )

    def forward(self, input: Tensor) -> Tensor:
        return self.layers(input) + input if self.apply_residual else self.layers(input)


class MNASNet(nn.Module):
    """A stem, six stacks of inverted residuals, a 1x1 convolution, one fully connected layer.

    alpha: how wide, 1.0 as in the paper.
    Shape: (n, 3, h, w) -> (n, num_classes)
    Source: Tan et al. 2018, arXiv:1807.11626. Names of parameters as torchvision.models.MNASNet.
    """

    _version = 2

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2):
        super().__init__()
        self.alpha, self.num_classes = alpha, num_classes
        stem, first, *widths = (make_divisible(width * alpha) for width in WIDTHS)
        layers: list[nn.Module] = [
            nn.Conv2d(3, stem, 3, padding=1, stride=2, bias=False),
            norm(stem),
            nn.ReLU(inplace=True),
            nn.Conv2d(stem, stem, 3, padding=1, groups=stem, bias=False),
            norm(stem),
            nn.ReLU(inplace=True),
            nn.Conv2d(stem, first, 1, bias=False),
            norm(first),
        ]
        width = first
        for out, (kernel, stride, expansion, repeats) in zip(widths, STACKS, strict=True):
            blocks = []
            for place in range(repeats):
                blocks.append(InvertedResidual(width, out, kernel, 1 if place else stride, expansion))
                width = out
            layers.append(nn.Sequential(*blocks))
        layers += [nn.Conv2d(width, 1280, 1, bias=False), norm(1280), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(1280, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                init.kaiming_uniform_(module.weight, mode="fan_out", nonlinearity="sigmoid")
                init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.layers(x).mean((2, 3)))


@model(trained.MNASNet0_5_Weights)
def mnasnet0_5(**kwargs) -> MNASNet:
    """Half as wide: 2.2 million parameters."""
    return MNASNet(0.5, **kwargs)


@model(trained.MNASNet0_75_Weights)
def mnasnet0_75(**kwargs) -> MNASNet:
    """Three quarters as wide: 3.2 million parameters."""
    return MNASNet(0.75, **kwargs)


@model(trained.MNASNet1_0_Weights)
def mnasnet1_0(**kwargs) -> MNASNet:
    """The paper's width: 4.4 million parameters."""
    return MNASNet(1.0, **kwargs)


@model(trained.MNASNet1_3_Weights)
def mnasnet1_3(**kwargs) -> MNASNet:
    """1.3 times as wide: 6.3 million parameters."""
    return MNASNet(1.3, **kwargs)
