"""The Keras dialect: `from dovetail import keras`."""

from dovetail.keras import (
    activations,
    backend,
    callbacks,
    config,
    constraints,
    datasets,
    dtype_policies,
    initializers,
    layers,
    losses,
    metrics,
    mixed_precision,
    models,
    ops,
    optimizers,
    preprocessing,
    random,
    regularizers,
    saving,
    tree,
    utils,
)
from dovetail.keras.context import name_scope
from dovetail.keras.initializers import Initializer
from dovetail.keras.layers import Input, InputSpec, Layer
from dovetail.keras.losses import Loss
from dovetail.keras.metrics import Metric
from dovetail.keras.models import Functional, Model, Sequential
from dovetail.keras.optimizers import Optimizer
from dovetail.keras.policy import DTypePolicy
from dovetail.keras.regularizers import Regularizer
from dovetail.keras.symbolic import KerasTensor, Operation
from dovetail.keras.variable import Variable

FloatDTypePolicy = DTypePolicy
Function = Functional
__version__ = "3.15.1+dovetail"


def version() -> str:
    """The release of Keras whose behaviour is followed."""
    return __version__
