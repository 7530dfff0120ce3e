"""Activations, softmax, normalization, TopK and norms."""
import numpy as np
import pytest
import tensorflow as tf

from harness import check, registered, values
from vectors import case

SHAPES = [(), (4,), (33,), (0,), (2, 0, 3), (3, 5)]


def near(dtype, loose=1):
    return {tf.float16: dict(ulp=2 * loose, atol=1e-3 * loose), tf.bfloat16: dict(ulp=2 * loose, atol=1e-2 * loose), tf.float32: dict(rtol=4e-6 * loose, atol=2e-6 * loose),
            tf.float64: dict(rtol=1e-12, atol=1e-13)}.get(dtype, {})


@pytest.mark.parametrize("op", ["Relu", "Relu6", "Elu", "Selu", "Softsign", "Softplus", "LeakyRelu"])
def test_activations(op):
    for dtype in registered(op):
        if op == "LeakyRelu" and dtype.is_integer:
            continue  # no graph can ask for them
        exact = op in ("Relu", "Relu6")
        for i, shape in enumerate(SHAPES):
            x = values(dtype, shape, i)
            if op == "Relu6" and dtype in (tf.float16, tf.bfloat16, tf.float32, tf.float64) or op in ("Softsign", "Softplus"):
                x = tf.where(tf.math.is_finite(x), x, tf.ones_like(x)) if dtype.is_floating else x  # TensorFlow's vectors and scalars differ on NaN
            check(case(op, [x], **({} if exact else near(dtype))))
            if op == "LeakyRelu":
                check(case(op, [x], alpha=0.5, **near(dtype)))
        if dtype.is_floating:
            check(case(op, [tf.cast(tf.linspace(-40.0, 40.0, 41), dtype)], **near(dtype)))


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_softmax(op):
    for dtype in registered(op):
        for i, shape in enumerate([(4,), (1,), (0,), (2, 0), (0, 3), (3, 5), (2, 3, 4), (7, 1)]):
            check(case(op, [values(dtype, shape, i, extremes=False)], **near(dtype, 2)))
        check(case(op, [tf.constant([[1000.0, -1000.0, 3.0]], dtype)], **near(dtype, 2)))
        check(case(op, [tf.constant(1.0, dtype)]))


def test_cross_entropy():
    op = "SoftmaxCrossEntropyWithLogits"
    for dtype in registered(op):
        for a, b in [((3, 4), (3, 4)), ((1, 4), (3, 4)), ((3, 4), (1, 4)), ((3, 1), (3, 4)), ((0, 4), (0, 4)), ((3, 4), (2, 4)), ((4,), (4,)), ((2, 3, 4), (2, 3, 4)), ((3, 4), (4,))]:
            x, y = values(dtype, a, 1, extremes=False), values(dtype, b, 2, low=0.0, high=1.0, extremes=False)
            check(case(op, [x, y], **near(dtype, 8)))
        x, y = values(dtype, (3, 4), 1, extremes=False), tf.zeros((3, 4), dtype)
        check(case(op, [x, y], **near(dtype, 8)))
    op = "SparseSoftmaxCrossEntropyWithLogits"
    for dtype in registered(op):
        for index in (tf.int32, tf.int64):
            x = values(dtype, (3, 4), 3, extremes=False)
            check(case(op, [x, tf.constant([0, 3, 1], index)], **near(dtype, 8)))
            check(case(op, [x, tf.constant([0, 4, 1], index)], errors_equal=True))
            check(case(op, [x, tf.constant([0, -1, 1], index)], errors_equal=True))
            check(case(op, [x, tf.constant([0, 1], index)]))
            check(case(op, [tf.zeros((0, 4), dtype), tf.zeros((0,), index)]))
            check(case(op, [tf.zeros((2, 0), dtype), tf.zeros((2,), index)]))


@pytest.mark.parametrize("op", ["FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"])
def test_batch_norm(op):
    for dtype in registered(op):
        for data_format, shape in [("NHWC", (2, 3, 4, 5)), ("NCHW", (2, 5, 3, 4)), ("NHWC", (1, 1, 1, 3)), ("NHWC", (8, 7, 7, 16)), ("NDHWC", (2, 2, 3, 4, 5)), ("NCDHW", (2, 5, 2, 3, 4))]:
            if len(shape) == 5 and op != "FusedBatchNormV3":
                continue
            channels = shape[data_format.index("C")]
            x = values(dtype, shape, 1, extremes=False)
            scale, offset, mean = (values(tf.float32, (channels,), s, extremes=False) for s in (2, 3, 4))
            variance = values(tf.float32, (channels,), 5, low=0.1, high=3.0, extremes=False)
            loose = dict(rtol=2e-5, atol=2e-5) if dtype == tf.float32 else dict(ulp=2, rtol=1e-2, atol=2e-2)
            for epsilon in (1e-4, 0.01):
                # The reserve spaces of all but one kernel are memory that nobody wrote.
                check(case(op, [x, scale, offset, mean, variance], is_training=False, epsilon=epsilon, data_format=data_format,
                           ignored=() if dtype == tf.float32 and len(shape) == 4 else (3, 4, 5), **loose))
            empty = tf.zeros((0,), tf.float32)
            check(case(op, [x, scale, offset, empty, empty], is_training=True, data_format=data_format, **loose))
            check(case(op, [x, scale, offset, mean, variance], is_training=True, exponential_avg_factor=0.25, data_format=data_format, **loose))
    x = tf.zeros((2, 3, 3, 4))
    four, three, five = tf.ones((4,)), tf.ones((3,)), tf.ones((5,))
    check(case(op, [x, three, four, four, four], is_training=False))
    check(case(op, [x, four, five, four, four], is_training=False))
    check(case(op, [x, four, four, tf.zeros((0,)), four], is_training=False))
    check(case(op, [tf.zeros((2, 3, 4)), four, four, four, four], is_training=False))


