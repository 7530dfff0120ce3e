import numpy as np
import pytest
from conftest import PLAIN, sample

import tensorferry as ferry


@pytest.mark.parametrize("dtype", [*PLAIN, "string"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_tensors_come_back(dtype, shape):
    array = sample(dtype, int(np.prod(shape))).reshape(shape)
    blob = ferry.serialize_tensor(array)
    assert isinstance(blob, bytes) and blob == ferry.serialize_tensor(ferry.DenseTensor(array)) == ferry.dumps(array, "tensorproto")
    x = ferry.parse_tensor(blob)
    assert x.dtype == dtype and x.shape == shape
    np.testing.assert_array_equal(x.to_numpy(), array)
    assert ferry.parse_tensor(memoryview(blob), dtype) == x


def test_known_bytes():
    assert ferry.serialize_tensor(np.float32(1.5)) == b"\x08\x01\x12\x00\x22\x04\x00\x00\xc0\x3f"
    assert ferry.serialize_tensor(np.array([1, 2], np.int32)) == b"\x08\x03\x12\x04\x12\x02\x08\x02\x22\x08\x01\x00\x00\x00\x02\x00\x00\x00"


def test_strides_and_byte_order_are_straightened():
    array = np.arange(12, dtype=">i4").reshape(3, 4).T
    np.testing.assert_array_equal(ferry.parse_tensor(ferry.serialize_tensor(array)).to_numpy(), array)


def test_another_dtype_is_refused():
    with pytest.raises(ferry.Error, match="float32 elements, expected int32"):
        ferry.parse_tensor(ferry.serialize_tensor(np.zeros(1, np.float32)), "int32")
    with pytest.raises(ferry.Error, match="serialize_sparse"):
        ferry.serialize_tensor(ferry.SparseTensor.from_dense(np.eye(2)))
    with pytest.raises(ferry.Error):
        ferry.parse_tensor(b"\xff\xff")
    with pytest.raises(TypeError):
        ferry.parse_tensor("text")


def test_sparse_comes_back(pairs):
    one = ferry.serialize_sparse(pairs)
    assert one.shape == (3,) and one.dtype == object and all(isinstance(b, bytes) for b in one)
    assert ferry.deserialize_sparse(one) == ferry.deserialize_sparse(list(one)) == pairs
    many = ferry.serialize_many_sparse(pairs)
    assert many.shape == (3, 3)
    assert ferry.deserialize_many_sparse(many) == ferry.deserialize_many_sparse(many.tolist()) == pairs
    assert ferry.deserialize_many_sparse(many, "float64", 2) == pairs
    assert ferry.serialize_many_sparse(pairs.tocsr()).tolist() == many.tolist()


def test_bad_serialized_tensors_are_refused(pairs):
    many = ferry.serialize_many_sparse(pairs)
    for bad in ([b"a", b"b"], [[b"a", b"b", b"c"], [b"a"]], many[:, :2], many[0]):
        with pytest.raises(ferry.Error):
            ferry.deserialize_many_sparse(bad)
    with pytest.raises(ferry.Error, match="float32"):
        ferry.deserialize_many_sparse(many, "float32")
    with pytest.raises(ferry.Error, match="rank"):
        ferry.deserialize_many_sparse(many, rank=1)
    with pytest.raises((TypeError, ferry.Error)):
        ferry.deserialize_sparse(["a", "b", "c"])
    with pytest.raises(TypeError):
        ferry.deserialize_sparse(np.array([1, 2, 3], object))
    loop = []
    loop.append(loop)
    with pytest.raises(ferry.Error):
        ferry.deserialize_sparse(loop)
