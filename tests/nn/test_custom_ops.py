"""torch.library.custom_op: a NumPy function as an operator with a gradient."""

import numpy as np
import pytest

import dovetail
from dovetail.library import custom_op, register_autograd, register_fake
from dovetail.nn.transform.custom import ops


@custom_op("tests::sine", mutates_args=())
def sine(x: dovetail.Tensor) -> dovetail.Tensor:
    return dovetail.from_numpy(np.sin(x.detach().numpy()))


@register_fake("tests::sine")
def _(x):
    return dovetail.empty_like(x)


register_autograd(
    "tests::sine",
    lambda ctx, g: g * ctx.saved_tensors[0].cos(),
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(inputs[0]),
)


def test_value_and_gradient():
    x = dovetail.arange(3.0, requires_grad=True)
    for _ in range(3):
        x.grad = None
        y = ops.tests.sine(x)
        (2 * y).sum().backward()
        np.testing.assert_allclose(y.detach().numpy(), np.sin(np.arange(3)), rtol=1e-6)
        np.testing.assert_allclose(x.grad.numpy(), 2 * np.cos(np.arange(3)), rtol=1e-6)


def test_names():
    assert not hasattr(ops.tests, "cosine") and repr(sine) == "<CustomOpDef(tests::sine)>"
    with pytest.raises(ValueError, match="namespace"):
        custom_op("sine", mutates_args=())(lambda x: x)
    with pytest.raises(RuntimeError, match="no operator"):
        register_fake("tests::cosine")(lambda x: x)
