"""Networks and numbers that the stored references and the tests share; weights are made by a rule."""

from __future__ import annotations

import zlib

import numpy as np

SIZES = {"googlenet": 64, "vit": 32, "swin": 32, "swin_v2": 32}
NAMES = (
    "densenet",
    "efficientnet_b0",
    "googlenet",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnet",
    "resnext",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "swin",
    "swin_v2",
    "vit",
)


def build(models, name: str):
    """The network of that name from `models`, torchvision's or ours; small ones where the class takes sizes."""
    if name == "resnet":
        return models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=10)
    if name == "resnext":
        return models.ResNet(models.resnet.Bottleneck, [1, 1, 1, 1], num_classes=10, groups=4, width_per_group=8)
    if name == "densenet":
        return models.DenseNet(8, (2, 2, 2, 2), 16, num_classes=10)
    if name == "vit":
        return models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=10)
    if name.startswith("swin"):
        swin = models.swin_transformer
        second = {"block": swin.SwinTransformerBlockV2, "downsample_layer": swin.PatchMergingV2} if "v2" in name else {}
        return models.SwinTransformer([4, 4], 16, [2, 2], [2, 4], [4, 4], num_classes=10, **second)
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    return getattr(models, name)(num_classes=10, **options)


def numbers(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """The value of one entry of a state dict: by its name alone."""
    chance = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if len(shape) > 1:
        return (chance.standard_normal(shape) * (2 / np.prod(shape[1:])) ** 0.5).astype(np.float32)
    if key.endswith(("weight", "running_var")):
        return chance.uniform(0.5, 1.5, shape).astype(np.float32)
    return (chance.standard_normal(shape) * 0.1).astype(np.float32)


def state(entries) -> dict[str, np.ndarray]:
    """Values for a state dict; entries that are computed from sizes (a swin's tables) are left as they are."""
    return {k: numbers(k, tuple(v.shape)) for k, v in entries.items() if "relative_" not in k or "bias_table" in k}


def picture(name: str) -> np.ndarray:
    """Two pictures for the network."""
    size = SIZES.get(name, 64)
    return np.random.default_rng(7).standard_normal((2, 3, size, size)).astype(np.float32)
