"""Write the digits that ship in the package, from the copy that scikit-learn ships.

    pip download --no-deps scikit-learn
    unzip scikit_learn-*.whl sklearn/datasets/data/digits.csv.gz
    python tools/make_digits.py sklearn/datasets/data/digits.csv.gz

Two IDX files (the format of MNIST), gzipped without a time stamp, so the same input gives the same bytes.
"""

from __future__ import annotations

import gzip
import sys

import numpy as np

from dovetail.vision.datasets.digits import FOLDER
from dovetail.vision.datasets.idx import idx_bytes


def main(source: str) -> None:
    """Read scikit-learn's table, write both files."""
    with gzip.open(source, "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    if table.shape != (1797, 65):
        raise SystemExit(f"{source}: expected 1797 rows of 64 pixels and a label, got {table.shape}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    images, labels = table[:, :64].reshape(-1, 8, 8), table[:, 64]
    for name, array in (("digits-images.idx3.gz", images), ("digits-labels.idx1.gz", labels)):
        (FOLDER / name).write_bytes(gzip.compress(idx_bytes(array), compresslevel=9, mtime=0))
        print(FOLDER / name, array.shape, (FOLDER / name).stat().st_size, "bytes")


if __name__ == "__main__":
    main(sys.argv[1])
