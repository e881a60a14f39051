"""What published weights want done to a picture before the model sees it."""

from __future__ import annotations

from collections.abc import Sequence

from dovetail import nn
from dovetail.base import dtypes
from dovetail.tensor.tensor import Tensor
from dovetail.vision.transforms import functional as F
from dovetail.vision.transforms.pictures import InterpolationMode, Picture


class ImageClassification(nn.Module):
    """Resize, centre crop, floats in 0..1, normalization.

    Shape: a picture or (*, c, h, w) -> (*, c, crop_size, crop_size)
    Source: agrees with torchvision.transforms._presets.ImageClassification.
    """

    def __init__(
        self,
        *,
        crop_size: int,
        resize_size: int = 256,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):
        super().__init__()
        self.crop_size, self.resize_size = [crop_size], [resize_size]
        self.mean, self.std = list(mean), list(std)
        self.interpolation, self.antialias = interpolation, antialias

    def forward(self, img: Picture) -> Tensor:
        img = F.resize(img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias)
        img = F.center_crop(img, self.crop_size)
        if not isinstance(img, Tensor):
            img = F.pil_to_tensor(img)
        return F.normalize(F.convert_image_dtype(img, dtypes.float32), self.mean, self.std)

    def __repr__(self) -> str:
        rows = [
            f"    {name}={getattr(self, name)}" for name in ("crop_size", "resize_size", "mean", "std", "interpolation")
        ]
        return "\n".join([f"{type(self).__name__}(", *rows, ")"])
