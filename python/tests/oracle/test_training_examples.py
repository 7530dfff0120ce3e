"""The examples that train: the loss falls, dense batches give the same weights, and what is exported is what was trained."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tensorferry as ferry

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "training"
BACKENDS = {"logistic": ["tensorflow", "jax", "torch"], "wide_deep": ["tensorflow"], "tensorflow_wide_deep": [None], "torch_wide_deep": [None]}


def run(name, folder, *arguments, backend=None):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", **({"KERAS_BACKEND": backend} if backend else {})}
    environment["PYTHONPATH"] = f"{Path(ferry.__file__).parent.parent}{os.pathsep}{environment.get('PYTHONPATH', '')}"
    done = subprocess.run([sys.executable, FOLDER / f"{name}.py", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def losses(output):
    return [float(loss) for loss in re.findall(r"^epoch \d+: loss ([\d.]+)", output, re.M)]


@pytest.mark.parametrize("name, backend", [(name, backend) for name, backends in BACKENDS.items() for backend in backends])
def test_training_is_training_on_dense_batches(tmp_path, name, backend):
    pytest.importorskip(backend or name.partition("_")[0])
    pytest.importorskip("keras")
    output = run(name, tmp_path, "--rows", "3000", "--columns", "500", "--epochs", "2", "--check", "--export", "model", backend=backend)
    first, last = losses(output)
    assert last < first
    assert float(re.search(r"differ by at most (\S+)", output)[1]) < 1e-4
    written = {path.name for path in (tmp_path / "model").iterdir()}
    if name == "torch_wide_deep":
        assert written == {"model.pt", "checkpoint.pt", "model.safetensors"}
        check_torch(tmp_path / "model")
    elif backend is None:
        assert {"saved_model", "checkpoint.index"} <= written
    else:
        assert {"model.keras", "model.weights.h5"} <= written
        check_keras(tmp_path / "model")
    if "saved_model" in written:
        check_served(tmp_path / "model", name)


def check_torch(folder):
    plain, again = ferry.load(folder / "model.pt"), ferry.load(folder / "model.safetensors")
    assert list(plain) == list(again) and all(plain[key] == again[key] for key in plain)
    assert ferry.load(folder / "checkpoint.pt")["model/wide"] == plain["wide"]


def check_keras(folder):
    whole, weights = ferry.load(folder / "model.keras"), ferry.load(folder / "model.weights.h5")
    layers = [key for key in weights if key.startswith("layers/")]
    assert layers and all(whole[key] == weights[key] for key in layers)


def check_served(folder, name):
    """By a sparse input under its own name, in a process that knows nothing of the model's code."""
    import tensorflow as tf

    sys.path.insert(0, str(FOLDER))
    try:
        import clicks
    finally:
        sys.path.remove(str(FOLDER))
    rows = clicks.make(5, seed=3, columns=500)
    served = tf.saved_model.load(str(folder / "saved_model")).signatures["serving_default"]
    wide = rows["wide"].to_tf()
    assert set(served.structured_input_signature[1]) >= {"wide", "wide_1", "wide_2"}
    inputs = {"wide": wide.indices, "wide_1": wide.values, "wide_2": wide.dense_shape}
    if name != "logistic":
        inputs |= {"fields": tf.constant(rows["fields"]), "numbers": tf.constant(rows["numbers"])}
    answers = served(**inputs)["click"].numpy()
    assert answers.shape[0] == 5 and ((answers > 0) & (answers < 1)).all() and np.ptp(answers) > 0


def test_an_epoch_over_more_than_the_memory_limit_completes(tmp_path):
    output = run("logistic", tmp_path, "--rows", "400000", "--epochs", "1", "--batch", "1000", "--memory-limit", "96", backend="tensorflow")
    size = float(re.search(r"([\d.]+) MiB in", output)[1])
    assert size > 96
    assert len(losses(output)) == 1


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        run("clicks", tmp_path, "--rows", "300", "--columns", "100", "--out", folder)
    run("clicks", tmp_path, "--rows", "300", "--columns", "100", "--out", "c", "--seed", "2")
    a, b, c = ((tmp_path / folder / "clicks-00000.tfrecord").read_bytes() for folder in "abc")
    assert a == b != c
