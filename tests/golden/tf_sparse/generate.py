"""Writes the goldens of serialized sparse tensors with TensorFlow, and the damaged ones under bad/. See versions.txt."""
import pathlib

import numpy as np
import tensorflow as tf

HERE = pathlib.Path(__file__).parent


def save(name, strings):
    (HERE / f"{name}.tfsparse").write_bytes(tf.io.serialize_tensor(strings).numpy())


def sparse(indices, values, shape):
    return tf.SparseTensor(np.array(indices, np.int64).reshape(-1, len(shape)), values, np.array(shape, np.int64))


CASES = {
    "matrix": sparse([[0, 1], [1, 2], [1, 3]], tf.constant([1.0, 2.0, 3.0]), [3, 4]),
    "strings": sparse([[0, 1], [2, 0]], tf.constant(["a", "bb"]), [3, 4]),
    "cube": sparse([[0, 1, 0], [1, 0, 1]], tf.constant([1, -2], tf.int64), [2, 2, 2]),
    "empty": sparse([], tf.zeros([0], tf.float64), [2, 5]),
    "bools": sparse([[0, 0]], tf.constant([True]), [1, 1]),
}
for name, x in CASES.items():
    save(f"one_{name}", tf.io.serialize_sparse(x))
    save(f"many_{name}", tf.io.serialize_many_sparse(x))
save("one_vector", tf.io.serialize_sparse(sparse([[4]], tf.constant([1.5], tf.float16), [9])))
rows = [tf.io.serialize_sparse(sparse([[2]], tf.constant([1.0]), [5])), tf.io.serialize_sparse(sparse([[0], [8]], tf.constant([2.0, 3.0]), [9]))]
save("rows_of_two_shapes", tf.stack(rows))
save("batch_of_two_axes", tf.reshape(tf.stack(rows * 2), [2, 2, 3]))

m = tf.io.serialize_sparse(CASES["matrix"])
v = rows[0]
i = tf.io.serialize_sparse(sparse([[0, 1]], tf.constant([1]), [3, 4]))
BAD = {
    "ranks": (tf.stack([m, v]), "rank 1, expected 2"),
    "dtypes": (tf.stack([m, i]), "found int32 of shape [1], expected float32"),
    "order": (tf.gather(m, [1, 0, 2]), "expected an int64 matrix"),
    "counts": (tf.stack([m[0], i[1], m[2]]), "a row of 2 coordinates for each of 1 values"),
    "bounds": (tf.io.serialize_sparse(sparse([[0, 9]], tf.constant([1.0]), [3, 4])), "outside shape [3, 4]"),
    "none": (tf.zeros([0, 3], tf.string), "hold no tensor"),
    "four": (tf.constant(["", "", "", ""]), "found [4]"),
}
for name, (strings, sentence) in BAD.items():
    (HERE / "bad" / f"{name}.tfsparse").write_bytes(tf.io.serialize_tensor(strings).numpy())
    (HERE / "bad" / f"{name}.tfsparse.expected").write_text(sentence + "\n")
(HERE / "versions.txt").write_text(f"tensorflow {tf.__version__}\nnumpy {np.__version__}\n")
