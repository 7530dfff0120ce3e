"""A model that was trained with tf.compat.v1.sparse_placeholder and tf.train.Saver: what is in it, and its variables, without the Python
that made it.

    python examples/restore_sparse/placeholders.py        (TensorFlow makes the old model; the rest needs none)
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import tensorferry as ferry

TRAIN = """
import sys
import numpy as np
import tensorflow.compat.v1 as tf  # import tensorflow
tf.disable_eager_execution()
clicks = tf.sparse_placeholder(tf.float32, shape=[None, 6], name="clicks")
with tf.variable_scope("tower"):
    kernel = tf.get_variable("dense/kernel", initializer=np.arange(12, dtype=np.float32).reshape(6, 2))
    bias = tf.get_variable("dense/bias", initializer=np.float32([0.5, -0.5]))
scores = tf.nn.sigmoid(tf.sparse.sparse_dense_matmul(clicks, kernel) + bias, name="scores")
step = tf.train.get_or_create_global_step()
train = tf.train.AdamOptimizer(0.01).minimize(tf.reduce_mean(scores), global_step=step)
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    feed = {clicks: tf.SparseTensorValue([[0, 1], [1, 4]], [1.0, 2.0], [2, 6])}
    for _ in range(3):
        session.run(train, feed)
    tf.train.Saver().save(session, sys.argv[1], global_step=step)
    np.savez(sys.argv[1] + ".expected.npz", kernel=session.run(kernel), bias=session.run(bias))
"""

with tempfile.TemporaryDirectory() as folder:
    prefix = Path(folder) / "model.ckpt"
    subprocess.run([sys.executable, "-c", TRAIN, prefix], check=True, capture_output=True)
    expected = np.load(f"{prefix}.expected.npz")

    # What is in it: weights apart from the optimizer's slots and counters.
    path = ferry.latest_checkpoint(folder)
    checkpoint = ferry.Checkpoint(path)
    print(checkpoint)
    assert [key for key, info in checkpoint.infos.items() if info.role == "weight"] == ["tower/dense/bias", "tower/dense/kernel"]
    assert checkpoint.infos["tower/dense/kernel/Adam_1"].slot_of == "tower/dense/kernel"

    # Which placeholders it was fed, found in the .meta graph beside it: three of them are one sparse tensor.
    if shutil.which("ferry"):
        shown = subprocess.run(["ferry", "model", "show", path], check=True, capture_output=True, text=True).stdout
        print(shown)
        assert "clicks" in shown and "sparse" in shown

    # Into a model of today, whose names are others. Nothing is restored by a guess: the plan says what it would take.
    model = {"encoder": {"dense": {"kernel": np.zeros((6, 2), np.float32), "bias": np.zeros(2, np.float32)}}}
    plan = checkpoint.plan(model)
    print(plan)
    assert not plan.complete and plan.rows[0].reason == "renamed scope tower/ → encoder/"
    checkpoint.plan(model, rules="^tower/=encoder/").apply()
    np.testing.assert_array_equal(model["encoder"]["dense"]["kernel"], expected["kernel"])
    np.testing.assert_array_equal(model["encoder"]["dense"]["bias"], expected["bias"])

    # And a sparse feed, which stays sparse.
    feed = ferry.SparseTensor.from_pairs({(0, 1): 1.0, (1, 4): 2.0}, shape=(2, 6))
    print(feed @ model["encoder"]["dense"]["kernel"] + model["encoder"]["dense"]["bias"])
