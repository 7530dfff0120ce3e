"""FakeQuant and QuantizeAndDequantize."""
import pytest
import tensorflow as tf

from harness import case, check, registered, values


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
        check(case(op, [x, lows, highs, *tail], ulp=4, atol=1e-6, **axis))
        check(case(op, [x, lows[:3], highs[:3], *tail], **axis))
        check(case(op, [x, highs, lows, *tail], **axis))
        check(case(op, [x, tf.constant(2.0, dtype), tf.constant(1.0, dtype), *tail], range_given=True))
    if not op.endswith("V3"):
        check(case(op, [tf.ones((3,)), 0.0, 1.0], num_bits=0))
        check(case(op, [tf.ones((3,)), 0.0, 1.0], num_bits=63))
