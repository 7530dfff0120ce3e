"""Sorting COO entries of 20 + 20 bit coordinates."""
import numpy as np
import scipy.sparse as ss

from tasks.common import ferry as get_ferry, tensorflow


def rows(bench):
    if not bench.wants("sort"):
        return
    tf, ferry = tensorflow(), get_ferry()
    rng = np.random.default_rng(3)
    for nnz, goal in ((1_000_000, 12), (10_000_000, 20)):
        key = rng.permutation(nnz).astype(np.int64) * ((1 << 40) // nnz) + 7
        indices = np.stack([key >> 20, key & 0xFFFFF], 1)
        values = rng.random(nnz, "f")
        theirs = tf.SparseTensor(indices, values, [1 << 20, 1 << 20])
        ours = ferry.SparseTensor(indices, values, (1 << 20, 1 << 20))
        coo = ss.coo_array((values, (indices[:, 0].astype(np.int32), indices[:, 1].astype(np.int32))), (1 << 20, 1 << 20))

        def same(a, b, peer):
            if peer.startswith("SciPy"):
                return a.nnz == b.nnz
            return np.array_equal(a.indices, b.indices.numpy()) and np.array_equal(a.values, b.values.numpy())

        def scipy_sorted():
            out = coo.tocsr()
            out.sort_indices()
            return out

        bench.row(f"sort COO, {nnz // 1_000_000} M entries, random", lambda: ours.sort(),
                  {"TensorFlow reorder": lambda: tf.sparse.reorder(theirs), "SciPy coo to csr": coo.tocsr,
                   "SciPy, columns sorted": scipy_sorted}, nnz, same,
                  {"TensorFlow reorder": goal, "SciPy coo to csr": 2.5}, "entry")
        done = ferry.SparseTensor(ours.sort().indices, ours.sort().values, (1 << 20, 1 << 20))
        done_tf = tf.sparse.reorder(theirs)
        bench.row(f"sort COO, {nnz // 1_000_000} M entries, sorted already", lambda: done.sort(),
                  {"TensorFlow reorder": lambda: tf.sparse.reorder(done_tf)}, nnz, same, None, "entry")
