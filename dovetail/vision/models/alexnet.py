"""AlexNet in its one-tower form."""

from __future__ import annotations

from dovetail import nn
from dovetail.tensor.tensor import Tensor
from dovetail.vision.models import trained
from dovetail.vision.models.weights import model


class AlexNet(nn.Module):
    """Five convolutions, three fully connected layers.

    Shape: (n, 3, h, w) -> (n, num_classes), h and w at least 63
    Source: Krizhevsky 2014, arXiv:1404.5997. Names of parameters as torchvision.models.AlexNet.
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


@model(trained.AlexNet_Weights)
def alexnet(**kwargs) -> AlexNet:
    """AlexNet with 61.1 million parameters."""
    return AlexNet(**kwargs)
