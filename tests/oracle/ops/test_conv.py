"""Convolutions, their transposes, pools: every registered dtype, paddings, strides, dilations, groups. Layouts with channels first, which TensorFlow's
CPU kernels refuse or not by dtype, are held against the same with channels last."""
import itertools

import numpy as np
import pytest
import tensorflow as tf

from harness import check, registered, values
from vectors import case

NEAR = {tf.float16: dict(rtol=5e-3, atol=6e-2), tf.bfloat16: dict(rtol=3e-2, atol=0.3), tf.float32: dict(rtol=1e-5, atol=5e-5), tf.float64: dict(rtol=1e-12, atol=1e-11)}


def refuses(op, inputs, **attrs):
    """Ours alone: TensorFlow's oneDNN kernels abort the process on images of another rank."""
    from tensorferry import _core
    from harness import graph_of
    graph, feeds, fetches, _ = graph_of(case(op, inputs, **attrs), inputs)
    with pytest.raises(Exception, match="dimensional"):
        _core.GraphRunner(graph.SerializeToString()).run({k: v.numpy() for k, v in feeds.items()}, fetches)


def finite(dtype, shape, seed=0):
    return values(dtype, shape, seed, low=-3, high=3, extremes=False) if not dtype.is_unsigned else values(dtype, shape, seed, extremes=False)


@pytest.mark.parametrize("dtype", registered("Conv2D"), ids=lambda d: d.name)
def test_conv2d(dtype):
    # No images at all: oneDNN's kernels give shapes that are not those of one image.
    check(case("Conv2D", [finite(dtype, (0, 5, 5, 2)), finite(dtype, (3, 3, 2, 2))], strides=[1, 1, 1, 1], padding="SAME"))
    for image, filter, stride, dilation in [((2, 6, 7, 3), (3, 3, 3, 4), (1, 1), (1, 1)), ((1, 5, 5, 2), (1, 1, 2, 3), (1, 1), (1, 1)), ((1, 8, 9, 2), (3, 2, 2, 5), (2, 3), (1, 1)),
                                            ((1, 9, 9, 1), (3, 3, 1, 2), (1, 1), (2, 3)), ((1, 5, 5, 2), (5, 5, 2, 1), (1, 1), (1, 1)),
                                            ((1, 4, 4, 3), (1, 1, 3, 2), (2, 2), (1, 1)), ((1, 1, 1, 3), (1, 1, 3, 2), (1, 1), (1, 1))]:
        x, f = finite(dtype, image, 1), finite(dtype, filter, 2)
        for padding in ("SAME", "VALID"):
            if dtype == tf.int32 and dilation != (1, 1):
                continue
            check(case("Conv2D", [x, f], strides=[1, *stride, 1], dilations=[1, *dilation, 1], padding=padding, **NEAR.get(dtype, {})))
        check(case("Conv2D", [x, f], strides=[1, *stride, 1], dilations=[1, *dilation, 1], padding="EXPLICIT", explicit_paddings=[0, 0, 1, 2, 3, 0, 0, 0], **NEAR.get(dtype, {})))
    if dtype in (tf.float32, tf.float64):
        check(case("Conv2D", [finite(dtype, (2, 5, 5, 6), 1), finite(dtype, (3, 3, 2, 9), 2)], strides=[1, 1, 1, 1], padding="SAME", **NEAR[dtype]))


def test_conv2d_refusals():
    x, f = tf.ones((1, 4, 4, 2)), tf.ones((3, 3, 2, 2))
    good = dict(strides=[1, 1, 1, 1], padding="VALID")
    refuses("Conv2D", [tf.ones((4, 4, 2)), f], **good)
    refuses("Conv2D", [x, tf.ones((3, 3, 2))], **good)
    check(case("Conv2D", [x, tf.ones((3, 3, 2, 0))], **good))
    check(case("Conv2D", [tf.ones((1, 4, 4, 3)), f], **good))
    check(case("Conv2D", [tf.ones((1, 1, 1, 2)), f], **good))
    check(case("Conv2D", [x, f], strides=[1, 0, 1, 1], padding="VALID"))
    check(case("Conv2D", [x, f], strides=[2, 1, 1, 1], padding="VALID"))
    check(case("Conv2D", [x, f], strides=[1, 1, 1], padding="VALID"))
    check(case("Conv2D", [x, f], strides=[1, 1, 1, 1], padding="EXPLICIT", explicit_paddings=[0, 0, -1, 0, 0, 0, 0, 0]))
    check(case("Conv2D", [x, f], strides=[1, 1, 1, 1], padding="VALID", dilations=[1, 0, 1, 1]))


@pytest.mark.parametrize("dtype", registered("Conv3D"), ids=lambda d: d.name)
def test_conv3d(dtype):
    for image, filter, stride in [((2, 4, 5, 6, 3), (2, 3, 2, 3, 4), (1, 1, 1)), ((1, 5, 5, 5, 1), (3, 3, 3, 1, 2), (2, 1, 2)), ((1, 3, 3, 3, 2), (1, 1, 1, 2, 2), (1, 1, 1))]:
        for padding in ("SAME", "VALID"):
            check(case("Conv3D", [finite(dtype, image, 1), finite(dtype, filter, 2)], strides=[1, *stride, 1], padding=padding, **NEAR[dtype]))