@pytest.mark.parametrize("op", ["TopK", "TopKV2"])
def test_top_k(op):
    for dtype in registered(op):
        for i, (shape, k) in enumerate([((5,), 3), ((5,), 5), ((5,), 0), ((5,), 1), ((3, 7), 2), ((2, 3, 4), 4), ((0, 4), 2), ((2, 0), 0), ((40,), 40), ((64,), 9), ((5,), 6), ((5,), -1), ((), 0)]):
            low, high = (-2, 3) if not dtype.is_unsigned else (0, 4)
            x = values(dtype, shape, i, low=low, high=high, extremes=False)
            if op == "TopK":
                if k >= 0:
                    check(case(op, [x], k=k, errors_equal=False))  # TensorFlow 2.21 finds no kernel for its own op
                continue
            check(case(op, [x, tf.constant(k, tf.int32)]))
            check(case(op, [tf.round(x) if dtype.is_floating else x, tf.constant(k, tf.int32)]))  # ties
            for index in (tf.int16, tf.int64):
                check(case(op, [x, tf.constant(k, index)], index_type=tf.int64))
                check(case(op, [x, tf.constant(k, tf.int32)], index_type=index))
    check(case("TopKV2", [tf.constant([1.0, np.inf, -np.inf, 0.0]), 3]))
    check(case("TopKV2", [tf.zeros((4,)), [1, 2]]))


def test_nth_element():
    for dtype in registered("NthElement"):
        for shape, n in [((5,), 0), ((5,), 4), ((3, 6), 2), ((0, 4), 1), ((2, 3, 4), 3), ((5,), 5), ((5,), -1), ((), 0)]:
            x = values(dtype, shape, 1, extremes=False)
            for reverse in (False, True):
                check(case("NthElement", [x, tf.constant(n)], reverse=reverse))


@pytest.mark.parametrize("op", ["InTopK", "InTopKV2"])
def test_in_top_k(op):
    predictions = tf.constant([[0.1, 0.4, 0.3, 0.2], [0.4, 0.4, 0.1, 0.1], [np.nan, 0.2, 0.3, 0.1], [0.3, np.inf, 0.1, 0.2], [0.1, 0.2, 0.3, 0.4]])
    for dtype in (tf.int32, tf.int64):
        for k in (0, 1, 2, 3, 9, -1):
            for targets in ([1, 0, 2, 0, 3], [2, 1, 0, 1, 4], [3, 1, 1, 3, -1]):
                t = tf.constant(targets, dtype)
                check(case(op, [predictions, t], k=k) if op == "InTopK" else case(op, [predictions, t, tf.constant(k, dtype)]))
        t = tf.constant([1, 2], dtype)
        check(case(op, [predictions, t], k=1) if op == "InTopK" else case(op, [predictions, t, tf.constant(1, dtype)]))


def test_l2_loss():
    for dtype in registered("L2Loss"):
        for shape in [(), (5,), (3, 4), (0,), (2, 50)]:
            check(case("L2Loss", [values(dtype, shape, extremes=False)], **near(dtype, 4)))


def test_euclidean_norm():
    for dtype in registered("EuclideanNorm"):
        small = {} if dtype.is_floating or dtype.is_complex else {"low": 0, "high": 3}
        loose = near(dtype, 4) if dtype.is_floating else dict(rtol=1e-5, atol=1e-6) if dtype.is_complex else {}
        for index in (tf.int32, tf.int64):
            for shape, axes in [((3, 4), [0]), ((3, 4), [1]), ((3, 4), [0, 1]), ((3, 4), []), ((2, 3, 4), [-1, 0]), ((2, 3, 4), [1]), ((0, 3), [0]), ((2, 0), [1]), ((), []), ((5,), [0])]:
                for keep in (False, True):
                    check(case("EuclideanNorm", [values(dtype, shape, 1, extremes=False, **small), tf.constant(axes, index)], keep_dims=keep, **loose))
        check(case("EuclideanNorm", [values(dtype, (3, 4), 1, extremes=False, **small), 1], **loose))
    x = tf.ones((2, 3))
    for axes in ([2], [-3], [0, 0], [1, -1]):
        check(case("EuclideanNorm", [x, axes]))


def test_lrn():
    for dtype in (tf.float32, tf.float16):
        for attrs in ({}, dict(depth_radius=2, bias=2.0, alpha=0.5, beta=0.75), dict(depth_radius=0), dict(alpha=1e-3, beta=1.0)):
            for shape in [(2, 3, 3, 7), (1, 1, 1, 1), (0, 2, 2, 3), (1, 2, 2, 20)]:
                check(case("LRN", [values(dtype, shape, extremes=False)], **near(dtype, 4), **attrs))
    check(case("LRN", [tf.zeros((2, 3, 3))]))
