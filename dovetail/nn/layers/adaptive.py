"""Softmax over very many classes: the frequent ones first, the others in clusters (Grave et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.nn import functional as F
from dovetail.nn.layers.container import ModuleList, Sequential
from dovetail.nn.layers.linear import Linear
from dovetail.nn.module import Module
from dovetail.ops.index import where
from dovetail.ops.shape import cat
from dovetail.tensor.tensor import Tensor


class AdaptiveLogSoftmaxOutput(NamedTuple):
    """What AdaptiveLogSoftmaxWithLoss returns: log-probabilities of the targets, and their negative mean."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log softmax with a head for the first cutoffs[0] classes and smaller projections for the rest.

    Shape: input (N, in_features) or (in_features,), target (N,) or () -> output like the target, loss ()
    div_value: by how much each further cluster's projection is smaller. head_bias: a bias in the head.
    """

    def __init__(
        self, in_features: int, n_classes: int, cutoffs: Sequence[int], div_value: float = 4.0, head_bias: bool = False,
        device=None, dtype=None,
    ) -> None:  # fmt: skip
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ArgumentError("cutoffs should be a sequence of length larger than 0")
        if cutoffs != sorted(set(cutoffs)) or min(cutoffs) <= 0 or max(cutoffs) > n_classes - 1:
            raise ArgumentError(
                "cutoffs should be a sequence of unique, positive integers sorted in an "
                "increasing order, where each value "
                "is between 1 and n_classes-1"
            )
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = self.cutoffs[0], len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        made = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **made)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            inner = int(in_features // div_value ** (i + 1))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(Linear(in_features, inner, bias=False, **made), Linear(inner, size, bias=False, **made))
            )

    def reset_parameters(self) -> None:
        self.head.reset_parameters()
        for projection, out in self.tail:
            projection.reset_parameters()
            out.reset_parameters()

    def forward(self, input_, target_) -> AdaptiveLogSoftmaxOutput:
        batched = target_.ndim == 1
        x, target = (input_, target_) if batched else (input_.unsqueeze(0), target_.unsqueeze(0))
        if x.ndim != 2 or x.shape[0] != target.shape[0]:
            raise ShapeError(message(
                "AdaptiveLogSoftmaxWithLoss", "Input and target should have the same size in the batch dimension.",
                [("input", input_), ("target", target_)],
            ))  # fmt: skip
        head = F.log_softmax(self.head(x), 1)
        output = taken(head, target.clamp(max=self.shortlist_size - 1))
        for i, tail in enumerate(self.tail):  # every cluster is computed and the right one chosen: no look at the data
            low, high = self.cutoffs[i], self.cutoffs[i + 1]
            local = taken(F.log_softmax(tail(x), 1), (target - low).clamp(0, high - low - 1))
            inside = (target >= low) & (target < high)
            output = where(inside, head[:, self.shortlist_size + i] + local, output)
        loss = -output.mean()
        return AdaptiveLogSoftmaxOutput(output if batched else output.squeeze(0), loss)

    def log_prob(self, input):
        """Log-probabilities of all classes. Shape: (N, in_features) -> (N, n_classes)"""
        return self._all(input, F.log_softmax(self.head(input), 1))

    def _all(self, input, head):
        parts = [head[:, : self.shortlist_size]]
        for i, tail in enumerate(self.tail):
            parts.append(F.log_softmax(tail(input), 1) + head[:, self.shortlist_size + i].unsqueeze(1))
        return cat(parts, 1)

    def predict(self, input):
        """The most probable class of each row. Shape: (N, in_features) -> (N,)"""
        return self.log_prob(input).argmax(1)


def taken(rows, columns):
    return rows.gather(1, columns.unsqueeze(1)).squeeze(1)
