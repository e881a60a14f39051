"""U-Net: down to small pictures of many channels and up again, each level handing its picture across."""

from __future__ import annotations

from dovetail import nn
from dovetail.nn import functional as F
from dovetail.ops.shape import cat
from dovetail.tensor.tensor import Tensor
from dovetail.vision.models.weights import model


class DoubleConv(nn.Sequential):
    """3x3 convolution, normalization and ReLU, twice.

    Shape: (n, in_channels, h, w) -> (n, out_channels, h, w)
    """

    def __init__(self, in_channels: int, out_channels: int):
        layers: list[nn.Module] = []
        for channels in (in_channels, out_channels):
            layers += [nn.Conv2d(channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels)]
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class UNet(nn.Module):
    """One class for each pixel.

    features: channels of the first level, doubled `depth` times on the way down.
    Shape: (n, in_channels, h, w) -> (n, num_classes, h, w)
    Source: Ronneberger et al. 2015, arXiv:1505.04597, with padding and batch normalization.
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 2, features: int = 64, depth: int = 4):
        super().__init__()
        widths = [features * 2**level for level in range(depth + 1)]
        self.inc = DoubleConv(in_channels, features)
        steps = list(zip(widths, widths[1:], strict=False))
        self.down = nn.ModuleList(nn.Sequential(nn.MaxPool2d(2), DoubleConv(a, b)) for a, b in steps)
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in reversed(steps))
        self.merge = nn.ModuleList(DoubleConv(2 * a, a) for a, _ in reversed(steps))
        self.outc = nn.Conv2d(features, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        levels = [self.inc(x)]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            across = levels.pop()
            x = up(x)
            h, w = across.shape[-2] - x.shape[-2], across.shape[-1] - x.shape[-1]
            x = merge(cat([across, F.pad(x, (w // 2, w - w // 2, h // 2, h - h // 2))], 1))
        return self.outc(x)


@model(None)
def unet(**kwargs) -> UNet:
    """U-Net with four levels down: 31.0 million parameters."""
    return UNet(**kwargs)
