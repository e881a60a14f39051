"""How v2's transforms take a whole sample: pictures, masks and boxes get the same chance."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail import nn
from dovetail.base import tree
from dovetail.tensor.tensor import Tensor
from dovetail.vision.transforms.chance import taped
from dovetail.vision.transforms.pictures import is_pil
from dovetail.vision.tv_tensors import Image, TVTensor


class Joint(nn.Module):
    """Before a transform's class: `forward(sample)` or `forward(image, target, ...)`, nested as you like.

    Pictures, masks and boxes are transformed, all by what was drawn for the first of them; other things pass. A plain
    tensor counts as a picture if the sample has no other picture, and then only the first one.
    """

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        parts = tree.flatten(sample)
        chosen = choose(parts)
        with taped() as rewind:
            made = []
            for part, wanted in zip(parts, chosen, strict=True):
                rewind()
                made.append(self.one(part) if wanted else part)
        left = iter(made)
        return tree.map_leaves(lambda part: next(left), in_order(sample))

    def one(self, part: Any) -> Any:
        """One picture, mask or set of boxes."""
        return super().forward(part)


def in_order(sample: Any) -> Any:
    """The sample with its dicts in the order in which their leaves are walked."""
    if isinstance(sample, dict):
        made = {key: in_order(sample[key]) for key in tree.keys_of(sample)}
        return made if type(sample) is dict else type(sample)(made)
    if isinstance(sample, (list, tuple)):
        return tree.like(sample, [in_order(part) for part in sample])
    return sample


def choose(parts: list[Any]) -> list[bool]:
    """Which parts of a sample are transformed."""
    sure = [isinstance(part, TVTensor) or is_pil(part) or is_array(part) for part in parts]
    if not any(isinstance(part, Image) or is_pil(part) or is_array(part) for part in parts):
        plain = next((n for n, part in enumerate(parts) if type(part) is Tensor), None)
        if plain is not None:
            sure[plain] = True
    return sure


def is_array(part: Any) -> bool:
    """Whether it is an array as the data sets hold pictures: (h, w) or (h, w, c)."""
    return isinstance(part, np.ndarray) and part.ndim in (2, 3)


class Transform(Joint):
    """The base of users' own transforms: override `transform`, and `make_params` for what chance decides."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """What all parts of a sample share."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One part, changed."""
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        parts = tree.flatten(sample)
        chosen = choose(parts)
        params = self.make_params([part for part, wanted in zip(parts, chosen, strict=True) if wanted])
        made = iter([self.transform(p, params) if wanted else p for p, wanted in zip(parts, chosen, strict=True)])
        return tree.map_leaves(lambda part: next(made), in_order(sample))
