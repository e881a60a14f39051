"""Layers and losses against numbers that PyTorch gave, their first values, how they print, containers, lazy layers."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from nn_cases import CASES, REPRS, inputs, is_variance, weight

import dovetail
from dovetail import nn
from dovetail.nn import init
from dovetail.nn.utils import rnn
from dovetail.tensor.tensor import Tensor

HERE = Path(__file__).parent
REFERENCE = np.load(HERE / "reference.npz")


def flat(result) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    return [t for part in result for t in flat(part)] if isinstance(result, (tuple, list)) else []


@pytest.mark.parametrize("case", range(len(CASES)), ids=[c[0] for c in CASES])
def test_agrees_with_torch(case):
    name, arguments, _, settings = CASES[case]
    module = getattr(nn, name)(*arguments)
    state = {}
    for i, (key, t) in enumerate(module.state_dict().items()):
        if t.is_floating_point():
            value = weight(case, i, tuple(t.shape))
            t = dovetail.tensor(np.abs(value) if is_variance(key) else value)
        state[key] = t
    module.load_state_dict(state)
    given = [dovetail.tensor(a) for a in inputs(case)]
    given = [t.requires_grad_() if t.is_floating_point() else t for t in given]
    outputs = flat(module(*given, **settings))
    total = 0
    for o in outputs:
        total = total + (o * dovetail.arange(o.numel()).view(o.shape).float().cos()).sum()
    total.backward()
    made = {f"out{i}": o for i, o in enumerate(outputs)}
    made |= {f"grad{i}": g.grad for i, g in enumerate(given) if g.grad is not None}
    made |= {f"param {k}": p.grad for k, p in module.named_parameters()}
    made |= {f"buffer {k}": b for k, b in module.named_buffers()}
    want = {k.partition("/")[2]: REFERENCE[k] for k in REFERENCE.files if k.startswith(f"{case}/")}
    assert made.keys() == want.keys()
    for key, value in made.items():
        np.testing.assert_allclose(value.detach().numpy(), want[key], rtol=2e-4, atol=2e-5, err_msg=f"{name} {key}")


@pytest.mark.parametrize("number", range(len(REPRS)), ids=[r[0] for r in REPRS])
def test_prints_as_torch_does(number):
    name, arguments, settings = REPRS[number]
    assert repr(getattr(nn, name)(*arguments, **settings)) == json.loads((HERE / "reprs.json").read_text())[number]


@pytest.mark.parametrize(
    "make, bound",
    [
        (lambda: nn.Linear(50, 400), 1 / math.sqrt(50)),
        (lambda: nn.Conv2d(4, 200, 3), 1 / math.sqrt(36)),
        (lambda: nn.LSTM(20, 64), 1 / math.sqrt(64)),
        (lambda: nn.Bilinear(9, 20, 30), 1 / 3),
    ],
)
def test_first_values_are_uniform_within_torchs_bounds(make, bound):
    for p in make().parameters():
        values = p.detach().numpy()
        assert np.abs(values).max() <= bound
        if values.size > 5000:
            assert abs(values.std() - bound / math.sqrt(3)) < 0.03 * bound and abs(values.mean()) < 0.03 * bound


def test_the_seed_decides_the_first_values():
    dovetail.manual_seed(3)
    a = nn.Linear(4, 3).weight.tolist()
    b = nn.Linear(4, 3).weight.tolist()
    dovetail.manual_seed(3)
    assert nn.Linear(4, 3).weight.tolist() == a != b


def fans(shape=(300, 200)):
    return dovetail.empty(*shape)


@pytest.mark.parametrize(
    "fill, std",
    [
        (lambda t: init.xavier_uniform_(t, 2.0), 2 * math.sqrt(2 / 500)),
        (lambda t: init.xavier_normal_(t), math.sqrt(2 / 500)),
        (lambda t: init.kaiming_uniform_(t, nonlinearity="relu"), math.sqrt(2 / 200)),
        (lambda t: init.kaiming_normal_(t, mode="fan_out", nonlinearity="tanh"), 5 / 3 / math.sqrt(300)),
        (lambda t: init.normal_(t, 0.0, 0.3), 0.3),
        (lambda t: init.uniform_(t, -1, 1), 1 / math.sqrt(3)),
        (lambda t: init.trunc_normal_(t, std=2.0, a=-1.0, b=1.0), 0.566),
        (lambda t: init.trunc_normal_(t, std=1.0, a=2.0, b=3.0), 0.243),
        (lambda t: init.orthogonal_(t), 1 / math.sqrt(300)),
        (lambda t: init.sparse_(t, 0.9, std=1.0), math.sqrt(0.1)),
    ],
)
def test_initial_distributions(fill, std):
    t = fans()
    assert fill(t) is t
    assert abs(t.numpy().std() - std) < 0.03 * std


def test_initial_matrices():
    q = init.orthogonal_(dovetail.empty(4, 6)).numpy()
    np.testing.assert_allclose(q @ q.T, np.eye(4), atol=1e-5)
    assert init.eye_(dovetail.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    kernel = init.dirac_(dovetail.empty(4, 2, 3), groups=2).numpy()
    assert kernel.sum() == 4 and (kernel[:2, :, 1] == np.eye(2)).all() and (kernel[2:, :, 1] == np.eye(2)).all()
    assert init.calculate_gain("leaky_relu", 0.2) == math.sqrt(2 / 1.04)
    with pytest.raises(ValueError, match="Unsupported"):
        init.calculate_gain("sine")
    with pytest.warns(FutureWarning):
        init.uniform(dovetail.empty(2))


# -- containers ------------------------------------------------------------------------------------------------------


def test_sequential():
    a, b, c = nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)
    s = nn.Sequential(a, b, c)
    assert s[0] is a and s[-1] is c and len(s) == 3 and list(s) == [a, b, c]
    assert type(s[:2]) is nn.Sequential and len(s[:2]) == 2
    assert s(dovetail.zeros(4, 2)).shape == (4, 1)
    s.insert(1, nn.Tanh())
    assert isinstance(s[1], nn.Tanh) and list(dict(s.named_children())) == ["0", "1", "2", "3"]
    del s[1]
    s.append(nn.Sigmoid())
    assert isinstance(s.pop(-1), nn.Sigmoid) and list(s.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert len(s + nn.Sequential(nn.ReLU())) == 4 and len(nn.Sequential(nn.ReLU()) * 3) == 3
    named = nn.Sequential(OrderedDict(first=a, second=b))
    assert named.first is a and named[1] is b
    with pytest.raises(IndexError):
        s[5]


def test_module_list_and_dict():
    layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    layers.append(nn.ReLU())
    layers.insert(0, nn.Tanh())
    assert len(layers) == 5 and isinstance(layers[0], nn.Tanh) and len(list(layers.parameters())) == 6
    assert "(1-3): 3 x Linear(in_features=2, out_features=2, bias=True)" in repr(layers)
    assert [type(m) for m in layers[3:]] == [nn.Linear, nn.ReLU]
    named = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    named["c"] = nn.Tanh()
    assert list(named) == ["a", "b", "c"] and "b" in named and isinstance(named.pop("c"), nn.Tanh)
    assert named.a is named["a"]


def test_parameter_list_and_dict():
    values = nn.ParameterList([dovetail.ones(2), nn.Parameter(dovetail.zeros(1)), "text"])
    assert isinstance(values[0], nn.Parameter) and len(list(values.parameters())) == 2 and values[2] == "text"
    assert repr(values).splitlines()[1].strip() == "(0): Parameter containing: [dovetail.float32 of size 2]"
    named = nn.ParameterDict({"left": dovetail.ones(2)})
    named.update({"right": dovetail.zeros(2)})
    assert list(named.keys()) == ["left", "right"] and "left" in named.state_dict()
    assert named.popitem()[0] == "right" and len(named) == 1


# -- layers that learn sizes, dropout, sequences -----------------------------------------------------------------------


def test_lazy_layers_become_ordinary_ones():
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(5))
    assert "LazyLinear" in repr(model)
    assert model(dovetail.randn(2, 3, 6, 6)).shape == (2, 5)
    assert type(model[0]) is nn.Conv2d and type(model[1]) is nn.BatchNorm2d and type(model[3]) is nn.Linear
    assert model[3].weight.shape == (5, 64)
    waiting = nn.LazyLinear(5)
    waiting.load_state_dict(model[3].state_dict())
    assert waiting.weight.shape == (5, 64)


def test_dropout_is_random_in_training_only():
    dovetail.manual_seed(0)
    layer, x = nn.Dropout(0.5), dovetail.ones(1000)
    first, second = layer(x), layer(x)
    assert set(first.tolist()) == {0.0, 2.0} and first.tolist() != second.tolist()
    assert layer.eval()(x).tolist() == x.tolist()
    with pytest.raises(ValueError):
        nn.Dropout(1.5)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_packed_sequences_stop_at_their_lengths(kind):
    layer = getattr(nn, kind)(3, 4, bidirectional=True, batch_first=True)
    parts = [dovetail.randn(n, 3) for n in (2, 5, 3)]
    packed = rnn.pack_sequence(parts, enforce_sorted=False)
    out, state = layer(packed)
    padded, lengths = rnn.pad_packed_sequence(out, batch_first=True)
    assert lengths.tolist() == [2, 5, 3]
    for i, part in enumerate(parts):
        alone, its_state = layer(part)
        np.testing.assert_allclose(padded[i, : len(part)].detach().numpy(), alone.detach().numpy(), atol=1e-6)
        last, own = (state[0], its_state[0]) if kind == "LSTM" else (state, its_state)
        np.testing.assert_allclose(last[:, i].detach().numpy(), own.detach().numpy(), atol=1e-6)


def test_padding_and_packing_round_trip():
    parts = [dovetail.arange(float(n)) for n in (3, 1, 2)]
    assert rnn.pad_sequence(parts, batch_first=True, padding_value=-1.0).tolist() == [
        [0, 1, 2],
        [0, -1, -1],
        [0, 1, -1],
    ]
    packed = rnn.pack_sequence(parts, enforce_sorted=False)
    assert packed.data.tolist() == [0, 0, 0, 1, 1, 2] and packed.batch_sizes.tolist() == [3, 2, 1]
    assert [t.tolist() for t in rnn.unpack_sequence(packed)] == [t.tolist() for t in parts]
    with pytest.raises(RuntimeError, match="sorted"):
        rnn.pack_sequence(parts)


def test_attention_masks():
    dovetail.manual_seed(0)
    layer = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    x = dovetail.randn(2, 4, 8)
    causal = nn.Transformer.generate_square_subsequent_mask(4)
    _, weights = layer(x, x, x, attn_mask=causal)
    assert np.allclose(np.triu(weights.detach().numpy()[0], 1), 0)
    padding = dovetail.tensor([[False, False, False, True]] * 2)
    _, weights = layer(x, x, x, key_padding_mask=padding)
    assert np.allclose(weights.detach().numpy()[..., 3], 0)
    quick, none = layer(x, x, x, attn_mask=causal, need_weights=False, is_causal=True)
    slow, _ = layer(x, x, x, attn_mask=causal)
    assert none is None
    np.testing.assert_allclose(quick.detach().numpy(), slow.detach().numpy(), atol=1e-5)


def test_loss_classes_refuse_tensors_as_settings():
    with pytest.raises(ValueError, match=r"CrossEntropyLoss\(\)\(input, target\)"):
        nn.CrossEntropyLoss(dovetail.randn(2, 3), dovetail.tensor([0, 1]))


def test_clipping():
    w = nn.Parameter(dovetail.zeros(2))
    w.grad = dovetail.tensor([3.0, 4.0])
    assert nn.utils.clip_grad_norm_([w], 1.0).item() == 5.0
    np.testing.assert_allclose(w.grad.numpy(), [0.6, 0.8], rtol=1e-5)
    assert nn.utils.clip_grad_norm_([w], 1.0).item() == pytest.approx(1.0)
    nn.utils.clip_grad_value_([w], 0.7)
    np.testing.assert_allclose(w.grad.numpy(), [0.6, 0.7], rtol=1e-5)
    assert nn.utils.get_total_norm([w.grad], math.inf).item() == pytest.approx(0.7)


def test_parameters_as_a_vector_and_back():
    model = nn.Linear(2, 2)
    vector = nn.utils.parameters_to_vector(model.parameters())
    nn.utils.vector_to_parameters(dovetail.arange(6.0), model.parameters())
    assert vector.shape == (6,) and model.weight.tolist() == [[0, 1], [2, 3]] and model.bias.tolist() == [4, 5]
