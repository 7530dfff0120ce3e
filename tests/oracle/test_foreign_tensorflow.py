"""tensorproto, tf_sparse and JSON against a running TensorFlow."""
import json

import numpy as np
import pytest
import tensorflow as tf

import tensorferry as ferry

DTYPES = ["float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool",
          "complex64", "complex128"]  # SerializeTensor has no kernel for the float8, quantized and 4-bit dtypes
SHAPES = [(), (0,), (3,), (2, 3), (0, 3), (1, 2, 1, 2, 1, 2, 2)]


def sample(dtype, shape):
    values = np.asarray(np.random.default_rng(0).normal(size=shape) * 20)
    return tf.constant(values.astype(getattr(tf, dtype).as_numpy_dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_serialize_tensor_is_byte_equal(dtype, shape):
    x = sample(dtype, shape)
    theirs = tf.io.serialize_tensor(x).numpy()
    ours = ferry.loads(theirs, format="tensorproto")
    assert ferry.dumps(ours, "tensorproto") == theirs
    tensor = ferry.parse_tensor(theirs)
    assert tensor.dtype.name == dtype and tuple(tensor.shape) == shape


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("values", [0, 1, 2, 6])
def test_value_lists_fill_up_as_in_tensorflow(dtype, values):
    """make_tensor_proto writes *_val fields for single values; a short list is filled with its last value."""
    from tensorflow.core.framework import tensor_pb2
    proto = tensor_pb2.TensorProto()
    full = tf.make_tensor_proto(np.arange(1, 7).astype(getattr(tf, dtype).as_numpy_dtype))
    proto.dtype = full.dtype
    proto.tensor_shape.CopyFrom(full.tensor_shape)
    field = {"float16": "half_val", "bfloat16": "half_val", "float32": "float_val", "float64": "double_val", "int64": "int64_val",
             "bool": "bool_val", "complex64": "scomplex_val", "complex128": "dcomplex_val", "uint32": "uint32_val",
             "uint64": "uint64_val"}.get(dtype, "int_val")
    source = np.arange(1, 7).astype(getattr(tf, dtype).as_numpy_dtype)[:values]
    if field == "half_val":
        getattr(proto, field).extend(int(v) for v in source.view(np.uint16))
    elif field in ("scomplex_val", "dcomplex_val"):
        for v in source:
            getattr(proto, field).extend([v.real, v.imag])
    else:
        getattr(proto, field).extend(source.tolist())
    blob = proto.SerializeToString()
    expected = tf.io.parse_tensor(blob, getattr(tf, dtype)).numpy()
    ours = ferry.parse_tensor(blob)
    assert np.asarray(ours).tobytes() == expected.tobytes()


def test_strings():
    x = tf.constant([[b"a", b""], [b"\xff\x00", "hé".encode()]])
    theirs = tf.io.serialize_tensor(x).numpy()
    assert ferry.dumps(ferry.loads(theirs, format="tensorproto"), "tensorproto") == theirs


def random_sparse(seed, shape, dtype=np.float32):
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random(shape) < 0.3, rng.integers(1, 100, shape), 0).astype(dtype)
    return tf.sparse.from_dense(dense)


@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 3, 4), (0, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.float64, np.int32])
def test_serialize_sparse_is_byte_equal(shape, dtype):
    x = random_sparse(1, shape, dtype)
    theirs = tf.io.serialize_tensor(tf.io.serialize_sparse(x)).numpy()
    ours = ferry.loads(theirs, format="tf_sparse")
    assert ferry.dumps(ours, "tf_sparse") == theirs
    if len(shape) > 1:
        many = tf.io.serialize_many_sparse(x)
        ours_many = ferry.serialize_many_sparse(ferry.from_tf(x))
        assert np.array_equal(np.asarray(ours_many, dtype=object), many.numpy())
        if shape[0]:
            back, expected = ferry.deserialize_many_sparse(many.numpy()), tf.io.deserialize_many_sparse(many, x.dtype)
            np.testing.assert_array_equal(back.indices, expected.indices.numpy())
            np.testing.assert_array_equal(back.values, expected.values.numpy())
            assert tuple(back.shape) == tuple(expected.dense_shape.numpy())


def test_the_json_people_post(tmp_path):
    text = '{"sparse_input": {"indices": [[0,0],[1,2],[2,3]], "values": [1,2,3], "dense_shape": [3,4]}}'
    x = ferry.loads(text.encode(), format="json")
    x = x["sparse_input"] if isinstance(x, ferry.TensorMap) else x
    expected = tf.sparse.SparseTensor(indices=[[0, 0], [1, 2], [2, 3]], values=[1, 2, 3], dense_shape=[3, 4])
    np.testing.assert_array_equal(np.asarray(x.to_dense()), tf.sparse.to_dense(expected).numpy())
    again = json.loads(ferry.dumps({"sparse_input": x}, "json"))
    assert again["sparse_input"]["indices"] == [[0, 0], [1, 2], [2, 3]]
