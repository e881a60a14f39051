"""Small trainings that both frameworks run: each function takes the framework and a seed, and returns numbers.

The data are made or read with NumPy and are the same for every seed; weights, dropout and the order of batches follow
the framework's own seed. What is compared is how far training gets.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parents[2] / "dovetail" / "vision" / "datasets" / "data"


def read(name: str) -> np.ndarray:
    """A gzipped IDX file of unsigned bytes."""
    raw = gzip.decompress((FOLDER / name).read_bytes())
    sizes = np.frombuffer(raw, ">i4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(sizes)


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(images (1797, 1, 8, 8) in 0..1, labels, whether held out: every fifth image of each digit)."""
    images = read("digits-images.idx3.gz")[:, None].astype(np.float32) / 16
    labels = read("digits-labels.idx1.gz").astype(np.int64)
    held = np.zeros(len(labels), bool)
    for digit in range(10):
        held[np.flatnonzero(labels == digit)[4::5]] = True
    return images, labels, held


def text() -> np.ndarray:
    """English that comes with Python, as numbers of characters below 128."""
    from pydoc_data.topics import topics

    words = "\n".join(topics[k] for k in ("assert", "assignment", "for", "if", "while", "with", "class", "function"))
    return np.array([min(ord(c), 127) for c in words], np.int64)


def batches(torch, count: int, size: int):
    """Shuffled batches of indices."""
    order = torch.randperm(count)
    return [order[i : i + size] for i in range(0, count - size + 1, size)]


def cnn_on_digits(torch, seed: int) -> dict[str, float]:
    nn, F = torch.nn, torch.nn.functional
    torch.manual_seed(seed)
    images, labels, held = digits()
    x, y = torch.from_numpy(images[~held]), torch.from_numpy(labels[~held])
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(0.4), nn.Linear(256, 10),
    )  # fmt: skip
    epochs, size = 14, 64
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=1e-2)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 8e-3, total_steps=epochs * (len(x) // size))
    for _ in range(epochs):
        total = 0.0
        for at in batches(torch, len(x), size):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[at]), y[at], label_smoothing=0.05)
            loss.backward()
            optimizer.step()
            rate.step()
            total += float(loss.detach())
    model.eval()
    with torch.no_grad():
        right = model(torch.from_numpy(images[held])).argmax(1) == torch.from_numpy(labels[held])
    return {"loss": total / (len(x) // size), "accuracy": float(right.float().mean())}


def lstm_remembers(torch, seed: int) -> dict[str, float]:
    """The first of six symbols, five of which are noise, has to be named at the end."""
    nn, F = torch.nn, torch.nn.functional
    torch.manual_seed(seed)
    random = np.random.RandomState(0)
    table, cell, head = nn.Embedding(8, 16), nn.LSTM(16, 32, batch_first=True), nn.Linear(32, 8)
    parameters = [p for m in (table, cell, head) for p in m.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    last = []
    for _ in range(160):
        x = torch.from_numpy(random.randint(0, 8, (64, 6)))
        optimizer.zero_grad()
        out, _ = cell(table(x))
        loss = F.cross_entropy(head(out[:, -1]), x[:, 0])
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        last.append(float(loss.detach()))
    return {"first": last[0], "loss": float(np.mean(last[-20:]))}


def transformer_copies(torch, seed: int) -> dict[str, float]:
    """Six symbols and a mark, then the same six again: each has to be foretold from what stands before it."""
    nn, F = torch.nn, torch.nn.functional
    torch.manual_seed(seed)
    random = np.random.RandomState(1)
    length, width = 13, 32

    class Copier(nn.Module):
        def __init__(self):
            super().__init__()
            self.symbols, self.places = nn.Embedding(11, width), nn.Embedding(length, width)
            layer = nn.TransformerEncoderLayer(width, 4, 64, dropout=0.0, batch_first=True, norm_first=True)
            self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(width, 11)
            self.register_buffer("mask", torch.triu(torch.full((length - 1, length - 1), float("-inf")), 1))
            self.register_buffer("order", torch.arange(length - 1))

        def forward(self, x):
            h = self.symbols(x) + self.places(self.order)
            return self.head(self.layers(h, mask=self.mask))

    model = Copier()
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    last = []
    for _ in range(220):
        half = random.randint(0, 10, (48, 6))
        x = torch.from_numpy(np.concatenate([half, np.full((48, 1), 10), half], 1))
        optimizer.zero_grad()
        scores = model(x[:, :-1])[:, 6:]
        loss = F.cross_entropy(scores.reshape(-1, 11), x[:, 7:].reshape(-1))
        loss.backward()
        optimizer.step()
        last.append(float(loss.detach()))
    return {"first": last[0], "loss": float(np.mean(last[-20:]))}


def vae_on_digits(torch, seed: int) -> dict[str, float]:
    nn, F = torch.nn, torch.nn.functional
    torch.manual_seed(seed)
    images, _, held = digits()
    flat = torch.from_numpy(images.reshape(-1, 64))
    x = flat[torch.from_numpy(np.flatnonzero(~held))]
    into, out = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16)), nn.Sequential(
        nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64)
    )
    optimizer = torch.optim.Adam([*into.parameters(), *out.parameters()], lr=3e-3)
    means = []
    for _ in range(12):
        losses = []
        for at in batches(torch, len(x), 64):
            optimizer.zero_grad()
            mean, spread = into(x[at]).chunk(2, 1)
            z = mean + torch.randn_like(mean) * torch.exp(0.5 * spread)
            picture = F.binary_cross_entropy_with_logits(out(z), x[at], reduction="sum")
            distance = -0.5 * torch.sum(1 + spread - mean.pow(2) - spread.exp())
            loss = (picture + distance) / 64
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        means.append(float(np.mean(losses)))
    return {"first": means[0], "loss": means[-1]}


