"""LeNet-5, the first convolutional network that people build."""

from __future__ import annotations

from dovetail import nn
from dovetail.tensor.tensor import Tensor
from dovetail.vision.models.weights import model


class LeNet(nn.Module):
    """Two convolutions with pooling, three fully connected layers.

    Shape: (n, in_channels, 28, 28) -> (n, num_classes)
    Source: LeCun et al. 1998, with ReLU and max pooling as usual today. torchvision has no such model.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1):
        super().__init__()
        self.num_classes = num_classes
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


@model(None)
def lenet5(**kwargs) -> LeNet:
    """LeNet-5 for 28x28 pictures."""
    return LeNet(**kwargs)
