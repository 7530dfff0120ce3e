"""What feature columns are made of: crosses, counts, sets; lines of CSV."""
import itertools

import numpy as np
import pytest
import tensorflow as tf

from harness import case, check, registered, values
from test_sparse import coo


def column(dtype, rows, seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, rows)
    indices = [[r, i] for r, n in enumerate(counts) for i in range(n)]
    n = len(indices)
    items = tf.constant([b"w%d" % x if x % 3 else b"a longer word than most %d" % x for x in rng.integers(0, 99, n)], tf.string, shape=(n,)) if dtype == tf.string else \
        tf.constant(rng.integers(-2**62, 2**62, n), tf.int64)
    return tf.constant(indices, tf.int64, shape=(n, 2)), items, tf.constant([rows, 4], tf.int64), tf.constant(np.concatenate([[0], np.cumsum(counts)]), tf.int64)


def table(dtype, rows, width, seed):
    return values(dtype, (rows, width), seed) if dtype == tf.string else tf.constant(np.random.default_rng(seed).integers(-2**62, 2**62, (rows, width)), tf.int64)


KINDS = [((tf.string, tf.int64), ()), ((tf.int64,), (tf.string,)), ((), (tf.int64, tf.string)), ((tf.string,), (tf.string,)), ((tf.string, tf.string, tf.int64), (tf.int64,)), ((tf.string,), ())]


@pytest.mark.parametrize("kinds", KINDS, ids=range(len(KINDS)))
@pytest.mark.parametrize("rows", [5, 1, 0])
def test_crosses(kinds, rows):
    if not kinds[0]:
        pytest.skip("of dense columns alone TensorFlow 2.21 crashes")
    sparse = [column(d, rows, i) for i, d in enumerate(kinds[0])]
    dense = [table(d, rows, 2, i) for i, d in enumerate(kinds[1])]
    lists = [[s[0] for s in sparse], [s[1] for s in sparse], [s[2] for s in sparse], dense]
    types = dict(sparse_types=list(kinds[0]), dense_types=list(kinds[1]), N=len(sparse))
    for buckets, key in [(0, 0xDECAFCAFFE), (1000, 7), (3, -1)]:
        check(case("SparseCross", lists, hashed_output=True, num_buckets=buckets, hash_key=key, out_type=tf.int64, internal_type=tf.int64, **types))
        for strong in (False, True) if len(kinds[0]) + len(kinds[1]) < 3 else ():  # TensorFlow 2.21 crashes on more columns
            check(case("SparseCrossHashed", lists + [tf.constant(buckets, tf.int64), tf.constant(strong), tf.constant([key, 12345], tf.int64)], **types))
    check(case("SparseCross", lists, hashed_output=False, num_buckets=0, hash_key=1, out_type=tf.string, internal_type=tf.int64, **types))
    check(case("SparseCross", lists, hashed_output=False, num_buckets=0, hash_key=1, out_type=tf.string, internal_type=tf.string, **types))
    check(case("SparseCrossV2", lists + [tf.constant(b"_&_")], **types))


@pytest.mark.parametrize("kinds", KINDS, ids=range(len(KINDS)))
def test_ragged_crosses(kinds):
    for rows, splits in itertools.product([4, 1], [tf.int32, tf.int64]):
        ragged = [column(d, rows, i) for i, d in enumerate(kinds[0])]
        sparse = [column(d, rows, i + 9) for i, d in enumerate(kinds[0])]
        dense = [table(d, rows, 2, i) for i, d in enumerate(kinds[1])]
        order = "R" * len(ragged) + "D" * len(dense) + "S" * len(sparse)
        for text in (order, order[::-1]):
            for out in (tf.int64, tf.string):
                check(case("RaggedCross", [[r[1] for r in ragged], [tf.cast(r[3], splits) for r in ragged], [s[0] for s in sparse], [s[1] for s in sparse], [s[2] for s in sparse], dense],
                           input_order=text, hashed_output=out == tf.int64, num_buckets=100, hash_key=99, out_values_type=out, out_row_splits_type=splits, Nsparse=len(sparse),
                           ragged_values_types=list(kinds[0]), ragged_splits_types=[splits] * len(ragged), sparse_values_types=list(kinds[0]), dense_types=list(kinds[1])))


