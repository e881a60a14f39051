"""Parametrised weights, folded batch norms and other helpers around modules."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import dovetail
from dovetail import nn, optim
from dovetail.nn.utils import parametrizations, parametrize


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).t()

    def right_inverse(self, x):
        return x.triu()


def test_a_parametrised_weight_is_computed_and_trained():
    layer = nn.Linear(3, 3)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert type(layer).__name__ == "ParametrizedLinear" and parametrize.is_parametrized(layer, "weight")
    assert "parametrizations.weight.original" in layer.state_dict() and "weight" not in layer.state_dict()
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (layer(dovetail.randn(4, 3)) ** 2).sum().backward()
        optimizer.step()
    w = layer.weight.detach().numpy()
    assert (w == w.T).all()
    clone = copy.deepcopy(layer)
    assert (clone.weight.detach().numpy() == w).all()
    layer.weight = dovetail.eye(3)
    assert layer.weight.tolist() == np.eye(3).tolist()
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and isinstance(layer.weight, nn.Parameter)


def test_cached_values_are_computed_once():
    class Counting(nn.Module):
        calls = 0

        def forward(self, x):
            Counting.calls += 1
            return x * 2

    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Counting())
    before = Counting.calls
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert Counting.calls == before + 1


def test_a_parametrisation_must_keep_the_shape():
    class Wrong(nn.Module):
        def forward(self, x):
            return x[:1]

    with pytest.raises(ValueError, match="shape"):
        parametrize.register_parametrization(nn.Linear(2, 2), "weight", Wrong())
    with pytest.raises(ValueError, match="nothing"):
        parametrize.register_parametrization(nn.Linear(2, 2), "nothing", Symmetric())


@pytest.mark.parametrize("make", [nn.utils.weight_norm, parametrizations.weight_norm])
def test_weight_norm_keeps_the_function(make):
    layer, x = nn.Linear(4, 3), dovetail.randn(2, 4)
    before = layer(x).detach().numpy()
    make(layer)
    np.testing.assert_allclose(layer(x).detach().numpy(), before, rtol=1e-5, atol=1e-6)
    assert "weight" not in dict(layer.named_parameters()) and len(list(layer.parameters())) == 3
    layer(x).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


@pytest.mark.parametrize("make", [nn.utils.spectral_norm, parametrizations.spectral_norm])
def test_spectral_norm_bounds_the_largest_singular_value(make):
    dovetail.manual_seed(0)
    layer = make(nn.Linear(6, 5))
    for _ in range(30):
        layer(dovetail.randn(2, 6))
    layer.eval()
    layer(dovetail.randn(2, 6))
    assert np.linalg.norm(layer.weight.detach().numpy(), 2) == pytest.approx(1.0, rel=1e-3)


def test_the_older_forms_can_be_taken_away():
    layer = nn.utils.remove_weight_norm(nn.utils.weight_norm(nn.Linear(2, 2)))
    assert list(layer.state_dict()) == ["bias", "weight"]
    layer = nn.utils.remove_spectral_norm(nn.utils.spectral_norm(nn.Linear(2, 2)))
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    with pytest.raises(ValueError):
        nn.utils.remove_weight_norm(layer)


@pytest.mark.parametrize("how", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5)])
def test_orthogonal_weights(how, shape):
    layer = nn.Linear(shape[1], shape[0], bias=False)
    parametrizations.orthogonal(layer, orthogonal_map=how)
    w = layer.weight.detach().numpy()
    w = w if shape[0] >= shape[1] else w.T
    np.testing.assert_allclose(w.T @ w, np.eye(w.shape[1]), atol=1e-4)


def test_batch_norm_folds_into_the_layer_before():
    conv, norm = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)
    for _ in range(3):
        norm(conv(dovetail.randn(4, 2, 5, 5)))
    nn.init.normal_(norm.weight)
    conv.eval(), norm.eval()
    x = dovetail.randn(1, 2, 5, 5)
    fused = nn.utils.fuse_conv_bn_eval(conv, norm)
    np.testing.assert_allclose(fused(x).detach().numpy(), norm(conv(x)).detach().numpy(), atol=1e-5)


def test_adaptive_softmax_sums_to_one():
    layer = nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], div_value=2.0)
    x, target = dovetail.randn(5, 8), dovetail.tensor([0, 3, 6, 7, 11])
    logs = layer.log_prob(x)
    np.testing.assert_allclose(logs.exp().sum(1).detach().numpy(), np.ones(5), rtol=1e-5)
    out, loss = layer(x, target)
    picked = logs.gather(1, target.unsqueeze(1)).squeeze(1)
    np.testing.assert_allclose(out.detach().numpy(), picked.detach().numpy(), rtol=1e-5)
    assert loss.item() == pytest.approx(-out.mean().item()) and layer.predict(x).tolist() == logs.argmax(1).tolist()


def test_data_parallel_prefixes_names():
    wrapped = nn.DataParallel(nn.Linear(2, 1))
    assert list(wrapped.state_dict()) == ["module.weight", "module.bias"]
    assert wrapped(dovetail.ones(3, 2)).shape == (3, 1)
