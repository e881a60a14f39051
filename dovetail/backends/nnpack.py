"""torch.backends.nnpack's names: NNPACK is not used, kernels are generated."""

__all__ = ["is_available"]


def is_available() -> bool:
    """Whether NNPACK stands under the tensors: no.

    >>> is_available()
    False
    """
    return False
