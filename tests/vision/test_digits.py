"""The digits in the package: as published, split as documented, enlarged as documented."""

from __future__ import annotations

import numpy as np

from dovetail.data.loader import DataLoader
from dovetail.datasets import Digits
from dovetail.vision.datasets.digits import enlarge, interpolation, read_digits


def test_as_published():
    images, labels = read_digits()
    assert images.shape == (1797, 8, 8) and images.max() == 16
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert images[0, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0] and labels[:10].tolist() == list(range(10))


def test_split_is_stratified_and_complete():
    train, test = Digits(train=True), Digits(train=False)
    assert (len(train), len(test)) == (1442, 355)
    share = np.bincount(test.labels) / (np.bincount(test.labels) + np.bincount(train.labels))
    assert abs(share - 0.2).max() < 0.01
    together = np.concatenate([train.images, test.images]).reshape(1797, -1)
    assert sorted(map(bytes, together)) == sorted(map(bytes, enlarge(read_digits()[0]).reshape(1797, -1)))


def test_items_and_batches_agree():
    digits = Digits(train=False)
    image, label = digits[3]
    images, labels = digits.batch([3, 7])
    assert image.shape == (1, 28, 28) and isinstance(label, int)
    assert (images.numpy()[0] == image.numpy()).all() and labels.tolist()[0] == label
    assert 0 <= image.numpy().min() and image.numpy().max() <= 1 and str(image.dtype).endswith("float32")


def test_transforms_see_bytes():
    digits = Digits(train=False, transform=lambda picture: picture.dtype.name, target_transform=lambda label: -label)
    assert digits[1] == ("uint8", -digits.labels[1]) and digits.batch([0]) is None


def test_data_and_targets():
    digits = Digits(train=False)
    assert digits.data.shape == (355, 28, 28) and digits.targets.shape == (355,)
    assert repr(digits) == "Digits(test, 355 images of 28x28)"


def test_enlarging_keeps_brightness_and_flat_areas():
    assert np.allclose(interpolation(8, 28).sum(1), 1)
    assert (enlarge(np.full((1, 8, 8), 16, np.uint8)) == 255).all()


def test_enlarging_agrees_with_hand_arithmetic():
    """8 -> 28: target pixel i has its centre at (i + 0.5) * 8 / 28 - 0.5 of the small line."""
    ramp = np.tile(np.arange(8, dtype=np.uint8) * 2, (8, 1))[None]
    centre = np.clip((np.arange(28) + 0.5) * 8 / 28 - 0.5, 0, 7)
    assert (enlarge(ramp)[0, 13] == np.rint(centre * 2 * 255 / 16)).all()


def test_the_loader_takes_whole_batches():
    """The loader asks for batches, not items; with a transform it collates what the transform makes."""
    for transform, shape in ((None, (32, 1, 28, 28)), (lambda picture: picture.astype(np.float32).ravel(), (32, 784))):
        images, labels = next(iter(DataLoader(Digits(train=False, transform=transform), batch_size=32)))
        assert tuple(images.shape) == shape and tuple(labels.shape) == (32,)
        assert str(images.dtype).endswith("float32") and str(labels.dtype).endswith("int64")
