"""Dovetail's entry in the side-by-side benchmark (bench.py of the peers folder; see README.md here).

torch-style: the loop a PyTorch tutorial writes. keras-style: compile and fit. Nothing here is tuned for a workload: no
setting is changed, no other name is called than a user would call.
"""

import os
import random
import time

import numpy as np
from workloads import PIPE_MEAN, PIPE_STD, resnet_plan  # the harness's own, on the path when it runs this file

import dovetail
import dovetail.nn as nn
import dovetail.nn.functional as F
import dovetail.optim as optim
from dovetail import keras
from dovetail.utils.data import DataLoader, Dataset, TensorDataset

VERSION = dovetail.__version__
THREADS = int(os.environ["PEERS_THREADS"])
dovetail.set_num_threads(THREADS)
T = dovetail.from_numpy


def put(parameter, array):
    with dovetail.no_grad():
        parameter.copy_(T(np.ascontiguousarray(array)))


def linear(weight, bias=None):
    """A Linear layer that starts from the benchmark's weights, which are (in, out)."""
    layer = nn.Linear(*weight.shape, bias=bias is not None)
    put(layer.weight, weight.T)
    if bias is not None:
        put(layer.bias, bias)
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
        put(self.emb.weight, w["emb"])
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


# ------------------------------------------------------------------ convolutional


class CNN(nn.Module):
    def __init__(self, w, drop=True):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
        put(self.conv1.weight, w["c1w"]), put(self.conv1.bias, w["c1b"])
        put(self.conv2.weight, w["c2w"]), put(self.conv2.bias, w["c2b"])
        self.dropout1, self.dropout2 = nn.Dropout(0.25 if drop else 0), nn.Dropout(0.5 if drop else 0)
        self.fc1, self.fc2 = linear(w["f1w"], w["f1b"]), linear(w["f2w"], w["f2b"])

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = dovetail.flatten(self.dropout1(x), 1)
        x = F.relu(self.fc1(x))
        return F.log_softmax(self.fc2(self.dropout2(x)), dim=1)


class Block(nn.Module):
    def __init__(self, ins, outs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(ins, outs, 3, stride, 1, bias=False), nn.BatchNorm2d(outs)
        self.conv2, self.bn2 = nn.Conv2d(outs, outs, 3, 1, 1, bias=False), nn.BatchNorm2d(outs)
        self.short = nn.Identity()
        if stride != 1 or ins != outs:
            self.short = nn.Sequential(nn.Conv2d(ins, outs, 1, stride, bias=False), nn.BatchNorm2d(outs))

    def forward(self, x):
        h = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(h)) + self.short(x))


class ResNet(nn.Module):
    def __init__(self, w, drop=None):
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)
        put(self.stem.weight, w["stem.w"])
        blocks = []
        for name, ins, outs, stride in resnet_plan():
            block = Block(ins, outs, stride)
            put(block.conv1.weight, w[name + ".1.w"]), put(block.conv2.weight, w[name + ".2.w"])
            if name + ".d.w" in w:
                put(block.short[0].weight, w[name + ".d.w"])
            blocks.append(block)
        self.blocks, self.fc = nn.Sequential(*blocks), linear(w["fc.w"], w["fc.b"])

    def forward(self, x):
        x = self.blocks(F.relu(self.bn(self.stem(x))))
        return self.fc(x.mean((2, 3)))


def supervised(make, optimizer_of, loss_of):
    """The check on a model without dropout, the round on one with it."""

    def build(s):
        x, y = map(T, s.data)

        def stepper(drop):
            model = make(s.weights, drop)
            optimizer = optimizer_of(model.parameters(), s)

            def step(i):
                optimizer.zero_grad()
                loss = loss_of(model(x[i * s.B : (i + 1) * s.B]), y[i * s.B : (i + 1) * s.B])
                loss.backward()
                optimizer.step()
                return loss

            return step

        def check():
            step = stepper(False)
            return [step(i).item() for i in range(s.check)]

        return {**steps(s, stepper(True), lambda loss: loss.item()), "check": check}

    return build


cnn = supervised(CNN, lambda p, s: optim.Adam(p, lr=s.lr), F.nll_loss)
resnet = supervised(ResNet, lambda p, s: optim.SGD(p, lr=s.lr, momentum=s.mom), F.cross_entropy)

