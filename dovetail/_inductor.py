"""torch._inductor's settings: programs may set them, and nothing depends on them."""

from dovetail.nn.transform.compiled import Settings, list_backends

config = Settings(
    aggressive_fusion=False, coordinate_descent_tuning=False, debug=False, epilogue_fusion=True, fallback_random=False,
    force_fuse_int_mm_with_mul=False, freezing=False, fx_graph_cache=True, max_autotune=False,
    max_autotune_gemm=False, use_mixed_mm=False, cpp=Settings(threads=-1, simdlen=None, wrapper=False),
    triton=Settings(cudagraphs=False, unique_kernel_names=True, cudagraph_trees=True), trace=Settings(enabled=False),
)  # fmt: skip

__all__ = ["config", "list_backends"]
