"""Augmentation by policies that were searched for: AutoAugment, RandAugment, TrivialAugment, AugMix."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum

import numpy as np

from dovetail import nn
from dovetail.tensor.tensor import Tensor
from dovetail.vision.transforms import functional as F
from dovetail.vision.transforms.chance import draw, number, whole
from dovetail.vision.transforms.pictures import InterpolationMode, Picture, is_pil, rounded

Fill = float | Sequence[float] | None
Space = dict[
    str, tuple[np.ndarray | None, bool]
]  # name -> (magnitudes, None where there is no more or less; whether signed)
Mode = InterpolationMode


class AutoAugmentPolicy(Enum):
    """Which data the policy was found on."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


def slanted(img: Picture, x: float, y: float, mode: Mode, fill: Fill) -> Picture:
    shear = [math.degrees(math.atan(x)), math.degrees(math.atan(y))]
    return F.affine(img, 0.0, [0, 0], 1.0, shear, mode, fill, [0, 0])


def moved(img: Picture, x: int, y: int, mode: Mode, fill: Fill) -> Picture:
    return F.affine(img, 0.0, [x, y], 1.0, [0.0, 0.0], mode, fill)


STEPS: dict[str, Callable] = {  # name -> (picture, magnitude, interpolation, fill) -> picture
    "ShearX": lambda img, m, mode, fill: slanted(img, m, 0.0, mode, fill),
    "ShearY": lambda img, m, mode, fill: slanted(img, 0.0, m, mode, fill),
    "TranslateX": lambda img, m, mode, fill: moved(img, int(m), 0, mode, fill),
    "TranslateY": lambda img, m, mode, fill: moved(img, 0, int(m), mode, fill),
    "Rotate": lambda img, m, mode, fill: F.rotate(img, m, mode, fill=fill),
    "Brightness": lambda img, m, mode, fill: F.adjust_brightness(img, 1.0 + m),
    "Color": lambda img, m, mode, fill: F.adjust_saturation(img, 1.0 + m),
    "Contrast": lambda img, m, mode, fill: F.adjust_contrast(img, 1.0 + m),
    "Sharpness": lambda img, m, mode, fill: F.adjust_sharpness(img, 1.0 + m),
    "Posterize": lambda img, m, mode, fill: F.posterize(img, int(m)),
    "Solarize": lambda img, m, mode, fill: F.solarize(img, m / 255 if floats(img) else m),
    "AutoContrast": lambda img, m, mode, fill: F.autocontrast(img),
    "Equalize": lambda img, m, mode, fill: F.equalize(img),
    "Invert": lambda img, m, mode, fill: F.invert(img),
    "Identity": lambda img, m, mode, fill: img,
}


def floats(img: Picture) -> bool:
    return isinstance(img, Tensor) and img.is_floating_point()


def coloured_steps(bins: int, most: float) -> Space:
    line = np.linspace(0.0, most, bins)
    return {name: (line, True) for name in ("Brightness", "Color", "Contrast", "Sharpness")}


def moving_steps(bins: int, shear: float, across: float, down: float, turn: float) -> Space:
    ends = {"ShearX": shear, "ShearY": shear, "TranslateX": across, "TranslateY": down, "Rotate": turn}
    return {name: (np.linspace(0.0, end, bins), True) for name, end in ends.items()}


def fewer_bits(bins: int, most: int, drop: int) -> tuple[np.ndarray, bool]:
    return np.round(most - np.arange(bins) / ((bins - 1) / drop)), False


def plain_steps(bins: int) -> Space:
    return {
        "Solarize": (np.linspace(255.0, 0.0, bins), False),
        "AutoContrast": (None, False),
        "Equalize": (None, False),
    }


