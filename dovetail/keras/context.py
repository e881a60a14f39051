"""What holds while a layer is being called: the training flag, the name scopes, the layers on the way, open tapes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Context(threading.local):
    """One for each thread.

    training  the `training` value of the outermost call, or None outside any call
    depth     how many layer calls are open
    scopes    names of the open scopes, outermost first; a weight's path is made of them
    symbolic  whether shapes are being worked out with stand-ins
    tapes     open gradient tapes, innermost last
    """

    training: bool | None = None
    depth: int = 0
    symbolic: bool = False
    output_layer: str = ""  # name of the layer whose output a loss is being computed from, where fit knows it
    output_model: Any = None  # the model it belongs to

    losses_added: bool = False  # whether add_loss was called since the last step began
    clock: int = 0  # counts calls of compile

    def __init__(self):
        self.scopes: list[str] = []
        self.tapes: list[Any] = []

    def path(self) -> str:
        """The open scopes as the head of a weight's path."""
        return "/".join(self.scopes)


context = Context()


@contextmanager
def name_scope(name: str) -> Iterator[None]:
    """Weights made inside have `name/` in their path. Source: keras.name_scope."""
    context.scopes.append(name)
    try:
        yield
    finally:
        context.scopes.pop()


@contextmanager
def training_phase(training: bool | None) -> Iterator[None]:
    """Layers called inside run in this phase."""
    before = context.training
    context.training = training
    try:
        yield
    finally:
        context.training = before
