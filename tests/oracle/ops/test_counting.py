"""Unique and its kin, bins, bounds, partitions and stitches, edit distances."""
import numpy as np
import pytest
import tensorflow as tf

from harness import case, check, registered, values

OPAQUE = (tf.resource, tf.variant, tf.qint8, tf.quint8, tf.qint32)
INDEX = (tf.int32, tf.int64)


def dtypes(op, attr="T"):
    return [d for d in registered(op, attr) if d not in OPAQUE]


def few(dtype, shape, seed=0):
    """Values of which many are equal."""
    if dtype == tf.string:
        return tf.constant(np.random.default_rng(seed).choice([b"a", b"bb", b"", b"a\x00"], shape).astype(object), dtype)
    return tf.cast(tf.constant(np.random.default_rng(seed).integers(0, 4, shape)), dtype)


@pytest.mark.parametrize("op", ["Unique", "UniqueWithCounts", "UniqueV2", "UniqueWithCountsV2"])
def test_unique(op):
    for dtype in dtypes(op):
        for out in INDEX:
            if "V2" not in op:
                for x in (few(dtype, (20,)), few(dtype, (0,)), few(dtype, (1,)), few(dtype, (2, 2)), values(dtype, (30,))):
                    if dtype in (tf.float16, tf.bfloat16) and x.shape == (30,):
                        continue  # 0 and -0 are two there, where their hashes fall apart; here they are equal in every dtype
                    check(case(op, [x], out_idx=out))
                continue
            for shape, axis in [((20,), []), ((20,), [0]), ((6, 2), [0]), ((2, 6), [1]), ((2, 6), [-1]), ((2, 6, 2), [1]), ((0,), []), ((0, 3), [0]), ((3, 3), []), ((3, 3), [2]), ((3, 3), [0, 1])]:
                for kind in INDEX:
                    check(case(op, [few(dtype, shape), tf.constant(axis, kind)], out_idx=out))


def test_list_diff():
    for dtype in dtypes("ListDiff"):
        for out in INDEX:
            for a, b in [((10,), (2,)), ((10,), (0,)), ((0,), (3,)), ((2, 2), (1,))]:
                check(case("ListDiff", [few(dtype, a), few(dtype, b, 3)], out_idx=out))


def test_bincount():
    for dtype in dtypes("Bincount"):
        plain = dtype in (tf.int32, tf.int64, tf.float32, tf.float64)  # what Bincount itself allows, whatever it has kernels for
        rounding = {"ulp": 3} if dtype.is_floating or dtype.is_complex else {}
        for arr, size in [([1, 2, 2, 0, 7], 5), ([], 3), ([[1, 2], [0, 1]], 3), ([1], 0), ([-1, 2], 3), ([1], -1)]:
            arr = tf.constant(arr, tf.int32)
            check(case("Bincount", [arr, tf.constant(size), tf.constant([], dtype)], errors_equal=plain))
            check(case("Bincount", [arr, tf.constant(size), few(dtype, tuple(arr.shape), 2)], errors_equal=plain, **rounding))
        check(case("Bincount", [tf.constant([1, 2]), tf.constant(3), few(dtype, (3,))]))
        for kind in INDEX:
            for arr, size in [([1, 2, 2, 0, 7], 5), ([[1, 2, 2], [0, 0, 9]], 4), ([], 3), ([[]], 2), ([-1, 2], 3), ([1], -1), ([[[1]]], 2)]:
                arr = tf.constant(arr, kind)
                for binary in (False, True):
                    check(case("DenseBincount", [arr, tf.constant(size, kind), tf.constant([], dtype)], binary_output=binary, errors_equal=plain))
                    check(case("DenseBincount", [arr, tf.constant(size, kind), few(dtype, tuple(arr.shape), 2)], binary_output=binary, errors_equal=plain, **rounding))


def test_bucketize():
    for dtype in dtypes("Bucketize"):
        for edges in ([0.0, 1.5, 3.0], [], [1.0, 1.0], [3.0, 1.0], [-1e30, 1e30]):
            for shape in ((), (20,), (2, 3), (0,)):
                check(case("Bucketize", [values(dtype, shape)], boundaries=edges))


def test_histogram():
    for dtype in dtypes("HistogramFixedWidth"):
        for out in INDEX:
            for low, high, bins in [(0, 5, 5), (1, 3, 7), (2, 1, 3), (1, 1, 3), (0, 5, 0), (0, 100, 1)]:
                check(case("HistogramFixedWidth", [few(dtype, (30,)), tf.constant([low, high], dtype), tf.constant(bins)], dtype=out, errors_equal=dtype in (tf.int32, tf.int64, tf.float32, tf.float64)))
    check(case("HistogramFixedWidth", [tf.constant([[-5.0, 2.5], [float("inf"), -float("inf")]]), tf.constant([0.0, 5.0]), tf.constant(4)]))
    check(case("HistogramFixedWidth", [tf.zeros((0,)), tf.constant([0.0, 5.0]), tf.constant(4)]))
    # NaN belongs to no bin; TensorFlow writes outside of its memory.
    check(case("HistogramFixedWidth", [tf.zeros((2,)), tf.constant([0.0, float("nan")]), tf.constant(4)]))


