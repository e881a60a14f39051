"""Writes model_outputs.npz: what torchvision's networks compute with the weights and pictures of model_cases.py.

Needs torch and torchvision: python tests/vision/make_reference.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from model_cases import NAMES, build, picture, state
from torchvision import models

if __name__ == "__main__":
    made = {}
    for name in NAMES:
        network = build(models, name).eval()
        entries = network.state_dict()
        for key, value in state(entries).items():
            entries[key].copy_(torch.from_numpy(value))
        with torch.no_grad():
            made[name] = network(torch.from_numpy(picture(name))).numpy()
        made[name + ".keys"] = np.array(list(network.state_dict()))
    np.savez_compressed(Path(__file__).with_name("model_outputs.npz"), **made)
