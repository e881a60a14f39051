"""What is compared with PyTorch: settings of optimizers, schedules, and the numbers they are fed."""

from __future__ import annotations

import numpy as np

STEPS = 12

OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.02}),
    ("Adam", {"lr": 0.02, "weight_decay": 0.1, "amsgrad": True}),
    ("Adam", {"lr": 0.02, "betas": [0.0, 0.9], "eps": 1e-3, "maximize": True}),
    ("AdamW", {"lr": 0.02}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.3, "amsgrad": True}),
    ("RMSprop", {"lr": 0.02}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.8, "centered": True, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.05, "lr_decay": 0.1, "initial_accumulator_value": 0.2}),
    ("Adadelta", {"lr": 0.9, "weight_decay": 0.1}),
    ("Adamax", {"lr": 0.02, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.02}),
    ("NAdam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"lr": 0.02}),
    ("RAdam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Rprop", {"lr": 0.02}),
    ("ASGD", {"lr": 0.05, "t0": 3, "weight_decay": 0.1}),
    ("Adafactor", {"lr": 0.05}),
    ("Adafactor", {"lr": 0.05, "weight_decay": 0.1, "d": 2.0, "maximize": True}),
    ("Muon", {"lr": 0.02}),
    ("Muon", {"lr": 0.02, "nesterov": False, "adjust_lr_fn": "match_rms_adamw"}),
    ("SparseAdam", {"lr": 0.02}),
    ("SparseAdam", {"lr": 0.02, "betas": [0.5, 0.9], "maximize": True}),
]

SCHEDULES = {
    "LambdaLR": lambda L, o: L.LambdaLR(o, [lambda e: 0.95**e, lambda e: 1 / (1 + e)]),
    "MultiplicativeLR": lambda L, o: L.MultiplicativeLR(o, lambda e: 0.9),
    "StepLR": lambda L, o: L.StepLR(o, 4, 0.5),
    "MultiStepLR": lambda L, o: L.MultiStepLR(o, [3, 3, 8], 0.5),
    "ConstantLR": lambda L, o: L.ConstantLR(o, 0.5, 6),
    "LinearLR": lambda L, o: L.LinearLR(o, 0.2, 0.8, 7),
    "ExponentialLR": lambda L, o: L.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda L, o: L.PolynomialLR(o, 9, 2.0),
    "CosineAnnealingLR": lambda L, o: L.CosineAnnealingLR(o, 6, 1e-3),
    "CosineAnnealingWarmRestarts": lambda L, o: L.CosineAnnealingWarmRestarts(o, 3, 2, 1e-3),
    "CyclicLR": lambda L, o: L.CyclicLR(o, 0.01, 0.1, 3, 5, mode="triangular2"),
    "CyclicLR exp_range": lambda L, o: L.CyclicLR(o, 0.01, 0.1, 4, mode="exp_range", gamma=0.97),
    "OneCycleLR": lambda L, o: L.OneCycleLR(o, [0.1, 0.3], total_steps=25),
    "OneCycleLR three phases": lambda L, o: L.OneCycleLR(o, 0.2, 30, three_phase=True, anneal_strategy="linear"),
    "ReduceLROnPlateau": lambda L, o: L.ReduceLROnPlateau(o, factor=0.5, patience=1, cooldown=1, min_lr=1e-3),
    "ChainedScheduler": lambda L, o: L.ChainedScheduler([L.ConstantLR(o, 0.1, 4), L.ExponentialLR(o, 0.9)]),
    "SequentialLR": lambda L, o: L.SequentialLR(
        o, [L.LinearLR(o, 0.1, 1.0, 5), L.CosineAnnealingLR(o, 9), L.ExponentialLR(o, 0.8)], [5, 14]
    ),
}


def start(name: str) -> list[np.ndarray]:
    """First values of the parameters: a matrix and a vector (two matrices for Muon, which takes nothing else)."""
    rng = np.random.RandomState(1)
    shapes = [(3, 4), (6, 2)] if name == "Muon" else [(3, 4), (5,)]
    return [rng.standard_normal(s).astype(np.float32) for s in shapes]


def gradients(name: str, step: int) -> list[np.ndarray]:
    """Gradients of a step, the same for everybody."""
    rng = np.random.RandomState(100 + step)
    found = [rng.standard_normal(a.shape).astype(np.float32) for a in start(name)]
    if name == "SparseAdam":  # rows that a step does not look up
        for g in found:
            g[step % len(g)] = 0
            g[step % 2] = 0
    return found


def losses() -> list[float]:
    return np.random.RandomState(5).uniform(0.5, 1.0, 20).tolist()