@pytest.mark.parametrize("op", ["LowerBound", "UpperBound"])
def test_bounds(op):
    for dtype in dtypes(op):
        for out in INDEX:
            for rows, n, m in [(2, 7, 5), (1, 0, 3), (0, 3, 3), (3, 4, 0)]:
                x = tf.constant(np.sort(few(dtype, (rows, n)).numpy().astype(np.float64), axis=1))
                check(case(op, [tf.cast(x, dtype), few(dtype, (rows, m), 4)], out_type=out))
    check(case(op, [tf.zeros((2, 3)), tf.zeros((1, 3))]))
    check(case(op, [tf.zeros((3,)), tf.zeros((3,))]))


def test_partition():
    for dtype in dtypes("DynamicPartition"):
        for shape, parts, n in [((5,), [0, 2, 0, 1, 2], 3), ((4, 2), [1, 1, 0, 1], 2), ((2, 2), [[0, 1], [1, 0]], 2), ((2, 2, 3), [[0, 1], [1, 0]], 3), ((0,), [], 2), ((3, 0), [0, 1, 0], 2), ((), 1, 2), ((2,), [0, 3], 3), ((2,), [0, -1], 3), ((2,), [0], 1),
                                ((3, 2), 0, 1)]:
            check(case("DynamicPartition", [values(dtype, shape), tf.constant(parts, tf.int32)], num_partitions=n))


@pytest.mark.parametrize("op", ["DynamicStitch", "ParallelDynamicStitch"])
def test_stitch(op):
    for dtype in dtypes(op):
        for indices, tail in [([[0, 2], [1]], ()), ([[0, 2], [1]], (3,)), ([0, [1, 2]], (2,)), ([[[0, 1], [2, 3]], [4]], ()), ([[]], ()), ([[], []], (2,)), ([[0, 1], [1, 0]] if op == "DynamicStitch" else [[0], [1]], (2,)), ([[-1, 0]], ())]:
            indices = [tf.constant(i, tf.int32) for i in indices]
            check(case(op, [indices, [values(dtype, tuple(i.shape) + tail, k) for k, i in enumerate(indices)]]))
    check(case(op, [[tf.constant([0])], [tf.zeros((2,))]]))
    check(case(op, [[tf.constant([0]), tf.constant([1])], [tf.zeros((1, 2)), tf.zeros((1, 3))]]))


def sparse(rows, dtype, width=None):
    rows = [list(r) for r in rows]
    where = [[i, k] for i, r in enumerate(rows) for k in range(len(r))]
    flat = [x for r in rows for x in r]
    data = tf.constant(flat, dtype) if dtype == tf.string else tf.cast(tf.constant(flat, tf.int64), dtype)
    return [tf.constant(np.array(where, np.int64).reshape(-1, 2)), data, tf.constant([len(rows), width or max(map(len, rows), default=0)], tf.int64)]


def test_edit_distance():
    for dtype in dtypes("EditDistance"):
        pairs = [([[1, 2, 3], [4], []], [[1, 3], [5, 4], []]), ([[1], []], [[], [2]]), ([[1, 0, 1, 1]], [[0, 1, 0]]), ([[]], [[]]), ([[1], [1]], [[1]])]
        for guess, truth in pairs:
            if dtype == tf.string:
                guess, truth = ([[str(x) for x in r] for r in rows] for rows in (guess, truth))
            for normalize in (True, False):
                check(case("EditDistance", [*sparse(guess, dtype, 5), *sparse(truth, dtype, 5)], normalize=normalize))
    good = sparse([[1, 2]], tf.int64)
    for k, wrong in [(0, tf.constant([[0, 5], [0, 6]], tf.int64)), (0, tf.constant([[0, 0]], tf.int64)), (2, tf.constant([1], tf.int64)), (1, tf.constant([[1, 2]], tf.int64))]:
        bad = list(good)
        bad[k] = wrong
        check(case("EditDistance", [*bad, *good]))
        check(case("EditDistance", [*good, *bad]))
    deep = [tf.constant([[0, 1, 0], [1, 0, 0], [1, 0, 1]], tf.int64), tf.constant([1, 2, 3]), tf.constant([2, 2, 2], tf.int64)]
    other = [tf.constant([[0, 1, 1], [1, 0, 0]], tf.int64), tf.constant([1, 3]), tf.constant([3, 2, 2], tf.int64)]
    check(case("EditDistance", [*deep, *other]))