def gan_meets_a_cloud(torch, seed: int) -> dict[str, float]:
    """Points around (2, -1): how far the middle and the spread of made ones are from those of the real ones."""
    nn, F = torch.nn, torch.nn.functional
    torch.manual_seed(seed)
    random = np.random.RandomState(2)
    maker = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
    judge = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    of_maker = torch.optim.Adam(maker.parameters(), lr=4e-3, betas=(0.5, 0.9))
    of_judge = torch.optim.Adam(judge.parameters(), lr=4e-3, betas=(0.5, 0.9))
    ones, zeros, score = torch.ones(64, 1), torch.zeros(64, 1), F.binary_cross_entropy_with_logits
    for _ in range(400):
        real = torch.from_numpy((random.standard_normal((64, 2)) * 0.5 + (2, -1)).astype(np.float32))
        made = maker(torch.randn(64, 4))
        of_judge.zero_grad()
        (score(judge(real), ones) + score(judge(made.detach()), zeros)).backward()
        of_judge.step()
        of_maker.zero_grad()
        score(judge(made), ones).backward()
        of_maker.step()
    with torch.no_grad():
        points = maker(torch.randn(512, 4)).numpy()
    return {"miss": float(np.abs(points.mean(0) - (2, -1)).max()), "spread": float(points.std(0).mean())}


def characters_of_the_manual(torch, seed: int) -> dict[str, float]:
    """The next character of Python's own help texts."""
    nn, F = torch.nn, torch.nn.functional
    torch.manual_seed(seed)
    random = np.random.RandomState(3)
    letters = text()
    table, cell, head = nn.Embedding(128, 32), nn.GRU(32, 96, batch_first=True), nn.Linear(96, 128)
    parameters = [p for m in (table, cell, head) for p in m.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=5e-3)
    last = []
    for _ in range(150):
        start = random.randint(0, len(letters) - 33, 32)
        x = torch.from_numpy(letters[start[:, None] + np.arange(33)])
        optimizer.zero_grad()
        out, _ = cell(table(x[:, :-1]))
        loss = F.cross_entropy(head(out).reshape(-1, 128), x[:, 1:].reshape(-1))
        loss.backward()
        optimizer.step()
        last.append(float(loss.detach()))
    return {"first": last[0], "loss": float(np.mean(last[-20:]))}


TASKS = {
    task.__name__: task
    for task in (
        cnn_on_digits,
        lstm_remembers,
        transformer_copies,
        vae_on_digits,
        gan_meets_a_cloud,
        characters_of_the_manual,
    )
}
