"""flex_attention and causal masks against the same arithmetic in NumPy."""

import numpy as np
import pytest

import dovetail
from dovetail.nn import functional as F
from dovetail.nn.attention.bias import CausalBias, CausalVariant, causal_lower_right, causal_upper_left
from dovetail.nn.attention.flex_attention import and_masks, create_block_mask, create_mask, flex_attention, or_masks

R = np.random.default_rng(0)
Q, K, V = (R.standard_normal((2, 4, n, 8)).astype(np.float32) for n in (5, 7, 7))


def attention(q, k, v, change=None, mask=None, scale=8**-0.5):
    scores = (q.astype(np.float64) @ k.swapaxes(-1, -2)) * scale
    if change is not None:
        scores = change(scores)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v


def test_scores_are_changed_by_a_function():
    slopes = dovetail.tensor([0.5, 0.25, 0.125, 0.0])
    i, j = np.arange(5)[:, None], np.arange(7)
    expected = attention(Q, K, V, lambda s: s + slopes.numpy()[:, None, None] * (j - i))
    for _ in range(3):
        q, k, v = (dovetail.from_numpy(x).requires_grad_() for x in (Q, K, V))
        made = flex_attention(q, k, v, score_mod=lambda s, b, h, i, j: s + slopes[h] * (j - i))
        np.testing.assert_allclose(made.detach().numpy(), expected, rtol=2e-5, atol=2e-6)
    made.sum().backward()
    assert np.isfinite(q.grad.numpy()).all() and k.grad.abs().sum() > 0


def test_masks():
    document = dovetail.tensor([0, 0, 1, 1, 1, 2, 2])
    same, before = (lambda b, h, i, j: document[i] == document[j]), (lambda b, h, i, j: i >= j)
    d, i, j = document.numpy(), np.arange(5)[:, None], np.arange(7)
    mask = create_block_mask(and_masks(same, before), None, None, 5, 7, BLOCK_SIZE=2)
    made, lse = flex_attention(*map(dovetail.from_numpy, (Q, K, V)), block_mask=mask, return_lse=True)
    allowed = (d[i] == d[j]) & (i >= j)
    np.testing.assert_allclose(made.numpy(), attention(Q, K, V, mask=allowed), rtol=2e-5, atol=2e-6)
    assert lse.shape == (2, 4, 5)
    assert (
        create_mask(or_masks(same, before), 1, 1, 5, 7).numpy()[0, 0].tolist() == ((d[i] == d[j]) | (i >= j)).tolist()
    )
    assert mask.to_dense().tolist() == [[[[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0]]]]
    assert create_block_mask(before, None, None, 256, 256).sparsity() == 25.0


def test_a_query_that_sees_nothing_gets_zeros():
    mask = create_block_mask(lambda b, h, i, j: i > j, None, None, 5, 7)
    made = flex_attention(*map(dovetail.from_numpy, (Q, K, V)), block_mask=mask)
    assert made[:, :, 0].abs().max() == 0 and dovetail.isfinite(made).all()


def test_fewer_heads_of_keys():
    q, k, v = map(dovetail.from_numpy, (Q, K[:, :2], V[:, :2]))
    expected = attention(Q, K[:, :2].repeat(2, 1), V[:, :2].repeat(2, 1), scale=0.3)
    np.testing.assert_allclose(
        flex_attention(q, k, v, scale=0.3, enable_gqa=True).numpy(), expected, rtol=2e-5, atol=2e-6
    )
    with pytest.raises(ValueError, match="enable_gqa"):
        flex_attention(q, k, v)


def test_causal_masks_by_their_corner():
    i, j = np.arange(5)[:, None], np.arange(7)
    assert causal_upper_left(5, 7).numpy().tolist() == (i >= j).tolist()
    assert causal_lower_right(5, 7).numpy().tolist() == (i + 2 >= j).tolist()
    assert CausalBias(CausalVariant.LOWER_RIGHT, 5, 7).equal(causal_lower_right(5, 7))
    made = F.scaled_dot_product_attention(*map(dovetail.from_numpy, (Q, K, V)), attn_mask=causal_lower_right(5, 7))
    np.testing.assert_allclose(made.numpy(), attention(Q, K, V, mask=i + 2 >= j), rtol=2e-5, atol=2e-6)
