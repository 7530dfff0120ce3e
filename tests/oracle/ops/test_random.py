"""Random numbers: TensorFlow's own for the same seeds, to the last bit but for normal numbers, whose logarithms and sines may differ in theirs. Stateful
ops are compared as a fresh kernel's first run: each case has a seed of its own, so that TensorFlow's kernel is fresh too."""
import itertools

import pytest
import tensorflow as tf

from harness import check, registered, values
from vectors import case

SHAPES = [(), (1,), (7,), (0,), (3, 5), (1000,), (2, 0), (40000,)]
SEEDS = itertools.count(1000)
NEAR = {"Uniform": {}, "Normal": dict(ulp=2, atol=1e-7), "TruncatedNormal": dict(ulp=2, atol=1e-7)}


@pytest.mark.parametrize("kind", ["Uniform", "Normal", "TruncatedNormal"])
def test_stateless_floats(kind):
    stem = "StatelessTruncatedNormal" if kind == "TruncatedNormal" else "StatelessRandom" + kind
    for dtype in registered(stem, "dtype"):
        for shape in SHAPES:
            for index in (tf.int32, tf.int64):
                check(case(stem, [tf.constant(shape, index), tf.constant([3, -5], index)], dtype=dtype, **NEAR[kind]))
        for seed in ([0, 0], [2**40 + 1, -2**50], [-1, 7]):
            check(case(stem, [[33], tf.constant(seed, tf.int64)], dtype=dtype, **NEAR[kind]))
        for shape in SHAPES:
            for alg in (1, 3):
                key, counter = tf.constant([2**63 + 12345], tf.uint64), tf.constant([2**64 - 2, 2**64 - 1], tf.uint64)
                check(case(stem + "V2", [tf.constant(shape, tf.int32), key, counter, alg], dtype=dtype, **NEAR[kind]))
    # A counter of one number is refused; TensorFlow reads past its end.
    key, counter = tf.constant([1], tf.uint64), tf.constant([2, 3], tf.uint64)
    check(case(stem, [[2, -1], [1, 2]]))
    check(case(stem, [[[2]], [1, 2]]))
    check(case(stem, [[2], [1, 2, 3]]))
    check(case(stem + "V2", [[2], key, counter, 2]))  # ThreeFry has no CPU kernel
    check(case(stem + "V2", [[2], key, counter, 9]))
    check(case(stem + "V2", [[2], counter, counter, 1]))


def test_stateless_integers():
    for dtype in (tf.int32, tf.int64):
        for shape in SHAPES:
            for low, high in [(0, 10), (-5, 5), (dtype.min, dtype.max), (0, 1), (7, 2**31 - 1)]:
                ends = [tf.constant(low, dtype), tf.constant(high, dtype)]
                check(case("StatelessRandomUniformInt", [tf.constant(shape, tf.int32), [1, 2], *ends]))
                check(case("StatelessRandomUniformIntV2", [tf.constant(shape, tf.int64), tf.constant([9], tf.uint64), tf.constant([1, 2], tf.uint64), 1, *ends]))
        for low, high in [(3, 3), (4, 3)]:
            check(case("StatelessRandomUniformInt", [[2], [1, 2], tf.constant(low, dtype), tf.constant(high, dtype)]))
        check(case("StatelessRandomUniformInt", [[2], [1, 2], tf.constant([1], dtype), tf.constant(3, dtype)]))
    for dtype in registered("StatelessRandomUniformFullInt", "dtype"):
        for shape in SHAPES:
            check(case("StatelessRandomUniformFullInt", [tf.constant(shape, tf.int32), [5, 6]], dtype=dtype))
            check(case("StatelessRandomUniformFullIntV2", [tf.constant(shape, tf.int32), tf.constant([9], tf.uint64), tf.constant([1, 2], tf.uint64), 1], dtype=dtype))


def test_keys_and_counters():
    for seed in ([0, 0], [1, 2], [-1, -2], [2**40, -2**41]):
        check(case("StatelessRandomGetKeyCounter", [tf.constant(seed, tf.int64)]))
        check(case("StatelessRandomGetKeyCounterAlg", [tf.constant(seed, tf.int64)]))
    check(case("StatelessRandomGetKeyCounter", [tf.constant([1, -2], tf.int32)]))
    check(case("StatelessRandomGetKeyCounter", [tf.constant([1], tf.int32)]))
    check(case("StatelessRandomGetAlg", []))


@pytest.mark.parametrize("op", ["RandomUniform", "RandomStandardNormal", "TruncatedNormal"])
def test_stateful_floats(op):
    loose = NEAR["Uniform"] if op == "RandomUniform" else NEAR["Normal"]
    for dtype in registered(op, "dtype"):
        for shape in SHAPES:
            check(case(op, [tf.constant(shape, tf.int32)], dtype=dtype, seed=next(SEEDS), seed2=next(SEEDS), **loose))
        check(case(op, [[9]], dtype=dtype, seed=0, seed2=next(SEEDS), **loose))
        check(case(op, [[9]], dtype=dtype, seed=-next(SEEDS), seed2=0, **loose))
    check(case(op, [[2, -1]], dtype=tf.float32, seed=1))


def test_stateful_integers_and_shuffles():
    for dtype in (tf.int32, tf.int64):
        for shape in SHAPES:
            check(case("RandomUniformInt", [tf.constant(shape, tf.int32), tf.constant(-3, dtype), tf.constant(1000, dtype)], seed=next(SEEDS), seed2=next(SEEDS)))
        check(case("RandomUniformInt", [[2], tf.constant(3, dtype), tf.constant(3, dtype)], seed=1))
    for dtype in registered("RandomShuffle"):
        if dtype in (tf.resource, tf.variant):
            continue
        for shape in [(), (1,), (9,), (0,), (5, 3), (100,), (2, 0), (4, 2, 3)]:
            x = values(dtype, shape)
            check(case("RandomShuffle", [x], seed=next(SEEDS), seed2=next(SEEDS)))
            check(case("StatelessShuffle", [x, tf.constant([77], tf.uint64), tf.constant([1, 2], tf.uint64), 1]))


def test_multinomial():
    for dtype in registered("Multinomial"):
        for out in (tf.int32, tf.int64):
            for shape, samples in [((1, 4), 7), ((3, 5), 10), ((2, 1), 3), ((0, 4), 2), ((2, 3), 0), ((1, 50), 100), ((2, 0), 1), ((4,), 1)]:
                x = values(dtype, shape, 1, extremes=False)
                check(case("Multinomial", [x, samples], output_dtype=out, seed=next(SEEDS), seed2=next(SEEDS)))
                check(case("StatelessMultinomial", [x, samples, [3, 4]], output_dtype=out))
        check(case("StatelessMultinomial", [tf.constant([[0.0, float("-inf"), 1.0, float("nan")]], dtype), 20, [3, 4]]))
    check(case("Multinomial", [tf.zeros((1, 2)), -1], seed=1))
