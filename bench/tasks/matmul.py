"""Sparse times dense. GFLOP/s is 2 * nnz * n over the time; ns a multiply-add here."""
import numpy as np
import scipy.sparse as ss

from tasks.common import ferry as get_ferry, tensorflow


def rows(bench):
    if not bench.wants("sparse @ dense"):
        return
    tf = tensorflow()
    rng = np.random.default_rng(5)
    for m, k, per, ns in ((256, 100_000, 100, (64,)), (1024, 100_000, 50, (128,)), (4096, 65_536, 64, (8, 64, 256))):
        columns = np.sort(np.stack([rng.choice(k, per, replace=False) for _ in range(m)]), 1)
        indices = np.stack([np.repeat(np.arange(m), per), columns.ravel()], 1)
        values = rng.random(m * per, "f")
        theirs = tf.SparseTensor(indices, values, [m, k])
        csr = ss.csr_array((values, columns.ravel().astype(np.int32), np.arange(0, m * per + 1, per, dtype=np.int32)), (m, k))
        for n in ns:
            w = rng.random((k, n), "f")
            constant = tf.constant(w)
            matmul = tf.function(lambda s, d: tf.sparse.sparse_dense_matmul(s, d))

            def same(a, b, peer):
                return np.allclose(np.asarray(a), b.numpy() if peer == "TensorFlow" else b, rtol=1e-4)

            for threads in (1, 2):
                ferry = get_ferry(threads)
                ours = ferry.SparseTensor.from_scipy(csr)
                goals = {"TensorFlow": 10 if n >= 64 else 2, "SciPy": 1.7} if threads == 1 else {"SciPy": 3}
                peers = {"TensorFlow": lambda: matmul(theirs, constant), "SciPy": lambda: csr @ w}
                if threads == 2:
                    del peers["TensorFlow"]
                bench.row(f"sparse @ dense, {m}x{k} nnz {m * per} n={n}, {threads} thread{'s'[:threads - 1]}", lambda: ours @ w, peers,
                          m * per * n, same, goals, "fma", note="peers on one thread" if threads == 2 else "")
            get_ferry(1)
