"""Gradients as graphs."""

from dovetail.autodiff import control, gradient, scan

__all__ = ["control", "gradient", "scan"]
