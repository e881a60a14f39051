"""The demo's network in the Keras dialect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import dovetail.keras as keras
from dovetail.cli.demo_start import BATCH, Scores, shuffled, starting_weights


class KerasStyle:
    """The network as a Keras user writes and trains it."""

    def __init__(self, seed: int = 0):
        self.model = keras.Sequential(
            [
                keras.Input((784,)),
                keras.layers.Dense(64, activation="relu"),
                keras.layers.Dense(64, activation="relu"),
                keras.layers.Dense(10, activation="softmax"),
            ]
        )
        self.model.set_weights(starting_weights(seed))
        self.model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])

    def fit(self, train, test, epochs: int, step: Callable[[], None], after_epoch: Callable[[Scores], None]) -> None:
        """compile and fit. `step` is called after each batch."""

        class Report(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                step()

            def on_epoch_end(self, epoch, logs=None):
                after_epoch(Scores(epoch + 1, logs["loss"], logs["accuracy"], logs["val_accuracy"]))

        x, y = shuffled(*train)
        hot = np.eye(10, dtype=np.float32)
        self.model.fit(
            x,
            hot[y],
            epochs=epochs,
            batch_size=BATCH,
            validation_data=(test[0], hot[test[1]]),
            shuffle=False,
            verbose=0,
            callbacks=[Report()],
        )

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Probabilities. Shape: (n, 784) -> (n, 10)"""
        return self.model.predict(x, verbose=0)

    def weights(self) -> list[np.ndarray]:
        """Every kernel and bias."""
        return self.model.get_weights()

    def save(self, path: Path) -> None:
        """Write the weights as safetensors."""
        self.model.save_weights(path)

    def load(self, path: Path) -> None:
        """Read the weights back."""
        self.model.load_weights(path)
