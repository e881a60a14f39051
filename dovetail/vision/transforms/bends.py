"""Random perspectives and elastic waves: pixels moved along curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dovetail import nn
from dovetail.tensor.tensor import Tensor
from dovetail.vision.transforms import functional as F
from dovetail.vision.transforms.chance import number, uniform, whole
from dovetail.vision.transforms.effects import blurred, two
from dovetail.vision.transforms.pictures import InterpolationMode, Picture

Fill = float | Sequence[float] | None


class RandomPerspective(nn.Module):
    """With probability p, the four corners moved inwards, each by up to half of distortion_scale."""

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        fill: Fill = 0,
    ):
        super().__init__()
        self.p, self.interpolation, self.distortion_scale, self.fill = p, interpolation, distortion_scale, fill

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list[list[int]], list[list[int]]]:
        """(corners, where they go), from the top left one clockwise."""
        across, down = (int(distortion_scale * (side // 2)) for side in (width, height))
        right, low = width - 1, height - 1
        corners = [[0, 0], [right, 0], [right, low], [0, low]]
        moved = [
            [whole(0, across), whole(0, down)],
            [whole(right - across, right), whole(0, down)],
            [whole(right - across, right), whole(low - down, low)],
            [whole(0, across), whole(low - down, low)],
        ]
        return corners, moved

    def forward(self, img: Picture) -> Picture:
        if number() >= self.p:
            return img
        _, h, w = F.get_dimensions(img)
        start, end = self.get_params(w, h, self.distortion_scale)
        return F.perspective(img, start, end, self.interpolation, self.fill)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class ElasticTransform(nn.Module):
    """Seen through water: smooth random offsets, alpha strong and sigma smooth."""

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        fill: Fill = 0,
    ):
        super().__init__()
        self.alpha, self.sigma = [float(v) for v in two(alpha)], [float(v) for v in two(sigma)]
        self.interpolation, self.fill = interpolation, fill

    @staticmethod
    def get_params(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Tensor:
        """(1, height, width, 2): offsets along x and y."""
        made = []
        for strength, smooth, side in zip(alpha, sigma, size, strict=True):
            noise = uniform(1, 1, *size) * 2 - 1
            if smooth > 0:
                width = int(8 * smooth + 1)
                width += width % 2 == 0
                noise = blurred(noise, [width, width], [smooth, smooth])
            made.append(noise[0] * strength / side)
        return Tensor.from_array(np.ascontiguousarray(np.stack(made, -1), np.float32))

    def forward(self, tensor: Picture) -> Picture:
        _, h, w = F.get_dimensions(tensor)
        return F.elastic_transform(
            tensor, self.get_params(self.alpha, self.sigma, [h, w]), self.interpolation, self.fill
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(alpha={self.alpha}, sigma={self.sigma})"
