"""The demo's network in both dialects, from the same starting weights and the same batches, behind one small face."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import dovetail.keras as keras
import dovetail.nn as nn
import dovetail.nn.functional as F
import dovetail.optim as optim
from dovetail.data.dataset import TensorDataset
from dovetail.data.loader import DataLoader
from dovetail.io.safetensors import load_file, save_file
from dovetail.tensor.modes import no_grad
from dovetail.tensor.tensor import Tensor

BATCH = 32
SIZES = (784, 64, 64, 10)


class Scores(NamedTuple):
    """After an epoch: mean loss and share of right answers in training, share of right answers held out."""

    epoch: int
    loss: float
    accuracy: float
    held_out: float


def starting_weights(seed: int) -> list[np.ndarray]:
    """kernel (in, out), bias (out,), kernel, ...: uniform within 1/sqrt(inputs), as nn.Linear starts."""
    random, arrays = np.random.default_rng(seed), []
    for inputs, outputs in zip(SIZES, SIZES[1:], strict=False):
        bound = inputs**-0.5
        arrays += [random.uniform(-bound, bound, shape).astype(np.float32) for shape in ((inputs, outputs), (outputs,))]
    return arrays


def shuffled(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The training digits in one random order, the same in both dialects and in each epoch."""
    order = np.random.default_rng(0).permutation(len(x))
    return x[order], y[order]


class SimpleNet(nn.Module):
    """The article's network."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 64)
        self.fc2 = nn.Linear(64, 64)
        self.fc3 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class TorchStyle:
    """The network as a PyTorch user writes and trains it."""

    def __init__(self, seed: int = 0):
        self.net = SimpleNet()
        with no_grad():
            for parameter, array in zip(self.net.parameters(), starting_weights(seed), strict=True):
                parameter.copy_(Tensor.from_array(np.ascontiguousarray(array.T)))

    def fit(self, train, test, epochs: int, step: Callable[[], None], after_epoch: Callable[[Scores], None]) -> None:
        """The explicit loop. `step` is called after each batch."""
        loader = DataLoader(TensorDataset(*map(Tensor.from_array, shuffled(*train))), batch_size=BATCH)
        optimizer = optim.Adam(self.net.parameters(), lr=0.001)
        criterion = nn.CrossEntropyLoss()
        for epoch in range(1, epochs + 1):
            total, right = 0.0, 0
            for data, target in loader:
                optimizer.zero_grad()
                output = self.net(data)
                loss = criterion(output, target)
                loss.backward()
                optimizer.step()
                total = total + loss.detach() * len(data)
                right = right + (output.argmax(1) == target).sum()
                step()
            count = len(train[1])
            held_out = float((self.predict(test[0]).argmax(1) == test[1]).mean())
            after_epoch(Scores(epoch, float(total) / count, float(right) / count, held_out))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Probabilities. Shape: (n, 784) -> (n, 10)"""
        with no_grad():
            return F.softmax(self.net(Tensor.from_array(x)), dim=1).numpy()

    def save(self, path: Path) -> None:
        """Write the weights as safetensors."""
        save_file(self.net.state_dict(), path)

    def load(self, path: Path) -> None:
        """Read the weights back."""
        self.net.load_state_dict(load_file(path))


class KerasStyle:
    """The network as a Keras user writes and trains it."""

    def __init__(self, seed: int = 0):
        self.model = keras.Sequential(
            [
                keras.Input((784,)),
                keras.layers.Dense(64, activation="relu"),
                keras.layers.Dense(64, activation="relu"),
                keras.layers.Dense(10, activation="softmax"),
            ]
        )
        self.model.set_weights(starting_weights(seed))
        self.model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])

    def fit(self, train, test, epochs: int, step: Callable[[], None], after_epoch: Callable[[Scores], None]) -> None:
        """compile and fit. `step` is called after each batch."""

        class Report(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                step()

            def on_epoch_end(self, epoch, logs=None):
                after_epoch(Scores(epoch + 1, logs["loss"], logs["accuracy"], logs["val_accuracy"]))

        x, y = shuffled(*train)
        hot = np.eye(10, dtype=np.float32)
        self.model.fit(
            x,
            hot[y],
            epochs=epochs,
            batch_size=BATCH,
            validation_data=(test[0], hot[test[1]]),
            shuffle=False,
            verbose=0,
            callbacks=[Report()],
        )

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Probabilities. Shape: (n, 784) -> (n, 10)"""
        return self.model.predict(x, verbose=0)

    def save(self, path: Path) -> None:
        """Write the weights as safetensors."""
        self.model.save_weights(path)

    def load(self, path: Path) -> None:
        """Read the weights back."""
        self.model.load_weights(path)


DIALECTS = {"torch": TorchStyle, "keras": KerasStyle}
