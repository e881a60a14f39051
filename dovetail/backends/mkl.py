"""torch.backends.mkl's names: oneMKL is not used, kernels are generated."""

__all__ = ["is_available"]


def is_available() -> bool:
    """Whether oneMKL stands under the tensors: no.

    >>> is_available()
    False
    """
    return False
