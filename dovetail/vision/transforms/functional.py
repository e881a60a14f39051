"""Every transform as a function without chance: `import dovetail.vision.transforms.functional as F`."""

from dovetail.vision.transforms.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    invert,
    posterize,
    rgb_to_grayscale,
    solarize,
    to_grayscale,
)
from dovetail.vision.transforms.convert import (
    convert_image_dtype,
    erase,
    normalize,
    pil_to_tensor,
    to_pil_image,
    to_tensor,
)
from dovetail.vision.transforms.geometry import center_crop, crop, five_crop, hflip, pad, vflip
from dovetail.vision.transforms.pictures import (
    InterpolationMode,
    get_dimensions,
    get_image_num_channels,
    get_image_size,
)
from dovetail.vision.transforms.resizing import resize, resized_crop
from dovetail.vision.transforms.warping import affine, rotate

__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_hue",
    "adjust_saturation",
    "affine",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "erase",
    "five_crop",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "hflip",
    "invert",
    "normalize",
    "pad",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
    "vflip",
]
