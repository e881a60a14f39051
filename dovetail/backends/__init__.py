"""torch.backends' names: which libraries stand under the tensors, and their settings.

Under ours stand none of them: kernels are generated. So `is_available()` is False everywhere, settings can be written
and read back and change nothing, and programs that choose by them run.
"""

from dovetail.backends import cpu, cuda, cudnn, mha, mkl, mkldnn, mps, nnpack, openmp, opt_einsum

__all__ = ["cpu", "cuda", "cudnn", "mha", "mkl", "mkldnn", "mps", "nnpack", "openmp", "opt_einsum"]
