"""CSR matrices: made, read, transposed, multiplied."""
import itertools

import pytest
import tensorflow as tf

from harness import check_function, values
from test_sparse import coo

R = tf.raw_ops
DTYPES = [tf.float32, tf.float64, tf.complex64, tf.complex128]


def csr(x):
    return R.SparseTensorToCSRSparseMatrix(indices=x[0], values=x[1], dense_shape=x[2])


@pytest.mark.parametrize("dtype", DTYPES)
def test_made_and_read(dtype):
    for seed, (shape, nnz) in enumerate([((4, 5), 7), ((3, 2, 4), 9), ((3, 3), 0)]):
        def around(i, v, s):
            a = csr((i, v, s))
            b = R.SparseMatrixTranspose(input=a, type=dtype, conjugate=True)
            c = R.CSRSparseMatrixComponents(csr_sparse_matrix=a, index=0, type=dtype)
            return (R.CSRSparseMatrixToDense(sparse_input=a, type=dtype), R.CSRSparseMatrixToDense(sparse_input=b, type=dtype), R.SparseMatrixNNZ(sparse_matrix=a),
                    *R.CSRSparseMatrixToSparseTensor(sparse_matrix=b, type=dtype), c.row_ptrs, c.col_inds, c.values)

        def from_dense(d, i):
            a = R.DenseToCSRSparseMatrix(dense_input=d, indices=i)
            return R.CSRSparseMatrixToDense(sparse_input=a, type=dtype)

        x = coo(dtype, shape, nnz, seed)
        check_function(around, x, "SparseTensorToCSRSparseMatrix")
        check_function(from_dense, [values(dtype, shape, seed), x[0]], "DenseToCSRSparseMatrix")


@pytest.mark.parametrize("dtype", DTYPES)
def test_products(dtype):
    loose = dict(rtol=1e-5, atol=1e-5)
    for batch, (ta, tb, to) in itertools.product([(), (2,)], [("", "", False), ("transpose", "", False), ("", "adjoint", True), ("adjoint", "transpose", False)]):
        m, k, n = 3, 4, 5
        a = coo(dtype, (*batch, k, m) if ta else (*batch, m, k), 7, 1, extremes=False)
        b = coo(dtype, (*batch, n, k) if tb else (*batch, k, n), 8, 2, extremes=False)
        flags = {f"{w}_{s}": True for w, s in ((ta, "a"), (tb, "b")) if w}

        def dense(i, v, s, d):
            return R.SparseMatrixMatMul(a=csr((i, v, s)), b=d, transpose_output=to, conjugate_output=to, **flags)

        def sparse(i, v, s, j, w, t):
            c = R.SparseMatrixSparseMatMul(a=csr((i, v, s)), b=csr((j, w, t)), type=dtype, **flags)
            return R.CSRSparseMatrixToDense(sparse_input=c, type=dtype)

        check_function(dense, [*a, values(dtype, tuple(b[2].numpy()), 4, extremes=False)], "SparseMatrixMatMul", **loose)
        check_function(sparse, [*a, *b], "SparseMatrixSparseMatMul", **loose)


def test_bad_matrices():
    def read(i, v, s):
        return R.CSRSparseMatrixToDense(sparse_input=csr((i, v, s)), type=tf.float32)

    check_function(read, [tf.constant([[0, 9]], tf.int64), tf.constant([1.]), tf.constant([2, 3], tf.int64)], "CSRSparseMatrixToDense")
