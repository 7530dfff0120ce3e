"""serialize_many_sparse and its inverse: 1024 rows of about 50 entries."""
import numpy as np

from tasks.common import ferry as get_ferry, tensorflow


def rows(bench):
    if not bench.wants("many_sparse"):
        return
    tf, ferry = tensorflow(), get_ferry()
    rng = np.random.default_rng(7)
    m, per, k = 1024, 50, 100_000
    columns = np.sort(np.stack([rng.choice(k, per, replace=False) for _ in range(m)]), 1)
    indices = np.stack([np.repeat(np.arange(m), per), columns.ravel()], 1).astype(np.int64)
    values = rng.random(m * per, "f")
    theirs = tf.SparseTensor(indices, values, [m, k])
    ours = ferry.SparseTensor(indices, values, (m, k))
    rows_tf = tf.io.serialize_many_sparse(theirs)
    rows_ours = ferry.serialize_many_sparse(ours)
    nnz = m * per
    bench.row("serialize_many_sparse, 1024 x 50", lambda: ferry.serialize_many_sparse(ours),
              {"TensorFlow": lambda: tf.io.serialize_many_sparse(theirs)}, nnz,
              lambda a, b, _: np.array_equal(np.asarray(a, dtype=object), b.numpy()), {"TensorFlow": 10}, "entry")
    bench.row("deserialize_many_sparse, 1024 x 50", lambda: ferry.deserialize_many_sparse(rows_ours),
              {"TensorFlow": lambda: tf.io.deserialize_many_sparse(rows_tf, tf.float32)}, nnz,
              lambda a, b, _: np.array_equal(a.indices, b.indices.numpy()) and np.array_equal(a.values, b.values.numpy()),
              {"TensorFlow": 10}, "entry")
