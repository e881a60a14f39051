"""Where Keras keeps data sets: `$KERAS_HOME/datasets`, else `~/.keras/datasets`."""

from __future__ import annotations

import os
from pathlib import Path


def datasets_folder() -> Path:
    """The folder, which need not exist yet. Source: keras.utils.get_file."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"
