"""Data sets of pictures: one in the package, the others read from their files and downloaded when asked."""

from dovetail.vision.datasets.cifar import CIFAR10, CIFAR100
from dovetail.vision.datasets.digits import Digits
from dovetail.vision.datasets.fake import FakeData
from dovetail.vision.datasets.folder import DatasetFolder, ImageFolder
from dovetail.vision.datasets.mnist import KMNIST, MNIST, FashionMNIST

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "DatasetFolder",
    "Digits",
    "FakeData",
    "FashionMNIST",
    "ImageFolder",
    "KMNIST",
    "MNIST",
]
