"""Writes transform_outputs.npz: what torchvision makes of the calls in transform_cases.py.

Needs torch, torchvision and Pillow: python tests/vision/make_transform_reference.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import functional as F
from torchvision.transforms import v2
from transform_cases import BYTES_ONLY, CALLS, displacement, picture

if __name__ == "__main__":
    pixels, made = torch.from_numpy(picture()), {}
    for name, call in CALLS.items():
        made[f"{name}/bytes"] = call(F, pixels).numpy()
        if name not in BYTES_ONLY:
            made[f"{name}/floats"] = call(F, pixels.float() / 255).numpy()
        made[f"{name}/pil"] = np.asarray(call(F, Image.fromarray(picture().transpose(1, 2, 0))))
    made["elastic"] = F.elastic_transform(pixels, torch.from_numpy(displacement())).numpy()
    boxes = tv_tensors.BoundingBoxes([[2.0, 3, 9, 8], [0, 0, 4, 12]], format="XYXY", canvas_size=(13, 17))
    G = v2.functional
    for name, moved in {
        "hflip": G.horizontal_flip(boxes),
        "vflip": G.vertical_flip(boxes),
        "crop": G.crop(boxes, 2, 1, 7, 6),
        "pad": G.pad(boxes, [1, 2, 3, 4]),
        "resize": G.resize(boxes, [26, 51]),
        "affine": G.affine(boxes, 20.0, [2, -1], 1.2, [8.0, -5.0]),
        "rotate": G.rotate(boxes, 30.0),
    }.items():
        made[f"boxes {name}"] = moved.numpy()
    np.savez_compressed(Path(__file__).with_name("transform_outputs.npz"), **made)
