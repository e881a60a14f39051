"""Optimizers, learning-rate schedules and averaged models: torch.optim's names."""

from dovetail.optim import lr_scheduler, optimizer, swa_utils
from dovetail.optim.adafactor import Adafactor
from dovetail.optim.adagrad import Adadelta, Adagrad
from dovetail.optim.adam import Adam, AdamW
from dovetail.optim.adamax import Adamax, NAdam, RAdam
from dovetail.optim.asgd import ASGD
from dovetail.optim.lbfgs import LBFGS
from dovetail.optim.muon import Muon
from dovetail.optim.optimizer import Optimizer
from dovetail.optim.rmsprop import RMSprop
from dovetail.optim.rprop import Rprop
from dovetail.optim.sgd import SGD
from dovetail.optim.sparse_adam import SparseAdam

__all__ = [
    "ASGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LBFGS",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
    "SparseAdam",
    "lr_scheduler",
    "optimizer",
    "swa_utils",
]
