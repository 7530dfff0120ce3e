import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tensorferry as ferry  # noqa: E402
from tensorferry import DenseTensor, RaggedTensor, SparseTensor  # noqa: E402

PLAIN = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "bfloat16", "float32", "float64", "complex64",
         "complex128"]  # fmt: skip
ODD = ["float8_e5m2", "float8_e4m3fn", "int4", "uint4", "qint8", "quint8", "qint32", "qint16", "quint16"]
SHAPES = [(), (0,), (3,), (2, 3)]


def values(dtype, shape):
    count = int(np.prod(shape))
    if dtype == "string":
        return tf.reshape(tf.constant([b"a\x00", b"", b"ccc" * 50, b"d", b"e", b"f"][:count], tf.string), shape)
    if dtype.startswith(("q", "quint")):
        plain = {"qint8": tf.int8, "quint8": tf.uint8, "qint32": tf.int32, "qint16": tf.int16, "quint16": tf.uint16}[dtype]
        return tf.bitcast(tf.reshape(tf.cast(tf.range(count), plain), shape), dtype)
    numbers = tf.cast(tf.range(count) % 4, tf.float32 if dtype.startswith("float8") else tf.int32)
    return tf.cast(tf.reshape(numbers, shape), dtype)


@pytest.mark.parametrize("dtype", ODD)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_dense_of_dtypes_that_few_ops_take(dtype, shape):
    a = values(dtype, shape)
    x = ferry.as_tensor(a)
    assert x.dtype == dtype and x.dtype == a.dtype and x.shape == shape
    b = x.to_tf()
    assert b.dtype == a.dtype and b.shape == a.shape and b.numpy().tobytes() == a.numpy().tobytes()
    if dtype.startswith(("q", "quint")):
        return  # make_tensor_proto calls them plain integers
    array = np.asarray(b.numpy())  # it cannot read a scalar tensor of these itself
    assert ferry.parse_tensor(tf.make_tensor_proto(array).SerializeToString()) == x


