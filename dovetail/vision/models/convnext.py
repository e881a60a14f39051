"""ConvNeXt: a residual network brought up to date with what vision transformers taught."""

from __future__ import annotations

from functools import partial

from dovetail import nn
from dovetail.nn import init
from dovetail.ops.create import ones
from dovetail.tensor.tensor import Tensor
from dovetail.vision.models import trained
from dovetail.vision.models.weights import model
from dovetail.vision.ops.layers import LayerNorm2d, Permute, StochasticDepth

NORM = partial(LayerNorm2d, eps=1e-6)


class CNBlock(nn.Module):
    """7x7 within each channel, then two fully connected layers at each place, beside a shortcut."""

    def __init__(self, dim: int, layer_scale: float, stochastic_depth_prob: float):
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, 7, padding=3, groups=dim),
            Permute((0, 2, 3, 1)),
            nn.LayerNorm(dim, eps=1e-6),
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Linear(4 * dim, dim),
            Permute((0, 3, 1, 2)),
        )
        self.layer_scale = nn.Parameter(ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, x: Tensor) -> Tensor:
        return x + self.stochastic_depth(self.layer_scale * self.block(x))


class ConvNeXt(nn.Module):
    """Pictures in patches of 4x4, four groups of blocks, one fully connected layer.

    widths, depths: of the four groups.
    Shape: (n, 3, h, w) -> (n, num_classes)
    Source: Liu et al. 2022, arXiv:2201.03545. Names of parameters as torchvision.models.ConvNeXt.
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        depths: tuple[int, ...],
        stochastic_depth_prob: float = 0.0,
        layer_scale: float = 1e-6,
        num_classes: int = 1000,
    ):
        super().__init__()
        layers: list[nn.Module] = [nn.Sequential(nn.Conv2d(3, widths[0], 4, 4), NORM(widths[0]))]
        place, total = 0, sum(depths)
        for group, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            blocks = []
            for _ in range(depth):
                blocks.append(CNBlock(width, layer_scale, stochastic_depth_prob * place / (total - 1.0)))
                place += 1
            layers.append(nn.Sequential(*blocks))
            if group + 1 < len(widths):
                layers.append(nn.Sequential(NORM(width), nn.Conv2d(width, widths[group + 1], 2, 2)))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(NORM(widths[-1]), nn.Flatten(1), nn.Linear(widths[-1], num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                init.trunc_normal_(module.weight, std=0.02)
                init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)))


def make_convnext(width: int, depths: tuple, drop: float, options: dict) -> ConvNeXt:
    widths = tuple(width * 2**group for group in range(4))
    return ConvNeXt(widths, depths, **{"stochastic_depth_prob": drop, **options})


@model(trained.ConvNeXt_Tiny_Weights)
def convnext_tiny(**kwargs) -> ConvNeXt:
    """ConvNeXt-T: 28.6 million parameters."""
    return make_convnext(96, (3, 3, 9, 3), 0.1, kwargs)


@model(trained.ConvNeXt_Small_Weights)
def convnext_small(**kwargs) -> ConvNeXt:
    """ConvNeXt-S: 50.2 million parameters."""
    return make_convnext(96, (3, 3, 27, 3), 0.4, kwargs)


@model(trained.ConvNeXt_Base_Weights)
def convnext_base(**kwargs) -> ConvNeXt:
    """ConvNeXt-B: 88.6 million parameters."""
    return make_convnext(128, (3, 3, 27, 3), 0.5, kwargs)


@model(trained.ConvNeXt_Large_Weights)
def convnext_large(**kwargs) -> ConvNeXt:
    """ConvNeXt-L: 197.8 million parameters."""
    return make_convnext(192, (3, 3, 27, 3), 0.5, kwargs)
