"""One tensor given twice and two tensors given once are different calls, in whatever order a program makes them."""

import itertools

import pytest

import dovetail as dv


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("order", list(itertools.permutations(["aa", "ab", "ba", "bb"])))
def test_products_of_two_leaves(order, grad):
    leaves = {"a": dv.tensor([2.0, 3.0], requires_grad=grad), "b": dv.tensor([10.0, 20.0], requires_grad=grad)}
    numbers = {"a": (2.0, 3.0), "b": (10.0, 20.0)}
    for _ in range(3):
        for p, q in order:
            product = leaves[p] * leaves[q]
            assert product.tolist() == [x * y for x, y in zip(numbers[p], numbers[q], strict=True)]
            if not grad:
                continue
            for leaf in leaves.values():
                leaf.grad = None
            (leaves[p] * leaves[q]).sum().backward()
            for name, leaf in leaves.items():
                other = {p, q} - {name}
                if p == q == name:
                    assert leaf.grad.tolist() == [2 * x for x in numbers[name]]
                elif name in (p, q):
                    assert leaf.grad.tolist() == list(numbers[other.pop()])
                else:
                    assert leaf.grad is None


def test_a_batch_compared_with_itself_and_with_another():
    x, y = dv.ones(4), dv.zeros(4)
    for _ in range(3):
        assert (x == x).all().item()
        assert not (x == y).any().item()
        assert dv.cat([x, x]).sum().item() == 8
        assert dv.cat([x, y]).sum().item() == 4
        assert dv.where(x > 0, x, x).sum().item() == 4
        assert dv.where(x > 0, y, x).sum().item() == 0


def test_one_tensor_in_two_calls_that_took_two():
    """run(w, w) after run(v, w): the place where the second call expects w knew it from before, so w was taken for two
    tensors, and half of its gradient was lost."""
    v, w = dv.ones(3, requires_grad=True), dv.full((3,), 2.0, requires_grad=True)
    x = dv.tensor([1.0, 2.0, 3.0])

    def run(a, b):
        v.grad = w.grad = None
        loss = (x * a).sum() + ((x + 1) * b).sum()
        loss.backward()
        return [None if p.grad is None else p.grad.tolist() for p in (v, w)]

    for _ in range(3):
        assert run(v, w) == [[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]
    for _ in range(3):
        assert run(w, w) == [None, [3.0, 5.0, 7.0]]
    assert run(v, v) == [[3.0, 5.0, 7.0], None]
    assert run(w, v) == [[2.0, 3.0, 4.0], [1.0, 2.0, 3.0]]
    assert run(v, w) == [[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]


def test_one_tensor_written_and_read_in_calls_that_took_two():
    def run(a, b):
        with dv.no_grad():
            a += 1.0
            return (b * 2.0).tolist()

    a, b = dv.zeros(2), dv.full((2,), 5.0)
    for _ in range(3):
        assert run(a, b) == [10.0, 10.0]
    assert run(b, b) == [12.0, 12.0]
    assert run(b, b) == [14.0, 14.0]
    assert run(a, b) == [14.0, 14.0]
    assert a.tolist() == [4.0, 4.0] and b.tolist() == [7.0, 7.0]
