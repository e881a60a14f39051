"""keras.layers: building blocks by Keras's names."""

from dovetail.keras.layers.core import Activation, Dense, Identity, Lambda, Masking
from dovetail.keras.layers.inputs import Input, InputLayer
from dovetail.keras.layers.layer import Layer
from dovetail.keras.layers.preprocessing import Rescaling
from dovetail.keras.layers.regularization import (
    ActivityRegularization,
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from dovetail.keras.layers.reshaping import Flatten, Permute, Reshape
from dovetail.keras.layers.spec import InputSpec
from dovetail.keras.layers.wrapper import TorchModuleWrapper