@pytest.mark.parametrize("dtype", [*PLAIN, "string"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_dense_and_its_bytes(dtype, shape):
    a = values(dtype, shape)
    x = ferry.as_tensor(a)
    assert isinstance(x, DenseTensor) and x.dtype == dtype and x.dtype == a.dtype and x.shape == shape
    b = x.to_tf()
    assert b.dtype == a.dtype and b.shape == a.shape
    wanted = tf.io.serialize_tensor(a).numpy()
    assert tf.io.serialize_tensor(b).numpy() == wanted
    assert ferry.serialize_tensor(x) == ferry.serialize_tensor(a) == wanted
    assert ferry.parse_tensor(wanted, a.dtype) == x
    assert tf.io.serialize_tensor(tf.io.parse_tensor(ferry.serialize_tensor(x), a.dtype)).numpy() == wanted


def test_dense_shares_memory():
    a = tf.random.uniform((1000,))
    x, y = ferry.as_tensor(a), ferry.as_tensor(a)
    assert x.to_numpy().__array_interface__["data"][0] == y.to_numpy().__array_interface__["data"][0]
    assert x.to_numpy().__array_interface__["data"][0] == np.asarray(memoryview(a)).__array_interface__["data"][0]
    assert ferry.as_tensor(a, copy=True).to_numpy().__array_interface__["data"][0] != x.to_numpy().__array_interface__["data"][0]


def test_variables_are_copied():
    v = tf.Variable([1.0, 2.0])
    x = ferry.as_tensor(v)
    v.assign([3.0, 4.0])
    assert x.tolist() == [1.0, 2.0]


SPARSE = PLAIN + ["string"]


@pytest.mark.parametrize("dtype", SPARSE)
def test_sparse_and_its_bytes(dtype):
    indices = [[0, 1], [1, 0], [2, 3]]
    v = values(dtype, (3,)) if dtype == "string" else tf.cast([1, 2, 3], dtype)
    a = tf.SparseTensor(indices, v, (3, 4))
    x = SparseTensor.from_tf(a)
    assert x.dtype == dtype and x.indices.tolist() == indices and x.shape == (3, 4) and x.sorted and x.unique
    b = x.to_tf()
    assert b.dtype == a.dtype and b.indices.numpy().tolist() == indices and (b.values.numpy() == a.values.numpy()).all()
    one, many = tf.io.serialize_sparse(a).numpy(), tf.io.serialize_many_sparse(a).numpy()
    assert ferry.serialize_sparse(x).tolist() == one.tolist()
    assert ferry.serialize_many_sparse(a).tolist() == many.tolist()
    assert ferry.deserialize_sparse(one, dtype) == x
    assert ferry.deserialize_many_sparse(many, a.dtype, 2) == x
    back = tf.io.deserialize_many_sparse(ferry.serialize_many_sparse(x), a.dtype, 2)
    assert back.indices.numpy().tolist() == indices and back.dense_shape.numpy().tolist() == [3, 4]


def test_sparse_shares_memory():
    a = tf.SparseTensor([[0, 1], [2, 0]], [1.0, 2.0], (3, 4))
    x = SparseTensor.from_tf(a)
    for ours, theirs in ((x.values, a.values), (x.indices, a.indices)):
        assert ours.__array_interface__["data"][0] == np.asarray(memoryview(theirs)).__array_interface__["data"][0]


def test_unsorted_is_sorted_for_tensorflow():
    x = SparseTensor([[2, 0], [0, 1]], [5.0, 2.0], (3, 4))
    assert tf.sparse.to_dense(x.to_tf()).numpy().tolist() == x.to_numpy().tolist()
    for layout in ("csr", "csc"):
        assert tf.sparse.to_dense(x.to_layout(layout).to_tf()).numpy().tolist() == x.to_numpy().tolist()


def test_kernels_agree_with_tf_sparse():
    rng = np.random.default_rng(2)
    dense = (rng.integers(1, 9, (6, 5)) * (rng.random((6, 5)) < 0.5)).astype(np.float32)
    a, x = tf.sparse.from_dense(dense), SparseTensor.from_dense(dense)
    assert x == SparseTensor.from_tf(a)
    right = rng.random((5, 3), np.float32)
    np.testing.assert_allclose(x @ right, tf.sparse.sparse_dense_matmul(a, right), rtol=1e-6)
    assert x.slice((1, 2), (3, 9)) == SparseTensor.from_tf(tf.sparse.slice(a, (1, 2), (3, 9)))
    assert ferry.concat([x, x], 1) == SparseTensor.from_tf(tf.sparse.concat(1, [a, a]))
    assert x.T == SparseTensor.from_tf(tf.sparse.transpose(a))
    assert x.reshape((5, 6)) == SparseTensor.from_tf(tf.sparse.reshape(a, (5, 6)))
    assert x + x == SparseTensor.from_tf(tf.sparse.add(a, a))


@pytest.mark.parametrize("rows", [[[1, 2], [], [3]], [[[1, 2], []], [], [[3]]], [[], []]])
def test_ragged_there_and_back(rows):
    a = tf.ragged.constant(rows, tf.int64)
    x = RaggedTensor.from_tf(a)
    assert x.tolist() == rows and ferry.as_tensor(a) == x
    b = x.to_tf()
    assert b.to_list() == rows and b.dtype == a.dtype and b.ragged_rank == a.ragged_rank
    if x.ragged_rank == 1:
        np.testing.assert_array_equal(x.to_dense(), a.to_tensor())
        assert x.to_sparse() == SparseTensor.from_tf(a.to_sparse())


def test_ragged_strings_and_splits():
    a = tf.RaggedTensor.from_row_splits(tf.constant(["a", "bb"]), tf.constant([0, 1, 2], tf.int32))
    x = RaggedTensor.from_tf(a)
    assert x.tolist() == [[b"a"], [b"bb"]] and x.row_splits.dtype == np.int32 and x.to_tf().row_splits.dtype == tf.int32


def test_what_is_no_sparse_tensor_says_so():
    with pytest.raises(TypeError, match="from_dense"):
        SparseTensor.from_tf(tf.constant([1.0]))
    with pytest.raises(TypeError, match="IndexedSlices"):
        ferry.as_tensor(tf.IndexedSlices(tf.ones((1, 2)), tf.constant([0]), tf.constant([3, 2])))
