"""Does memory stay bounded? Resident memory and remembered programs over 20,000 steps of patterns that leak elsewhere.

    python benchmarks/leaks.py [--steps 20000]

Prints, for each pattern, the resident memory after a tenth of the steps and at the end, and the number of programs.
"""

from __future__ import annotations

import argparse
import gc
import os

import numpy as np

import dovetail as dv
import dovetail.nn as nn
import dovetail.optim as optim
from dovetail.tensor.explain import plans
from dovetail.tensor.recorder import current


def resident_mb() -> float:
    """Resident memory of this process, in MB."""
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Setup:
    def __init__(self):
        r = np.random.default_rng(0)
        self.x, self.y = dv.from_numpy(r.standard_normal((640, 32)).astype("f")), dv.from_numpy(r.integers(0, 4, 640))
        self.model = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))
        self.optimizer, self.criterion = optim.Adam(self.model.parameters()), nn.CrossEntropyLoss()

    def step(self, i: int, size: int = 32):
        at = i * 32 % 608
        self.optimizer.zero_grad()
        out = self.model(self.x[at : at + size])
        loss = self.criterion(out, self.y[at : at + size])
        loss.backward()
        self.optimizer.step()
        return out, loss


def losses_appended(s: Setup, steps: int):
    losses = []
    for i in range(steps):
        losses.append(s.step(i)[1].detach())
        yield


def metric_accumulated(s: Setup, steps: int):
    total, right = dv.zeros(()), dv.zeros((), dtype=dv.int64)
    for i in range(steps):
        out, loss = s.step(i)
        total += loss.detach()
        right += (out.argmax(1) == s.y[i * 32 % 608 : i * 32 % 608 + 32]).sum()
        yield


def loss_summed_with_its_graph(s: Setup, steps: int):
    total = 0
    for i in range(steps):
        total = total + s.step(i)[1]
        yield


def changing_batch_size(s: Setup, steps: int):
    for i in range(steps):
        s.step(i, 1 + i % 32)
        yield


def evaluation_never_looked_at(s: Setup, steps: int):
    right = dv.zeros((), dtype=dv.int64)
    with dv.no_grad():
        for i in range(steps):
            at = i * 32 % 608
            right += (s.model(s.x[at : at + 32]).argmax(1) == s.y[at : at + 32]).sum()
            yield


def learning_rate_changed_every_step(s: Setup, steps: int):
    for i in range(steps):
        s.optimizer.param_groups[0]["lr"] = 1e-3 / (1 + i)
        s.step(i)
        yield


PATTERNS = [
    losses_appended,
    metric_accumulated,
    loss_summed_with_its_graph,
    changing_batch_size,
    evaluation_never_looked_at,
    learning_rate_changed_every_step,
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20_000)
    steps = parser.parse_args().steps
    print(f"{'pattern':36s}{'at 10 %':>10s}{'at the end':>12s}{'per step':>12s}{'calls':>8s}{'programs':>10s}")
    for pattern in PATTERNS:
        s, early = Setup(), 0.0
        for i, _ in enumerate(pattern(s, steps)):
            if i == steps // 10:
                gc.collect()
                early = resident_mb()
        gc.collect()
        end, rec = resident_mb(), current()
        programs = sum(len(plans(root)) for root in rec.roots.values())
        slope = (end - early) * 1e6 / (steps * 0.9)
        sizes = f"{early:8.1f} MB{end:9.1f} MB{slope:10.1f} B"
        print(f"{pattern.__name__:36s}{sizes}{rec.events:8d}{programs:10d}")


if __name__ == "__main__":
    main()
