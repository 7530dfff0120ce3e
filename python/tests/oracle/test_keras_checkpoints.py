"""The callback that saves and resumes: a training that was cut in two ends where one that was not does."""

import os
import subprocess
import sys

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import tensorferry as ferry  # noqa: E402

BACKEND = keras.backend.backend()
X = np.random.default_rng(0).random((32, 3), np.float32)
Y = X @ np.array([[1.0], [-2.0], [0.5]], np.float32)


def make(kind=keras, seed=1):
    kind.utils.set_random_seed(seed)
    model = kind.Sequential([kind.layers.Input((3,)), kind.layers.Dense(4, activation="tanh"), kind.layers.Dense(1)])
    model.compile(kind.optimizers.Adam(0.05), "mse")
    return model


def values(model):
    return [np.asarray(w) if BACKEND != "torch" else keras.ops.convert_to_numpy(w) for w in model.weights]


def fit(model, epochs, callbacks=(), **more):
    return model.fit(X, Y, batch_size=8, epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks), **more)


@pytest.mark.parametrize("home", ["keras", "tf_keras"] if BACKEND == "tensorflow" else ["keras"])
@pytest.mark.parametrize("format", ["ckpt", "safetensors"])
def test_goes_on_where_it_stopped(home, format, tmp_path):
    kind = pytest.importorskip(home)
    whole = make(kind)
    fit(whole, 4)
    first = make(kind)
    fit(first, 2, [ferry.keras_checkpoints(tmp_path, format=format, keras=kind)])
    second = make(kind, seed=2)
    callback = ferry.keras_checkpoints(tmp_path, keep=2, format=format, keras=kind)
    assert callback.progress() == {"epoch": 2, "batch": 0, "step": 8}
    history = fit(second, 4, [callback])
    assert history.epoch == [2, 3] and callback.resumed_from.endswith("ckpt-8" + ("" if format == "ckpt" else ".safetensors"))
    assert callback.manager.latest_step == 16 and len(callback.manager.checkpoints) == 2
    for a, b in zip(values(whole), values(second), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert fit(second, 1).epoch == [0]  # the next fit() begins at the beginning


def test_every_so_many_batches_and_the_best(tmp_path):
    callback = ferry.keras_checkpoints(tmp_path, keep=None, every=3, monitor="val_loss")
    model = make()
    history = fit(model, 3, [callback], validation_data=(X, Y))
    steps = [callback.manager._step(path) for path in callback.manager.checkpoints]
    assert set(range(3, 13, 3)) <= set(steps)
    best = int(np.argmin(history.history["val_loss"]))
    assert callback.best.latest_step == 4 * (best + 1)
    assert callback.best_value == pytest.approx(min(history.history["val_loss"]))
    other = make(seed=3)
    ferry.Checkpoint(callback.best.latest).plan(other).apply()
    assert other.evaluate(X, Y, verbose=0) == pytest.approx(callback.best_value, rel=1e-4)
    again = ferry.keras_checkpoints(tmp_path, every=3, monitor="val_loss")
    fit(make(seed=4), 3, [again], validation_data=(X, Y))
    assert again.best_value <= callback.best_value


def test_a_checkpoint_within_an_epoch_begins_it_again(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if callback.step == 7:
                raise KeyboardInterrupt

    callback = ferry.keras_checkpoints(tmp_path, every=1)
    with pytest.raises(KeyboardInterrupt):
        fit(make(), 4, [callback, Stop()])
    again = ferry.keras_checkpoints(tmp_path)
    assert again.progress() == {"epoch": 1, "batch": 3, "step": 7}
    assert fit(make(seed=2), 2, [again]).epoch == [1]


def test_settings_that_make_no_sense_are_refused(tmp_path):
    for settings in ({"every": 0}, {"every": "batch"}, {"mode": "least"}, {"format": "csv"}):
        with pytest.raises(ValueError):
            ferry.keras_checkpoints(tmp_path, **settings)
    with pytest.raises(ferry.Error, match="'val_loss' is no metric of this training; there are loss"):
        fit(make(), 1, [ferry.keras_checkpoints(tmp_path, monitor="val_loss")])


def test_without_resume_it_begins_anew(tmp_path):
    fit(make(), 1, [ferry.keras_checkpoints(tmp_path)])
    callback = ferry.keras_checkpoints(tmp_path, resume=False)
    assert fit(make(), 2, [callback]).epoch == [0, 1] and callback.resumed_from is None
    assert callback.manager.latest_step == 12  # after the four batches of before
    assert fit(callback.model, 1, [callback]).epoch == [0] and callback.manager.latest_step == 16


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the other backends run from here")
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends(backend):
    pytest.importorskip(backend)
    environment = {**os.environ, "KERAS_BACKEND": backend}
    tests = [f"{__file__}::test_goes_on_where_it_stopped"]
    ended = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-3000:]
