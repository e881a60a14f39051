"""Gradients as graphs."""

from dovetail.autodiff import gradient, loop

__all__ = ["gradient", "loop"]
