"""Dovetail's entry in the side-by-side benchmark (bench.py of the peers folder; see README.md here).

torch-style: the loop a PyTorch tutorial writes. keras-style: compile and fit. Nothing here is tuned for a workload: no
setting is changed, no other name is called than a user would call.
"""

import os
import time

import numpy as np

import dovetail
import dovetail.nn as nn
import dovetail.nn.functional as F
import dovetail.optim as optim
from dovetail import keras
from dovetail.utils.data import DataLoader, TensorDataset

VERSION = dovetail.__version__
THREADS = int(os.environ["PEERS_THREADS"])
dovetail.set_num_threads(THREADS)
T = dovetail.from_numpy


def linear(weight, bias=None):
    """A Linear layer that starts from the benchmark's weights, which are (in, out)."""
    layer = nn.Linear(*weight.shape, bias=bias is not None)
    with dovetail.no_grad():
        layer.weight.copy_(T(np.ascontiguousarray(weight.T)))
        if bias is not None:
            layer.bias.copy_(T(bias))
    return layer


def steps(spec, step, flush):
    """The usual case: check returns the first losses, a round makes `units` steps and waits for the last."""

    def round_():
        for i in range(spec.units):
            last = step(i)
        flush(last)

    return {"check": lambda: [step(i).item() for i in range(spec.check)], "round": round_}


# ------------------------------------------------------------------ the article's classifier, PyTorch style


