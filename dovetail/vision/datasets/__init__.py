"""Data sets of pictures: one in the package, the others read from their files and downloaded when asked."""

from dovetail.vision.datasets.cifar import CIFAR10, CIFAR100
from dovetail.vision.datasets.digits import Digits
from dovetail.vision.datasets.emnist import EMNIST, QMNIST
from dovetail.vision.datasets.fake import FakeData
from dovetail.vision.datasets.folder import DatasetFolder, ImageFolder
from dovetail.vision.datasets.images import ImageSet
from dovetail.vision.datasets.mnist import KMNIST, MNIST, FashionMNIST
from dovetail.vision.datasets.svhn import SVHN

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "DatasetFolder",
    "Digits",
    "EMNIST",
    "FakeData",
    "FashionMNIST",
    "ImageFolder",
    "ImageSet",
    "KMNIST",
    "MNIST",
    "QMNIST",
    "SVHN",
]
