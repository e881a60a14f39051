"""torch's spelling of the board: `from dovetail.utils.tensorboard import SummaryWriter`. This file is a door."""

from dovetail.board.writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]
