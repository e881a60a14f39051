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
from dovetail.vision.transforms.effects import adjust_gamma, adjust_sharpness, autocontrast, equalize, gaussian_blur
from dovetail.vision.transforms.geometry import center_crop, crop, five_crop, hflip, pad, ten_crop, vflip
from dovetail.vision.transforms.pictures import (
    InterpolationMode,
    get_dimensions,
    get_image_num_channels,
    get_image_size,
)
from dovetail.vision.transforms.resizing import resize, resized_crop
from dovetail.vision.transforms.warping import affine, elastic_transform, perspective, rotate

__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "elastic_transform",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "hflip",
    "invert",
    "normalize",
    "pad",
    "perspective",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "ten_crop",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
    "vflip",
]
