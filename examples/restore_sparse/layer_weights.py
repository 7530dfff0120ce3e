"""tf.train.Checkpoint(model=…) with a layer that holds a sparse tensor as weights: made with no entries, restored with some.

    python examples/restore_sparse/layer_weights.py        (needs TensorFlow and Keras)
"""

import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import tensorferry as ferry


class Lookup(keras.layers.Layer):
    """A table with few entries. How many is not known when the layer is made: `rows` is None, or the mistake that people make, 0."""

    def __init__(self, rows=None, **keywords):
        super().__init__(**keywords)
        self.indices = tf.Variable(np.zeros((0, 2), np.int64), shape=[rows, 2], trainable=False, name="table/indices")
        self.values = tf.Variable(np.zeros(0, np.float32), shape=[rows], name="table/values")
        self.dense_shape = tf.Variable(np.zeros(2, np.int64), trainable=False, name="table/dense_shape")

    def call(self, x):
        return tf.sparse.sparse_dense_matmul(tf.sparse.SparseTensor(self.indices, self.values, self.dense_shape), x)


class Model(keras.Model):
    def __init__(self, rows=None):
        super().__init__()
        self.lookup = Lookup(rows)
        self.head = keras.layers.Dense(2)
        self.head.build((None, 5))

    def call(self, x):
        return self.head(self.lookup(x))


trained = Model()
table = trained.lookup
table.indices.assign([[0, 1], [1, 0], [2, 3]])
table.values.assign([1, 2, 3])
table.dense_shape.assign([3, 4])
x = tf.reshape(tf.range(20.0), (4, 5))
wanted = trained(x).numpy()

with tempfile.TemporaryDirectory() as folder:
    path = tf.train.Checkpoint(model=trained).save(str(Path(folder) / "ckpt"))
    checkpoint = ferry.Checkpoint(path)
    print(checkpoint.objects)

    # The layer's triple as a sparse tensor, without the layer.
    parts = [checkpoint[f"table/{part}"].to_numpy() for part in ("indices", "values", "dense_shape")]
    assert ferry.SparseTensor.coo(parts[0], parts[1], tuple(parts[2])).to_numpy()[2, 3] == 3

    # Into a fresh model: no expect_partial(), and nothing that is left out in silence.
    fresh = Model()
    plan = checkpoint.plan(fresh)
    print(plan)
    assert plan.complete and plan.unexpected == []
    plan.apply()
    np.testing.assert_array_equal(fresh(x).numpy(), wanted)

    # Made with the static shape (0, 2), no variable of TensorFlow's takes three rows. The plan says so before anything is set, and what to do.
    fixed = Model(rows=0)
    plan = checkpoint.plan(fixed)
    print(plan)
    assert [row.verdict for row in plan.missing] == ["shape", "shape"]
    assert all("length that is not fixed" in row.remedy for row in plan.missing)
    try:
        plan.apply()
    except ferry.IncompletePlan:
        assert fixed.lookup.dense_shape.numpy().tolist() == [0, 0]
    else:
        raise AssertionError("a part of the variables was restored")

    # What we write of a live model, TensorFlow restores and consumes.
    ferry.Checkpoint.save(Path(folder) / "ours", fresh)
    last = Model()
    tf.train.Checkpoint(model=last).restore(str(Path(folder) / "ours")).assert_consumed()
    np.testing.assert_array_equal(last(x).numpy(), wanted)
print("restored")
