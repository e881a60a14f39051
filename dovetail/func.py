"""Functions of functions: torch.func's names (and value_and_grad)."""

from dovetail.nn.transform.batches import stack_module_state, vmap
from dovetail.nn.transform.gradients import (
    functionalize,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    value_and_grad,
    vjp,
)
from dovetail.nn.utils.stateless import functional_call

__all__ = [
    "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize",
    "stack_module_state", "value_and_grad", "vjp", "vmap",
]  # fmt: skip