# sub-policies: tables 7 to 9 of the paper; (name, probability, magnitude's place) twice
IMAGENET = (
    (("Posterize", 0.4, 8), ("Rotate", 0.6, 9)),
    (("Solarize", 0.6, 5), ("AutoContrast", 0.6, None)),
    (("Equalize", 0.8, None), ("Equalize", 0.6, None)),
    (("Posterize", 0.6, 7), ("Posterize", 0.6, 6)),
    (("Equalize", 0.4, None), ("Solarize", 0.2, 4)),
    (("Equalize", 0.4, None), ("Rotate", 0.8, 8)),
    (("Solarize", 0.6, 3), ("Equalize", 0.6, None)),
    (("Posterize", 0.8, 5), ("Equalize", 1.0, None)),
    (("Rotate", 0.2, 3), ("Solarize", 0.6, 8)),
    (("Equalize", 0.6, None), ("Posterize", 0.4, 6)),
    (("Rotate", 0.8, 8), ("Color", 0.4, 0)),
    (("Rotate", 0.4, 9), ("Equalize", 0.6, None)),
    (("Equalize", 0.0, None), ("Equalize", 0.8, None)),
    (("Invert", 0.6, None), ("Equalize", 1.0, None)),
    (("Color", 0.6, 4), ("Contrast", 1.0, 8)),
    (("Rotate", 0.8, 8), ("Color", 1.0, 2)),
    (("Color", 0.8, 8), ("Solarize", 0.8, 7)),
    (("Sharpness", 0.4, 7), ("Invert", 0.6, None)),
    (("ShearX", 0.6, 5), ("Equalize", 1.0, None)),
    (("Color", 0.4, 0), ("Equalize", 0.6, None)),
    (("Equalize", 0.4, None), ("Solarize", 0.2, 4)),
    (("Solarize", 0.6, 5), ("AutoContrast", 0.6, None)),
    (("Invert", 0.6, None), ("Equalize", 1.0, None)),
    (("Color", 0.6, 4), ("Contrast", 1.0, 8)),
    (("Equalize", 0.8, None), ("Equalize", 0.6, None)),
)
CIFAR10 = (
    (("Invert", 0.1, None), ("Contrast", 0.2, 6)),
    (("Rotate", 0.7, 2), ("TranslateX", 0.3, 9)),
    (("Sharpness", 0.8, 1), ("Sharpness", 0.9, 3)),
    (("ShearY", 0.5, 8), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.5, None), ("Equalize", 0.9, None)),
    (("ShearY", 0.2, 7), ("Posterize", 0.3, 7)),
    (("Color", 0.4, 3), ("Brightness", 0.6, 7)),
    (("Sharpness", 0.3, 9), ("Brightness", 0.7, 9)),
    (("Equalize", 0.6, None), ("Equalize", 0.5, None)),
    (("Contrast", 0.6, 7), ("Sharpness", 0.6, 5)),
    (("Color", 0.7, 7), ("TranslateX", 0.5, 8)),
    (("Equalize", 0.3, None), ("AutoContrast", 0.4, None)),
    (("TranslateY", 0.4, 3), ("Sharpness", 0.2, 6)),
    (("Brightness", 0.9, 6), ("Color", 0.2, 8)),
    (("Solarize", 0.5, 2), ("Invert", 0.0, None)),
    (("Equalize", 0.2, None), ("AutoContrast", 0.6, None)),
    (("Equalize", 0.2, None), ("Equalize", 0.6, None)),
    (("Color", 0.9, 9), ("Equalize", 0.6, None)),
    (("AutoContrast", 0.8, None), ("Solarize", 0.2, 8)),
    (("Brightness", 0.1, 3), ("Color", 0.7, 0)),
    (("Solarize", 0.4, 5), ("AutoContrast", 0.9, None)),
    (("TranslateY", 0.9, 9), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.9, None), ("Solarize", 0.8, 3)),
    (("Equalize", 0.8, None), ("Invert", 0.1, None)),
    (("TranslateY", 0.7, 9), ("AutoContrast", 0.9, None)),
)
SVHN = (
    (("ShearX", 0.9, 4), ("Invert", 0.2, None)),
    (("ShearY", 0.9, 8), ("Invert", 0.7, None)),
    (("Equalize", 0.6, None), ("Solarize", 0.6, 6)),
    (("Invert", 0.9, None), ("Equalize", 0.6, None)),
    (("Equalize", 0.6, None), ("Rotate", 0.9, 3)),
    (("ShearX", 0.9, 4), ("AutoContrast", 0.8, None)),
    (("ShearY", 0.9, 8), ("Invert", 0.4, None)),
    (("ShearY", 0.9, 5), ("Solarize", 0.2, 6)),
    (("Invert", 0.9, None), ("AutoContrast", 0.8, None)),
    (("Equalize", 0.6, None), ("Rotate", 0.9, 3)),
    (("ShearX", 0.9, 4), ("Solarize", 0.3, 3)),
    (("ShearY", 0.8, 8), ("Invert", 0.7, None)),
    (("Equalize", 0.9, None), ("TranslateY", 0.6, 6)),
    (("Invert", 0.9, None), ("Equalize", 0.6, None)),
    (("Contrast", 0.3, 3), ("Rotate", 0.8, 4)),
    (("Invert", 0.8, None), ("TranslateY", 0.0, 2)),
    (("ShearY", 0.7, 6), ("Solarize", 0.4, 8)),
    (("Invert", 0.6, None), ("Rotate", 0.8, 4)),
    (("ShearY", 0.3, 7), ("TranslateX", 0.9, 3)),
    (("ShearX", 0.1, 6), ("Invert", 0.6, None)),
    (("Solarize", 0.7, 2), ("TranslateY", 0.6, 7)),
    (("ShearY", 0.8, 4), ("Invert", 0.8, None)),
    (("ShearX", 0.7, 9), ("TranslateY", 0.8, 3)),
    (("ShearY", 0.8, 5), ("AutoContrast", 0.7, None)),
    (("ShearX", 0.7, 2), ("Invert", 0.1, None)),
)
POLICIES = {AutoAugmentPolicy.IMAGENET: IMAGENET, AutoAugmentPolicy.CIFAR10: CIFAR10, AutoAugmentPolicy.SVHN: SVHN}


