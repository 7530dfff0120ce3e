"""COO to CSR and back, 1 M entries."""
import numpy as np
import scipy.sparse as ss

from tasks.common import ferry as get_ferry


def rows(bench):
    if not bench.wants("CSR"):
        return
    ferry = get_ferry()
    rng = np.random.default_rng(4)
    for name, order in (("sorted", np.sort), ("random", rng.permutation)):
        key = order(np.unique(rng.integers(0, 1 << 34, 1_001_000))[:1_000_000])
        row, col = key >> 17, key & 0x1FFFF
        values = rng.random(len(key), "f")
        coo = ss.coo_array((values, (row.astype(np.int32), col.astype(np.int32))), (1 << 17, 1 << 17))
        ours = ferry.SparseTensor(np.stack([row, col], 1), values, (1 << 17, 1 << 17))

        def same(a, b, _):
            return np.array_equal(a.indptr, b.indptr) and (name == "random" or np.array_equal(a.indices, b.indices))

        bench.row(f"COO to CSR, 1 M entries, {name}", lambda: ours.tocsr(), {"SciPy": coo.tocsr}, len(key), same,
                  {"SciPy": 1.5} if name == "sorted" else None, "entry")
        csr, our_csr = coo.tocsr(), ours.tocsr()
        bench.row(f"CSR to CSC, 1 M entries, {name}", lambda: our_csr.tocsc(), {"SciPy": csr.tocsc}, len(key),
                  lambda a, b, _: np.array_equal(a.indptr, b.indptr), None, "entry")
