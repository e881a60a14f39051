"""The loop under fit, with a learner that belongs to no dialect."""

from __future__ import annotations

import io

import numpy as np

from dovetail.train import batches
from dovetail.train.callbacks import EarlyStopping
from dovetail.train.progress import Progress


def test_batches_cover_every_row_once_when_shuffled():
    x = np.arange(103)
    source = batches.ArrayBatches(x, x * 2, batch_size=10, shuffle=True)
    rows = [(a._array(), b._array()) for a, b, _ in source]
    assert len(rows) == source.steps == 11
    got = np.concatenate([a for a, _ in rows])
    assert sorted(got) == list(range(103)) and list(got) != list(range(103))
    assert all((b == 2 * a).all() for a, b in rows)


def test_split_holds_out_the_end():
    (x, _), (vx, vy) = batches.split("fit", 0.25, np.arange(8), np.arange(8))
    assert list(x) == [0, 1, 2, 3, 4, 5] and list(vx) == list(vy) == [6, 7]


def test_a_generator_goes_on_from_epoch_to_epoch():
    source = batches.IterableBatches(iter([(np.full(2, i), None) for i in range(6)]), steps=2)
    seen = [[int(x._array()[0]) for x, _, _ in source] for _ in range(3)]
    assert seen == [[0, 1], [2, 3], [4, 5]]


def test_lines_of_progress():
    stream = io.StringIO()
    line = Progress(4, 2, stream)
    line.close(4, {"loss": 0.5})
    assert stream.getvalue().startswith("4/4 - ") and stream.getvalue().endswith(" - loss: 0.5000\n")


def test_early_stopping_waits():
    class Learner:
        stop_training = False

    stop = EarlyStopping("loss", patience=2)
    stop.set_model(Learner())
    stop.on_train_begin()
    for epoch, loss in enumerate([3.0, 2.0, 2.5, 2.4]):
        stop.on_epoch_end(epoch, {"loss": loss})
    assert stop.model.stop_training and stop.best == 2.0
