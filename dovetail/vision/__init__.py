"""Pictures: data sets, transforms, reference models, boxes and grids, by torchvision's names."""

from dovetail.vision import datasets, models, ops, transforms, tv_tensors, utils

__all__ = ["datasets", "models", "ops", "transforms", "tv_tensors", "utils"]
