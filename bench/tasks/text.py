"""Text formats: libsvm against scikit-learn, Matrix Market against SciPy (fast_matrix_market); JSON has json_text.py."""
import os
import tempfile

import numpy as np
import scipy.io
import scipy.sparse as ss

from tasks.common import ferry as get_ferry


def rows(bench):
    if not (bench.wants("libsvm") or bench.wants("mtx")):
        return
    ferry = get_ferry()
    from sklearn.datasets import dump_svmlight_file, load_svmlight_file
    rng = np.random.default_rng(8)
    m, k, per = 20_000, 100_000, 50
    columns = np.sort(rng.integers(0, k, (m, per)), 1)
    x = ss.csr_matrix((rng.random(m * per).round(6), columns.ravel(), np.arange(0, m * per + 1, per)), (m, k))
    x.sum_duplicates()
    y = rng.integers(0, 2, m).astype(np.float64)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.libsvm")
        dump_svmlight_file(x, y, path)
        size = os.path.getsize(path)

        def ours():
            loaded = ferry.load(path, columns=k, base=0)
            return loaded["x"], loaded["y"]

        def same(a, b, _):
            return (a[0].to_scipy() != b[0]).nnz == 0 and np.array_equal(np.asarray(a[1]), b[1])

        bench.row(f"libsvm text to CSR, {x.nnz} entries", ours, {"scikit-learn": lambda: load_svmlight_file(path, n_features=k, zero_based=True)},
                  x.nnz, same, {"scikit-learn": 12}, "entry", size)

        path_mtx = os.path.join(folder, "x.mtx")
        scipy.io.mmwrite(path_mtx, x)
        size = os.path.getsize(path_mtx)

        def same_mtx(a, b, _):
            return (a.to_scipy().tocsr() != b.tocsr()).nnz == 0

        bench.row(f"mtx text to COO, {x.nnz} entries", lambda: ferry.load(path_mtx),
                  {"scipy.io.mmread": lambda: scipy.io.mmread(path_mtx)}, x.nnz, same_mtx, {"scipy.io.mmread": 1}, "entry", size,
                  note="scipy threads limited to one by threadpoolctl" if _limit_threads() else "")


def _limit_threads():
    try:
        import scipy.io._fast_matrix_market as fmm
        fmm.PARALLELISM = 1
        return True
    except (ImportError, AttributeError):
        return False
