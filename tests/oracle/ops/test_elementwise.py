"""Elementwise ops: every registered dtype, broadcast, empty, extreme values."""
import numpy as np
import pytest
import tensorflow as tf

from harness import case, check, registered, values

SHAPES = [((3, 4), (3, 4)), ((16,), (16,)), ((3, 1), (1, 4)), ((), (5,)), ((5,), ()), ((), ()), ((0, 3), (1, 3)), ((2, 1, 3), (4, 1)), ((1,), (2, 0)), ((2, 3), (4,)),
          ((1, 1), (3,)), ((2, 3, 4, 5), (1, 3, 1, 5))]

EXACT = ["Add", "AddV2", "Sub", "Mul", "MulNoNan", "Div", "RealDiv", "DivNoNan", "TruncateDiv", "FloorDiv", "Mod", "TruncateMod", "FloorMod", "Maximum", "Minimum",
         "SquaredDifference", "NextAfter", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "LeftShift", "RightShift", "Less", "LessEqual", "Greater", "GreaterEqual",
         "Equal", "NotEqual", "Xdivy"]
NEAR = {"Pow": 4, "Xlogy": 4, "Xlog1py": 4, "Atan2": 4}


@pytest.mark.parametrize("op", EXACT + list(NEAR))
def test_two_inputs(op):
    for dtype in registered(op):
        if dtype.is_quantized:
            continue
        for i, (a, b) in enumerate(SHAPES):
            x, y = values(dtype, a, 2 * i), values(dtype, b, 2 * i + 1)
            loose = {} if op in EXACT and not dtype.is_complex else {
                "ulp": NEAR.get(op, 8), "rtol": 1e-5 if dtype.size <= 8 else 1e-12, "atol": 1e-6 if dtype.size <= 8 else 1e-13}
            if dtype in (tf.float16, tf.bfloat16) and op in NEAR:
                loose = {"ulp": 1}
            check(case(op, [x, y], **loose))
        if dtype.is_integer:
            check(case(op, [values(dtype, (6,), 1, low=1, high=7), values(dtype, (6,), 2, low=1, high=7)]))
            check(case(op, [values(dtype, (6,), 1), tf.zeros((6,), dtype)]))


UNARY_EXACT = ["Abs", "Neg", "Square", "Sign", "Round", "Rint", "Ceil", "Floor", "IsFinite", "IsInf", "IsNan", "Conj", "Invert", "PopulationCount", "LogicalNot", "Sqrt", "Inv",
               "Reciprocal"]
UNARY_NEAR = ["Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cos", "Cosh", "Sin", "Sinh", "Tan", "Tanh", "Exp", "Expm1", "Log", "Log1p", "Rsqrt", "Sigmoid", "Erf",
              "Erfc", "Lgamma"]


@pytest.mark.parametrize("op", UNARY_EXACT + UNARY_NEAR)
def test_one_input(op):
    for dtype in registered(op) or [tf.bool]:
        if dtype == tf.variant or (op == "Round" and dtype.is_integer):
            continue  # TensorFlow 2.21 rounds every integer to 0; ours leaves them as they are
        for i, shape in enumerate([(), (4,), (33,), (0,), (2, 0, 3), (3, 5)]):
            x = values(dtype, shape, i)
            loose = {}
            if op in ("Inv", "Reciprocal") and dtype == tf.float32:
                loose = {"ulp": 1}  # TensorFlow says 0.99999994 for 1 / 1 in vectors
            if op == "Erf" and dtype == tf.float64:
                x = tf.where(tf.math.is_inf(x), tf.ones_like(x), x)  # TensorFlow says NaN
            if op in UNARY_NEAR or dtype.is_complex:
                loose = {"ulp": 1} if dtype.size == 2 else {"rtol": 2e-6 if dtype.size == 4 or dtype == tf.complex64 else 1e-12, "atol": 1e-6 if dtype.size == 4 or dtype == tf.complex64 else 1e-13, "ulp": 4}
            check(case(op, [x], **loose))


@pytest.mark.parametrize("op", ["Real", "Imag", "Angle", "ComplexAbs"])
def test_parts_of_complex_numbers(op):
    for dtype, real in [(tf.complex64, tf.float32), (tf.complex128, tf.float64)]:
        for shape in [(), (9,), (0, 2)]:
            check(case(op, [values(dtype, shape)], Tout=real, rtol=1e-6))


@pytest.mark.parametrize("op", ["LogicalAnd", "LogicalOr"])
def test_logic(op):
    for a, b in SHAPES:
        check(case(op, [values(tf.bool, a, 1), values(tf.bool, b, 2)]))


@pytest.mark.parametrize("op", ["Equal", "NotEqual"])
def test_shapes_that_do_not_fit_may_be_an_answer(op):
    for dtype in (tf.float32, tf.string):
        check(case(op, [values(dtype, (2, 3)), values(dtype, (4,))], incompatible_shape_error=False))
        check(case(op, [values(dtype, (2, 3)), values(dtype, (3,))], incompatible_shape_error=False))