@pytest.mark.parametrize("op", ["SparseBincount", "RaggedBincount"])
def test_bincounts(op):
    for dtype, index in itertools.product((tf.int32, tf.int64, tf.float32, tf.float64), (tf.int32, tf.int64)):
        for binary, weighted in ((False, False), (False, True), (True, False), (True, True)):
            numbers = tf.constant([1, 3, 1, 0, 9, 3, 1], index)
            weights = values(dtype, (7,), low=1, high=3) if weighted else tf.zeros((0,), dtype)
            for size in (4, 10, 0) if dtype == tf.float32 else (4,):
                if op == "RaggedBincount":
                    check(case(op, [tf.constant([0, 3, 3, 7], tf.int64), numbers, tf.constant(size, index), weights], binary_output=binary, rtol=1e-2))
                else:
                    x = coo(tf.float32, (4, 5), 7)
                    check(case(op, [x[0], numbers, x[2], tf.constant(size, index), weights], binary_output=binary, rtol=1e-2))
                    check(case(op, [x[0][:, :1], numbers, x[2][:1], tf.constant(size, index), weights], binary_output=binary, rtol=1e-2))
    if op == "RaggedBincount":
        check(case(op, [tf.constant([0, 2], tf.int64), tf.constant([1, -1]), tf.constant(4), tf.zeros((0,))]))
        check(case(op, [tf.constant([0, 3], tf.int64), tf.constant([1, 1]), tf.constant(4), tf.zeros((0,))]))
        check(case(op, [tf.constant([0, 2], tf.int64), tf.constant([1, 1]), tf.constant(-4), tf.zeros((0,))]))


@pytest.mark.parametrize("out", [tf.int32, tf.int64, tf.float32, tf.float64])  # what the op takes, whatever kernels there are
def test_counts(out):
    limits = [(-1, -1), (5, -1), (-1, 3), (8, 4)] if out in (tf.float32, tf.int64) else [(-1, 3)]
    for dtype, (least, most), binary in itertools.product((tf.int32, tf.int64), limits, (False, True)):
        attrs = dict(minlength=least, maxlength=most, binary_output=binary)
        for weighted in (False, True):
            if weighted and binary:
                continue
            weights = values(out, (8,), low=1, high=4) if weighted else tf.zeros((0,), out)
            numbers = tf.constant([1, 3, 1, 0, 6, 3, 1, 1], dtype)
            check(case("DenseCountSparseOutput", [numbers, weights], **attrs))
            check(case("DenseCountSparseOutput", [tf.reshape(numbers, (2, 4)), tf.reshape(weights, (2, 4)) if weighted else weights], **attrs))
            check(case("RaggedCountSparseOutput", [tf.constant([0, 3, 3, 8], tf.int64), numbers, weights], **attrs))
            x = coo(tf.float32, (4, 5), 8)
            check(case("SparseCountSparseOutput", [x[0], numbers, x[2], weights], **attrs))
    if out == tf.int64:
        check(case("DenseCountSparseOutput", [tf.constant([1, -1]), tf.zeros((0,), out)], binary_output=False))
        check(case("DenseCountSparseOutput", [tf.constant([[[1]]]), tf.zeros((0,), out)], binary_output=False))
        check(case("RaggedCountSparseOutput", [tf.constant([0, 5], tf.int64), tf.constant([1, 1]), tf.zeros((0,), out)], binary_output=False))


def set_values(dtype, size, seed):
    numbers = np.random.default_rng(seed).integers(0, 6, size)
    return tf.constant([b"%d" % n for n in numbers], tf.string, shape=(size,)) if dtype == tf.string else tf.constant(numbers, dtype)


