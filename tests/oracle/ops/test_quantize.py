"""FakeQuant and QuantizeAndDequantize."""
import pytest
import tensorflow as tf

from harness import check, registered, values
from vectors import case


def test_fake_quant():
    x = values(tf.float32, (4, 25), 1, low=-8.0, high=8.0, extremes=False)
    for bits in (2, 8, 16):
        for narrow in (False, True):
            for low, high in [(-6.0, 6.0), (-1.0, 3.0), (0.0, 6.0), (-5.5, 0.0), (-0.1, 7.3)]:
                loose = dict(ulp=4, atol=1e-6)
                check(case("FakeQuantWithMinMaxArgs", [x], min=low, max=high, num_bits=bits, narrow_range=narrow, **loose))
                check(case("FakeQuantWithMinMaxVars", [x, low, high], num_bits=bits, narrow_range=narrow, **loose))
            lows, highs = tf.linspace(-7.0, -0.1, 25), tf.linspace(6.0, 0.5, 25)
            check(case("FakeQuantWithMinMaxVarsPerChannel", [x, lows, highs], num_bits=bits, narrow_range=narrow, **loose))
            check(case("FakeQuantWithMinMaxVarsPerChannel", [x[0], lows, highs], num_bits=bits, narrow_range=narrow, **loose))
    check(case("FakeQuantWithMinMaxVars", [x, 0.0, 0.0]))
    check(case("FakeQuantWithMinMaxVars", [tf.zeros((0, 3)), -1.0, 1.0]))
    check(case("FakeQuantWithMinMaxVars", [x, [-1.0, 1.0], 1.0]))
    check(case("FakeQuantWithMinMaxVarsPerChannel", [x, [-1.0, -1.0], [1.0, 1.0]]))
    check(case("FakeQuantWithMinMaxArgs", [x], min=1.0, max=-1.0))
    check(case("FakeQuantWithMinMaxArgs", [x], num_bits=1))
    check(case("FakeQuantWithMinMaxArgs", [x], num_bits=17))


@pytest.mark.parametrize("op", ["QuantizeAndDequantizeV2", "QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4"])
def test_quantize_and_dequantize(op):
    for dtype in registered(op):
        x = values(dtype, (3, 4, 5), 1, extremes=False)
        for signed in (True, False):
            for narrow in (False, True):
                for bits in (2, 8, 16):
                    for given in (False, True):
                        loose = dict(ulp=4, atol=1e-6)
                        attrs = dict(signed_input=signed, narrow_range=narrow, range_given=given)
                        low, high = tf.constant(-1.5, dtype), tf.constant(2.5, dtype)
                        if op.endswith("V3"):
                            check(case(op, [x, low, high, bits], **attrs, **loose))
                        else:
                            for mode in ("HALF_TO_EVEN", "HALF_UP"):
                                check(case(op, [x, low, high], num_bits=bits, round_mode=mode, **attrs, **loose))
        axis = dict(axis=1, **(dict(range_given=True)))
        lows, highs = tf.constant([-1.0, -2.0, -3.0, -0.5], dtype), tf.constant([1.0, 3.0, 2.0, 0.25], dtype)
        tail = [8] if op.endswith("V3") else []
        # V2 and V4 of TensorFlow 2.21 take no vectors, for which they have the axis.
        check(case(op, [x, lows, highs, *tail], ulp=4, atol=1e-6, errors_equal=False, **axis))
        check(case(op, [x, lows[:3], highs[:3], *tail], **axis))
        check(case(op, [x, highs, lows, *tail], **axis))
        check(case(op, [x, tf.constant(2.0, dtype), tf.constant(1.0, dtype), *tail], range_given=True))
    if not op.endswith("V3"):
        check(case(op, [tf.ones((3,)), 0.0, 1.0], num_bits=0))
        check(case(op, [tf.ones((3,)), 0.0, 1.0], num_bits=63))


def test_quantize_v2():
    """Numbers on the edge between two integers may go either way: none here."""
    from tensorferry import _core
    import numpy as np
    from harness import COUNTS, graph_of
    for dtype in registered("QuantizeV2"):
        if dtype == tf.qint32:
            continue  # TensorFlow overflows at the ends
        x = values(tf.float32, (4, 15), 1, low=-7.0, high=9.0, extremes=False)
        for mode, rounding, narrow, axis in [("MIN_COMBINED", "HALF_AWAY_FROM_ZERO", False, -1), ("MIN_FIRST", "HALF_AWAY_FROM_ZERO", False, -1), ("SCALED", "HALF_AWAY_FROM_ZERO", False, -1),
                                             ("SCALED", "HALF_TO_EVEN", True, -1), ("SCALED", "HALF_TO_EVEN", False, 0), ("MIN_COMBINED", "HALF_AWAY_FROM_ZERO", False, 0)]:
            for low, high in [(-6.0, 6.0), (-1.0, 3.0), (0.0, 6.0), (-5.0, 0.0), (1.0, 4.0), (0.5, 0.5)]:
                if mode == "SCALED" and low == 0.0 or mode == "SCALED" and high == 0.0 and not dtype.name.startswith("qi"):
                    continue
                low, high = (low, high) if axis < 0 else ([low] * 4, [high] * 4)
                inputs = [x, tf.constant(low), tf.constant(high)]
                one = case("QuantizeV2", inputs, T=dtype, mode=mode, round_mode=rounding, narrow_range=narrow, axis=axis)
                graph, feeds, fetches, _ = graph_of(one, inputs)
                COUNTS["QuantizeV2"] += 1
                want = tf.raw_ops.QuantizeV2(input=x, min_range=low, max_range=high, T=dtype, mode=mode, round_mode=rounding, narrow_range=narrow, axis=axis)
                answer = _core.GraphRunner(graph.SerializeToString()).run({k: v.numpy() for k, v in feeds.items()}, fetches)
                got = [np.asarray(a.numpy() if hasattr(a, "numpy") else a) for a in answer]
                plain = {"qint8": np.int8, "quint8": np.uint8, "qint16": np.int16, "quint16": np.uint16}[dtype.name]
                apart = np.abs(got[0].view(plain).astype(np.int64) - want[0].numpy().view(plain).astype(np.int64))
                near = dtype in (tf.qint16, tf.quint16) or mode == "MIN_FIRST"  # gemmlowp's arithmetic there
                assert apart.max() <= (1 if near else 0), (dtype, mode, rounding, low, high, apart)
                np.testing.assert_allclose(got[1], want[1].numpy(), rtol=1e-6)
                np.testing.assert_allclose(got[2], want[2].numpy(), rtol=1e-6)
    check(case("QuantizeV2", [tf.ones((3,)), 2.0, 1.0], T=tf.quint8))
    check(case("QuantizeV2", [tf.ones((3,)), 0.0, 1.0], T=tf.quint8, mode="MIN_FIRST", round_mode="HALF_TO_EVEN"))
    check(case("QuantizeV2", [tf.ones((3,)), [0.0, 0.0], [1.0, 1.0]], T=tf.quint8))
