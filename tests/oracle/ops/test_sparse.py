"""Ops on sparse tensors: entries that move, become dense, are summed."""
import itertools

import numpy as np
import pytest
import tensorflow as tf

from harness import case, check, registered, values

REAL = [d for d in registered("SparseReorder") if d not in (tf.resource, tf.variant)]


def coo(dtype, shape, nnz, seed=0, ordered=True, extremes=True):
    """Indices, values and shape of a sparse tensor without a coordinate twice."""
    rng = np.random.default_rng([seed, *shape])
    size = int(np.prod(shape))
    at = rng.choice(size, min(nnz, size), replace=False) if size else np.zeros(0, np.int64)
    if ordered:
        at.sort()
    indices = np.stack(np.unravel_index(at, shape), 1).astype(np.int64) if len(shape) else np.zeros((0, 0), np.int64)
    return [tf.constant(indices, tf.int64, shape=(len(at), len(shape))), values(dtype, (len(at),), seed, extremes=extremes), tf.constant(shape, tf.int64)]


SHAPES = [((4, 5), 7), ((3, 2, 4), 9), ((10,), 4), ((4, 5), 0), ((1, 1), 1), ((2, 3), 6), ((0, 3), 0)]


@pytest.mark.parametrize("dtype", REAL)
def test_entries_move(dtype):
    for seed, (shape, nnz) in enumerate(SHAPES):
        for ordered in (True, False):
            x = coo(dtype, shape, nnz, seed, ordered)
            check(case("SparseReorder", x))
            rank = len(shape)
            check(case("SparseSlice", x + [tf.zeros(rank, tf.int64), tf.constant([2] * rank, tf.int64)]))
            check(case("SparseSlice", x + [tf.ones(rank, tf.int64), tf.constant([9] * rank, tf.int64)]))
            check(case("SparseSlice", x + [tf.constant([20] * rank, tf.int64), tf.constant([1] * rank, tf.int64)]))
            for axis in range(-rank, rank):
                for pieces in (1, 2, 3):
                    if pieces <= shape[axis]:
                        check(case("SparseSplit", [tf.constant(axis, tf.int64)] + x, num_split=pieces))
                y = coo(dtype, shape, nnz // 2, seed + 1, ordered)
                check(case("SparseConcat", [[x[0], y[0]], [x[1], y[1]], [x[2], y[2]]], concat_dim=axis))
                check(case("SparseConcat", [[x[0], y[0], x[0]], [x[1], y[1], x[1]], [x[2], y[2], x[2]]], concat_dim=axis))
            check(case("SparseFillEmptyRows", x + [values(dtype, (), seed)]))


def test_moves_that_are_refused():
    x = coo(tf.float32, (4, 5), 7)
    y = coo(tf.float32, (4, 6), 3)
    z = coo(tf.float32, (4,), 3)
    for axis in (2, -3):
        check(case("SparseConcat", [[x[0], x[0]], [x[1], x[1]], [x[2], x[2]]], concat_dim=axis))
        check(case("SparseSplit", [tf.constant(axis, tf.int64)] + x, num_split=2))
    check(case("SparseConcat", [[x[0], y[0]], [x[1], y[1]], [x[2], y[2]]], concat_dim=0))
    check(case("SparseConcat", [[x[0], z[0]], [x[1], z[1]], [x[2], z[2]]], concat_dim=0))
    check(case("SparseSplit", [tf.constant(0, tf.int64)] + x, num_split=5))
    check(case("SparseSlice", x + [tf.zeros(3, tf.int64), tf.zeros(3, tf.int64)]))
    check(case("SparseReorder", [x[0], x[1][:3], x[2]]))
    check(case("SparseReorder", [x[0], x[1], x[2][:1]]))
    check(case("SparseReorder", [x[0][0], x[1], x[2]]))
    check(case("SparseFillEmptyRows", [tf.constant([[5, 0]], tf.int64), tf.constant([1.0]), tf.constant([4, 5], tf.int64), tf.constant(0.0)]))
    check(case("SparseFillEmptyRows", [tf.constant([[-1, 0]], tf.int64), tf.constant([1.0]), tf.constant([4, 5], tf.int64), tf.constant(0.0)]))
    check(case("SparseFillEmptyRows", [tf.constant([[0, 0]], tf.int64), tf.constant([1.0]), tf.constant([0, 5], tf.int64), tf.constant(0.0)]))
    check(case("SparseFillEmptyRows", [tf.constant([[0, 0]], tf.int64), tf.constant([1.0]), tf.constant([2, 5], tf.int64), tf.constant([0.0])]))
    check(case("SparseFillEmptyRows", [tf.constant([[0, 0]], tf.int64), tf.constant([1.0, 2.0]), tf.constant([2, 5], tf.int64), tf.constant(0.0)]))


def test_reshape():
    for (shape, nnz), seed in zip(SHAPES, range(9)):
        indices, _, dims = coo(tf.float32, shape, nnz, seed)
        size = int(np.prod(shape))
        for new in ([size], [-1], [1, size, 1], [-1, 1], list(shape), [size + 1], [-1, -1], [-2, size], [2, -1], [], [0, -1], [3, 7]):
            check(case("SparseReshape", [indices, dims, tf.constant(new, tf.int64)]))
    check(case("SparseReshape", [tf.zeros((0, 2), tf.int64), tf.constant([2**40, 2**20], tf.int64), tf.constant([-1, 2**30], tf.int64)]))
    check(case("SparseReshape", [tf.constant([[2**39, 5]], tf.int64), tf.constant([2**40, 2**20], tf.int64), tf.constant([2**30, -1], tf.int64)]))
    check(case("SparseReshape", [tf.zeros((0, 2), tf.int64), tf.constant([2, 3], tf.int64), tf.constant([[6]], tf.int64)]))


@pytest.mark.parametrize("dtype", [d for d in registered("SparseToDense", "T")])
def test_to_dense(dtype):
    if dtype.is_quantized:
        pytest.skip("quantized numbers cannot be fed")
    for index in (tf.int32, tf.int64):
        for seed, (shape, nnz) in enumerate(SHAPES):
            indices, held, dims = coo(dtype, shape, nnz, seed)
            default = values(dtype, (), 77)
            check(case("SparseToDense", [tf.cast(indices, index), tf.cast(dims, index), held, default]))
            check(case("SparseToDense", [tf.cast(indices, index), tf.cast(dims, index), values(dtype, (), 3), default]))
        six = tf.constant([6], index)
        check(case("SparseToDense", [tf.constant([1, 3, 5], index), six, values(dtype, (3,)), values(dtype, (), 5)]))
        check(case("SparseToDense", [tf.constant(2, index), six, values(dtype, ()), values(dtype, (), 5)]))
        for checked in (True, False):
            for bad in ([3, 1], [1, 1], [1, 6], [-1, 2]):
                check(case("SparseToDense", [tf.constant(bad, index), six, values(dtype, (2,)), values(dtype, (), 5)], validate_indices=checked))
        check(case("SparseToDense", [tf.constant([1, 3, 5], index), six, values(dtype, (2,)), values(dtype, (), 5)]))
        check(case("SparseToDense", [tf.constant([1, 3], index), tf.constant([3, 4], index), values(dtype, (2,)), values(dtype, (), 5)]))
        check(case("SparseToDense", [tf.constant([1, 3], index), six, values(dtype, (2,)), values(dtype, (1,), 5)]))


@pytest.mark.parametrize("dtype", registered("SparseTensorDenseMatMul"))
def test_times_dense(dtype):
    loose = dict(rtol=1e-2 if dtype.size == 2 else 1e-5, atol=5e-2 if dtype.size == 2 else 1e-6) if not dtype.is_integer else {}
    for index in (tf.int32, tf.int64):
        for seed, (rows, inner, columns, nnz) in enumerate([(4, 5, 3, 9), (4, 5, 1, 9), (0, 3, 2, 0), (3, 3, 0, 4), (7, 2, 40, 11), (5, 4, 3, 0)]):
            for a, b in itertools.product((False, True), repeat=2):
                x = coo(dtype, (inner, rows) if a else (rows, inner), nnz, seed, ordered=bool(seed % 2), extremes=False)
                y = values(dtype, (columns, inner) if b else (inner, columns), seed + 9, extremes=False)
                check(case("SparseTensorDenseMatMul", [tf.cast(x[0], index), x[1], x[2], y], adjoint_a=a, adjoint_b=b, **loose))
        two = values(dtype, (2,), extremes=False)
        for bad in ([[0, 5], [1, 1]], [[4, 0], [1, 1]], [[0, -1], [1, 1]]):
            check(case("SparseTensorDenseMatMul", [tf.constant(bad, index), two, tf.constant([4, 5], tf.int64), values(dtype, (5, 2))]))
        good = tf.constant([[0, 0], [1, 1]], index)
        check(case("SparseTensorDenseMatMul", [good, two, tf.constant([4, 5], tf.int64), values(dtype, (4, 2))]))
        check(case("SparseTensorDenseMatMul", [good, two, tf.constant([4, 5, 6], tf.int64), values(dtype, (5, 2))]))
        check(case("SparseTensorDenseMatMul", [good, two[:1], tf.constant([4, 5], tf.int64), values(dtype, (5, 2))]))


def test_times_itself_if_twice():
    check(case("SparseTensorDenseMatMul", [tf.constant([[1, 1], [0, 0], [1, 1]], tf.int64), tf.constant([1., 2., 4.]), tf.constant([2, 2], tf.int64), tf.eye(2)]))


@pytest.mark.parametrize("types", list(itertools.product((tf.float32, tf.bfloat16), repeat=2)))
def test_mat_mul_of_mostly_zeros(types):
    for a, b in itertools.product((False, True), repeat=2):
        for m, k, n in [(3, 4, 5), (1, 1, 1), (8, 30, 2), (0, 3, 2)]:
            x = values(types[0], (k, m) if a else (m, k), 1, extremes=False)
            y = values(types[1], (n, k) if b else (k, n), 2, extremes=False)
            if types == (tf.float32, tf.float32):
                x = tf.where(x > 0, x, tf.zeros_like(x))
            check(case("SparseMatMul", [x, y], transpose_a=a, transpose_b=b, a_is_sparse=True, rtol=1e-5, atol=1e-5))
    check(case("SparseMatMul", [values(types[0], (2, 3)), values(types[1], (2, 3))]))


SEGMENTS = ["SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN"]


@pytest.mark.parametrize("op", SEGMENTS + [s + "WithNumSegments" for s in SEGMENTS])
def test_segments(op):
    counted = op.endswith("Segments")
    for dtype in registered(op):
        loose = dict(rtol=1e-2 if dtype.size == 2 else 1e-5, atol=2e-2 if dtype.size == 2 else 1e-6) if not dtype.is_integer else {}
        for index, ids_type in itertools.product((tf.int32, tf.int64), repeat=2):
            for i, (shape, indices, ids, count) in enumerate([
                    ((5, 3), [0, 4, 2, 2], [0, 0, 1, 1], 2), ((5, 3), [0, 4, 2, 2, 1], [0, 0, 2, 2, 5], 8), ((5,), [3, 3, 1], [1, 1, 4], 5), ((5, 3), [], [], 3),
                    ((4, 2, 3), [1, 0, 3], [0, 1, 2], 3), ((4, 0), [1, 0, 3], [0, 1, 2], 3), ((4, 40), [1, 0, 3, 2, 2, 2, 1, 1, 0, 3], [0] * 10, 1),
                    ((5, 3), [0, 4], [0, 3], 3), ((5, 3), [0, 5], [0, 1], 3), ((5, 3), [0, -1], [0, 1], 3), ((5, 3), [0, 1], [1, 0], 3), ((5, 3), [0, 1], [-1, 0], 3),
                    ((5, 3), [0], [0, 0], 3), ((0, 3), [], [], 0), ((5, 3), [], [], 0)]):
                if not counted and not ids and shape[0] == 0:
                    continue
                inputs = [values(dtype, shape, i, extremes=False), tf.constant(indices, index), tf.constant(ids, ids_type)]
                if counted:
                    check(case(op, inputs + [tf.constant(count, tf.int32)], **loose))
                    check(case(op, inputs + [tf.constant(count, tf.int64)], **loose))
                else:
                    check(case(op, inputs, **loose))
