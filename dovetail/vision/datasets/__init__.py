"""Data sets of pictures: one in the package, the others read from their files and downloaded when asked."""

from dovetail.vision.datasets.digits import Digits
from dovetail.vision.datasets.mnist import KMNIST, MNIST, FashionMNIST

__all__ = ["Digits", "MNIST", "FashionMNIST", "KMNIST"]
