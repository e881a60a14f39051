"""TensorBoard: SummaryWriter, by torch's name and words, on the tensorboard package's own writer (an extra)."""

from dovetail.board.writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]
