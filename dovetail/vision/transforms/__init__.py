"""Transforms of pictures, by torchvision's names: for tensors, NumPy arrays and PIL images alike."""

from dovetail.vision.transforms import functional, v2
from dovetail.vision.transforms.looks import ColorJitter, RandomErasing, RandomGrayscale
from dovetail.vision.transforms.moves import (
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
)
from dovetail.vision.transforms.pictures import InterpolationMode
from dovetail.vision.transforms.together import Compose, Lambda, RandomApply, RandomChoice, RandomOrder
from dovetail.vision.transforms.values import (
    CenterCrop,
    ConvertImageDtype,
    FiveCrop,
    Grayscale,
    Normalize,
    Pad,
    PILToTensor,
    Resize,
    ToPILImage,
    ToTensor,
)

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "ConvertImageDtype",
    "FiveCrop",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandomAffine",
    "RandomApply",
    "RandomChoice",
    "RandomCrop",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomOrder",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "ToPILImage",
    "ToTensor",
    "functional",
    "v2",
]
