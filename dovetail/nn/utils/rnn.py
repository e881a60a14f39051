"""Sequences of different lengths: padding and packing. Names and meaning are torch.nn.utils.rnn's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from dovetail.base.errors import ArgumentError, message
from dovetail.ops.create import full
from dovetail.ops.index import index_select
from dovetail.ops.shape import cat, stack
from dovetail.tensor.tensor import Tensor


class PackedFields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(PackedFields):
    """Sequences without padding: the first elements of all, then the second ones, ... Made by pack_padded_sequence.

    data (sum of lengths, *); batch_sizes (longest length,): how many sequences reach each step.
    """

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if batch_sizes is None:
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same sequences with `data` converted."""
        return type(self)(self.data.to(*args, **kwargs), self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def cpu(self, *args, **kwargs) -> PackedSequence:
        return self.to("cpu")

    def double(self) -> PackedSequence:
        return self.to(dtype="float64")

    def float(self) -> PackedSequence:
        return self.to(dtype="float32")

    @property
    def is_cuda(self) -> bool:
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        return False

    def pin_memory(self) -> PackedSequence:
        return self


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """Where each index went."""
    if permutation is None:
        return None
    order = permutation.tolist()
    places = [0] * len(order)
    for place, i in enumerate(order):
        places[i] = place
    return Tensor.from_data(places)


def whole_numbers(x) -> list[int]:
    return [int(n) for n in (x.tolist() if isinstance(x, Tensor) else x)]


def pack_padded_sequence(
    input: Tensor, lengths, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack padded sequences. Shape: (T, N, *), or (N, T, *) with batch_first.

    enforce_sorted: the lengths fall; False sorts them here.
    Raises: ArgumentError (a RuntimeError) for lengths that are zero, too long, or not sorted when they should be.
    """
    sizes = whole_numbers(lengths)
    order = None
    if not enforce_sorted:
        by_length = sorted(range(len(sizes)), key=lambda i: -sizes[i])
        order = Tensor.from_data(by_length)
        sizes = [sizes[i] for i in by_length]
        input = index_select(input, 0 if batch_first else 1, order)
    check_lengths(input, sizes, batch_first)
    batch_sizes = [sum(n > t for n in sizes) for t in range(sizes[0])]
    x = input.transpose(0, 1) if batch_first else input
    rows = [t * len(sizes) + b for t, alive in enumerate(batch_sizes) for b in range(alive)]
    flat = x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])
    return PackedSequence(index_select(flat, 0, Tensor.from_data(rows)), Tensor.from_data(batch_sizes), order, None)


def check_lengths(input: Tensor, sizes: list[int], batch_first: bool) -> None:
    batch, longest = (input.shape[0], input.shape[1]) if batch_first else (input.shape[1], input.shape[0])
    problem = ""
    if len(sizes) != batch:
        problem = f"Expected `len(lengths)` to be equal to batch_size, but got {len(sizes)} (batch_size={batch})"
    elif min(sizes, default=1) <= 0:
        problem = "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
    elif any(a < b for a, b in zip(sizes, sizes[1:], strict=False)):
        problem = (
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement"
        )
    elif sizes and sizes[0] > longest:
        problem = f"a length of {sizes[0]} is more than the {longest} steps of the input"
    if problem:
        raise ArgumentError(message("pack_padded_sequence", problem, [("input", input)]))


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """(padded sequences, lengths). Shape: (T, N, *), or (N, T, *) with batch_first; lengths (N,)"""
    sizes = whole_numbers(sequence.batch_sizes)
    steps = len(sizes) if total_length is None else total_length
    if steps < len(sizes):
        raise ArgumentError(
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {len(sizes)}"
        )
    lengths = [sum(n > b for n in sizes) for b in range(sizes[0])]
    places = list(range(sizes[0]))
    if sequence.unsorted_indices is not None:
        places = whole_numbers(sequence.unsorted_indices)
    starts = [sum(sizes[:t]) for t in range(len(sizes))]
    blank = sequence.data.shape[0]  # a row of padding is put behind the data
    rows = [starts[t] + b if t < len(sizes) and b < sizes[t] else blank for t in range(steps) for b in places]
    padding = full((1, *sequence.data.shape[1:]), padding_value, dtype=sequence.data.dtype)
    padded = index_select(cat([sequence.data, padding]), 0, Tensor.from_data(rows))
    padded = padded.reshape(steps, sizes[0], *sequence.data.shape[1:])
    return padded.transpose(0, 1) if batch_first else padded, Tensor.from_data([lengths[b] for b in places])


def pad_sequence(
    sequences: Tensor | list[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences of one batch, made equally long. Shape: N times (L, *) -> (T, N, *), or (N, T, *) with batch_first"""
    if padding_side not in ("left", "right"):
        raise ArgumentError(f"padding_side should be 'left' or 'right', got {padding_side!r}")
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    parts = list(sequences)
    longest = max((len(s) for s in parts), default=0)
    made = []
    for s in parts:
        if len(s) == longest:
            made.append(s)
            continue
        margin = full((longest - len(s), *s.shape[1:]), padding_value, dtype=s.dtype)
        made.append(cat([s, margin] if padding_side == "right" else [margin, s]))
    return stack(made, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences without their padding."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[:n] for row, n in zip(rows, whole_numbers(lengths), strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences. Shape: N times (L, *)"""
    lengths = [len(s) for s in sequences]
    return pack_padded_sequence(pad_sequence(list(sequences)), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences that were packed, as a list."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
