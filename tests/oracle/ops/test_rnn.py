"""Recurrent cells in one op."""
import itertools

import pytest
import tensorflow as tf

from harness import check, registered, values
from vectors import case


def near(dtype):
    return dict(rtol=1e-5, atol=2e-6) if dtype == tf.float32 else dict(rtol=2e-2, atol=1e-2)


def weights(dtype, batch, inputs, cells, steps=None):
    def of(seed, *shape):
        return values(dtype, shape, seed, low=-1.0, high=1.0, extremes=False)
    x = of(1, batch, inputs) if steps is None else of(1, steps, batch, inputs)
    return [x, of(2, batch, cells), of(3, batch, cells), of(4, inputs + cells, 4 * cells), of(5, cells), of(6, cells), of(7, cells), of(8, 4 * cells)]


def test_lstm_cell():
    for dtype in registered("LSTMBlockCell"):
        for batch, inputs, cells in [(2, 3, 4), (1, 1, 1), (5, 8, 7)]:
            for peephole, clip, bias in itertools.product((False, True), (-1.0, 0.3, 3.0), (1.0, 0.0)):
                check(case("LSTMBlockCell", weights(dtype, batch, inputs, cells), use_peephole=peephole, cell_clip=clip, forget_bias=bias, **near(dtype)))
    good = weights(tf.float32, 2, 3, 4)
    for i in (1, 2, 3, 7):
        bad = list(good)
        bad[i] = tf.zeros((3,) * len(bad[i].shape))
        check(case("LSTMBlockCell", bad))


@pytest.mark.parametrize("op", ["BlockLSTM", "BlockLSTMV2"])
def test_lstm_sequence(op):
    for dtype in registered(op):
        for steps, batch, inputs, cells in [(3, 2, 3, 4), (1, 1, 1, 1), (6, 4, 5, 3)]:
            for peephole in (False, True):
                for used in {0, 1, steps}:
                    # Past the sequence's end only cs and h are written.
                    ignored = () if used == steps else (0, 2, 3, 4, 5)
                    check(case(op, [tf.constant(used, tf.int64), *weights(dtype, batch, inputs, cells, steps)], use_peephole=peephole, cell_clip=1.5, ignored=ignored, **near(dtype)))


def test_gru_cell():
    for batch, inputs, cells in [(2, 3, 4), (1, 1, 1), (5, 8, 7)]:
        def of(seed, *shape):
            return values(tf.float32, shape, seed, low=-1.0, high=1.0, extremes=False)
        good = [of(1, batch, inputs), of(2, batch, cells), of(3, inputs + cells, 2 * cells), of(4, inputs + cells, cells), of(5, 2 * cells), of(6, cells)]
        check(case("GRUBlockCell", good, **near(tf.float32)))
    check(case("GRUBlockCell", [*good[:4], tf.zeros((3,)), good[5]]))
