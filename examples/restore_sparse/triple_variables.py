"""A sparse tensor that was kept as three variables, indices, values and dense_shape, and is one tensor again after restoring.

    python examples/restore_sparse/triple_variables.py        (TensorFlow makes and checks; reading needs none)
"""

import tempfile
from pathlib import Path

import numpy as np

import tensorferry as ferry


def save(prefix):
    """As people do it: the triple as variables, saved by their names."""
    import tensorflow as tf

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        get = tf.compat.v1.get_variable
        get("clicks/indices", initializer=np.array([[0, 1], [1, 0], [2, 3]]))
        get("clicks/values", initializer=np.float32([1, 2, 3]))
        get("clicks/dense_shape", initializer=np.array([3, 4]))
        get("mask_where", initializer=np.array([[0, 0], [2, 1]]))  # names of one's own
        get("mask_what", initializer=np.array([7, 8]))
        get("mask_size", initializer=np.array([3, 2]))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(prefix))


with tempfile.TemporaryDirectory() as folder:
    prefix = Path(folder) / "model.ckpt"
    save(prefix)

    # One tensor, by its name. Names that no rule knows are said once.
    checkpoint = ferry.Checkpoint(prefix, parts={"mask": ["mask_where", "mask_what", "mask_size"]})
    print(checkpoint)
    clicks, mask = checkpoint["clicks"], checkpoint["mask"]
    assert clicks.shape == (3, 4) and clicks.nnz == 3 and clicks.to_numpy()[2, 3] == 3
    assert mask.to_scipy().toarray().tolist() == [[7, 0], [0, 0], [0, 8]]
    print(clicks.to_tf())  # a tf.SparseTensor

    # Into variables: those of the new program were made before anyone knew how many entries there are, so their length is left open.
    import tensorflow as tf

    variables = [
        tf.Variable(np.zeros((0, 2), np.int64), shape=[None, 2], name="clicks/indices"),
        tf.Variable(np.zeros(0, np.float32), shape=[None], name="clicks/values"),
        tf.Variable(np.zeros(2, np.int64), name="clicks/dense_shape"),
    ]
    plan = checkpoint.plan(variables)
    print(plan)
    assert plan.complete and plan.unexpected == ["mask_size", "mask_what", "mask_where"]
    plan.apply()
    restored = tf.sparse.SparseTensor(*(v.value() for v in variables))
    assert tf.sparse.to_dense(restored).numpy().tolist() == clicks.to_numpy().tolist()

    # And back: one sparse tensor is written as the three variables.
    ferry.Checkpoint.save(Path(folder) / "again", {"clicks": clicks})
    assert [name for name, _ in tf.train.list_variables(str(Path(folder) / "again"))] == ["clicks/dense_shape", "clicks/indices", "clicks/values"]
