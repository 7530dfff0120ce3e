"""Ops on ragged tensors."""
import itertools

import numpy as np
import pytest
import tensorflow as tf

from harness import case, check, check_function, registered, values

CUTS = [[[0, 2, 2, 5]], [[0]], [[0, 0, 0]], [[0, 3]], [[0, 2, 2, 3], [0, 1, 4, 6]], [[0, 0, 2], [0, 0, 3]], [[0, 1, 3], [0, 2, 2, 3], [0, 0, 4, 5]]]
FEW = (tf.float32, tf.string)  # have all the cases; others move the same way
TYPES = [d for d in registered("RaggedGather", "Tvalues") if not d.is_quantized]


@pytest.mark.parametrize("dtype", TYPES)
def test_ragged_to_sparse_and_dense(dtype):
    for splits in (tf.int32, tf.int64) if dtype in FEW else (tf.int64,):
        for seed, cuts in enumerate(CUTS if dtype in FEW else CUTS[-1:]):
            for inner in ((), (2,), (3, 2), (0,)):
                x = values(dtype, (cuts[-1][-1], *inner), seed)
                parts = [tf.constant(c, splits) for c in cuts]
                check(case("RaggedTensorToSparse", [parts, x]))
                rank = len(cuts) + 1 + len(inner)
                for shape_type in (tf.int32, tf.int64) if dtype in FEW and seed < 2 else (tf.int64,):
                    shapes = [tf.constant(-1, shape_type), tf.constant([-1] * rank, shape_type), tf.constant([4, 2] + [-1] * (rank - 2), shape_type),
                              tf.constant([1, -1] + [-1] * (rank - 2), shape_type), tf.constant([2, 2, 2][:len(cuts) + 1] + [-1] * (rank - len(cuts) - 1), shape_type)]
                    defaults = [values(dtype, (), 9)] + ([values(dtype, inner, 8)] if inner == (2,) else [])
                    for shape, default in itertools.product(shapes, defaults):
                        check(case("RaggedTensorToTensor", [shape, x, default, parts], row_partition_types=["ROW_SPLITS"] * len(cuts)))
                    if splits == tf.int64 and shape_type == tf.int64:
                        rows = [tf.constant(len(cuts[0]) - 1, splits)] + [tf.constant(np.repeat(np.arange(len(c) - 1), np.diff(c)), splits) for c in cuts]
                        for shape in shapes:
                            check(case("RaggedTensorToTensor", [shape, x, defaults[0], rows], row_partition_types=["FIRST_DIM_SIZE"] + ["VALUE_ROWIDS"] * len(cuts)))


def test_bad_ragged():
    x = tf.constant([1., 2., 3.])
    zero = tf.constant(0.)
    for bad in ([0, 2], [0, 2, 1, 3], []):  # [0, 4] has TensorFlow read past the values
        check(case("RaggedTensorToTensor", [tf.constant(-1), x, zero, [tf.constant(bad, tf.int64)]], row_partition_types=["ROW_SPLITS"], errors_equal=False))
    for bad in ([0, 2], [0, 2, 1, 3], [], [0, 4], [1, 3]):
        check(case("RaggedTensorToSparse", [[tf.constant(bad, tf.int64)], x]))
        check(case("RaggedGather", [[tf.constant(bad, tf.int64)], x, tf.constant([0])], PARAMS_RAGGED_RANK=1, OUTPUT_RAGGED_RANK=1, errors_equal=False))
    good = [tf.constant([0, 1, 3], tf.int64)]
    check(case("RaggedTensorToTensor", [tf.constant([2]), x, zero, good], row_partition_types=["ROW_SPLITS"]))
    check(case("RaggedTensorToTensor", [tf.constant(-1), x, tf.constant([0.]), good], row_partition_types=["ROW_SPLITS"]))
    check(case("RaggedTensorToTensor", [tf.constant(5), x, zero, good], row_partition_types=["ROW_SPLITS"]))
    check(case("RaggedTensorToTensor", [tf.constant(-1), x, zero, [tf.constant(2, tf.int64), tf.constant([0, 1, 2], tf.int64)]], row_partition_types=["FIRST_DIM_SIZE", "VALUE_ROWIDS"]))
    for bad in ([2], [-1], [0, 5]):
        check(case("RaggedGather", [good, x, tf.constant(bad)], PARAMS_RAGGED_RANK=1, OUTPUT_RAGGED_RANK=1))


