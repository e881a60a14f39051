"""SparseAdam, which is refused: gradients are never sparse here."""

from __future__ import annotations

from dovetail.base.errors import NotCovered, message


class SparseAdam:
    """Not covered: there are no sparse gradients. Adam does the same steps, fused, on the dense gradient."""

    def __init__(self, *args, **kwargs) -> None:
        raise NotCovered(
            message(
                "SparseAdam",
                "gradients of embeddings are dense here, so there is nothing sparse to step on",
                cure="Use Adam and leave out sparse=True.",
            )
        )
