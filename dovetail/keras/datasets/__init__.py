"""keras.datasets: arrays to train on, one module for each set, each with `load_data()`."""

from dovetail.keras.datasets import fashion_mnist, mnist

__all__ = ["fashion_mnist", "mnist"]
