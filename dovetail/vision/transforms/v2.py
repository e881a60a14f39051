"""The names of torchvision.transforms.v2: transforms of whole samples, boxes and masks moved along with the picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dovetail import nn
from dovetail.base import dtypes, tree
from dovetail.base.dtypes import DType
from dovetail.tensor.tensor import Tensor
from dovetail.vision.transforms import automatic, bends, looks, moves, touches, values
from dovetail.vision.transforms import functional_v2 as functional
from dovetail.vision.transforms.automatic import AutoAugmentPolicy
from dovetail.vision.transforms.boxes import clamp_bounding_boxes, convert_bounding_box_format, corners
from dovetail.vision.transforms.chance import chosen, number, order, whole
from dovetail.vision.transforms.joint import Joint, Transform
from dovetail.vision.transforms.mixing import CutMix, MixUp
from dovetail.vision.transforms.pictures import InterpolationMode, Picture
from dovetail.vision.transforms.values import PILToTensor, ToPILImage, ToTensor
from dovetail.vision.tv_tensors import BoundingBoxes, BoundingBoxFormat, Image, TVTensor

__all__ = [
    "AugMix",
    "AutoAugment",
    "AutoAugmentPolicy",
    "CenterCrop",
    "ClampBoundingBoxes",
    "ColorJitter",
    "Compose",
    "ConvertBoundingBoxFormat",
    "ConvertImageDtype",
    "CutMix",
    "ElasticTransform",
    "FiveCrop",
    "GaussianBlur",
    "GaussianNoise",
    "Grayscale",
    "Identity",
    "InterpolationMode",
    "JPEG",
    "Lambda",
    "LinearTransformation",
    "MixUp",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RGB",
    "RandAugment",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomApply",
    "RandomAutocontrast",
    "RandomChannelPermutation",
    "RandomChoice",
    "RandomCrop",
    "RandomEqualize",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomOrder",
    "RandomPerspective",
    "RandomPhotometricDistort",
    "RandomPosterize",
    "RandomResize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomShortestSize",
    "RandomSolarize",
    "RandomVerticalFlip",
    "RandomZoomOut",
    "Resize",
    "SanitizeBoundingBoxes",
    "ScaleJitter",
    "TenCrop",
    "ToDtype",
    "ToImage",
    "ToPILImage",
    "ToPureTensor",
    "ToTensor",
    "Transform",
    "TrivialAugmentWide",
    "functional",
]


class ColorJitter(Joint, looks.ColorJitter):
    """transforms.ColorJitter for whole samples."""


class RandomErasing(Joint, looks.RandomErasing):
    """transforms.RandomErasing for whole samples."""


class RandomGrayscale(Joint, looks.RandomGrayscale):
    """transforms.RandomGrayscale for whole samples."""


class RandomAffine(Joint, moves.RandomAffine):
    """transforms.RandomAffine for whole samples."""


class RandomCrop(Joint, moves.RandomCrop):
    """transforms.RandomCrop for whole samples."""


class RandomHorizontalFlip(Joint, moves.RandomHorizontalFlip):
    """transforms.RandomHorizontalFlip for whole samples."""


class RandomResizedCrop(Joint, moves.RandomResizedCrop):
    """transforms.RandomResizedCrop for whole samples."""


class RandomRotation(Joint, moves.RandomRotation):
    """transforms.RandomRotation for whole samples."""


class RandomVerticalFlip(Joint, moves.RandomVerticalFlip):
    """transforms.RandomVerticalFlip for whole samples."""


class ElasticTransform(Joint, bends.ElasticTransform):
    """transforms.ElasticTransform for whole samples."""


class RandomPerspective(Joint, bends.RandomPerspective):
    """transforms.RandomPerspective for whole samples."""


class GaussianBlur(Joint, touches.GaussianBlur):
    """transforms.GaussianBlur for whole samples."""


class LinearTransformation(Joint, touches.LinearTransformation):
    """transforms.LinearTransformation for whole samples."""


class RandomAdjustSharpness(Joint, touches.RandomAdjustSharpness):
    """transforms.RandomAdjustSharpness for whole samples."""


class RandomAutocontrast(Joint, touches.RandomAutocontrast):
    """transforms.RandomAutocontrast for whole samples."""


class RandomEqualize(Joint, touches.RandomEqualize):
    """transforms.RandomEqualize for whole samples."""


class RandomInvert(Joint, touches.RandomInvert):
    """transforms.RandomInvert for whole samples."""


class RandomPosterize(Joint, touches.RandomPosterize):
    """transforms.RandomPosterize for whole samples."""


class RandomSolarize(Joint, touches.RandomSolarize):
    """transforms.RandomSolarize for whole samples."""


class AugMix(Joint, automatic.AugMix):
    """transforms.AugMix for whole samples."""


class AutoAugment(Joint, automatic.AutoAugment):
    """transforms.AutoAugment for whole samples."""


class RandAugment(Joint, automatic.RandAugment):
    """transforms.RandAugment for whole samples."""


class TrivialAugmentWide(Joint, automatic.TrivialAugmentWide):
    """transforms.TrivialAugmentWide for whole samples."""


class CenterCrop(Joint, values.CenterCrop):
    """transforms.CenterCrop for whole samples."""


class ConvertImageDtype(Joint, values.ConvertImageDtype):
    """transforms.ConvertImageDtype for whole samples."""


class FiveCrop(Joint, values.FiveCrop):
    """transforms.FiveCrop for whole samples."""


class Grayscale(Joint, values.Grayscale):
    """transforms.Grayscale for whole samples."""


class Normalize(Joint, values.Normalize):
    """transforms.Normalize for whole samples."""


class Pad(Joint, values.Pad):
    """transforms.Pad for whole samples."""


class Resize(Joint, values.Resize):
    """transforms.Resize for whole samples."""


class TenCrop(Joint, values.TenCrop):
    """transforms.TenCrop for whole samples."""


class Compose(nn.Module):
    """One transform after another, on whole samples."""

    def __init__(self, transforms: Sequence[Callable]):
        super().__init__()
        self.transforms = transforms

    def forward(self, *inputs: Any) -> Any:
        several = len(inputs) > 1
        for transform in self.transforms:
            made = transform(*inputs)
            inputs = made if several else (made,)
        return made

    def __repr__(self) -> str:
        return "\n".join([f"{type(self).__name__}(", *(f"    {each}" for each in self.transforms), ")"])


class Lambda(Joint):
    """Any function, on every part of the sample of one of the types."""

    def __init__(self, lambd: Callable, *types: type):
        super().__init__()
        self.lambd, self.types = lambd, types or (object,)

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        return tree.map_leaves(lambda part: self.lambd(part) if isinstance(part, self.types) else part, sample)


class RandomApply(nn.Module):
    """All of the transforms with probability p, else none."""

    def __init__(self, transforms: Sequence[Callable], p: float = 0.5):
        super().__init__()
        self.transforms, self.p = transforms, p

    def forward(self, *inputs: Any) -> Any:
        if number() >= self.p:
            return inputs if len(inputs) > 1 else inputs[0]
        return Compose(list(self.transforms))(*inputs)


class RandomChoice(nn.Module):
    """One of the transforms; p: how likely each is."""

    def __init__(self, transforms: Sequence[Callable], p: Sequence[float] | None = None):
        super().__init__()
        self.transforms, self.p = transforms, list(p or [1.0] * len(transforms))

    def forward(self, *inputs: Any) -> Any:
        return self.transforms[chosen(self.p)](*inputs)


class RandomOrder(nn.Module):
    """All of the transforms, shuffled anew each time."""

    def __init__(self, transforms: Sequence[Callable]):
        super().__init__()
        self.transforms = transforms

    def forward(self, *inputs: Any) -> Any:
        return Compose([self.transforms[place] for place in order(len(self.transforms))])(*inputs)


class Identity(Joint):
    """Everything as it is."""

    def one(self, part: Any) -> Any:
        return part


class ToImage(Joint):
    """Pictures as Image tensors with the same elements."""

    def one(self, part: Picture) -> Tensor:
        return functional.to_image(part) if not isinstance(part, TVTensor) else part


class ToPureTensor(Joint):
    """Images, masks and boxes as plain tensors."""

    def one(self, part: Picture) -> Tensor:
        return part.detach() if isinstance(part, TVTensor) else part


class ToDtype(Joint):
    """Another element type; scale=True also scales the values to its range.

    dtype: one for pictures, or a mapping from kinds of tensors ("others" for the rest) to types; None keeps one.
    """

    def __init__(self, dtype: DType | Mapping[Any, DType | None] = dtypes.float32, scale: bool = False):
        super().__init__()
        self.dtype, self.scale = dtype, scale

    def one(self, part: Any) -> Any:
        wanted = self.dtype
        if isinstance(wanted, Mapping):
            wanted = wanted.get(type(part), wanted.get("others"))
        elif isinstance(part, TVTensor) and not isinstance(part, Image):
            return part
        return (
            functional.to_dtype(part, wanted, self.scale) if wanted is not None and isinstance(part, Tensor) else part
        )


class RGB(Joint):
    """Grey pictures with three equal channels."""

    def one(self, part: Picture) -> Picture:
        if isinstance(part, TVTensor) and not isinstance(part, Image):
            return part
        return functional.grayscale_to_rgb(part)


class GaussianNoise(Joint):
    """Normal noise added to every value."""

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True):
        super().__init__()
        self.mean, self.sigma, self.clip = mean, sigma, clip

    def one(self, part: Picture) -> Picture:
        return functional.gaussian_noise(part, self.mean, self.sigma, self.clip)


class RandomChannelPermutation(Joint):
    """The channels shuffled."""

    def one(self, part: Picture) -> Picture:
        return functional.permute_channels(part, order(functional.get_dimensions(part)[0]))


class RandomPhotometricDistort(Joint):
    """Brightness, contrast, saturation and hue, each with probability p, and channels shuffled: SSD's augmentation."""

    def __init__(
        self,
        brightness: Sequence[float] = (0.875, 1.125),
        contrast: Sequence[float] = (0.5, 1.5),
        saturation: Sequence[float] = (0.5, 1.5),
        hue: Sequence[float] = (-0.05, 0.05),
        p: float = 0.5,
    ):
        super().__init__()
        self.brightness, self.contrast, self.saturation, self.hue, self.p = brightness, contrast, saturation, hue, p

    def one(self, part: Picture) -> Picture:
        F = functional
        late = number() < 0.5
        steps = [
            (F.adjust_brightness, self.brightness),
            (F.adjust_saturation, self.saturation),
            (F.adjust_hue, self.hue),
        ]
        steps.insert(3 if late else 1, (F.adjust_contrast, self.contrast))
        for change, limits in steps:
            if number() < self.p:
                part = change(part, number(*limits))
        if number() < self.p:
            part = F.permute_channels(part, order(F.get_dimensions(part)[0]))
        return part


