"""torch.backends.openmp's names: OpenMP is not used, kernels are generated."""

__all__ = ["is_available"]


def is_available() -> bool:
    """Whether OpenMP stands under the tensors: no.

    >>> is_available()
    False
    """
    return False
