"""Weights of ten networks both ways with real PyTorch, through .pt and .safetensors files.

Needs torch, torchvision and safetensors: python tools/check_weights.py
Each network gets random weights in torchvision; a .pt and a .safetensors file carry them here, and the other way round;
the outputs for the same pictures must agree to 1e-4 of their size.
"""

from __future__ import annotations

import sys
import tempfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torchvision import models as theirs

import dovetail
from dovetail import io
from dovetail.vision import models as ours

NETWORKS = {
    "resnet18": 64,
    "squeezenet1_1": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "shufflenet_v2_x0_5": 64,
    "densenet121": 64,
    "efficientnet_b0": 64,
    "mnasnet0_5": 64,
    "regnet_y_400mf": 64,
    "convnext_tiny": 64,
    "swin_t": 64,
    "vit_b_32": 224,
    "alexnet": 64,
    "vgg11_bn": 32,
    "googlenet": 64,
    "inception_v3": 96,
}


def randomized(network: torch.nn.Module) -> torch.nn.Module:
    """Running statistics that are not zeros and ones either."""
    for name, value in network.state_dict().items():
        if name.endswith("running_mean"):
            value.normal_(0, 0.1)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    return network.eval()


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference, as a share of the largest value."""
    return float(np.abs(a - b).max() / np.abs(b).max())


def check(name: str, size: int, folder: Path) -> float:
    """The worst of the four ways."""
    torch.manual_seed(0)
    options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    reference = randomized(getattr(theirs, name)(num_classes=10, **options))
    picture = np.random.default_rng(0).standard_normal((2, 3, size, size)).astype(np.float32)
    with torch.no_grad():
        wanted = reference(torch.from_numpy(picture)).numpy()
    torch.save(reference.state_dict(), folder / "t.pt")
    save_file({key: value.contiguous() for key, value in reference.state_dict().items()}, folder / "t.safetensors")
    network = getattr(ours, name)(num_classes=10).eval()
    worst = 0.0
    for tensors in (io.load(folder / "t.pt"), io.load_file(folder / "t.safetensors")):
        network.load_state_dict(tensors)
        with dovetail.no_grad():
            worst = max(worst, difference(network(dovetail.tensor(picture)).numpy(), wanted))
    io.save(network.state_dict(), folder / "d.pt")
    io.save_file(network.state_dict(), folder / "d.safetensors")
    for tensors in (torch.load(folder / "d.pt", weights_only=True), load_file(folder / "d.safetensors")):
        again = getattr(theirs, name)(num_classes=10, **options).eval()
        if not hasattr(tensors, "_metadata"):  # safetensors cannot hold it, and MNASNet asks for its version
            tensors = OrderedDict(tensors)
            tensors._metadata = reference.state_dict()._metadata
        again.load_state_dict(tensors)
        with torch.no_grad():
            worst = max(worst, difference(again(torch.from_numpy(picture)).numpy(), wanted))
    return worst


if __name__ == "__main__":
    failed = 0
    for name in sys.argv[1:] or NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            worst = check(name, NETWORKS[name], Path(folder))
        failed += worst > 1e-4
        print(f"{name:<22} {worst:.1e} {'ok' if worst <= 1e-4 else 'DIFFERS'}", flush=True)
    sys.exit(failed)