class SimpleNet(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = (linear(w[f"w{i}"], w[f"b{i}"]) for i in (1, 2, 3))

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def torch_mlp(s):
    x, y = map(T, s.data)
    model = SimpleNet(s.weights)
    optimizer = optim.Adam(model.parameters(), lr=s.lr)
    criterion = nn.CrossEntropyLoss()
    size, count = s.B, s.units
    loader = DataLoader(TensorDataset(x, y), batch_size=size, shuffle=True)

    def step(data, target):
        optimizer.zero_grad()
        output = model(data)
        loss = criterion(output, target)
        loss.backward()
        optimizer.step()
        return output, loss

    def batch(i):
        return x[i * size : (i + 1) * size], y[i * size : (i + 1) * size]

    def loop():
        for i in range(count):
            _, loss = step(*batch(i))
        loss.item()

    def item():
        total = 0.0
        for i in range(count):
            total += step(*batch(i))[1].item()

    def load():
        for data, target in loader:
            _, loss = step(data, target)
        loss.item()

    def fit():  # what users write for `fit` with an accuracy metric
        right = dovetail.zeros((), dtype=dovetail.long)
        total = dovetail.zeros(())
        for data, target in loader:
            output, loss = step(data, target)
            right += (output.argmax(1) == target).sum()
            total += loss.detach()
        return None if (right.item() / len(x), total.item() / count) else None

    rounds = {"mlp_loop": loop, "mlp_item": item, "mlp_loader": load, "mlp_fit": fit}
    return {"check": lambda: [step(*batch(i))[1].item() for i in range(s.check)], "round": rounds[s.family]}


# ------------------------------------------------------------------ the same, Keras style


def keras_mlp(s):
    x, y = s.data
    hot = np.eye(10, dtype="float32")[y]
    batches = [(x[i : i + s.B], hot[i : i + s.B]) for i in range(0, len(x) - s.B + 1, s.B)]

    def make():
        layers = keras.layers
        model = keras.Sequential(
            [
                keras.Input((784,)),
                layers.Dense(64, activation="relu"),
                layers.Dense(64, activation="relu"),
                layers.Dense(10, activation="softmax"),
            ]
        )
        model.set_weights([s.weights[kind + str(i)] for i in (1, 2, 3) for kind in "wb"])
        model.compile(
            optimizer=keras.optimizers.Adam(s.lr, epsilon=1e-8),
            loss="categorical_crossentropy",
            metrics=["accuracy"] if s.family == "mlp_fit" else None,
        )
        return model

    checked, model = make(), make()

    def loss_of(a, b):
        checked.reset_metrics()  # Keras reports a running mean
        answer = checked.train_on_batch(a, b)
        return float(answer[0] if isinstance(answer, (list, tuple)) else answer)

    def item():
        total = 0.0
        for a, b in batches:
            total += float(model.train_on_batch(a, b))

    def fit():
        model.fit(x, hot, epochs=1, batch_size=s.B, shuffle=True, verbose=0)

    return {
        "check": lambda: [loss_of(a, b) for a, b in batches[: s.check]],
        "round": item if s.family == "mlp_item" else fit,
    }


# ------------------------------------------------------------------ wider, and define-by-run


def wide(s):
    x, y = map(T, s.data)
    w = s.weights
    parts = [part for i in (1, 2, 3) for part in (linear(w[f"w{i}"], w[f"b{i}"]), nn.ReLU())]
    model = nn.Sequential(*parts, linear(w["w4"], w["b4"]))
    optimizer = optim.Adam(model.parameters(), lr=s.lr)

    def step(i):
        i %= s.batches
        optimizer.zero_grad()
        loss = F.mse_loss(model(x[i * s.B : (i + 1) * s.B]), y[i * s.B : (i + 1) * s.B])
        loss.backward()
        optimizer.step()
        return loss

    return steps(s, step, lambda loss: loss.item())


class TreeNet(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.emb = nn.Embedding(*w["emb"].shape)
        with dovetail.no_grad():
            self.emb.weight.copy_(T(w["emb"]))
        self.left, self.right = linear(w["wl"], w["b"]), linear(w["wr"])
        self.fc = linear(w["fw"], w["fb"])

    def node(self, tree):
        if isinstance(tree, tuple):
            return dovetail.tanh(self.left(self.node(tree[0])) + self.right(self.node(tree[1])))
        return self.emb(dovetail.tensor([tree]))

    def forward(self, tree):
        return self.fc(self.node(tree))


def tree(s):
    model = TreeNet(s.weights)
    optimizer = optim.SGD(model.parameters(), lr=s.lr)

    def step(i):
        tree, label = s.data[i % s.trees]
        optimizer.zero_grad()
        loss = F.cross_entropy(model(tree), dovetail.tensor([label]))
        loss.backward()
        optimizer.step()
        return loss

    return steps(s, step, lambda loss: loss.item())


def halting(s):
    w = s.weights
    lin, inp, fc = linear(w["w"], w["b"]), linear(w["u"]), linear(w["fw"], w["fb"])
    gate = linear(w["v"][:, None], w["c"][None])
    params = [p for layer in (lin, inp, fc, gate) for p in layer.parameters()]
    optimizer = optim.SGD(params, lr=s.lr)
    X, Y = map(T, s.data)

    def step(i):
        x, y = X[i : i + 1], Y[i : i + 1]
        optimizer.zero_grad()
        h, total, n, acc = dovetail.zeros_like(x), 0.0, 0, 0.0
        while total < 1.0 and n < s.limit:
            h = dovetail.tanh(lin(h) + inp(x))
            p = dovetail.sigmoid(gate(h))
            acc = acc + p * h
            total += p.item()
            n += 1
        loss = F.cross_entropy(fc(acc), y)
        loss.backward()
        optimizer.step()
        return loss

    start = [p.detach().clone() for p in params]

    def round_():  # the weights decide how often it loops: every round starts alike
        with dovetail.no_grad():
            for p, q in zip(params, start, strict=True):
                p.copy_(q)
        for i in range(s.units):
            loss = step(i)
        loss.item()

    return {"check": lambda: [step(i).item() for i in range(s.check)], "round": round_}


# ------------------------------------------------------------------ single operations


def matmul(s):
    a, b = map(T, s.data)

    def round_():
        for _ in range(s.units):
            (a @ b).numpy()  # looked at, or a lazy engine would leave it out

    return {"check": lambda: (a @ b)[::512, ::512].flatten().tolist(), "round": round_}


def elementwise(s):
    x, y = map(T, s.data)

    def chain():
        a = (x * 1.5 + y).abs().sqrt() - 0.5
        return dovetail.exp(dovetail.clamp_min(dovetail.tanh(a) * x + 1.0, 0.0))

    def round_():
        with dovetail.no_grad():
            for _ in range(s.units):
                chain().numpy()

    return {"check": lambda: chain()[::1_000_000].tolist(), "round": round_}


def inference(s):
    x, size = s.data[0], s.B
    inputs = [np.ascontiguousarray(x[i : i + size]) for i in range(0, len(x), size)]
    model = SimpleNet(s.weights).eval()

    def answer(a):
        with dovetail.no_grad():
            return model(T(a)).numpy()

    def round_():
        out = []
        for i in range(s.units):
            a = inputs[i % len(inputs)]
            start = time.perf_counter()
            answer(a)
            out.append(time.perf_counter() - start)
        return out

    def check():
        logits = answer(inputs[0])[0]
        return (logits - np.log(np.exp(logits).sum())).tolist()

    return {"check": check, "round": round_}


BOTH = {"torch-style": torch_mlp, "keras-style": keras_mlp}
CASES = {
    "mlp_loop": BOTH,
    "mlp_item": BOTH,
    "mlp_loader": BOTH,
    "mlp_fit": BOTH,
    "wide": {"torch-style": wide},
    "tree": {"torch-style": tree},
    "halting": {"torch-style": halting},
    "matmul": {"torch-style": matmul},
    "elem": {"torch-style": elementwise},
    "infer_mlp": {"torch-style": inference},
}
