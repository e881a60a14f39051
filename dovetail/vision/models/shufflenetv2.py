"""ShuffleNet v2: half of the channels pass untouched, then the halves are shuffled."""

from __future__ import annotations

from collections.abc import Sequence

from dovetail import nn
from dovetail.nn import functional as F
from dovetail.ops.shape import cat
from dovetail.tensor.tensor import Tensor
from dovetail.vision.models import trained
from dovetail.vision.models.weights import model


def unit(channels: int, width: int) -> list[nn.Module]:
    """1x1 convolution, normalization, ReLU."""
    return [nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]


def within(width: int, stride: int) -> list[nn.Module]:
    """3x3 convolution within each channel, normalization."""
    return [nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False), nn.BatchNorm2d(width)]


class InvertedResidual(nn.Module):
    """The second half of the channels (all of them at stride 2) through 1x1, 3x3 within each channel, 1x1."""

    def __init__(self, inp: int, oup: int, stride: int):
        super().__init__()
        self.stride, half = stride, oup // 2
        self.branch1 = nn.Sequential(*within(inp, stride), *unit(inp, half)) if stride > 1 else nn.Sequential()
        first = inp if stride > 1 else half
        self.branch2 = nn.Sequential(*unit(first, half), *within(half, stride), *unit(half, half))

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            kept, used = x.chunk(2, 1)
        else:
            kept, used = self.branch1(x), x
        return F.channel_shuffle(cat([kept, self.branch2(used)], 1), 2)


class ShuffleNetV2(nn.Module):
    """A stem, three stages, a 1x1 convolution, one fully connected layer.

    Shape: (n, 3, h, w) -> (n, num_classes)
    Source: Ma et al. 2018, arXiv:1807.11164. Names of parameters as torchvision.models.ShuffleNetV2.
    """

    def __init__(self, stages_repeats: Sequence[int], stages_out_channels: Sequence[int], num_classes: int = 1000):
        super().__init__()
        stem, *widths, last = stages_out_channels
        self.conv1 = nn.Sequential(nn.Conv2d(3, stem, 3, 2, 1, bias=False), nn.BatchNorm2d(stem), nn.ReLU(inplace=True))
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        stages, width = [], stem
        for repeats, out in zip(stages_repeats, widths, strict=True):
            stages.append(
                nn.Sequential(*[InvertedResidual(out if n else width, out, 1 if n else 2) for n in range(repeats)])
            )
            width = out
        self.stage2, self.stage3, self.stage4 = stages
        self.conv5 = nn.Sequential(*unit(width, last))
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage4(self.stage3(self.stage2(self.maxpool(self.conv1(x)))))
        return self.fc(self.conv5(x).mean((2, 3)))


REPEATS = (4, 8, 4)


@model(trained.ShuffleNet_V2_X0_5_Weights)
def shufflenet_v2_x0_5(**kwargs) -> ShuffleNetV2:
    """Half as wide: 1.4 million parameters."""
    return ShuffleNetV2(REPEATS, (24, 48, 96, 192, 1024), **kwargs)


@model(trained.ShuffleNet_V2_X1_0_Weights)
def shufflenet_v2_x1_0(**kwargs) -> ShuffleNetV2:
    """The standard width: 2.3 million parameters."""
    return ShuffleNetV2(REPEATS, (24, 116, 232, 464, 1024), **kwargs)


@model(trained.ShuffleNet_V2_X1_5_Weights)
def shufflenet_v2_x1_5(**kwargs) -> ShuffleNetV2:
    """One and a half times as wide: 3.5 million parameters."""
    return ShuffleNetV2(REPEATS, (24, 176, 352, 704, 1024), **kwargs)


@model(trained.ShuffleNet_V2_X2_0_Weights)
def shufflenet_v2_x2_0(**kwargs) -> ShuffleNetV2:
    """Twice as wide: 7.4 million parameters."""
    return ShuffleNetV2(REPEATS, (24, 244, 488, 976, 2048), **kwargs)
