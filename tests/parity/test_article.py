"""Both dialects follow real PyTorch's loss curve, from the same starting weights and batches.

The reference is stored; tests/parity/make_reference.py makes it and says how.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import dovetail
import dovetail.nn as nn
import dovetail.nn.functional as F
import dovetail.optim as optim
from dovetail import keras

HERE = Path(__file__).resolve().parent
REFERENCE = np.load(HERE / "article.npz")
NEAR = 1e-4  # relative, float32


def make_reference():
    """The script beside this file, for its starting point."""
    spec = importlib.util.spec_from_file_location("make_reference", HERE / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WEIGHTS, X, Y = make_reference().article_start()


class SimpleNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(784, 64), nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


TORCH_OPTIMIZERS = {
    "adam": lambda parameters: optim.Adam(parameters, lr=0.001),
    "sgd": lambda parameters: optim.SGD(parameters, lr=0.01, momentum=0.9),
}
# Keras adds epsilon before the bias correction, torch after it. torch's 1e-8 weighs in the first step as much as this:
EPSILON = 1e-8 * (1 - 0.999) ** 0.5
KERAS_OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.001, epsilon=EPSILON),
    "sgd": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
}


def torch_losses(name: str, look_every: int | None) -> np.ndarray:
    """The article's loop; the loss is looked at between forward and backward in some steps, or only at the end."""
    model = SimpleNet()
    with dovetail.no_grad():
        for parameter, array in zip(model.parameters(), WEIGHTS, strict=True):
            parameter.copy_(dovetail.from_numpy(array.T.copy()))
    optimizer, criterion = TORCH_OPTIMIZERS[name](model.parameters()), nn.CrossEntropyLoss()
    losses = []
    for i, (data, target) in enumerate(zip(X, Y, strict=True)):
        optimizer.zero_grad()
        loss = criterion(model(dovetail.from_numpy(data)), dovetail.from_numpy(target))
        if look_every and i % look_every == 0:
            loss.item()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return np.array([loss.item() for loss in losses])


@pytest.mark.parametrize("name", TORCH_OPTIMIZERS)
@pytest.mark.parametrize("look_every", [None, 1, 7])
def test_torch_dialect(name, look_every):
    np.testing.assert_allclose(torch_losses(name, look_every), REFERENCE[name], rtol=NEAR)


def keras_model(name: str):
    """The article's model from the common weights."""
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.set_weights(WEIGHTS)
    model.compile(optimizer=KERAS_OPTIMIZERS[name](), loss="categorical_crossentropy")
    return model


@pytest.mark.parametrize("name", KERAS_OPTIMIZERS)
def test_keras_dialect_step_by_step(name):
    model, losses = keras_model(name), []
    for data, target in zip(X, np.eye(10, dtype=np.float32)[Y], strict=True):
        model.reset_metrics()  # Keras reports a running mean
        losses.append(float(np.ravel(model.train_on_batch(data, target))[0]))
    np.testing.assert_allclose(losses, REFERENCE[name], rtol=NEAR)


@pytest.mark.parametrize("name", KERAS_OPTIMIZERS)
def test_keras_dialect_in_fit(name):
    """fit's loss is the mean over the epoch, here one epoch of fifty batches in the given order."""
    hot = np.eye(10, dtype=np.float32)[Y.ravel()]
    history = keras_model(name).fit(X.reshape(-1, 784), hot, batch_size=32, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"][0], REFERENCE[name].mean(), rtol=NEAR)
