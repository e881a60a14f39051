"""Data sets: `from dovetail.datasets import Digits, MNIST`."""

from dovetail.vision.datasets import KMNIST, MNIST, Digits, FashionMNIST

__all__ = ["Digits", "MNIST", "FashionMNIST", "KMNIST"]
