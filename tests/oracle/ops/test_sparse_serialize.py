"""Sparse tensors as strings and variants, and kept in maps."""
import pytest
import tensorflow as tf

from harness import case, check, check_function, values
from test_sparse import REAL, SHAPES, coo


@pytest.mark.parametrize("dtype", REAL)
def test_serialized(dtype):
    for seed, (shape, nnz) in enumerate(SHAPES):
        x = coo(dtype, shape, nnz, seed)
        check(case("SerializeSparse", x, out_type=tf.string))
        text = tf.raw_ops.SerializeSparse(sparse_indices=x[0], sparse_values=x[1], sparse_shape=x[2])
        check(case("DeserializeSparse", [text], dtype=dtype))
        check(case("DeserializeSparse", [tf.stack([text, text])], dtype=dtype))
        check(case("DeserializeSparse", [tf.stack([tf.stack([text, text, text])] * 2)], dtype=dtype))
        check(case("DeserializeManySparse", [tf.stack([text, text])], dtype=dtype))
        check(case("SerializeManySparse", x, out_type=tf.string))
        if len(shape) > 1 and shape[0] > 0:
            many = tf.raw_ops.SerializeManySparse(sparse_indices=x[0], sparse_values=x[1], sparse_shape=x[2])
            check(case("DeserializeManySparse", [many], dtype=dtype))
            check(case("DeserializeSparse", [many], dtype=dtype))


@pytest.mark.parametrize("dtype", REAL)
def test_variants(dtype):
    def one(i, v, s):
        a = tf.raw_ops.SerializeSparse(sparse_indices=i, sparse_values=v, sparse_shape=s, out_type=tf.variant)
        return tf.raw_ops.DeserializeSparse(serialized_sparse=a, dtype=dtype)

    def many(i, v, s):
        a = tf.raw_ops.SerializeManySparse(sparse_indices=i, sparse_values=v, sparse_shape=s, out_type=tf.variant)
        return tf.raw_ops.DeserializeSparse(serialized_sparse=a, dtype=dtype)

    def kept(i, v, s):
        a = tf.raw_ops.AddManySparseToTensorsMap(sparse_indices=i, sparse_values=v, sparse_shape=s, shared_name="kept")
        return tf.raw_ops.TakeManySparseFromTensorsMap(sparse_handles=a, dtype=dtype, shared_name="kept")

    for seed, (shape, nnz) in enumerate(SHAPES if dtype in (tf.float32, tf.string) else SHAPES[:1]):
        x = coo(dtype, shape, nnz, seed)
        check_function(one, x, "SerializeSparse")
        if len(shape) > 1:
            check_function(many, x, "SerializeManySparse")
            check_function(kept, x, "AddManySparseToTensorsMap")


def test_bad_serialized():
    x = coo(tf.float32, (4, 5), 7)
    text = tf.raw_ops.SerializeSparse(sparse_indices=x[0], sparse_values=x[1], sparse_shape=x[2])
    other = coo(tf.float32, (4,), 2)
    line = tf.raw_ops.SerializeSparse(sparse_indices=other[0], sparse_values=other[1], sparse_shape=other[2])
    check(case("DeserializeSparse", [text], dtype=tf.int32))
    check(case("DeserializeSparse", [text[:2]], dtype=tf.float32))
    check(case("DeserializeSparse", [tf.stack([text, line])], dtype=tf.float32))
    check(case("DeserializeSparse", [tf.constant([b"", b"x", b""])], dtype=tf.float32))
    check(case("DeserializeManySparse", [text], dtype=tf.float32))
    check(case("SerializeSparse", [x[0], x[1], x[2][None]], out_type=tf.string))
    check(case("SerializeSparse", [x[0][0], x[1], x[2]], out_type=tf.string))
    check(case("SerializeManySparse", [tf.reverse(x[0], [0]), x[1], x[2]], out_type=tf.string))
    check(case("SerializeManySparse", coo(tf.float32, (4,), 2), out_type=tf.string))


def test_a_tensor_is_taken_from_a_map_once():
    def twice(i, v, s):
        a = tf.raw_ops.AddManySparseToTensorsMap(sparse_indices=i, sparse_values=v, sparse_shape=s, shared_name="twice")
        first = tf.raw_ops.TakeManySparseFromTensorsMap(sparse_handles=a, dtype=tf.float32, shared_name="twice")
        with tf.control_dependencies([first[0]]):
            return tf.raw_ops.TakeManySparseFromTensorsMap(sparse_handles=a, dtype=tf.float32, shared_name="twice")

    check_function(twice, coo(tf.float32, (4, 5), 7), "TakeManySparseFromTensorsMap")
