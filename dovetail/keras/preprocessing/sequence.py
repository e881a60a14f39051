"""keras.preprocessing.sequence."""

from dovetail.keras.utils.series import pad_sequences

__all__ = ["pad_sequences"]
