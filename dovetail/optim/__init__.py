"""Optimizers, learning-rate schedules and averaged models: torch.optim's names."""

from dovetail.optim.adam import Adam, AdamW
from dovetail.optim.optimizer import Optimizer
from dovetail.optim.sgd import SGD

__all__ = ["Adam", "AdamW", "Optimizer", "SGD"]