class RandomResize(Joint):
    """A shorter side from min_size to max_size - 1."""

    def __init__(
        self,
        min_size: int,
        max_size: int,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):
        super().__init__()
        self.min_size, self.max_size, self.interpolation, self.antialias = min_size, max_size, interpolation, antialias

    def one(self, part: Picture) -> Picture:
        size = whole(self.min_size, self.max_size - 1)
        return functional.resize(part, [size], self.interpolation, None, self.antialias)


class RandomShortestSize(Joint):
    """The shorter side one of min_size, the longer at most max_size."""

    def __init__(
        self,
        min_size: int | Sequence[int],
        max_size: int | None = None,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):
        super().__init__()
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size, self.interpolation, self.antialias = max_size, interpolation, antialias

    def one(self, part: Picture) -> Picture:
        _, h, w = functional.get_dimensions(part)
        share = self.min_size[whole(0, len(self.min_size) - 1)] / min(h, w)
        if self.max_size is not None:
            share = min(share, self.max_size / max(h, w))
        return functional.resize(part, [int(h * share), int(w * share)], self.interpolation, None, self.antialias)


class ScaleJitter(Joint):
    """Resized to fit target_size, times a share of scale_range."""

    def __init__(
        self,
        target_size: Sequence[int],
        scale_range: Sequence[float] = (0.1, 2.0),
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):
        super().__init__()
        self.target_size, self.scale_range = target_size, scale_range
        self.interpolation, self.antialias = interpolation, antialias

    def one(self, part: Picture) -> Picture:
        _, h, w = functional.get_dimensions(part)
        share = min(self.target_size[0] / h, self.target_size[1] / w) * number(*self.scale_range)
        return functional.resize(part, [int(h * share), int(w * share)], self.interpolation, None, self.antialias)