class AutoAugment(nn.Module):
    """One of 25 pairs of steps, each with its probability and strength, as a search found them best.

    Source: Cubuk et al. 2018, arXiv:1805.09501.
    """

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: InterpolationMode = Mode.NEAREST,
        fill: Fill = None,
    ):
        super().__init__()
        self.policy, self.interpolation, self.fill = policy, interpolation, fill
        self.policies = POLICIES[policy]

    def forward(self, img: Picture) -> Picture:
        _, h, w = F.get_dimensions(img)
        space = moving_steps(10, 0.3, 150.0 / 331.0 * w, 150.0 / 331.0 * h, 30.0) | coloured_steps(10, 0.9)
        space |= {"Posterize": fewer_bits(10, 8, 4), **plain_steps(10), "Invert": (None, False)}
        pair = self.policies[whole(0, len(self.policies) - 1)]
        for name, probability, place in pair:
            if number() <= probability:
                line, signed = space[name]
                magnitude = 0.0 if line is None or place is None else float(line[place])
                if signed and whole(0, 1):
                    magnitude = -magnitude
                img = STEPS[name](img, magnitude, self.interpolation, self.fill)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(policy={self.policy}, fill={self.fill})"


class RandAugment(nn.Module):
    """num_ops steps drawn evenly, all of the same strength.

    Source: Cubuk et al. 2019, arXiv:1909.13719.
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = Mode.NEAREST,
        fill: Fill = None,
    ):
        super().__init__()
        self.num_ops, self.magnitude, self.num_magnitude_bins = num_ops, magnitude, num_magnitude_bins
        self.interpolation, self.fill = interpolation, fill

    def forward(self, img: Picture) -> Picture:
        _, h, w = F.get_dimensions(img)
        bins = self.num_magnitude_bins
        space: Space = {"Identity": (None, False)}
        space |= moving_steps(bins, 0.3, 150.0 / 331.0 * w, 150.0 / 331.0 * h, 30.0) | coloured_steps(bins, 0.9)
        space |= {"Posterize": fewer_bits(bins, 8, 4), **plain_steps(bins)}
        names = list(space)
        for _ in range(self.num_ops):
            name = names[whole(0, len(names) - 1)]
            line, signed = space[name]
            magnitude = 0.0 if line is None else float(line[self.magnitude])
            if signed and whole(0, 1):
                magnitude = -magnitude
            img = STEPS[name](img, magnitude, self.interpolation, self.fill)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_ops={self.num_ops}, magnitude={self.magnitude})"


class TrivialAugmentWide(nn.Module):
    """One step of a random strength, over wide ranges.

    Source: Mueller and Hutter 2021, arXiv:2103.10158.
    """

    def __init__(
        self, num_magnitude_bins: int = 31, interpolation: InterpolationMode = Mode.NEAREST, fill: Fill = None
    ):
        super().__init__()
        self.num_magnitude_bins, self.interpolation, self.fill = num_magnitude_bins, interpolation, fill

    def forward(self, img: Picture) -> Picture:
        bins = self.num_magnitude_bins
        space: Space = {"Identity": (None, False)}
        space |= moving_steps(bins, 0.99, 32.0, 32.0, 135.0) | coloured_steps(bins, 0.99)
        space |= {"Posterize": fewer_bits(bins, 8, 6), **plain_steps(bins)}
        names = list(space)
        name = names[whole(0, len(names) - 1)]
        line, signed = space[name]
        magnitude = 0.0 if line is None else float(line[whole(0, len(line) - 1)])
        if signed and whole(0, 1):
            magnitude = -magnitude
        return STEPS[name](img, magnitude, self.interpolation, self.fill)


class AugMix(nn.Module):
    """A mixture of several chains of steps with the picture itself.

    Source: Hendrycks et al. 2019, arXiv:1912.02781.
    """

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: InterpolationMode = Mode.BILINEAR,
        fill: Fill = None,
    ):
        super().__init__()
        self.severity, self.mixture_width, self.chain_depth, self.alpha = severity, mixture_width, chain_depth, alpha
        self.all_ops, self.interpolation, self.fill = all_ops, interpolation, fill

    def shares(self, count: int) -> np.ndarray:
        """Dirichlet's numbers, which sum to one."""
        from dovetail.distributions import Dirichlet
        from dovetail.ops.create import full

        return draw(lambda: Dirichlet(full((count,), float(self.alpha))).sample().numpy())

    def forward(self, img: Picture) -> Picture:
        _, h, w = F.get_dimensions(img)
        space = moving_steps(10, 0.3, w / 3.0, h / 3.0, 30.0)
        space |= {"Posterize": fewer_bits(10, 4, 4), **plain_steps(10)}
        if self.all_ops:
            space |= coloured_steps(10, 0.9)
        names, tensor = list(space), img if isinstance(img, Tensor) else F.pil_to_tensor(img)
        kept, mixed = self.shares(2)
        mixture = tensor.numpy().astype(np.float64) * kept
        for share in self.shares(self.mixture_width) * mixed:
            chain = tensor
            for _ in range(self.chain_depth if self.chain_depth > 0 else whole(1, 3)):
                name = names[whole(0, len(names) - 1)]
                line, signed = space[name]
                magnitude = 0.0 if line is None else float(line[whole(0, self.severity - 1)])
                if signed and whole(0, 1):
                    magnitude = -magnitude
                chain = STEPS[name](chain, magnitude, self.interpolation, self.fill)
            mixture = mixture + share * chain.numpy()
        made = Tensor.from_array(
            np.ascontiguousarray(rounded(np.floor(mixture) if not floats(tensor) else mixture, tensor.numpy().dtype))
        )
        return (
            F.to_pil_image(made) if is_pil(img) else made if isinstance(img, Tensor) else made.permute(1, 2, 0).numpy()
        )