@pytest.mark.parametrize("dtype", registered("DepthwiseConv2dNative"), ids=lambda d: d.name)
def test_depthwise(dtype):
    for image, filter, stride in [((2, 6, 7, 3), (3, 3, 3, 1), 1), ((2, 6, 7, 3), (3, 2, 3, 4), 1), ((1, 8, 8, 5), (3, 3, 5, 2), 2), ((1, 5, 5, 1), (3, 3, 1, 4), 1)]:
        for padding in ("SAME", "VALID"):
            check(case("DepthwiseConv2dNative", [finite(dtype, image, 1), finite(dtype, filter, 2)], strides=[1, stride, stride, 1], padding=padding, **NEAR[dtype]))
    check(case("DepthwiseConv2dNative", [finite(dtype, (1, 5, 5, 2)), finite(dtype, (3, 3, 2, 2))], strides=[1, 1, 1, 1], padding="EXPLICIT",
               explicit_paddings=[0, 0, 1, 2, 0, 1, 0, 0], **NEAR[dtype]))
    check(case("DepthwiseConv2dNative", [tf.ones((1, 4, 4, 2)), tf.ones((3, 3, 3, 1))], strides=[1, 1, 1, 1], padding="SAME"))


@pytest.mark.parametrize("dtype", registered("Conv2DBackpropInput"), ids=lambda d: d.name)
def test_transposed_conv2d(dtype):
    for image, filter, stride in [((2, 6, 7, 3), (3, 3, 3, 4), (1, 1)), ((1, 8, 8, 2), (4, 4, 2, 3), (2, 2)), ((1, 7, 9, 1), (3, 2, 1, 2), (2, 3)), ((1, 4, 4, 3), (1, 1, 3, 2), (1, 1)), ((0, 4, 4, 3), (2, 2, 3, 2), (1, 1))]:
        for padding in ("SAME", "VALID"):
            out = [-(-n // s) if padding == "SAME" else (n - k + s) // s for n, k, s in zip(image[1:3], filter[:2], stride)]
            g = finite(dtype, (image[0], *out, filter[3]), 3)
            check(case("Conv2DBackpropInput", [list(image), finite(dtype, filter, 2), g], strides=[1, *stride, 1], padding=padding, **NEAR.get(dtype, {})))
            check(case("Conv2DBackpropInput", [list(image[1:3]), finite(dtype, filter, 2), g], strides=[1, *stride, 1], padding=padding, **NEAR.get(dtype, {})))
    check(case("Conv2DBackpropInput", [[1, 9, 9, 3], finite(dtype, (3, 3, 3, 2)), finite(dtype, (1, 4, 4, 2))], strides=[1, 1, 1, 1], padding="SAME"))


@pytest.mark.parametrize("dtype", registered("Conv3DBackpropInputV2"), ids=lambda d: d.name)
def test_transposed_conv3d(dtype):
    for index in (tf.int32, tf.int64):
        for image, filter, s in [((2, 3, 4, 5, 2), (2, 3, 2, 2, 3), 1), ((1, 4, 4, 4, 2), (2, 2, 2, 2, 2), 2)]:
            out = [-(-n // s) for n in image[1:4]]
            check(case("Conv3DBackpropInputV2", [tf.constant(image, index), finite(dtype, filter, 2), finite(dtype, (image[0], *out, filter[4]), 3)],
                       strides=[1, s, s, s, 1], padding="SAME", **NEAR[dtype]))


POOLS = [((2, 6, 7, 3), (2, 2), (2, 2)), ((1, 5, 5, 2), (3, 3), (1, 2)), ((1, 4, 4, 1), (4, 4), (1, 1)), ((0, 4, 4, 2), (2, 2), (1, 1)), ((1, 3, 3, 2), (1, 1), (2, 2)), ((1, 7, 5, 40), (3, 2), (2, 1))]


@pytest.mark.parametrize("op", ["AvgPool", "MaxPool", "MaxPoolV2", "MaxPoolWithArgmax"])
def test_pools(op):
    for dtype in registered(op):
        if dtype in (tf.uint32, tf.uint64):
            continue  # which no graph can ask for
        if op == "AvgPool" and dtype == tf.float16:
            loose = dict(ulp=4, atol=1e-2)
        else:
            loose = NEAR.get(dtype, {}) if op == "AvgPool" else {}
        for (image, size, stride), padding in itertools.product(POOLS, ("SAME", "VALID")):
            x = finite(dtype, image, 1)
            k, s = [1, *size, 1], [1, *stride, 1]
            if op == "MaxPoolV2":
                check(case(op, [x, k, s], padding=padding))
                continue
            check(case(op, [x], ksize=k, strides=s, padding=padding, **loose))
            if op == "MaxPoolWithArgmax":
                check(case(op, [x], ksize=k, strides=s, padding=padding, Targmax=tf.int32, include_batch_in_index=True))
        if op == "MaxPool":
            check(case(op, [finite(dtype, (1, 5, 6, 2))], ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="EXPLICIT", explicit_paddings=[0, 0, 1, 0, 0, 2, 0, 0]))
            check(case(op, [finite(dtype, (1, 2, 2, 6))], ksize=[1, 1, 1, 3], strides=[1, 1, 1, 3], padding="VALID"))


def test_pool_refusals():
    x = tf.ones((1, 4, 4, 2))
    for op in ("AvgPool", "MaxPool"):
        refuses(op, [tf.ones((4, 4, 2))], ksize=[1, 2, 2, 1], strides=[1, 1, 1, 1], padding="SAME")
        check(case(op, [x], ksize=[2, 2, 2, 1], strides=[1, 1, 1, 1], padding="SAME"))
        check(case(op, [x], ksize=[1, 0, 2, 1], strides=[1, 1, 1, 1], padding="SAME"))
        check(case(op, [x], ksize=[1, 2, 2, 1], strides=[1, 0, 1, 1], padding="SAME"))
        check(case(op, [x], ksize=[1, 7, 7, 1], strides=[1, 1, 1, 1], padding="VALID"))
        check(case(op, [x], ksize=[1, 2, 2], strides=[1, 1, 1, 1], padding="VALID"))


@pytest.mark.parametrize("op", ["AvgPool3D", "MaxPool3D"])
def test_pools_3d(op):
    for dtype in registered(op):
        for image, size, stride in [((2, 4, 5, 6, 3), (2, 2, 2), (2, 2, 2)), ((1, 3, 5, 4, 2), (3, 2, 1), (1, 2, 1)), ((0, 3, 3, 3, 1), (2, 2, 2), (1, 1, 1))]:
            for padding in ("SAME", "VALID"):
                check(case(op, [finite(dtype, image, 1)], ksize=[1, *size, 1], strides=[1, *stride, 1], padding=padding, **NEAR[dtype]))


def test_dilation():
    for dtype in registered("Dilation2D"):
        for image, filter, stride, rate in [((2, 6, 7, 3), (3, 3, 3), 1, 1), ((1, 8, 8, 2), (2, 3, 2), 2, 1), ((1, 9, 9, 1), (3, 3, 1), 1, 2), ((0, 4, 4, 2), (2, 2, 2), 1, 1)]:
            for padding in ("SAME", "VALID"):
                low = 0 if dtype.is_unsigned else -3
                x, f = values(dtype, image, 1, low=low, high=9, extremes=False), values(dtype, filter, 2, low=low, high=9, extremes=False)
                check(case("Dilation2D", [x, f], strides=[1, stride, stride, 1], rates=[1, rate, rate, 1], padding=padding))


def test_channels_first():
    """TensorFlow's own answer where it has one (oneDNN's float kernels), else the same with channels last."""
    from tensorferry import _core
    from harness import graph_of
    rng = np.random.default_rng(1)
    x, f = rng.normal(size=(2, 5, 6, 3)).astype(np.float32), rng.normal(size=(3, 3, 3, 4)).astype(np.float32)
    first = tf.constant(x.transpose(0, 3, 1, 2))
    for one, want in [(case("Conv2D", [first, tf.constant(f)], strides=[1, 1, 2, 2], padding="SAME", data_format="NCHW"), tf.nn.conv2d(x, f, 2, "SAME")),
                      (case("MaxPool", [first], ksize=[1, 1, 2, 2], strides=[1, 1, 2, 2], padding="SAME", data_format="NCHW"), tf.nn.max_pool2d(x, 2, 2, "SAME")),
                      (case("AvgPool", [first], ksize=[1, 1, 3, 2], strides=[1, 1, 1, 2], padding="VALID", data_format="NCHW"), tf.nn.avg_pool2d(x, [3, 2], [1, 2], "VALID")),
                      (case("DepthwiseConv2dNative", [first, tf.constant(f[..., :2])], strides=[1, 1, 1, 1], padding="SAME", data_format="NCHW"),
                       tf.nn.depthwise_conv2d(x, f[..., :2], [1, 1, 1, 1], "SAME")),
                      (case("Conv2DBackpropInput", [tf.constant([2, 3, 5, 6]), tf.constant(f), tf.ones((2, 4, 5, 6))], strides=[1, 1, 1, 1], padding="SAME", data_format="NCHW"),
                       tf.nn.conv2d_transpose(tf.ones((2, 5, 6, 4)), f, [2, 5, 6, 3], 1, "SAME"))]:
        graph, feeds, fetches, _ = graph_of(one, [v if isinstance(v, tf.Tensor) else tf.constant(v) for v in one.inputs])
        got = _core.GraphRunner(graph.SerializeToString()).run({k: v.numpy() for k, v in feeds.items()}, fetches)[0]
        np.testing.assert_allclose(np.asarray(got.numpy() if hasattr(got, "numpy") else got).transpose(0, 2, 3, 1), want.numpy(), rtol=1e-5, atol=1e-5)
