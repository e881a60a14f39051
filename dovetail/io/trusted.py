"""Which classes a file may ask for, besides data: what the user has named as safe, and torch's layers by our own.

PyTorch writes a whole module as its class's name and its attributes. Both are the same here, so such files go both
ways: `torch.nn.modules.linear.Linear` in the file is `dovetail.nn.Linear` in this process.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dovetail import nn
from dovetail.base.errors import ArgumentError, message
from dovetail.nn import functional
from dovetail.nn.layers.linear import NonDynamicallyQuantizableLinear

HOMES = {  # torch.nn.modules.<file> -> the classes that pickles name there
    "activation": "CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid LogSoftmax Mish "
    "MultiheadAttention PReLU RReLU ReLU ReLU6 SELU SiLU Sigmoid Softmax Softmax2d Softmin Softplus Softshrink "
    "Softsign Tanh Tanhshrink Threshold",
    "adaptive": "AdaptiveLogSoftmaxWithLoss",
    "batchnorm": "BatchNorm1d BatchNorm2d BatchNorm3d LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d",
    "channelshuffle": "ChannelShuffle",
    "container": "ModuleDict ModuleList ParameterDict ParameterList Sequential",
    "conv": "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d LazyConv1d LazyConv2d LazyConv3d "
    "LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d",
    "distance": "CosineSimilarity PairwiseDistance",
    "dropout": "AlphaDropout Dropout Dropout1d Dropout2d Dropout3d FeatureAlphaDropout",
    "flatten": "Flatten Unflatten",
    "fold": "Fold Unfold",
    "instancenorm": "InstanceNorm1d InstanceNorm2d InstanceNorm3d",
    "linear": "Bilinear Identity LazyLinear Linear",
    "loss": "BCELoss BCEWithLogitsLoss CTCLoss CosineEmbeddingLoss CrossEntropyLoss GaussianNLLLoss "
    "HingeEmbeddingLoss HuberLoss KLDivLoss L1Loss MSELoss MarginRankingLoss MultiLabelMarginLoss "
    "MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss PoissonNLLLoss SmoothL1Loss SoftMarginLoss TripletMarginLoss "
    "TripletMarginWithDistanceLoss",
    "module": "Module",
    "normalization": "CrossMapLRN2d GroupNorm LayerNorm LocalResponseNorm RMSNorm",
    "padding": "CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d ReflectionPad1d "
    "ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d ZeroPad1d ZeroPad2d ZeroPad3d",
    "pixelshuffle": "PixelShuffle PixelUnshuffle",
    "pooling": "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d "
    "AdaptiveMaxPool3d AvgPool1d AvgPool2d AvgPool3d FractionalMaxPool2d FractionalMaxPool3d LPPool1d LPPool2d "
    "LPPool3d MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d",
    "rnn": "GRU GRUCell LSTM LSTMCell RNN RNNCell",
    "sparse": "Embedding EmbeddingBag",
    "transformer": "Transformer TransformerDecoder TransformerDecoderLayer TransformerEncoder TransformerEncoderLayer",
    "upsampling": "Upsample UpsamplingBilinear2d UpsamplingNearest2d",
}
LAYERS: dict[tuple[str, str], type] = {
    (f"torch.nn.modules.{file}", name): getattr(nn, name)
    for file, names in HOMES.items()
    for name in names.split()
    if hasattr(nn, name)
}
LAYERS[("torch.nn.modules.linear", "NonDynamicallyQuantizableLinear")] = NonDynamicallyQuantizableLinear
NAMES: dict[Any, tuple[str, str]] = {kind: place for place, kind in LAYERS.items()} | {
    getattr(functional, name): ("torch.nn.functional", name) for name in functional.__all__
}
FUNCTIONS_OF = {"dovetail.nn.functional", "torch", "torch._C._nn", "torch.nn.functional"}  # what torch calls them
DATA = {  # classes of the standard library whose objects are nothing but data
    ("argparse", "Namespace"),
    ("types", "SimpleNamespace"),
    ("collections", "deque"),
    ("datetime", "date"),
    ("datetime", "datetime"),
    ("datetime", "time"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
    ("decimal", "Decimal"),
    ("fractions", "Fraction"),
    ("uuid", "UUID"),
    *((module, kind) for module in ("pathlib", "pathlib._local") for kind in ("PosixPath", "PurePosixPath", "Path")),
}
SAFE: dict[tuple[str, str], Any] = {}


def add_safe_globals(safe_globals: Iterable[Any]) -> None:
    """Let files ask for these classes and functions from now on; loading such a file may call them.

    safe_globals: classes and functions, or pairs (class, "module.name" as the file says it).

    >>> from fractions import Fraction
    >>> add_safe_globals([Fraction])
    >>> get_safe_globals()
    [<class 'fractions.Fraction'>]
    >>> clear_safe_globals()
    """
    for item in safe_globals:
        found, name = item if isinstance(item, tuple) else (item, None)
        if not callable(found):
            facts = [("received", type(found).__name__)]
            raise ArgumentError(message("add_safe_globals", "takes classes and functions", facts))
        module, _, attribute = (name or f"{found.__module__}.{found.__qualname__}").rpartition(".")
        SAFE[module, attribute] = found


def get_safe_globals() -> list[Any]:
    """What add_safe_globals has named."""
    return list(SAFE.values())


def clear_safe_globals() -> None:
    """Forget what add_safe_globals has named."""
    SAFE.clear()


class safe_globals:
    """`with safe_globals([Config]): load(path)`: these classes are safe inside the block alone."""

    def __init__(self, safe_globals: Iterable[Any]):
        self.named = list(safe_globals)

    def __enter__(self) -> None:
        self.before = dict(SAFE)
        add_safe_globals(self.named)

    def __exit__(self, *exc: object) -> None:
        SAFE.clear()
        SAFE.update(self.before)


def own_thing(module: str, attribute: str) -> Any:
    """What a file may ask for with weights_only=False: layers, functions of nn.functional, classes of plain data, and
    classes that the running program itself has defined. None for everything else; nothing is imported to find out."""
    layer = LAYERS.get((module, attribute))
    if layer is not None:
        return layer
    if module in FUNCTIONS_OF and attribute in functional.__all__:
        return getattr(functional, attribute)
    found: Any = sys.modules.get(module)
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        return None
    plain = (module, attribute) in DATA or is_users(module)
    return found if plain or issubclass(found, nn.Module) else None


def is_users(module: str) -> bool:
    """Whether a module is the running program's own: not the standard library's, not an installed package's."""
    if module == "__main__":
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    if not file:
        return False
    path = Path(file).resolve()
    inside = any(path.is_relative_to(Path(sysconfig.get_path(kind)).resolve()) for kind in ("stdlib", "platstdlib"))
    return (
        not inside and not {"site-packages", "dist-packages"} & set(path.parts) and not module.startswith("dovetail.")
    )


def attributes_for_torch(module: nn.Module, attributes: dict[str, Any]) -> dict[str, Any]:
    """A layer's attributes, with those that only torch's class of that name has."""
    if isinstance(module, nn.RNNBase):
        names = [name for layer in module._all_weights for name in layer]
        return {**attributes, "_flat_weights_names": names, "_flat_weights": [getattr(module, n) for n in names]}
    if isinstance(module, nn.TransformerEncoderLayer):
        code = {functional.relu: 1, functional.gelu: 2}.get(module.activation, 0)
        return {**attributes, "activation_relu_or_gelu": code}
    return attributes
