"""Products of matrices, batches of them, Einsum, BiasAdd. Sums are made in another order than TensorFlow's: float results are near, integers equal."""
import numpy as np
import pytest
import tensorflow as tf

from harness import case, check, registered, values

NEAR = {tf.float16: dict(rtol=4e-3, atol=4e-2), tf.bfloat16: dict(rtol=2e-2, atol=0.15), tf.float32: dict(rtol=1e-5, atol=2e-5), tf.complex64: dict(rtol=1e-5, atol=4e-5),
        tf.float64: dict(rtol=1e-12, atol=1e-12), tf.complex128: dict(rtol=1e-12, atol=1e-12)}


def declared(op):
    """int16 has a kernel that no graph can ask for."""
    return [d for d in registered(op) if d != tf.int16]


def finite(dtype, shape, seed=0):
    return values(dtype, shape, seed, extremes=dtype.is_integer)


@pytest.mark.parametrize("dtype", declared("MatMul"), ids=lambda d: d.name)
def test_matmul(dtype):
    for m, k, n in [(3, 4, 5), (1, 7, 9), (16, 16, 16), (0, 3, 2), (2, 0, 3), (2, 3, 0), (1, 1, 1), (33, 70, 65)]:
        for ta in (False, True):
            for tb in (False, True):
                a, b = finite(dtype, (k, m) if ta else (m, k), 1), finite(dtype, (n, k) if tb else (k, n), 2)
                check(case("MatMul", [a, b], transpose_a=ta, transpose_b=tb, **NEAR.get(dtype, {})))
    check(case("MatMul", [finite(dtype, (2, 3)), finite(dtype, (4, 2))]))
    check(case("MatMul", [finite(dtype, (2, 3)), finite(dtype, (3,))]))
    check(case("MatMul", [finite(dtype, (1, 2, 3)), finite(dtype, (3, 2))]))


def test_infinities_and_nans_of_products():
    x = values(tf.float32, (4, 4))
    check(case("MatMul", [x, tf.eye(4)], rtol=1e-6))


@pytest.mark.parametrize("op", ["BatchMatMul", "BatchMatMulV2"])
def test_batches(op):
    for dtype in declared(op):
        for a, b in [((2, 3, 4), (2, 4, 5)), ((3, 4), (4, 2)), ((2, 3, 1, 4), (2, 3, 4, 1)), ((0, 2, 3), (0, 3, 2)), ((2, 0, 3), (2, 3, 2)), ((2, 2, 0), (2, 0, 3)),
                     ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((5, 1, 3, 4), (2, 4, 2)), ((2, 3, 4), (3, 4, 5)), ((4,), (4, 5)), ((2, 2, 3), (2, 4, 3))]:
            x, y = finite(dtype, a, 1), finite(dtype, b, 2)
            check(case(op, [x, y], **NEAR.get(dtype, {})))
        for ax in (False, True):
            for ay in (False, True):
                x, y = finite(dtype, (3, 6, 5) if ax else (3, 5, 6), 3), finite(dtype, (3, 4, 6) if ay else (3, 6, 4), 4)
                check(case(op, [x, y], adj_x=ax, adj_y=ay, **NEAR.get(dtype, {})))


def test_batches_of_mixed_dtypes():
    names = [d for d in registered("BatchMatMulV3", "Ta")]
    for dtype in names:
        for out in [dtype] if dtype not in (tf.int8, tf.uint8) else [tf.int32]:
            for other in [dtype] if out == dtype else [tf.int8, tf.uint8]:
                x, y = finite(dtype, (2, 3, 4), 1), finite(other, (4, 5), 2)
                check(case("BatchMatMulV3", [x, y], Tout=out, **NEAR.get(dtype, {})))
    check(case("BatchMatMulV3", [finite(tf.float32, (2, 3, 4)), finite(tf.float32, (2, 5, 4))], Tout=tf.float32, adj_y=True, rtol=1e-5, atol=1e-5))


