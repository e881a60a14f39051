"""torch._dynamo's names, as far as programs use them to steer or question a compiler."""

from types import SimpleNamespace

from dovetail.nn.transform.compiled import (
    ExplainOutput,
    GraphBreak,
    OptimizedModule,
    Settings,
    allow_in_graph,
    assume_constant_result,
    compile,
    disable,
    explain_call,
    graph_break,
    is_compiling,
    list_backends,
    mark_dynamic,
    mark_static,
    reset,
    substitute_in_graph,
)

explain = explain_call
maybe_mark_dynamic = mark_dynamic
exc = SimpleNamespace(Unsupported=GraphBreak, TorchDynamoException=GraphBreak, UserError=GraphBreak)
config = Settings(
    accumulated_cache_size_limit=256, allow_unspec_int_on_nn_module=False, assume_static_by_default=True,
    automatic_dynamic_shapes=True, cache_size_limit=8, capture_dynamic_output_shape_ops=True,
    capture_func_transforms=True, capture_scalar_outputs=False, dynamic_shapes=True, guard_nn_modules=True,
    inline_inbuilt_nn_modules=True, log_level=30, optimize_ddp=True, recompile_limit=8, specialize_float=False,
    specialize_int=False, suppress_errors=False, verbose=False,
)  # fmt: skip


def optimize(backend="dovetail", *, nopython=False, dynamic=None, disable=False, **settings):
    """torch's older word for compile: a decorator."""
    return compile(backend=backend, fullgraph=nopython, dynamic=dynamic, disable=disable)


def optimize_assert(backend="dovetail", **settings):
    """compile with fullgraph=True: a decorator."""
    return compile(backend=backend, fullgraph=True)


__all__ = [
    "ExplainOutput", "OptimizedModule", "allow_in_graph", "assume_constant_result", "config", "disable", "exc",
    "explain", "graph_break", "is_compiling", "list_backends", "mark_dynamic", "mark_static", "maybe_mark_dynamic",
    "optimize", "optimize_assert", "reset", "substitute_in_graph",
]  # fmt: skip
