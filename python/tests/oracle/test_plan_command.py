"""`ferry plan` with what TensorFlow and Keras wrote, and what they restore of what it writes."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

import tensorferry as ferry  # noqa: E402

FERRY = Path(ferry.__file__).parents[2] / "bin" / "ferry"
pytestmark = [
    pytest.mark.skipif(not FERRY.exists(), reason="this build has no command line"),
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="Keras runs on another backend"),
]
v1 = tf.compat.v1


def plan(*words):
    ended = subprocess.run([FERRY, "plan", *map(str, words)], capture_output=True, text=True)
    assert ended.returncode in (0, 1), ended.stderr
    return ended


def saved_by_names(path, scope, **values):
    with tf.Graph().as_default(), v1.Session() as session:
        for name, value in values.items():
            v1.get_variable(f"{scope}/{name}", initializer=value)
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(path))


KERNEL, BIAS = np.arange(6, dtype=np.float32).reshape(3, 2), np.float32([5, 6])


def test_a_meta_graph_is_restored_by_its_saver(tmp_path):
    saved_by_names(tmp_path / "old", "old", kernel=KERNEL, bias=BIAS.astype(np.float64))
    saved_by_names(tmp_path / "new", "new", kernel=0 * KERNEL, bias=0 * BIAS)
    for target in (tmp_path / "new.meta", tmp_path / "new"):
        shown = plan(tmp_path / "old", "--for", target)
        assert shown.returncode == 1 and "renamed scope old/ → new/" in shown.stdout and "cast float64 → float32" in shown.stdout
        done = plan(tmp_path / "old", "--for", target, "--rename", "^old/=new/", "--fix", "cast", "--write", tmp_path / "out", "--to", "ckpt")
        assert done.returncode == 0, done.stdout
        with tf.Graph().as_default(), v1.Session() as session:
            saver = v1.train.import_meta_graph(str(tmp_path / "new.meta"))
            saver.restore(session, str(tmp_path / "out"))
            values = {v.op.name: session.run(v).tolist() for v in v1.global_variables()}
            assert values == {"new/kernel": KERNEL.tolist(), "new/bias": [5, 6]}
    # The graph alone says what it wants, too.
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "new.meta").write_bytes((tmp_path / "new.meta").read_bytes())
    told = json.loads(plan(tmp_path / "old", "--for", alone / "new.meta", "--json").stdout)
    assert sorted(v["key"] for v in told["variables"]) == ["new/bias", "new/kernel"]


class Module(tf.Module):
    def __init__(self):
        self.dense = tf.Module()
        self.dense.kernel = tf.Variable(tf.zeros([3, 2]), name="dense/kernel")
        self.dense.bias = tf.Variable(tf.zeros([2]), name="dense/bias")


def test_a_saved_model_is_the_target(tmp_path):
    module = Module()
    tf.saved_model.save(module, str(tmp_path / "model"))
    saved_by_names(tmp_path / "old", "tower/dense", kernel=KERNEL, bias=BIAS)
    shown = plan(tmp_path / "old", "--for", tmp_path / "model")
    assert shown.returncode == 1 and "--rename '^tower/='" in shown.stdout
    assert plan(tmp_path / "old", "--for", tmp_path / "model", "--accept-proposed", "--write", tmp_path / "out", "--to", "ckpt").returncode == 0
    fresh = Module()
    tf.train.Checkpoint(root=fresh).read(str(tmp_path / "out")).assert_consumed()
    assert fresh.dense.kernel.numpy().tolist() == KERNEL.tolist() and fresh.dense.bias.numpy().tolist() == [5, 6]


def test_keras_loads_the_weights_that_a_plan_writes(tmp_path):
    def make():
        return keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2, name="dense"), keras.layers.BatchNormalization(name="bn")])

    torch_names = {"fc.weight": KERNEL.T.copy(), "fc.bias": BIAS, "bn.weight": BIAS + 1, "bn.bias": BIAS + 2, "bn.running_mean": BIAS + 3, "bn.running_var": BIAS + 4}
    ferry.save(tmp_path / "torch.safetensors", torch_names)
    make().save_weights(tmp_path / "new.weights.h5")
    rules = tmp_path / "rules"
    rules.write_text(
        "rename ^fc\\.weight$=layers/dense/vars/0\nrename ^fc\\.bias$=layers/dense/vars/1\ntranspose layers/dense/vars/0\n"
        "rename ^bn\\.weight$=layers/batch_normalization/vars/0\nrename ^bn\\.bias$=layers/batch_normalization/vars/1\n"
        "rename ^bn\\.running_mean$=layers/batch_normalization/vars/2\nrename ^bn\\.running_var$=layers/batch_normalization/vars/3\n"
    )
    done = plan(tmp_path / "torch.safetensors", "--for", tmp_path / "new.weights.h5", "--rules", rules, "--write", tmp_path / "out.weights.h5")
    assert done.returncode == 0, done.stdout
    model = make()
    model.load_weights(tmp_path / "out.weights.h5")
    for got, wanted in zip(model.get_weights(), [KERNEL, BIAS, BIAS + 1, BIAS + 2, BIAS + 3, BIAS + 4], strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_a_missing_optimizer_is_said_and_kept_as_the_target_has_it(tmp_path):
    def make():
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
        model.compile("adam", "mse")
        return model

    plain = make()
    plain.optimizer = None
    weights = tf.train.Checkpoint(model=plain).save(str(tmp_path / "weights"))
    trained = make()
    trained.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    target = tf.train.Checkpoint(model=trained).save(str(tmp_path / "trained"))
    shown = plan(weights, "--for", target)
    assert shown.returncode == 0 and "6 variables of the optimizer not asked for (--slots)" in shown.stdout
    slots = plan(weights, "--for", target, "--slots")
    assert slots.returncode == 1 and "the checkpoint has no such slot" in slots.stdout
    assert plan(weights, "--for", target, "--write", tmp_path / "out", "--to", "ckpt").returncode == 0
    fresh = make()
    fresh.optimizer.build(fresh.trainable_variables)
    tf.train.Checkpoint(model=fresh).restore(str(tmp_path / "out")).assert_consumed()
    assert fresh.optimizer.iterations.numpy() == 1
    np.testing.assert_array_equal(fresh.get_weights()[0], plain.get_weights()[0])
