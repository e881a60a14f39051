"""Reference models: torchvision's names of parameters, its counts of parameters, and shapes that come out."""

from __future__ import annotations

import pytest

import dovetail
from dovetail.base.errors import FileError
from dovetail.vision import models

COUNTS = {  # parameters, as torchvision's documentation gives them for each model
    "alexnet": 61_100_840,
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "resnext50_32x4d": 25_028_904,
    "squeezenet1_0": 1_248_424,
    "squeezenet1_1": 1_235_496,
    "mobilenet_v2": 3_504_872,
    "mobilenet_v3_large": 5_483_032,
    "mobilenet_v3_small": 2_542_856,
    "densenet121": 7_978_856,
    "efficientnet_b0": 5_288_548,
    "convnext_tiny": 28_589_128,
}
SOME_KEYS = {
    "alexnet": ["features.0.weight", "features.10.bias", "classifier.1.weight", "classifier.6.bias"],
    "resnet18": ["conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "layer2.0.downsample.1.weight", "fc.bias"],
    "resnet50": ["layer4.2.conv3.weight", "layer1.0.downsample.0.weight"],
    "squeezenet1_1": ["features.3.squeeze.weight", "features.12.expand3x3.bias", "classifier.1.weight"],
    "mobilenet_v2": ["features.0.0.weight", "features.1.conv.1.weight", "features.18.1.bias", "classifier.1.bias"],
    "mobilenet_v3_small": ["features.1.block.1.fc1.weight", "features.12.0.weight", "classifier.3.bias"],
    "densenet121": ["features.denseblock1.denselayer1.norm1.weight", "features.transition3.conv.weight"],
    "efficientnet_b0": ["features.1.0.block.1.fc2.bias", "features.8.1.running_mean", "classifier.1.weight"],
    "convnext_tiny": [
        "features.1.0.layer_scale",
        "features.1.0.block.5.bias",
        "features.2.1.weight",
        "classifier.2.bias",
    ],
}


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_as_many_parameters_by_the_same_names(name):
    model = getattr(models, name)()
    assert sum(p.numel() for p in model.parameters()) == COUNTS[name]
    assert not set(SOME_KEYS.get(name, ())) - set(model.state_dict())


SMALL = [
    (models.lenet5, {"num_classes": 7}, (2, 1, 28, 28)),
    (models.resnet18, {"num_classes": 7}, (2, 3, 32, 32)),
    (models.squeezenet1_1, {"num_classes": 7}, (2, 3, 40, 40)),
    (models.mobilenet_v2, {"num_classes": 7, "width_mult": 0.25}, (2, 3, 32, 32)),
]


@pytest.mark.parametrize("make, options, shape", SMALL, ids=[row[0].__name__ for row in SMALL])
def test_shapes(make, options, shape):
    model = make(**options)
    model.eval()
    with dovetail.no_grad():
        assert model(dovetail.rand(*shape)).shape == (2, 7)


def test_vision_transformer_runs():
    model = models.VisionTransformer(16, 8, 2, 2, 8, 16, num_classes=7)
    assert "encoder.layers.encoder_layer_1.self_attention.in_proj_weight" in model.state_dict()
    out = model(dovetail.rand(2, 3, 16, 16))
    out.sum().backward()
    assert out.shape == (2, 7) and model.heads.head.weight.grad is not None


def test_weights_are_refused_with_the_cure():
    with pytest.raises(FileError, match=r"Put that file there"):
        models.resnet18(weights="DEFAULT")