class RandomZoomOut(Joint):
    """With probability p, the picture at a random place of a larger one."""

    def __init__(self, fill: float | Sequence[float] = 0, side_range: Sequence[float] = (1.0, 4.0), p: float = 0.5):
        super().__init__()
        self.fill, self.side_range, self.p = fill, side_range, p

    def one(self, part: Picture) -> Picture:
        if number() >= self.p:
            return part
        _, h, w = functional.get_dimensions(part)
        share = number(*self.side_range)
        wide, high = int(w * share) - w, int(h * share) - h
        left, top = int(wide * number()), int(high * number())
        return functional.pad(part, [left, top, wide - left, high - top], self.fill)


class JPEG(Joint):
    """Pictures of bytes as JPEG of that quality leaves them. Needs Pillow."""

    def __init__(self, quality: int | Sequence[int]):
        super().__init__()
        self.quality = (quality, quality) if isinstance(quality, int) else tuple(quality)

    def one(self, part: Picture) -> Picture:
        return functional.jpeg(part, whole(*self.quality))


class ClampBoundingBoxes(Joint):
    """Boxes cut to their picture."""

    def one(self, part: Any) -> Any:
        return clamp_bounding_boxes(part) if isinstance(part, BoundingBoxes) else part


class ConvertBoundingBoxFormat(Joint):
    """Boxes by other numbers: "XYXY", "XYWH" or "CXCYWH"."""

    def __init__(self, format: str | BoundingBoxFormat):
        super().__init__()
        self.format = format

    def one(self, part: Any) -> Any:
        return convert_bounding_box_format(part, self.format) if isinstance(part, BoundingBoxes) else part


