"""Files of TensorBoard's projector: vectors, their labels and pictures, and the list of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.board.arrays import as_bytes, png, tiled
from dovetail.io.atomic import written_whole


def write_embedding(
    folder: Path,
    place: str,
    tag: str,
    vectors: np.ndarray,
    labels: Sequence[Any] | None,
    header: Sequence[str] | None,
    pictures: np.ndarray | None,
) -> str:
    """Write tensors.tsv, metadata.tsv and sprite.png into folder/place; return the entry for projector_config.pbtxt.

    vectors: (n, d). pictures: (n, c, h, w).
    Raises: ShapeError or ArgumentError unless there is one label and one picture for each vector.
    """
    if vectors.ndim != 2:
        raise ShapeError(message("add_embedding", "takes vectors (n, d)", [("mat", vectors)]))
    inside = folder / place
    inside.mkdir(parents=True, exist_ok=True)
    entry = ["embeddings {", f'tensor_name: "{tag}"', f'tensor_path: "{place}/tensors.tsv"']
    if labels is not None:
        if len(labels) != len(vectors):
            facts = [("vectors", len(vectors)), ("labels", len(labels))]
            raise ArgumentError(message("add_embedding", "one label for each vector", facts))
        rows = ["\t".join(map(str, row)) if header else str(row) for row in labels]
        put(inside / "metadata.tsv", "\n".join((["\t".join(header)] if header else []) + rows) + "\n")
        entry.append(f'metadata_path: "{place}/metadata.tsv"')
    if pictures is not None:
        if len(pictures) != len(vectors) or pictures.ndim != 4:
            shown: list[tuple[str, Any]] = [("vectors", len(vectors)), ("pictures", pictures)]
            raise ShapeError(message("add_embedding", "one picture (c, h, w) for each vector", shown))
        pixels = as_bytes(pictures).transpose(0, 2, 3, 1)
        with written_whole(inside / "sprite.png") as file:
            file.write(png(np.ascontiguousarray(tiled(pixels))))
        entry += ["sprite {", f'image_path: "{place}/sprite.png"']
        entry += [f"single_image_dim: {pictures.shape[3]}", f"single_image_dim: {pictures.shape[2]}", "}"]
    put(inside / "tensors.tsv", "\n".join("\t".join(repr(float(x)) for x in row) for row in vectors) + "\n")
    return "\n".join([*entry, "}"]) + "\n"


def put(path: Path, text: str) -> None:
    """The file, whole or not at all."""
    with written_whole(path) as file:
        file.write(text.encode())
