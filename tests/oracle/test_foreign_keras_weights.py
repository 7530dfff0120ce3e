"""Keras 3 weights, in one file and sharded: what Keras writes is read, and load_weights takes what comes out of any of our formats."""
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import numpy as np  # noqa: E402
import pytest  # noqa: E402

keras = pytest.importorskip("keras")


def model(seed):
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    inner = keras.Sequential([layers.Dense(40, name="inner"), layers.LayerNormalization()])
    return keras.Sequential([layers.Input([8]), layers.Dense(300, name="one"), layers.BatchNormalization(), inner, layers.Dense(3, name="two")])


@pytest.fixture(scope="module")
def trained():
    return model(1)


def loads(trained, path):
    other = model(2)
    other.load_weights(str(path))
    for a, b in zip(trained.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("through", ["m.safetensors", "m.safetensors.index.json", "m.npz", "m.index", "m.weights.json"])
def test_weights_come_back_through_any_format(tmp_path, ferry_cli, trained, through):
    trained.save_weights(str(tmp_path / "a.weights.h5"))
    ferry_cli("convert", tmp_path / "a.weights.h5", tmp_path / through, "--check")
    ferry_cli("convert", tmp_path / through, tmp_path / "b.weights.h5", "--check")
    loads(trained, tmp_path / "b.weights.h5")


@pytest.mark.parametrize("size", ["9KiB", "20KiB", "1G"])
def test_sharded_weights(tmp_path, ferry_cli, trained, size):
    trained.save_weights(str(tmp_path / "a.weights.h5"))
    trained.save_weights(str(tmp_path / "s.weights.json"), max_shard_size=5e-5)
    assert len(list(tmp_path.glob("s_*.weights.h5"))) > 1
    assert ferry_cli("diff", tmp_path / "a.weights.h5", tmp_path / "s.weights.json").returncode == 0
    ferry_cli("convert", tmp_path / "s.weights.json", tmp_path / "t.weights.json", "--set", f"out.shard_size={size}", "--check")
    assert (len(list(tmp_path.glob("t_*.weights.h5"))) == 1) == (size == "1G")
    loads(trained, tmp_path / "t.weights.json")


def test_keras_file_keeps_its_model(tmp_path, ferry_cli, trained):
    trained.save(tmp_path / "a.keras")
    ferry_cli("convert", tmp_path / "a.keras", tmp_path / "b.keras", "--check")
    other = keras.saving.load_model(tmp_path / "b.keras")
    for a, b in zip(trained.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_names_that_keras_would_not_find_are_refused(tmp_path, ferry_cli):
    np.savez(tmp_path / "a.npz", w=np.zeros(3))
    done = ferry_cli("convert", tmp_path / "a.npz", tmp_path / "a.weights.json", ok=False)
    assert done.returncode == 5 and b"layers/NAME/vars/0" in done.stderr
    ferry_cli("convert", tmp_path / "a.npz", tmp_path / "a.weights.json", "--rename", "w=layers/dense/vars/0", "--check")


def test_missing_shard_is_named(tmp_path, ferry_cli, trained):
    trained.save_weights(str(tmp_path / "s.weights.json"), max_shard_size=5e-5)
    (tmp_path / "s_00001.weights.h5").unlink()
    done = ferry_cli("inspect", tmp_path / "s.weights.json", ok=False)
    assert done.returncode == 4 and b"s_00001.weights.h5" in done.stderr
