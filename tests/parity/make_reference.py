"""Write tests/parity/article.npz: 50 steps of the article's network in real PyTorch, as numbers to compare with.

    python tests/parity/make_reference.py        # in an environment with torch; made with torch 2.13.0 (CPU)

Everything a test needs to repeat the run is made here with NumPy from one seed and stored: starting weights and the
order of the digits' batches are recomputed by `article_start` below, so the file holds little more than the losses.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
STEPS, BATCH = 50, 32
SIZES = (784, 64, 64, 10)


def article_start() -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """(weights as kernel (in, out), bias, ...; x (50, 32, 784) float32; y (50, 32) int64), from one seed."""
    random = np.random.RandomState(20)  # its stream is frozen for ever, default_rng's is not
    weights = []
    for inputs, outputs in zip(SIZES, SIZES[1:], strict=False):
        bound = inputs**-0.5
        weights += [
            random.uniform(-bound, bound, shape).astype(np.float32) for shape in ((inputs, outputs), (outputs,))
        ]
    centres = random.standard_normal((10, 784))
    y = random.randint(0, 10, (STEPS, BATCH), np.int64)
    x = (centres[y] * 0.2 + random.standard_normal((STEPS, BATCH, 784))).astype(np.float32)
    return weights, x, y


def torch_run(torch, dtype, make_optimizer) -> np.ndarray:
    """The article's loop in PyTorch: the loss of each step."""
    weights, x, y = article_start()
    nn, functional = torch.nn, torch.nn.functional

    class SimpleNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2, self.fc3 = (nn.Linear(a, b) for a, b in zip(SIZES, SIZES[1:], strict=False))

        def forward(self, x):
            return self.fc3(functional.relu(self.fc2(functional.relu(self.fc1(x)))))

    model = SimpleNet().to(dtype)
    with torch.no_grad():
        for parameter, array in zip(model.parameters(), weights, strict=True):
            parameter.copy_(torch.from_numpy(array.T.copy()))
    optimizer, criterion = make_optimizer(model.parameters()), nn.CrossEntropyLoss()
    losses = []
    for data, target in zip(torch.from_numpy(x).to(dtype), torch.from_numpy(y), strict=True):
        optimizer.zero_grad()
        loss = criterion(model(data), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


def main() -> None:
    """Run and store."""
    import torch

    torch.set_num_threads(1)
    optimizers = {
        "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.001),
        "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.9),
    }
    curves = {}
    for name, make in optimizers.items():
        curves[name] = torch_run(torch, torch.float32, make)
        exact = torch_run(torch, torch.float64, make)
        print(
            name,
            "first",
            curves[name][0],
            "last",
            curves[name][-1],
            "float64 differs by",
            abs(curves[name] / exact - 1).max(),
        )
    np.savez(HERE / "article.npz", **curves, torch=torch.__version__)
    print(HERE / "article.npz")


if __name__ == "__main__":
    main()
