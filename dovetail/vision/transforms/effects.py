"""Changes of a picture that look at more than one pixel or at all of them: gamma, sharpness, contrast, blur."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dovetail.base.errors import ArgumentError, DTypeError, message
from dovetail.vision.transforms.color import blend, white
from dovetail.vision.transforms.pictures import Picture, coloured, is_pil, pillow, rounded, through


@coloured
def adjust_gamma(img: Picture, gamma: float, gain: float = 1) -> Picture:
    """gain * value ** gamma, with values in 0..1.

    Raises: ArgumentError if gamma is negative.
    """
    if gamma < 0:
        raise ArgumentError(message("adjust_gamma", "gamma must not be negative", [("gamma", gamma)]))
    if is_pil(img):
        table = [int((255 + 1 - 1e-3) * gain * pow(value / 255.0, gamma)) for value in range(256)] * 3
        return img.convert("RGB").point(table).convert(img.mode)

    def kernel(a: np.ndarray) -> np.ndarray:
        top = white(a.dtype)
        made = np.clip(gain * (a.astype(np.float32) / np.float32(top)) ** np.float32(gamma), 0, 1)
        return made.astype(a.dtype) if top == 1 else (made * (top + 1.0 - 1e-3)).astype(a.dtype)

    return through(img, "adjust_gamma", kernel)


@coloured
def adjust_sharpness(img: Picture, sharpness_factor: float) -> Picture:
    """0 gives a blurred picture, 1 the picture itself, 2 one twice as sharp.

    Raises: ArgumentError if the factor is negative.
    """
    if sharpness_factor < 0:
        facts = [("sharpness_factor", sharpness_factor)]
        raise ArgumentError(message("adjust_sharpness", "the factor must not be negative", facts))
    if is_pil(img):
        return pillow("adjust_sharpness", "ImageEnhance").Sharpness(img).enhance(sharpness_factor)

    def kernel(a: np.ndarray) -> np.ndarray:
        if min(a.shape[-2:]) <= 2:
            return a
        exact = a.astype(np.float32)
        h, w = a.shape[-2:]
        parts = [exact[..., y : h - 2 + y, x : w - 2 + x] for y in range(3) for x in range(3)]
        soft = exact.copy()
        soft[..., 1:-1, 1:-1] = (sum(parts) + 4 * parts[4]) / 13
        return blend(a, rounded(soft, a.dtype), sharpness_factor)

    return through(img, "adjust_sharpness", kernel)


@coloured
def autocontrast(img: Picture) -> Picture:
    """Each channel stretched from its own range to the whole one."""
    if is_pil(img):
        return pillow("autocontrast", "ImageOps").autocontrast(img)

    def kernel(a: np.ndarray) -> np.ndarray:
        top, exact = white(a.dtype), a.astype(np.float32)
        low, high = exact.min((-2, -1), keepdims=True), exact.max((-2, -1), keepdims=True)
        flat = low == high
        scale = np.where(flat, 1, top / np.where(flat, 1, high - low)).astype(np.float32)
        return np.clip((exact - np.where(flat, 0, low)) * scale, 0, top).astype(a.dtype)

    return through(img, "autocontrast", kernel)


@coloured
def equalize(img: Picture) -> Picture:
    """Each channel's values spread evenly, by its histogram.

    Raises: DTypeError unless it holds bytes.
    """
    if is_pil(img):
        return pillow("equalize", "ImageOps").equalize(img)

    def kernel(a: np.ndarray) -> np.ndarray:
        if a.dtype != np.uint8:
            raise DTypeError(message("equalize", "takes bytes", [("input", a)]))
        flat = a.reshape(-1, *a.shape[-2:])
        return np.stack([evened(channel) for channel in flat]).reshape(a.shape)

    return through(img, "equalize", kernel)


def evened(channel: np.ndarray) -> np.ndarray:
    """One channel by Pillow's table."""
    counts = np.bincount(channel.ravel(), minlength=256)
    used = counts[counts != 0]
    step = used[:-1].sum() // 255
    if step == 0:
        return channel
    table = (counts.cumsum() + step // 2) // step
    return np.clip(np.concatenate([[0], table[:-1]]), 0, 255).astype(np.uint8)[channel]


def bell(size: int, sigma: float) -> np.ndarray:
    """Weights of a blur along one line."""
    place = np.linspace(-(size - 1) * 0.5, (size - 1) * 0.5, size)
    weights = np.exp(-0.5 * (place / sigma) ** 2)
    return weights / weights.sum()


def blurred(a: np.ndarray, sizes: Sequence[int], sigmas: Sequence[float]) -> np.ndarray:
    """The array (*, h, w) averaged with Gaussian weights along both axes, its border mirrored.

    sizes, sigmas: (x, y)
    """
    made = a.astype(np.float64 if a.dtype == np.float64 else np.float32)
    for axis, size, sigma in zip((-1, -2), sizes, sigmas, strict=True):
        half = size // 2
        widths = [(0, 0)] * made.ndim
        widths[axis] = (half, half)
        wide, length = np.pad(made, widths, mode="reflect"), made.shape[axis]
        weights = bell(size, sigma)
        lines = (np.take(wide, range(at, at + length), axis) * weights[at] for at in range(size))
        made = sum(lines).astype(made.dtype)
    return made


def two(value: float | Sequence[float]) -> list:
    """(x, y) of one number or two."""
    return [value, value] if isinstance(value, int | float) else list(value) * (2 // len(value))


@coloured
def gaussian_blur(
    img: Picture, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None
) -> Picture:
    """Averaged over neighbours with Gaussian weights; the border is mirrored.

    kernel_size, sigma: one number, or (x, y). Without sigma: 0.3 * ((size - 1) * 0.5 - 1) + 0.8.
    Raises: ArgumentError unless sizes are odd and sigmas above zero.
    """
    sizes = two(kernel_size)
    sigmas = [0.3 * ((size - 1) * 0.5 - 1) + 0.8 for size in sizes] if sigma is None else two(sigma)
    if any(size % 2 == 0 or size <= 0 for size in sizes) or min(sigmas) <= 0:
        facts = [("kernel_size", sizes), ("sigma", sigmas)]
        raise ArgumentError(message("gaussian_blur", "takes odd sizes and sigmas above zero", facts))
    return through(img, "gaussian_blur", lambda a: rounded(blurred(a, sizes, sigmas), a.dtype))


@coloured
def gaussian_noise(img: Picture, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Picture:
    """Normal noise added; values are 0..1, or bytes."""
    from dovetail.vision.transforms.chance import normal

    def kernel(a: np.ndarray) -> np.ndarray:
        top = white(a.dtype)
        made = a.astype(np.float32) + (mean + normal(*a.shape) * sigma) * top
        return rounded(np.clip(made, 0, top) if clip else made, a.dtype)

    return through(img, "gaussian_noise", kernel)
