"""Random changes of values: blur, inversion, fewer bits, sharpness, contrast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dovetail import nn
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.tensor.tensor import Tensor
from dovetail.vision.transforms import functional as F
from dovetail.vision.transforms.chance import number
from dovetail.vision.transforms.effects import two
from dovetail.vision.transforms.pictures import Picture


class GaussianBlur(nn.Module):
    """Blurred with a sigma from a range."""

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)):
        super().__init__()
        self.kernel_size = tuple(two(kernel_size))
        self.sigma = (sigma, sigma) if isinstance(sigma, int | float) else tuple(sigma)
        if any(size <= 0 or size % 2 == 0 for size in self.kernel_size) or not 0 < self.sigma[0] <= self.sigma[1]:
            facts = [("kernel_size", self.kernel_size), ("sigma", self.sigma)]
            raise ArgumentError(message("GaussianBlur", "takes odd sizes and a range of sigmas above zero", facts))

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """A sigma of the range."""
        return number(sigma_min, sigma_max)

    def forward(self, img: Picture) -> Picture:
        sigma = self.get_params(*self.sigma)
        return F.gaussian_blur(img, list(self.kernel_size), [sigma, sigma])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"


class RandomInvert(nn.Module):
    """White less the picture, with probability p."""

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = p

    def change(self, img: Picture) -> Picture:
        """What is done where chance says so."""
        return F.invert(img)

    def forward(self, img: Picture) -> Picture:
        return self.change(img) if number() < self.p else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomPosterize(RandomInvert):
    """Only the highest bits kept, with probability p."""

    def __init__(self, bits: int, p: float = 0.5):
        super().__init__(p)
        self.bits = bits

    def change(self, img: Picture) -> Picture:
        return F.posterize(img, self.bits)


class RandomSolarize(RandomInvert):
    """Inverted where at least `threshold`, with probability p."""

    def __init__(self, threshold: float, p: float = 0.5):
        super().__init__(p)
        self.threshold = threshold

    def change(self, img: Picture) -> Picture:
        return F.solarize(img, self.threshold)


class RandomAdjustSharpness(RandomInvert):
    """Sharper or softer, with probability p."""

    def __init__(self, sharpness_factor: float, p: float = 0.5):
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def change(self, img: Picture) -> Picture:
        return F.adjust_sharpness(img, self.sharpness_factor)


class RandomAutocontrast(RandomInvert):
    """Stretched to the whole range, with probability p."""

    def change(self, img: Picture) -> Picture:
        return F.autocontrast(img)


class RandomEqualize(RandomInvert):
    """Values spread evenly, with probability p."""

    def change(self, img: Picture) -> Picture:
        return F.equalize(img)


class LinearTransformation(nn.Module):
    """A tensor less a mean, times a square matrix: whitening.

    Shape: (*, c, h, w) with c h w = d, and (d, d), (d,) -> (*, c, h, w)
    Raises: ShapeError if the sizes do not fit.
    """

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor):
        super().__init__()
        self.transformation_matrix, self.mean_vector = transformation_matrix, mean_vector

    def forward(self, tensor: Tensor) -> Tensor:
        size = int(np.prod(tensor.shape[-3:]))
        if tuple(self.transformation_matrix.shape) != (size, size) or self.mean_vector.shape[0] != size:
            facts = [("input", tensor), ("matrix", self.transformation_matrix), ("mean", self.mean_vector)]
            raise ShapeError(message("LinearTransformation", "the matrix does not fit the picture", facts))
        flat = tensor.reshape(-1, size) - self.mean_vector
        return (flat @ self.transformation_matrix).reshape(tensor.shape)
