"""Residual networks: ResNet, ResNeXt and Wide ResNet."""

from __future__ import annotations

from collections.abc import Callable

from dovetail import nn
from dovetail.base.errors import ArgumentError, message
from dovetail.nn import init
from dovetail.tensor.tensor import Tensor
from dovetail.vision.models import trained
from dovetail.vision.models.start import start_convolutions
from dovetail.vision.models.weights import model

Norm = Callable[[int], nn.Module]


def conv3x3(channels: int, width: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size at stride 1."""
    return nn.Conv2d(channels, width, 3, stride, dilation, dilation, groups, bias=False)


def conv1x1(channels: int, width: int, stride: int = 1) -> nn.Conv2d:
    """A 1x1 convolution without bias."""
    return nn.Conv2d(channels, width, 1, stride, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: figure 2 of He et al. 2015."""

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm = nn.BatchNorm2d,
    ):
        super().__init__()
        if groups != 1 or base_width != 64 or dilation != 1:
            facts = [("groups", groups), ("base_width", base_width), ("dilation", dilation)]
            raise ArgumentError(message("BasicBlock", "only groups=1, base_width=64 and dilation=1", facts))
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU()
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm_layer(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        short = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + short)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; the stride stands at the 3x3 (ResNet "1.5")."""

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm = nn.BatchNorm2d,
    ):
        super().__init__()
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm_layer(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm_layer(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm_layer(planes * self.expansion)
        self.relu = nn.ReLU()
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        short = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + short)


class ResNet(nn.Module):
    """A stem, four groups of residual blocks, the average over the picture, one fully connected layer.

    Shape: (n, 3, h, w) -> (n, num_classes)
    Source: He et al. 2015, arXiv:1512.03385. Names of parameters and starting values as torchvision.models.ResNet.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: list[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: list[bool] | None = None,
        norm_layer: Norm | None = None,
    ):
        super().__init__()
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes, self.dilation = 64, 1
        self.groups, self.base_width = groups, width_per_group
        dilate = replace_stride_with_dilation or [False, False, False]
        self.conv1 = nn.Conv2d(3, self.inplanes, 7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(self.inplanes)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], 2, dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], 2, dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], 2, dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        start_convolutions(self)
        if zero_init_residual:
            self._start_as_identity()

    def _start_as_identity(self) -> None:
        """The last normalization of each block starts at zero: Goyal et al. 2017, arXiv:1706.02677, section 5.1."""
        for module in self.modules():
            if isinstance(module, Bottleneck):
                init.zeros_(module.bn3.weight)
            elif isinstance(module, BasicBlock):
                init.zeros_(module.bn2.weight)

    def _make_layer(
        self,
        block: type[BasicBlock | Bottleneck],
        planes: int,
        blocks: int,
        stride: int = 1,
        dilate: bool = False,
    ) -> nn.Sequential:
        before = self.dilation
        if dilate:
            self.dilation, stride = self.dilation * stride, 1
        width = planes * block.expansion
        short = None
        if stride != 1 or self.inplanes != width:
            short = nn.Sequential(conv1x1(self.inplanes, width, stride), self._norm_layer(width))
        made = []
        for place in range(blocks):
            first = place == 0
            made.append(
                block(
                    self.inplanes,
                    planes,
                    stride if first else 1,
                    short if first else None,
                    self.groups,
                    self.base_width,
                    before if first else self.dilation,
                    self._norm_layer,
                )
            )
            self.inplanes = width
        return nn.Sequential(*made)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def make_resnet(block: type[BasicBlock | Bottleneck], layers: list[int], options: dict) -> ResNet:
    return ResNet(block, layers, **options)


@model(trained.ResNet18_Weights)
def resnet18(**kwargs) -> ResNet:
    """ResNet-18."""
    return make_resnet(BasicBlock, [2, 2, 2, 2], kwargs)


@model(trained.ResNet34_Weights)
def resnet34(**kwargs) -> ResNet:
    """ResNet-34."""
    return make_resnet(BasicBlock, [3, 4, 6, 3], kwargs)


@model(trained.ResNet50_Weights)
def resnet50(**kwargs) -> ResNet:
    """ResNet-50."""
    return make_resnet(Bottleneck, [3, 4, 6, 3], kwargs)


@model(trained.ResNet101_Weights)
def resnet101(**kwargs) -> ResNet:
    """ResNet-101."""
    return make_resnet(Bottleneck, [3, 4, 23, 3], kwargs)


@model(trained.ResNet152_Weights)
def resnet152(**kwargs) -> ResNet:
    """ResNet-152."""
    return make_resnet(Bottleneck, [3, 8, 36, 3], kwargs)


@model(trained.ResNeXt50_32X4D_Weights)
def resnext50_32x4d(**kwargs) -> ResNet:
    """ResNeXt-50, 32 groups of width 4: Xie et al. 2016, arXiv:1611.05431."""
    return make_resnet(Bottleneck, [3, 4, 6, 3], {"groups": 32, "width_per_group": 4, **kwargs})


@model(trained.ResNeXt101_32X8D_Weights)
def resnext101_32x8d(**kwargs) -> ResNet:
    """ResNeXt-101, 32 groups of width 8."""
    return make_resnet(Bottleneck, [3, 4, 23, 3], {"groups": 32, "width_per_group": 8, **kwargs})


@model(trained.ResNeXt101_64X4D_Weights)
def resnext101_64x4d(**kwargs) -> ResNet:
    """ResNeXt-101, 64 groups of width 4."""
    return make_resnet(Bottleneck, [3, 4, 23, 3], {"groups": 64, "width_per_group": 4, **kwargs})


@model(trained.Wide_ResNet50_2_Weights)
def wide_resnet50_2(**kwargs) -> ResNet:
    """ResNet-50 with inner layers twice as wide: Zagoruyko and Komodakis 2016, arXiv:1605.07146."""
    return make_resnet(Bottleneck, [3, 4, 6, 3], {"width_per_group": 128, **kwargs})


@model(trained.Wide_ResNet101_2_Weights)
def wide_resnet101_2(**kwargs) -> ResNet:
    """ResNet-101 with inner layers twice as wide."""
    return make_resnet(Bottleneck, [3, 4, 23, 3], {"width_per_group": 128, **kwargs})
