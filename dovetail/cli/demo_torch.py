"""The demo's network in the PyTorch dialect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import dovetail.nn as nn
import dovetail.nn.functional as F
import dovetail.optim as optim
from dovetail.cli.demo_start import BATCH, Scores, shuffled, starting_weights
from dovetail.data.dataset import TensorDataset
from dovetail.data.loader import DataLoader
from dovetail.io.safetensors import load_file, save_file
from dovetail.tensor.modes import no_grad
from dovetail.tensor.tensor import Tensor


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

    def weights(self) -> list[np.ndarray]:
        """Every weight and bias."""
        return [parameter.detach().numpy() for parameter in self.net.parameters()]

    def save(self, path: Path) -> None:
        """Write the weights as safetensors."""
        save_file(self.net.state_dict(), path)

    def load(self, path: Path) -> None:
        """Read the weights back."""
        self.net.load_state_dict(load_file(path))