@pytest.mark.parametrize("operation", ["a-b", "b-a", "intersection", "union", "A-B", "other"])
def test_sets(operation):
    for dtype in registered("SetSize"):
        if operation == "other" and dtype != tf.int32:
            continue
        for seed, (shape, nnz) in enumerate([((4, 5), 9), ((3, 2, 4), 9), ((2, 3), 0)]):
            a, b = coo(tf.float32, shape, nnz, seed), coo(tf.float32, shape, nnz, seed + 9)
            a[1], b[1] = set_values(dtype, a[0].shape[0], 1), set_values(dtype, b[0].shape[0], 2)
            size = int(np.prod(shape))
            x, y = (tf.reshape(set_values(dtype, size, s), shape) for s in (3, 4))
            check(case("SetSize", a))
            check(case("DenseToDenseSetOperation", [x, y], set_operation=operation))
            check(case("DenseToSparseSetOperation", [x] + b, set_operation=operation))
            check(case("SparseToSparseSetOperation", a + b, set_operation=operation))
    z = tf.zeros((3, 4), tf.int32)
    check(case("DenseToDenseSetOperation", [z, z[:2]], set_operation=operation))
    check(case("DenseToDenseSetOperation", [z[0], z[0]], set_operation=operation))


def csv(lines, types, defaults=None, **attrs):
    defaults = defaults or [tf.constant([], t) for t in types]
    check(case("DecodeCSV", [tf.constant(lines), defaults], OUT_TYPE=types, **attrs))


def test_decode_csv():
    all_types = [tf.int32, tf.int64, tf.float32, tf.float64, tf.string]
    csv(["1,2,3.5,-4e3,x", "-7,9223372036854775807,1e-3,inf,"], all_types, [tf.constant([0]), tf.constant([], tf.int64), tf.constant([1.]), tf.constant([], tf.float64), tf.constant(["none"])])
    csv([",,,,"], all_types, [tf.constant([5]), tf.constant([6], tf.int64), tf.constant([1.]), tf.constant([2.], tf.float64), tf.constant(["none"])])
    csv([["1,a"], ["2,b"]], [tf.int32, tf.string])
    csv("1,a", [tf.int32, tf.string])
    csv(['"quo""ted","with,comma"', 'plain,"x"'], [tf.string, tf.string])
    csv(['a"b,c', 'd,e'], [tf.string, tf.string])
    csv(['a"b,c', 'd,e'], [tf.string, tf.string], use_quote_delim=False)
    csv(["a|b"], [tf.string, tf.string], field_delim="|")
    csv(["1,NA,3"], [tf.int32] * 3, [tf.constant([0])] * 3, na_value="NA")
    csv(["1,x,3"], [tf.int32, tf.int32], select_cols=[0, 2])
    csv(["1,x,3", "4,y,6"], [tf.string], select_cols=[1])
    for bad in ("1,x", "1", "1,2,3", "1,", ",2", "1.5,2", '"1,2', '"1"x,2', "2147483648,1", " 1 ,2 ", "+1,2", "1,2\n", "", "0x10,1"):
        csv([bad], [tf.int32, tf.int32])
    for number in ("1e400", "-1e400", "nan", "NaN", " 1.5 ", "1.5x", "+2.5", "1e-400", ".5", "5.", "infinity", "-inf"):
        csv([number], [tf.float32])
        csv([number], [tf.float64])


def test_names_of_parts():
    for shard, shards in [(0, 1), (3, 12), (123456, 1234567)]:
        check(case("ShardedFilename", [tf.constant("a/b"), tf.constant(shard), tf.constant(shards)]))
        check(case("ShardedFilespec", [tf.constant("a/b"), tf.constant(shards)]))
    check(case("ShardedFilespec", [tf.constant(["a/b"]), tf.constant(1)]))
