"""Pruned weights: which ones, their names, and that they stay zero in training.

The expected masks follow from the numbers below by hand; names and order are PyTorch's.
"""

from __future__ import annotations

import numpy as np
import pytest

import dovetail
from dovetail import nn, optim
from dovetail.nn.utils import prune


def layer_with(weight) -> nn.Linear:
    weight = np.array(weight, np.float32)
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with dovetail.no_grad():
        layer.weight.copy_(dovetail.from_numpy(weight))
    return layer


WEIGHT = [[1.0, -0.1, 3.0, 0.2], [-4.0, 0.3, 0.05, 2.0]]


def test_the_smallest_weights_are_masked_and_names_are_torchs():
    layer = layer_with(WEIGHT)
    assert prune.l1_unstructured(layer, "weight", amount=0.5) is layer
    assert list(layer.state_dict()) == ["bias", "weight_orig", "weight_mask"]
    assert [n for n, _ in layer.named_parameters()] == ["bias", "weight_orig"]
    assert layer.weight_mask.tolist() == [[1, 0, 1, 0], [1, 0, 0, 1]]
    assert prune.is_pruned(layer) and not isinstance(layer.weight, nn.Parameter)
    prune.remove(layer, "weight")
    assert isinstance(layer.weight, nn.Parameter) and list(layer.state_dict()) == ["bias", "weight"]
    assert layer.weight.tolist() == [[1, 0, 3, 0], [-4, 0, 0, 2]] and not prune.is_pruned(layer)


def test_pruning_twice_chooses_among_what_is_left():
    layer = layer_with(WEIGHT)
    prune.l1_unstructured(layer, "weight", amount=2)
    prune.l1_unstructured(layer, "weight", amount=2)
    prune.ln_structured(layer, "weight", amount=1, n=1, dim=0)
    assert layer.weight_mask.tolist() == [[0, 0, 0, 0], [1, 0, 0, 1]]
    (hook,) = layer._forward_pre_hooks.values()
    assert [type(m).__name__ for m in hook] == ["L1Unstructured", "L1Unstructured", "LnStructured"]


def test_pruned_weights_stay_zero_in_training():
    layer = layer_with(WEIGHT)
    prune.l1_unstructured(layer, "weight", amount=4)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    before = layer.weight_orig.detach().numpy().copy()
    for _ in range(4):
        optimizer.zero_grad()
        layer(dovetail.ones(3, 4)).square().mean().backward()
        optimizer.step()
    layer(dovetail.ones(1, 4))
    mask = layer.weight_mask.numpy() == 1
    assert (layer.weight.detach().numpy()[~mask] == 0).all()
    assert (layer.weight_orig.detach().numpy()[~mask] == before[~mask]).all()
    assert (layer.weight_orig.detach().numpy()[mask] != before[mask]).any()


def test_weights_of_several_modules_are_compared_with_each_other():
    a, b = layer_with(WEIGHT), layer_with([[10.0, 20.0], [0.01, 30.0]])
    prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=4)
    assert int((a.weight_mask == 0).sum()) == 3 and b.weight_mask.tolist() == [[1, 1], [0, 1]]
    with pytest.raises(TypeError, match="unstructured"):
        prune.global_unstructured([(a, "weight")], prune.LnStructured, amount=1, n=1)


def test_random_choices_repeat_with_the_seed():
    masks = []
    for _ in range(2):
        dovetail.manual_seed(5)
        layer = nn.Conv2d(3, 8, 3)
        prune.random_unstructured(layer, "weight", amount=0.25)
        prune.random_structured(layer, "weight", amount=3, dim=0)
        masks.append(layer.weight_mask.numpy())
        assert int((masks[-1].sum((1, 2, 3)) == 0).sum()) == 3
    assert (masks[0] == masks[1]).all()


def test_scores_and_masks_of_ones_own():
    layer = layer_with(WEIGHT)
    prune.l1_unstructured(layer, "weight", amount=1, importance_scores=dovetail.tensor([[0.0] + [1.0] * 3, [1.0] * 4]))
    prune.custom_from_mask(layer, "weight", dovetail.tensor([[1, 1, 1, 1], [0, 0, 0, 0]]))
    assert layer.weight_mask.tolist() == [[0, 1, 1, 1], [0, 0, 0, 0]]
    prune.identity(layer, "bias")
    assert layer.bias_mask.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda m: prune.l1_unstructured(m, "weight", -1), ValueError, "amount=-1"),
        (lambda m: prune.l1_unstructured(m, "weight", 1.5), ValueError, "amount=1.5"),
        (lambda m: prune.l1_unstructured(m, "weight", 9), ValueError, "prune=8"),
        (lambda m: prune.l1_unstructured(m, "weight", "half"), TypeError, "half"),
        (lambda m: prune.ln_structured(m, "bias", 1, 2, 0), ValueError, "multidimensional"),
        (lambda m: prune.ln_structured(m, "weight", 1, 2, 5), IndexError, "5"),
        (lambda m: prune.remove(m, "bias"), ValueError, "has to be pruned"),
        (lambda m: prune.l1_unstructured(m, "weight", 1, dovetail.ones(3)), ValueError, "importance_scores"),
    ],
)
def test_what_cannot_be_pruned_is_named_and_nothing_changes(call, error, says):
    layer = layer_with(WEIGHT)
    with pytest.raises(error, match=says):
        call(layer)
    assert list(layer.state_dict()) == ["weight", "bias"]
