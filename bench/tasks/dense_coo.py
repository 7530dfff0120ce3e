"""Dense to COO and back, 64 MiB of float32."""
import numpy as np

from tasks.common import ferry as get_ferry, tensorflow

N = 4096


def rows(bench):
    if not (bench.wants("dense") or bench.wants("coo")):
        return
    tf, ferry = tensorflow(), get_ferry()
    rng = np.random.default_rng(2)
    for density in (0.001, 0.01, 0.1, 0.5):
        x = rng.random((N, N), "f")
        x[rng.random((N, N), "f") >= density] = 0
        constant = tf.constant(x)

        def numpy_way():
            i = np.nonzero(x)
            return np.stack(i, 1), x[i]

        def same(ours, theirs, peer):
            indices, values = theirs if peer == "NumPy" else (theirs.indices.numpy(), theirs.values.numpy())
            return np.array_equal(ours.indices, indices) and np.array_equal(ours.values, values)

        bench.row(f"dense to COO, 64 MiB float32, {density:.1%}", lambda: ferry.SparseTensor.from_dense(x),
                  {"TensorFlow": lambda: tf.sparse.from_dense(constant), "NumPy": numpy_way}, N * N, same,
                  {"TensorFlow": 4, "NumPy": 12}, "elem", x.nbytes)

        ours = ferry.SparseTensor.from_dense(x)
        theirs = tf.sparse.from_dense(constant)
        bench.row(f"COO to dense, 64 MiB float32, {density:.1%}", lambda: ours.to_dense(),
                  {"TensorFlow": lambda: tf.sparse.to_dense(theirs),
                   "TensorFlow unchecked": lambda: tf.sparse.to_dense(theirs, validate_indices=False)}, N * N,
                  lambda a, b, _: np.array_equal(np.asarray(a), b.numpy()), {"TensorFlow": 1}, "elem", x.nbytes)
