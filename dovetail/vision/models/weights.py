"""The `weights` argument of every model: no trained weights come with Dovetail, and none are downloaded silently."""

from __future__ import annotations

from dovetail.base.errors import ArgumentError, message

CURE = (
    "Build it with weights=None and fill it from a file that you have:\n"
    "  model.load_state_dict(dovetail.load('weights.pth'))   # torchvision's files fit, name by name"
)


def no_weights(model: str, weights: object) -> None:
    """Refuse everything but None.

    Raises: ArgumentError if trained weights are asked for.
    """
    if weights is not None and weights is not False:
        raise ArgumentError(
            message(model, "trained weights are not part of Dovetail", [("weights", str(weights))], CURE)
        )
