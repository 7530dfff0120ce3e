"""Sums, products, extremes and reductions of sparse tensors."""
import numpy as np
import pytest
import tensorflow as tf

from harness import case, check, registered, values
from test_sparse import coo

SHAPES = [((4, 5), 7), ((3, 2, 4), 9), ((10,), 4), ((2, 3), 0)]


def near(dtype):
    return {} if dtype.is_integer else dict(rtol=1e-2 if dtype.size == 2 else 1e-5, atol=5e-2 if dtype.size == 2 else 1e-5)


@pytest.mark.parametrize("op", ["SparseAdd", "SparseTensorDenseAdd", "SparseSparseMaximum", "SparseSparseMinimum"])
def test_two(op):
    for dtype in registered(op):
        for seed, (shape, nnz) in enumerate(SHAPES):
            a, b = coo(dtype, shape, nnz, seed, extremes=False), coo(dtype, shape, nnz // 2 + 1, seed + 7, extremes=False)
            if op == "SparseAdd":
                for least in (0, 2):
                    real = {tf.complex64: tf.float32, tf.complex128: tf.float64}.get(dtype, dtype)
                    check(case(op, a + b + [tf.constant(least, real)]))
                    check(case(op, a + a + [tf.constant(least, real)]))
            elif op == "SparseTensorDenseAdd":
                for index in (tf.int32, tf.int64):
                    check(case(op, [tf.cast(a[0], index), a[1], tf.cast(a[2], index), values(dtype, shape, extremes=False)]))
                check(case(op, [a[0], a[1], a[2], values(dtype, (2, 2))]))
            else:
                check(case(op, a + b))
    a, b = coo(tf.float32, (4, 5), 7), coo(tf.float32, (5, 4), 7)
    if op == "SparseAdd":
        check(case(op, a + b + [tf.constant(0.)]))
        check(case(op, a + a + [tf.constant([0.])]))
    elif op != "SparseTensorDenseAdd":
        check(case(op, a + b))
        check(case(op, a + coo(tf.float32, (4,), 2)))


@pytest.mark.parametrize("op", ["SparseDenseCwiseAdd", "SparseDenseCwiseMul", "SparseDenseCwiseDiv"])
def test_with_dense(op):
    for dtype in registered(op):
        for seed, (shape, nnz) in enumerate(SHAPES):
            x = coo(dtype, shape, nnz, seed, extremes=False)
            low = dict(low=1, high=9)
            for other in (shape, shape[-1:], (1,) * len(shape), shape[:-1] + (1,), ()) if dtype == tf.float32 else (shape, shape[-1:]):
                check(case(op, x + [values(dtype, other, seed + 3, **low)], ulp=1))
        x = coo(dtype, (4, 5), 7)
        for other in ((4, 4), (1, 4, 5), (4,)):
            check(case(op, x + [values(dtype, other, **low)]))


@pytest.mark.parametrize("op", ["SparseReduceSum", "SparseReduceSumSparse", "SparseReduceMax", "SparseReduceMaxSparse"])
def test_reduce(op):
    for dtype in registered(op):
        for seed, (shape, nnz) in enumerate(SHAPES[:3]):
            x = coo(dtype, shape, nnz, seed, extremes=False)
            rank = len(shape)
            for axes in ([], [0], [-1], list(range(rank)), 0, [rank], [-rank - 1]) if dtype == tf.float32 else ([0], [-1]):
                for keep in (False, True):
                    check(case(op, x + [tf.constant(axes, tf.int32)], keep_dims=keep, **near(dtype)))


def test_softmax():
    for dtype in registered("SparseSoftmax"):
        for seed, (shape, nnz) in enumerate([((4, 5), 9), ((3, 2, 4), 9), ((2, 3), 0), ((4,), 2)]):
            check(case("SparseSoftmax", coo(dtype, shape, nnz, seed, extremes=False), rtol=1e-2 if dtype.size == 2 else 1e-5))
