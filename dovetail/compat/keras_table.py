"""keras's and tensorflow's modules. The Keras room mirrors Keras's tree, so a door of the same path answers each."""

from __future__ import annotations

from dovetail.compat.names import Names

KERAS_VERSION = "3.15.1+dovetail"  # the releases whose behaviour is followed
TENSORFLOW_VERSION = "2.21.0+dovetail"

BRANCHES = (
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "datasets.fashion_mnist",
    "datasets.mnist",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "optimizers.schedules",
    "random",
    "regularizers",
    "saving",
    "utils",
)


def keras_tree(root: str) -> dict[str, Names]:
    """The Keras modules under another root: keras itself, or tensorflow.keras."""
    top = {root: Names("dovetail.keras", {"__version__": KERAS_VERSION})}
    return top | {f"{root}.{branch}": Names(f"dovetail.keras.{branch}") for branch in BRANCHES}


TABLE = {
    **keras_tree("keras"),
    **keras_tree("tensorflow.keras"),
    "tensorflow": Names("dovetail.tf", {"__version__": TENSORFLOW_VERSION}),
    "tensorflow.version": Names(None, {"VERSION": TENSORFLOW_VERSION, "GIT_VERSION": "dovetail"}),
}