class SanitizeBoundingBoxes(nn.Module):
    """Boxes dropped that are too small or leave their picture, and their labels with them.

    labels_getter: "default" takes "labels" of a dict; None drops boxes alone.
    """

    def __init__(self, min_size: float = 1.0, min_area: float = 1.0, labels_getter: Callable | str | None = "default"):
        super().__init__()
        self.min_size, self.min_area, self.labels_getter = min_size, min_area, labels_getter

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        parts = tree.flatten(sample)
        boxes = next((part for part in parts if isinstance(part, BoundingBoxes)), None)
        if boxes is None:
            return sample
        rows = corners(boxes)
        wide, high = rows[:, 2] - rows[:, 0], rows[:, 3] - rows[:, 1]
        h, w = boxes.canvas_size
        kept = (wide >= self.min_size) & (high >= self.min_size) & (wide * high >= self.min_area)
        kept &= (rows >= 0).all(1) & (rows[:, [0, 2]] <= w).all(1) & (rows[:, [1, 3]] <= h).all(1)
        places = Tensor.from_array(np.flatnonzero(kept))
        labels = self.labels_of(sample)

        def cut(part: Any) -> Any:
            if part is boxes:
                return boxes.again(boxes.detach()[places])
            return part[places] if labels is not None and part is labels else part

        return tree.map_leaves(cut, sample)

    def labels_of(self, sample: Any) -> Any:
        if callable(self.labels_getter) or self.labels_getter is None:
            return self.labels_getter(sample) if self.labels_getter else None
        dicts = (
            [sample]
            if isinstance(sample, dict)
            else [x for x in sample if isinstance(x, dict)]
            if isinstance(sample, (list, tuple))
            else []
        )
        return next((d["labels"] for d in dicts if "labels" in d), None)
