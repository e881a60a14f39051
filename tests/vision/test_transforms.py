"""Transforms: tensors and arrays against NumPy, PIL images against Pillow."""

from __future__ import annotations

import numpy as np
import pytest

import dovetail as dv
from dovetail.base.errors import ArgumentError, DTypeError, GradientError
from dovetail.vision import transforms as T
from dovetail.vision.transforms import functional as F
from dovetail.vision.transforms import v2

RNG = np.random.default_rng(3)
BYTES = RNG.integers(0, 256, (21, 30, 3), np.uint8)
TENSOR = dv.tensor(BYTES.transpose(2, 0, 1).copy())


def test_to_tensor_and_normalize():
    made = T.Compose([T.ToTensor(), T.Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))])(BYTES)
    wanted = (BYTES.transpose(2, 0, 1) / np.float32(255) - np.reshape([0.5, 0.4, 0.3], (3, 1, 1))) / np.reshape(
        [0.2, 0.3, 0.4], (3, 1, 1)
    )
    np.testing.assert_allclose(made.numpy(), wanted, rtol=1e-5, atol=1e-6)
    with pytest.raises(DTypeError, match="ToTensor"):
        F.normalize(TENSOR, [0.5], [0.5])
    with pytest.raises(GradientError):
        F.hflip(dv.rand(3, 4, 4, requires_grad=True))


def test_moves_agree_with_numpy():
    a = TENSOR.numpy()
    assert (F.hflip(TENSOR).numpy() == a[:, :, ::-1]).all() and (F.vflip(TENSOR).numpy() == a[:, ::-1]).all()
    assert (F.crop(TENSOR, 2, 3, 5, 7).numpy() == a[:, 2:7, 3:10]).all()
    assert (F.crop(TENSOR, -1, -2, 4, 5).numpy() == np.pad(a, ((0, 0), (1, 0), (2, 0)))[:, :4, :5]).all()
    assert (F.pad(TENSOR, (1, 2, 3, 4), fill=9).numpy() == np.pad(a, ((0, 0), (2, 4), (1, 3)), constant_values=9)).all()
    assert (F.pad(TENSOR, 2, padding_mode="reflect").numpy() == np.pad(a, ((0, 0), (2, 2), (2, 2)), "reflect")).all()
    assert (F.center_crop(TENSOR, 11).numpy() == a[:, 5:16, 10:21]).all() and F.center_crop(BYTES, 40).shape == (
        40,
        40,
        3,
    )
    even = TENSOR[:, :20]  # torchvision makes room for one pixel more where the sides are not both even or both odd
    assert (F.rotate(even, 90, expand=True).numpy() == np.rot90(a[:, :20], 1, (1, 2))).all()
    assert (F.affine(TENSOR, 0, (2, 1), 1.0, 0).numpy()[:, 1:, 2:] == a[:, :-1, :-2]).all()


def test_dtypes():
    assert F.convert_image_dtype(dv.tensor([[[0.0, 1.0]]]), dv.uint8).tolist() == [[[0, 255]]]
    assert F.convert_image_dtype(dv.tensor([[[255]]], dtype=dv.uint8)).item() == 1.0
    assert v2.Compose([v2.ToImage(), v2.ToDtype(dv.float32, scale=True)])(BYTES).max().item() <= 1.0


def test_colours():
    white = dv.ones(3, 2, 2)
    assert F.adjust_brightness(white, 0.25).tolist() == (white * 0.25).tolist()
    red = dv.tensor([1.0, 0, 0]).view(3, 1, 1)
    np.testing.assert_allclose(F.adjust_hue(red, 1 / 3).flatten().numpy(), [0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(F.adjust_saturation(red, 0.0).flatten().numpy(), [0.2989] * 3, rtol=1e-6)
    assert F.invert(TENSOR).tolist() == (255 - TENSOR.numpy()).tolist()
    with pytest.raises(ArgumentError):
        T.ColorJitter(hue=0.7)


RANDOM = [
    T.RandomCrop(16, padding=4),
    T.RandomResizedCrop(16),
    T.RandomHorizontalFlip(),
    T.RandomVerticalFlip(),
    T.RandomRotation(30, T.InterpolationMode.BILINEAR),
    T.RandomAffine(10, (0.1, 0.1), (0.8, 1.2), 5),
    T.ColorJitter(0.4, 0.4, 0.4, 0.1),
    T.RandomGrayscale(0.5),
    T.RandomApply([T.Pad(1)], 0.5),
    T.RandomChoice([T.Pad(1), T.Resize(9)]),
    T.RandomOrder([T.CenterCrop(20), T.Resize(9)]),
]


@pytest.mark.parametrize("transform", RANDOM, ids=[type(each).__name__ for each in RANDOM])
def test_chance_follows_manual_seed(transform):
    for picture in (BYTES, TENSOR):
        dv.manual_seed(4)
        first = transform(picture)
        dv.manual_seed(4)
        assert np.array_equal(np.asarray(transform(picture)), np.asarray(first))
        assert first.dtype == picture.dtype


def test_erasing():
    made = T.RandomErasing(1.0, value=7.0)(dv.zeros(3, 20, 20))
    assert sorted(set(made.flatten().tolist())) == [0.0, 7.0]


@pytest.mark.parametrize("size", [(9, 11), (50, 44), (60, 7)])  # across first: Pillow 13 does (7, 60) downwards first
@pytest.mark.parametrize("mode", ["BILINEAR", "BICUBIC"])
def test_resize_as_pillow(size, mode):
    image = pytest.importorskip("PIL.Image").fromarray(BYTES)
    way = T.InterpolationMode[mode]
    ours = F.resize(BYTES, size, way).astype(int)
    theirs = np.asarray(F.resize(image, size, way)).astype(int)
    assert abs(ours - theirs).max() <= 1  # Pillow computes in whole numbers


def test_pil_images():
    Image = pytest.importorskip("PIL.Image")
    image = Image.fromarray(BYTES)
    assert (np.asarray(F.hflip(image)) == BYTES[:, ::-1]).all() and F.crop(image, 1, 2, 3, 4).size == (4, 3)
    assert (F.pil_to_tensor(image).numpy() == TENSOR.numpy()).all()
    assert (np.asarray(F.to_pil_image(TENSOR)) == BYTES).all()
    assert F.to_pil_image(dv.rand(1, 4, 4)).mode == "L" and F.rgb_to_grayscale(image).mode == "L"
    assert (np.asarray(F.rotate(image, 90, expand=True)) == np.rot90(BYTES)).all()
    assert (np.asarray(F.affine(image, 0, (2, 1), 1.0, 0))[1:, 2:] == BYTES[:-1, :-2]).all()
    assert T.Compose([T.Resize(8), T.RandomRotation(9), T.ColorJitter(0.1, 0.1, 0.1, 0.1), T.ToTensor()])(
        image
    ).shape == (3, 8, 11)
