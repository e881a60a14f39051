"""compile, fit, evaluate, predict and what belongs to them."""

from __future__ import annotations

import numpy as np
import pytest

import dovetail
from dovetail import keras
from dovetail.keras import layers


@pytest.fixture
def digits():
    keras.utils.set_random_seed(3)
    stream = np.random.default_rng(0)
    centers = stream.normal(size=(4, 8)).astype("float32") * 2
    y = stream.integers(0, 4, 200)
    return (centers[y] + stream.normal(size=(200, 8)) * 0.3).astype("float32"), y


def classifier(**options):
    model = keras.Sequential([keras.Input((8,)), layers.Dense(16, "relu"), layers.Dense(4, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return model


def test_fit_learns_and_keeps_a_history(digits):
    x, y = digits
    model = classifier()
    history = model.fit(x, y, epochs=12, batch_size=20, validation_split=0.2, verbose=0)
    assert sorted(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert history.epoch == list(range(12))
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"] > 0.9
    assert model.predict(x, verbose=0).shape == (200, 4)
    assert int(model.optimizer.iterations.numpy()) == 12 * 8


def test_same_seed_same_run(digits):
    x, y = digits
    runs = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        runs.append(classifier().fit(x, y, epochs=2, verbose=0).history["loss"])
    assert runs[0] == runs[1]


def test_weights_of_samples_and_classes(digits):
    x, y = digits
    model = classifier()
    plain = model.evaluate(x, y, verbose=0)[0]
    assert model.evaluate(x, y, sample_weight=np.full(200, 2.0), verbose=0)[0] == pytest.approx(2 * plain, rel=1e-4)
    keras.utils.set_random_seed(1)
    a = classifier()
    b = keras.models.clone_model(a)
    b.set_weights(a.get_weights())
    b.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    weights = {0: 1.0, 1: 3.0, 2: 0.5, 3: 1.0}
    a.fit(x, y, class_weight=weights, shuffle=False, verbose=0)
    b.fit(x, y, sample_weight=np.array([weights[int(c)] for c in y]), shuffle=False, verbose=0)
    for p, q in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-5)


def test_generators_loaders_and_batches_by_index(digits):
    x, y = digits

    def endless():
        while True:
            yield x[:10], y[:10]

    class Pairs(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return x[i * 50 : (i + 1) * 50], y[i * 50 : (i + 1) * 50]

    model = classifier()
    model.fit(endless(), steps_per_epoch=3, epochs=2, verbose=0)
    model.fit(Pairs(), epochs=1, verbose=0, validation_data=(x, y))
    loader = dovetail.utils.data.DataLoader(
        dovetail.utils.data.TensorDataset(dovetail.tensor(x), dovetail.tensor(y)), batch_size=50
    )
    model.fit(loader, verbose=0)
    assert int(model.optimizer.iterations.numpy()) == 6 + 4 + 4


def test_callbacks(digits, tmp_path):
    x, y = digits
    seen = []
    model = classifier()
    model.fit(
        x, y, epochs=30, verbose=0, validation_split=0.2,
        callbacks=[
            keras.callbacks.EarlyStopping("val_loss", patience=0, min_delta=10.0),
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
            keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True),
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5),
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(sorted(logs))),
        ],
    )  # fmt: skip
    assert len(seen) == 2 and "val_loss" in seen[0]
    assert (tmp_path / "log.csv").read_text().startswith("epoch,accuracy,")
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.001 * 0.25)
    again = keras.models.load_model(tmp_path / "best.keras")
    assert again.predict(x[:3], verbose=0).shape == (3, 4)


def test_nan_stops_training(digits):
    x, y = digits
    model = keras.Sequential([keras.Input((8,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(np.full_like(x, np.nan), y, epochs=5, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()])
    assert len(history.epoch) <= 1


def test_train_step_of_ones_own(digits):
    x, y = digits

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = layers.Dense(4)
            self.seen = keras.metrics.Mean(name="seen")

        def call(self, x, training=False):
            return self.head(x)

        def train_step(self, data):
            x, y = data
            self.zero_grad()
            loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
            loss.backward()
            weights = self.trainable_weights
            self.optimizer.apply_gradients([(w.grad, w) for w in weights])
            self.seen.update_state(loss)
            return {"seen": self.seen.result()}

    model = Own()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = model.fit(x, y, epochs=4, verbose=0).history["seen"]
    assert losses[-1] < losses[0]


def test_frozen_layers_stay(digits):
    x, y = digits
    model = keras.Sequential([keras.Input((8,)), layers.Dense(8, name="base"), layers.Dense(4)])
    model.get_layer("base").trainable = False
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = model.get_layer("base").get_weights()[0]
    model.fit(x, y, verbose=0)
    np.testing.assert_array_equal(before, model.get_layer("base").get_weights()[0])


def test_batches_by_hand(digits):
    x, y = digits
    model = classifier()
    first = model.train_on_batch(x[:32], y[:32])
    assert len(first) == 2 and set(model.test_on_batch(x[:32], y[:32], return_dict=True)) == {"loss", "accuracy"}
    assert model.predict_on_batch(x[:2]).shape == (2, 4)


def test_modules_and_layers_mix(digits):
    x, y = digits
    model = keras.Sequential([keras.Input((8,)), dovetail.nn.Linear(8, 4)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = model.fit(x, y, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    net = dovetail.nn.Sequential(dovetail.nn.Linear(8, 6), layers.Dense(2))
    assert net(dovetail.tensor(x)).shape == (200, 2) and len(list(net.parameters())) == 4


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda m, x, y: keras.Sequential([layers.Dense(1)]).fit(x, y), ["compile"]),
        (lambda m, x, y: m.fit(x, y[:90], verbose=0), ["200", "90", "same number"]),
        (lambda m, x, y: m.compile(loss="sparse_categorical_cross_entropy"), ["'sparse_categorical_crossentropy'"]),
        (lambda m, x, y: m.fit(x, y + 9, verbose=0), ["0 to 3"]),
        (lambda m, x, y: m.predict(x[0], verbose=0), ["(None, 8)"]),
        (lambda m, x, y: m.save("nothing"), [".keras"]),
    ],
)
def test_mistakes_are_explained(digits, make, words):
    with pytest.raises(dovetail.DovetailError if hasattr(dovetail, "DovetailError") else Exception) as caught:
        make(classifier(), *digits)
    for word in words:
        assert word in str(caught.value)