# ------------------------------------------------------------------ GPT


class GPTBlock(nn.Module):
    def __init__(self, s, i):
        super().__init__()
        w = s.weights
        self.heads = s.H
        self.ln1, self.ln2 = nn.LayerNorm(s.C, bias=False), nn.LayerNorm(s.C, bias=False)
        self.qkv, self.proj = linear(w[f"{i}.qkv"]), linear(w[f"{i}.proj"])
        self.fc, self.out = linear(w[f"{i}.fc"]), linear(w[f"{i}.out"])

    def forward(self, x, cache=None, at=0):
        B, N, C = x.shape
        parts = self.qkv(self.ln1(x)).split(C, 2)
        q, k, v = (t.view(B, N, self.heads, C // self.heads).transpose(1, 2) for t in parts)
        if cache is None:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            keys, values = cache
            keys[:, :, at : at + N], values[:, :, at : at + N] = k, v
            y = F.scaled_dot_product_attention(q, keys[:, :, : at + N], values[:, :, : at + N])
        x = x + self.proj(y.transpose(1, 2).reshape(B, N, C))
        return x + self.out(F.gelu(self.fc(self.ln2(x))))


class GPT(nn.Module):
    def __init__(self, s):
        super().__init__()
        w = s.weights
        self.wte, self.wpe = nn.Embedding(s.V, s.C), nn.Embedding(s.T, s.C)
        put(self.wte.weight, w["wte"]), put(self.wpe.weight, w["wpe"])
        self.blocks = nn.ModuleList(GPTBlock(s, i) for i in range(s.L))
        self.lnf = nn.LayerNorm(s.C, bias=False)
        self.head = nn.Linear(s.C, s.V, bias=False)
        self.head.weight = self.wte.weight
        self.register_buffer("pos", dovetail.arange(s.T), persistent=False)

    def forward(self, idx, last=False, caches=None, at=0):
        x = self.wte(idx) + self.wpe(self.pos[at : at + idx.shape[1]])
        for i, block in enumerate(self.blocks):
            x = block(x, None if caches is None else caches[i], at)
        return self.head(self.lnf(x[:, -1:] if last else x))


def gpt(s):
    data = T(s.data)
    model = GPT(s)
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": s.wd},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = optim.AdamW(groups, lr=s.lr, betas=s.betas)

    def step(i):
        batch = data[i % s.batches]
        logits = model(batch[:, :-1])
        loss = F.cross_entropy(logits.reshape(-1, s.V), batch[:, 1:].reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, s.clip)
        optimizer.step()
        return loss

    return steps(s, step, lambda loss: loss.item())


def generate(s):
    model = GPT(s).eval()

    @dovetail.inference_mode()
    def plain():
        idx = T(s.data)[None]
        for _ in range(s.tokens):
            chosen = model(idx, last=True)[:, -1].argmax(-1, keepdim=True)
            idx = dovetail.cat((idx, chosen), 1)
        return idx[0].tolist()

    @dovetail.inference_mode()
    def cached():
        shape = (1, s.H, s.T, s.C // s.H)
        caches = [(dovetail.zeros(shape), dovetail.zeros(shape)) for _ in range(s.L)]
        chosen = T(s.data)[None]
        out = chosen[0].tolist()
        for t in range(s.tokens):
            chosen = model(chosen, last=True, caches=caches, at=t)[:, -1].argmax(-1, keepdim=True)
            out.append(chosen.item())
        return out

    run = cached if s.family == "gen_kv" else plain
    return {"check": run, "round": lambda: run() and None}


# ------------------------------------------------------------------ recurrent


class Recurrent(nn.Module):
    def __init__(self, s):
        super().__init__()
        w = s.weights
        self.lstm = nn.LSTM(s.I, s.H, batch_first=True)
        put(self.lstm.weight_ih_l0, w["wx"].T), put(self.lstm.weight_hh_l0, w["wh"].T)
        put(self.lstm.bias_ih_l0, w["b"]), put(self.lstm.bias_hh_l0, np.zeros_like(w["b"]))
        self.lstm.bias_hh_l0.requires_grad_(False)  # one bias, as the others have
        self.fc = linear(w["fw"], w["fb"])

    def forward(self, x, lengths=None):
        h, (hn, _) = self.lstm(x)
        last = hn[0] if lengths is None else h[dovetail.arange(len(x)), lengths - 1]
        return self.fc(last)


def lstm(s):
    model = Recurrent(s)
    optimizer = optim.Adam([p for p in model.parameters() if p.requires_grad], lr=s.lr)
    if s.family == "lstm_var":
        batches = [tuple(map(T, batch)) for batch in s.data]
    else:
        x, y = map(T, s.data)
        batches = [(x[i : i + s.B], None, y[i : i + s.B]) for i in range(0, len(x) - s.B + 1, s.B)]

    def step(i):
        x, lengths, y = batches[i % len(batches)]
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x, lengths), y)
        loss.backward()
        optimizer.step()
        return loss

    return steps(s, step, lambda loss: loss.item())


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


def norm_softmax(s):
    x, c = map(T, s.data)
    x = x.clone().requires_grad_()
    g, b = (dovetail.tensor(s.weights[k], requires_grad=True) for k in "gb")

    def once():
        x.grad = g.grad = b.grad = None
        loss = (dovetail.softmax(F.layer_norm(x, (x.shape[-1],), g, b), -1) * c).sum()
        loss.backward()
        return loss

    def check():
        loss = once()
        return [loss.item(), g.grad.norm().item(), b.grad.norm().item(), x.grad.norm().item()]

    def round_():
        for _ in range(s.units):  # all four results looked at, or a lazy engine would leave some out
            once().item()
            for one in (x, g, b):
                one.grad.numpy()

    return {"check": check, "round": round_}


def bag(s):
    w = s.weights
    emb = nn.EmbeddingBag(s.V, s.D, mode="mean")
    put(emb.weight, w["emb"])
    fc = linear(w["fw"], w["fb"])
    optimizer = optim.SGD([*emb.parameters(), *fc.parameters()], lr=s.lr)
    X, Y = map(T, s.data)

    def step(i):
        i %= s.batches
        optimizer.zero_grad()
        loss = F.cross_entropy(fc(emb(X[i])), Y[i])
        loss.backward()
        optimizer.step()
        return loss

    return steps(s, step, lambda loss: loss.item())


def inference(s):
    x, size = s.data[0], s.B
    inputs = [np.ascontiguousarray(x[i : i + size]) for i in range(0, len(x), size)]
    model = (CNN if s.family == "infer_cnn" else SimpleNet)(s.weights).eval()

    @dovetail.inference_mode()
    def answer(a):
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


# ------------------------------------------------------------------ input pipeline


MEAN, STD = dovetail.tensor(PIPE_MEAN)[:, None, None], dovetail.tensor(PIPE_STD)[:, None, None]


class Images(Dataset):
    def __init__(self, x, y, augment):
        self.x, self.y, self.augment = x, y, augment

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        image = self.x[i].float().div_(255)
        if self.augment:
            image = F.pad(image, (4, 4, 4, 4))
            top, left = random.randint(0, 8), random.randint(0, 8)
            image = image[:, top : top + 32, left : left + 32]
            if random.random() < 0.5:
                image = image.flip(-1)
        return (image - MEAN) / STD, self.y[i]


def pipeline(s):
    x, y = map(T, s.data)
    x, y = x[: s.units], y[: s.units]
    persistent = s.workers > 0
    images = Images(x, y, True)
    loader = DataLoader(images, shuffle=True, batch_size=s.B, num_workers=s.workers, persistent_workers=persistent)
    plain = Images(x, y, False)

    def check():
        b = dovetail.stack([plain[i][0] for i in range(64)])
        return [b.shape[0], b.shape[1], b.shape[2], b.abs().mean().item()]

    def round_():
        seen = 0
        for images, _ in loader:
            images.numpy()
            seen += len(images)
        assert seen == s.units

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
    "cnn": {"torch-style": cnn},
    "resnet": {"torch-style": resnet},
    "gpt": {"torch-style": gpt},
    "gen": {"torch-style": generate},
    "gen_kv": {"torch-style": generate},
    "lstm": {"torch-style": lstm},
    "lstm_var": {"torch-style": lstm},
    "lnsm": {"torch-style": norm_softmax},
    "bag": {"torch-style": bag},
    "infer_mlp": {"torch-style": inference},
    "infer_cnn": {"torch-style": inference},
    "pipe": {"torch-style": pipeline},
}
