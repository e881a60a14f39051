"""Transforms agree with torchvision's, on tensors of bytes and floats and on PIL images; samples are moved together."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import dovetail
from dovetail.base.errors import ArgumentError, ShapeError
from dovetail.vision import transforms, tv_tensors
from dovetail.vision.transforms import functional as F
from dovetail.vision.transforms import v2

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("transform_cases", HERE / "transform_cases.py")
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)
REFERENCE = np.load(HERE / "transform_outputs.npz")


@pytest.mark.parametrize("name", cases.CALLS)
def test_bytes(name):
    made = cases.CALLS[name](F, dovetail.tensor(cases.picture()))
    wanted = REFERENCE[name + "/bytes"].astype(int)
    assert made.dtype is dovetail.uint8 and made.shape == wanted.shape
    assert np.abs(made.numpy().astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("name", [name for name in cases.CALLS if name not in cases.BYTES_ONLY])
def test_floats(name):
    made = cases.CALLS[name](F, dovetail.tensor(cases.picture()).float() / 255)
    np.testing.assert_allclose(made.numpy(), REFERENCE[name + "/floats"], atol=2e-5)


@pytest.mark.parametrize("name", cases.CALLS)
def test_pil_images(name):
    image = pytest.importorskip("PIL.Image")
    made = cases.CALLS[name](F, image.fromarray(cases.picture().transpose(1, 2, 0)))
    assert np.abs(np.asarray(made).astype(int) - REFERENCE[name + "/pil"].astype(int)).max() <= 1


def test_elastic():
    made = F.elastic_transform(dovetail.tensor(cases.picture()), dovetail.tensor(cases.displacement()))
    assert np.abs(made.numpy().astype(int) - REFERENCE["elastic"].astype(int)).max() <= 1
    with pytest.raises(ShapeError, match="one offset"):
        F.elastic_transform(dovetail.zeros(3, 4, 4), dovetail.zeros(1, 3, 4, 2))


def boxes():
    rows = dovetail.tensor([[2.0, 3, 9, 8], [0, 0, 4, 12]])
    return tv_tensors.BoundingBoxes(rows, format="XYXY", canvas_size=(13, 17))


@pytest.mark.parametrize(
    "name, call",
    [
        ("hflip", lambda b: F.hflip(b)),
        ("vflip", lambda b: F.vflip(b)),
        ("crop", lambda b: F.crop(b, 2, 1, 7, 6)),
        ("pad", lambda b: F.pad(b, [1, 2, 3, 4])),
        ("resize", lambda b: F.resize(b, [26, 51])),
        ("affine", lambda b: F.affine(b, 20.0, [2, -1], 1.2, [8.0, -5.0])),
        ("rotate", lambda b: F.rotate(b, 30.0)),
    ],
)
def test_boxes_move_as_torchvisions(name, call):
    made = call(boxes())
    assert isinstance(made, tv_tensors.BoundingBoxes)
    np.testing.assert_allclose(made.numpy(), REFERENCE["boxes " + name], atol=1e-4)


JOINT = [
    v2.RandomCrop((8, 9), padding=2),
    v2.RandomHorizontalFlip(0.5),
    v2.RandomVerticalFlip(0.5),
    v2.RandomResizedCrop((10, 11), antialias=False, interpolation=v2.InterpolationMode.NEAREST),
    v2.RandomRotation(90),
    v2.RandomAffine(45, (0.2, 0.2), (0.8, 1.2), 10),
    v2.RandomZoomOut(p=1.0),
    v2.ElasticTransform(sigma=2.0, interpolation=v2.InterpolationMode.NEAREST),
    v2.RandomPerspective(p=1.0, interpolation=v2.InterpolationMode.NEAREST),
]


@pytest.mark.parametrize("transform", JOINT, ids=lambda t: type(t).__name__)
def test_masks_and_boxes_follow_the_picture(transform):
    """A picture that shows its own mask: it still does after any transform, and the box holds the marked pixels."""
    dovetail.manual_seed(3)
    for _ in range(5):
        marked = np.zeros((13, 17), np.uint8)
        marked[4:7, 5:11] = 1
        sample = {
            "image": tv_tensors.Image(dovetail.tensor(marked * 200)[None]),
            "mask": tv_tensors.Mask(dovetail.tensor(marked)),
            "boxes": tv_tensors.BoundingBoxes([[5.0, 4, 11, 7]], format="XYXY", canvas_size=(13, 17)),
            "name": "a",
        }
        made = transform(sample)
        assert type(made["image"]) is tv_tensors.Image and made["name"] == "a"
        assert (made["image"][0].numpy() > 100).tolist() == (made["mask"].numpy() > 0).tolist()
        y, x = np.nonzero(made["mask"].numpy())
        if len(y) and not isinstance(transform, v2.ElasticTransform):  # waves tear small marks apart
            left, top, right, bottom = made["boxes"].numpy()[0]
            assert left - 1.5 <= x.min() and x.max() <= right + 0.5 and top - 1.5 <= y.min() and y.max() <= bottom + 0.5


def test_colours_leave_masks_and_boxes():
    mask, image = tv_tensors.Mask(dovetail.ones(1, 4, 4)), tv_tensors.Image(dovetail.rand(3, 4, 4))
    steps = [
        v2.ColorJitter(0.5, 0.5, 0.5, 0.2),
        v2.Normalize([0.5] * 3, [0.5] * 3),
        v2.GaussianBlur(3),
        v2.RandomErasing(1.0),
    ]
    shown, kept = v2.Compose(steps)(image, mask)
    assert kept.tolist() == mask.tolist() and shown.tolist() != image.tolist() and type(kept) is tv_tensors.Mask


def test_only_the_first_plain_tensor_is_a_picture():
    x, label = dovetail.rand(3, 4, 4), dovetail.tensor([1.0, 2.0])
    flipped, same, number = v2.RandomHorizontalFlip(1.0)(x, label, 7)
    assert flipped.tolist() == x.flip(-1).tolist() and same is label and number == 7
    image, plain = v2.RandomHorizontalFlip(1.0)((tv_tensors.Image(x), x))
    assert image.tolist() == x.flip(-1).tolist() and plain is x


def test_kinds_of_tensors():
    image = v2.functional.to_image(cases.picture().transpose(1, 2, 0))
    assert type(image) is tv_tensors.Image and image.shape == (3, 13, 17) and type(image + 1) is dovetail.Tensor
    made = v2.ToDtype(dovetail.float32, scale=True)(image)
    assert type(made) is tv_tensors.Image and made.max().item() <= 1
    converted = v2.ConvertBoundingBoxFormat("CXCYWH")(boxes())
    assert converted[0].tolist() == [5.5, 5.5, 7, 5] and converted.format is tv_tensors.BoundingBoxFormat.CXCYWH
    assert type(v2.ToPureTensor()(image)) is dovetail.Tensor
    kept = v2.SanitizeBoundingBoxes()(
        {
            "boxes": tv_tensors.BoundingBoxes([[0.0, 0, 5, 5], [3, 3, 3, 4]], format="XYXY", canvas_size=(9, 9)),
            "labels": dovetail.tensor([1, 2]),
        }
    )
    assert kept["boxes"].shape == (1, 4) and kept["labels"].tolist() == [1]


def test_mixup_and_cutmix():
    images, labels = dovetail.rand(4, 3, 8, 8), dovetail.tensor([0, 1, 2, 1])
    mixed, shares = v2.MixUp(num_classes=3)(images, labels)
    own = shares[0, 0].item()
    np.testing.assert_allclose(mixed[0].numpy(), (images[0] * own + images[3] * (1 - own)).numpy(), atol=1e-5)
    cut, shares = v2.CutMix(num_classes=3)({"x": images, "labels": labels}).values()
    foreign = (cut != images).any(1).float().mean((1, 2))
    np.testing.assert_allclose(foreign[0].item(), 1 - shares[0, 0].item(), atol=1e-6)
    np.testing.assert_allclose(shares.sum(1).numpy(), np.ones(4), atol=1e-6)
    with pytest.raises(ArgumentError, match="num_classes"):
        v2.MixUp()(images, labels)


@pytest.mark.parametrize("kind", ["AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix"])
@pytest.mark.parametrize("form", ["tensor", "floats", "pil"])
def test_policies(kind, form):
    picture = dovetail.tensor(cases.picture())
    if form == "pil":
        picture = F.to_pil_image(picture) if pytest.importorskip("PIL") else None
    transform = getattr(transforms, kind)()
    if form == "floats":
        if kind != "TrivialAugmentWide":
            pytest.skip("posterize and equalize take bytes")
        picture, transform = picture, v2.TrivialAugmentWide()
    dovetail.manual_seed(1)
    made = [np.asarray(F.pil_to_tensor(transform(picture)) if form == "pil" else transform(picture)) for _ in range(6)]
    assert all(each.shape == (3, 13, 17) and each.dtype == np.uint8 for each in made)
    assert any((each != cases.picture()).any() for each in made)
    dovetail.manual_seed(1)
    again = transform(picture)
    assert (np.asarray(F.pil_to_tensor(again) if form == "pil" else again) == made[0]).all()


def test_own_transforms():
    class Add(v2.Transform):
        def make_params(self, flat_inputs):
            return {"amount": float(len(flat_inputs))}

        def transform(self, inpt, params):
            return inpt + params["amount"]

    image, mask, word = Add()(tv_tensors.Image(dovetail.zeros(1, 2, 2)), tv_tensors.Mask(dovetail.zeros(2, 2)), "w")
    assert image[0, 0, 0].item() == 2 and mask[0, 0].item() == 2 and word == "w"


def test_parameters_of_chance():
    image = dovetail.rand(3, 13, 17)
    start, end = transforms.RandomPerspective.get_params(17, 13, 0.5)
    assert start == [[0, 0], [16, 0], [16, 12], [0, 12]] and all(0 <= x <= 16 and 0 <= y <= 12 for x, y in end)
    assert transforms.ElasticTransform.get_params([50.0, 50.0], [5.0, 5.0], [13, 17]).shape == (1, 13, 17, 2)
    top, left, high, wide, value = transforms.RandomErasing.get_params(image, (0.1, 0.2), (0.5, 2.0), "random")
    assert value.shape == (3, high, wide) and top + high <= 13 and left + wide <= 17
    angle, moved, scale, shear = transforms.RandomAffine.get_params((-5, 5), (0.1, 0.1), (0.5, 2), (-3, 3), (17, 13))
    assert -5 <= angle <= 5 and abs(moved[0]) <= 2 and 0.5 <= scale <= 2 and -3 <= shear[0] <= 3 and shear[1] == 0
    places, *strengths = transforms.ColorJitter.get_params((0.5, 1.5), None, (1, 2), (-0.1, 0.1))
    assert sorted(places) == [0, 1, 2, 3] and strengths[1] is None
    assert 0.1 <= transforms.GaussianBlur.get_params(0.1, 2.0) <= 2.0