# A label of the result that no input has is refused; TensorFlow says something of its own making.
EQUATIONS = [("ab,bc->ac", (3, 4), (4, 5)), ("ba,bc->ac", (4, 3), (4, 5)), ("ab,cb->ac", (3, 4), (5, 4)), ("ab,bc->ca", (3, 4), (4, 5)), ("abc,acd->abd", (2, 3, 4), (2, 4, 5)),
             ("abc,cd->abd", (2, 3, 4), (4, 5)), ("BTNH,BFNH->BNFT", (2, 3, 4, 5), (2, 6, 4, 5)), ("...ab,...bc->...ac", (2, 3, 4), (2, 4, 5)),
             ("...ab,...bc->...ac", (7, 1, 3, 4), (2, 4, 5)), ("...ab,bc->...ac", (2, 3, 4), (4, 5)), ("ab,...bc->...ac", (3, 4), (6, 4, 5)), ("a,b->ab", (3,), (4,)),
             ("a,a->", (3,), (3,)), ("a,a->a", (3,), (3,)), (",->", (), ()), (",ab->ba", (), (2, 3)), ("ab,c->", (2, 3), (4,)), ("ab,ab->a", (2, 3), (2, 3)),
             ("abc,b->a", (2, 3, 4), (3,)), ("aab,b->a", (3, 3, 4), (4,)), ("aa,bb->ab", (3, 3), (4, 4)), ("ab,b->aab", (2, 3), (3,)), ("a...b,b->...", (2, 3, 4), (4,)),
             ("...,...->...", (2, 1, 3), (4, 1)), ("abcd,abde->abce", (2, 3, 2, 4), (2, 3, 4, 2)), ("ab,bc->abc", (0, 3), (3, 2)), ("ab,bc->ac", (2, 0), (0, 3)),
             ("ab,bc->ac", (2, 3), (4, 5)), ("ab->a", (2, 3), (2, 3)), ("abc,bc->a", (2, 3), (3, 4)), ("a.b,b->a", (2, 3), (3,)),
             ("ab,bc", (2, 3), (3, 2)), ("...a,a...->...", (2, 3), (3, 2)), ("...a,b...->ab", (2, 3), (4, 2)), ("b...a,ac...->b...c", (2, 5, 3), (3, 4, 5)),
             ("ab,ab->ba", (2, 3), (2, 3)), ("ijk,jil->kl", (3, 2, 4), (2, 3, 5)), ("abcde,edf->abcf", (1, 2, 3, 2, 3), (3, 2, 2))]
ONE = [("ab->ba", (2, 3)), ("aa->a", (3, 3)), ("aa->", (3, 3)), ("aaa->a", (3, 3, 3)), ("ab->", (2, 3)), ("ab->b", (2, 3)), ("abc->ca", (2, 3, 4)), ("a->aa", (3,)), ("ab->aabb", (2, 3)),
       ("...->...", (2, 3)), ("...a->a...", (2, 3, 4)), ("a...->...", (2, 3, 4)), ("...ii->...i", (2, 3, 3)), ("i...i->i...", (3, 2, 3)), ("->", ()), ("...aa->...", (2, 3, 3)),
       ("aba->b", (2, 3, 2)), ("aa->a", (2, 3)), ("abc->abc", (0, 2, 3)), ("abc->c", (2, 0, 3)), ("...a->a", (4, 2, 3)), ("a...->a", (4, 2)), ("ab->ab", (2,)), ("aab->ab", (2, 2, 3)),
       ("ab->bab", (2, 3))]


@pytest.mark.parametrize("dtype", registered("Einsum"), ids=lambda d: d.name)
def test_einsum(dtype):
    for equation, a, b in EQUATIONS:
        check(case("Einsum", [[finite(dtype, a, 1), finite(dtype, b, 2)]], equation=equation, **NEAR.get(dtype, {})))
    for equation, a in ONE:
        check(case("Einsum", [[finite(dtype, a, 1)]], equation=equation, **NEAR.get(dtype, {})))
    check(case("Einsum", [[finite(dtype, (2, 2)), finite(dtype, (2, 2)), finite(dtype, (2, 2))]], equation="ab,bc,cd->ad"))


@pytest.mark.parametrize("dtype", registered("BiasAdd"), ids=lambda d: d.name)
def test_bias(dtype):
    for shape in [(2, 3), (0, 3), (2, 0), (2, 4, 3), (2, 4, 5, 3), (2, 1, 4, 5, 3)]:
        x, last, second = values(dtype, shape), values(dtype, shape[-1:], 1), values(dtype, shape[1:2], 2)
        check(case("BiasAdd", [x, last]))
        check(case("BiasAddV1", [x, last]))
        check(case("BiasAdd", [x, second], data_format="NCHW"))
    check(case("BiasAdd", [values(dtype, (3,)), values(dtype, (3,))]))
    check(case("BiasAdd", [values(dtype, (2, 3)), values(dtype, (2,))]))
    check(case("BiasAdd", [values(dtype, (2, 3)), values(dtype, (1, 3))]))