@pytest.mark.parametrize("dtype", TYPES)
def test_gather(dtype):
    for splits, index in itertools.product((tf.int32, tf.int64), repeat=2) if dtype in FEW else [(tf.int64, tf.int32)]:
        for seed, cuts in enumerate(CUTS if dtype in FEW else CUTS[-1:]):
            rows = len(cuts[0]) - 1
            for inner in ((), (2,)):
                x = values(dtype, (cuts[-1][-1], *inner), seed)
                parts = [tf.constant(c, splits) for c in cuts]
                for shape in ((), (0,), (4,), (2, 3), (2, 1, 2), (0, 2)):
                    if rows == 0 and np.prod(shape) > 0:
                        continue
                    at = np.random.default_rng(seed).integers(0, max(rows, 1), shape)
                    check(case("RaggedGather", [parts, x, tf.constant(at, index)], PARAMS_RAGGED_RANK=len(cuts), OUTPUT_RAGGED_RANK=len(cuts) + len(shape) - 1))


@pytest.mark.parametrize("dtype", registered("RaggedRange"))
def test_range(dtype):
    for splits in (tf.int32, tf.int64):
        for a, b, c in [([0, 5, 8], [3, 5, 0], [1, 1, -2]), (0, [3, 0, 7], 2), ([3, 1], 9, [2, 4]), (2, 10, 3), ([], [], []), (5, 1, 1), (1, 5, -1), ([0], [1], [0]), ([0, 1], [2], 1), ([[0]], 1, 1)]:
            check(case("RaggedRange", [tf.constant(v, dtype) for v in (a, b, c)], Tsplits=splits))
        if dtype.is_floating:
            check(case("RaggedRange", [tf.constant([0, 1.5], dtype), tf.constant([1, 0.1], dtype), tf.constant([0.3, -0.25], dtype)], Tsplits=splits))
            check(case("RaggedRange", [tf.constant(0, dtype), tf.constant(np.inf, dtype), tf.constant(1, dtype)], Tsplits=splits))
            check(case("RaggedRange", [tf.constant(0, dtype), tf.constant(np.nan, dtype), tf.constant(1, dtype)], Tsplits=splits))


@pytest.mark.parametrize("dtype", [d for d in registered("RaggedFillEmptyRows") if d not in (tf.resource, tf.variant)])
def test_fill_empty_rows(dtype):
    default = values(dtype, (), 5)
    for ids, rows in [([0, 0, 2, 4], 6), ([], 0), ([], 3), ([0, 1, 2], 3), ([2, 0, 2, 1], 4), ([3], 3), ([-1], 3), ([0], 0)]:
        check(case("RaggedFillEmptyRows", [tf.constant(ids, tf.int64), values(dtype, (len(ids),)), tf.constant(rows, tf.int64), default], ignored=() if rows else (0,)))  # TensorFlow: [0, 1]
    check(case("RaggedFillEmptyRows", [tf.constant([0], tf.int64), values(dtype, (2,)), tf.constant(3, tf.int64), default]))


@pytest.mark.parametrize("dtype", TYPES)
def test_variants(dtype):
    for splits in (tf.int32, tf.int64) if dtype in FEW else (tf.int64,):
        for seed, cuts in enumerate(CUTS if dtype in FEW and splits == tf.int64 else CUTS[-1:]):
            for inner in ((), (2,)):
                x = values(dtype, (cuts[-1][-1], *inner), seed)
                rank = len(cuts)

                def batched(v, *parts):
                    a = tf.raw_ops.RaggedTensorToVariant(rt_nested_splits=list(parts), rt_dense_values=v, batched_input=True)
                    return tf.raw_ops.RaggedTensorFromVariant(encoded_ragged=a, input_ragged_rank=rank - 1, output_ragged_rank=rank, Tvalues=dtype, Tsplits=splits)

                def whole(v, *parts):
                    a = tf.raw_ops.RaggedTensorToVariant(rt_nested_splits=list(parts), rt_dense_values=v, batched_input=False)
                    return tf.raw_ops.RaggedTensorFromVariant(encoded_ragged=a, input_ragged_rank=-1, output_ragged_rank=rank, Tvalues=dtype, Tsplits=splits)

                parts = [tf.constant(c, splits) for c in cuts]
                if len(cuts[0]) > 1 or not inner:  # of no rows TensorFlow forgets the axes of the values
                    check_function(batched, [x, *parts], "RaggedTensorToVariant")
                check_function(whole, [x, *parts], "RaggedTensorFromVariant")
