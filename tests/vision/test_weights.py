"""Weights and torchvision: the same names in the same order, the same outputs, files both ways, published weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import dovetail
from dovetail import io
from dovetail.base.errors import ArgumentError, FileError
from dovetail.vision import models

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("vision_model_cases", HERE / "model_cases.py")
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)
REFERENCE = np.load(HERE / "model_outputs.npz")


@pytest.mark.parametrize("name", cases.NAMES)
def test_outputs_are_torchvisions(name):
    network = cases.build(models, name).eval()
    entries = network.state_dict()
    assert list(entries) == REFERENCE[name + ".keys"].tolist()
    values = {key: dovetail.tensor(value) for key, value in cases.state(entries).items()}
    network.load_state_dict(values, strict=False)
    with dovetail.no_grad():
        made = network(dovetail.tensor(cases.picture(name))).numpy()
    wanted = REFERENCE[name]
    assert np.abs(made - wanted).max() <= 1e-4 * max(1.0, np.abs(wanted).max())


@pytest.fixture
def small(tmp_path):
    """(a model, its files in both formats)"""
    network = models.squeezenet1_1(num_classes=3).eval()
    io.save(network.state_dict(), tmp_path / "m.pth")
    io.save_file(network.state_dict(), tmp_path / "m.safetensors")
    return network, tmp_path


@pytest.mark.parametrize("file", ["m.pth", "m.safetensors"])
def test_weights_from_a_file(small, file):
    network, folder = small
    again = models.squeezenet1_1(weights=folder / file, num_classes=3)
    assert again.features[0].weight.tolist() == network.features[0].weight.tolist()


def test_published_weights_are_read_where_pytorch_keeps_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for weights in ("DEFAULT", "IMAGENET1K_V1", models.SqueezeNet1_1_Weights.DEFAULT, True):
        with pytest.raises(FileError, match="squeezenet1_1-b8a52dc0.pth"):
            models.squeezenet1_1(weights=weights)
    with pytest.raises(FileError, match="none are downloaded"):
        models.squeezenet1_1(pretrained=True)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    network = models.squeezenet1_1()
    io.save(network.state_dict(), tmp_path / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    again = models.squeezenet1_1(weights="DEFAULT")
    assert again.features[0].weight.tolist() == network.features[0].weight.tolist()


def test_weights_of_another_model_are_refused():
    with pytest.raises(ArgumentError, match="another model"):
        models.resnet18(weights=models.ResNet50_Weights.DEFAULT)
    with pytest.raises(ArgumentError, match="IMAGENET1K_V1"):
        models.resnet18(weights="IMAGENET1K_V9")


def test_models_by_name():
    assert {"resnet18", "vit_b_16", "swin_t", "unet"} <= set(models.list_models())
    assert models.list_models(include="resnet*", exclude=["*5*", "*3*"]) == ["resnet101", "resnet18"]
    assert isinstance(models.get_model("shufflenet_v2_x0_5", num_classes=3), models.ShuffleNetV2)
    assert models.get_model_weights("resnet50") is models.ResNet50_Weights
    assert models.get_weight("ResNet50_Weights.IMAGENET1K_V2") is models.ResNet50_Weights.DEFAULT
    with pytest.raises(ArgumentError, match="resnet18"):
        models.get_model("resnet81")


def test_preparation_of_published_weights():
    prepare = models.ResNet50_Weights.IMAGENET1K_V2.transforms()
    assert prepare(dovetail.zeros(3, 300, 400, dtype=dovetail.uint8)).shape == (3, 224, 224)
    assert "resize_size=[232]" in repr(prepare) and models.ResNet50_Weights.DEFAULT.meta["num_params"] == 25_557_032


def test_features_by_name():
    network = cases.build(models, "resnet").eval()
    x = dovetail.tensor(cases.picture("resnet"))
    extract = models.feature_extraction.create_feature_extractor(network, {"layer1": "low", "layer3.0.relu_1": "high"})
    found = extract(x)
    assert list(found) == ["low", "high"] and found["low"].shape == (2, 64, 16, 16)
    with dovetail.no_grad():
        stem = network.maxpool(network.relu(network.bn1(network.conv1(x))))
        deep = network.layer3(network.layer2(network.layer1(stem)))
    np.testing.assert_allclose(found["high"].detach().numpy(), deep.numpy(), rtol=1e-4, atol=1e-4)
    assert list(extract.state_dict()) == list(network.state_dict())
    with pytest.raises(ArgumentError, match="layer1"):
        models.feature_extraction.create_feature_extractor(network, ["layre1"])
    names, _ = models.feature_extraction.get_graph_node_names(network, x)
    assert names[:3] == ["conv1", "bn1", "relu"] and "layer1.0.relu_1" in names
    getter = models.feature_extraction.IntermediateLayerGetter(network, {"layer1": "0", "layer2": "1"})
    assert {key: tuple(value.shape) for key, value in getter(x).items()} == {"0": (2, 64, 16, 16), "1": (2, 128, 8, 8)}


def test_unet_keeps_the_size():
    network = models.unet(in_channels=1, num_classes=3, features=4, depth=2)
    assert network(dovetail.rand(1, 1, 21, 18)).shape == (1, 3, 21, 18)
