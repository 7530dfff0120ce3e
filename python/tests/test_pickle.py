import copy
import pickle

import numpy as np
import pytest
from conftest import PLAIN, address, sample

import tensorferry as ferry

TENSORS = {
    "dense": lambda: ferry.DenseTensor(np.arange(6.0).reshape(2, 3)),
    "scalar": lambda: ferry.DenseTensor(np.float32(2)),
    "empty": lambda: ferry.DenseTensor(np.zeros((0, 3))),
    "strings": lambda: ferry.DenseTensor(np.array([b"a", b"bc\x00"], object)),
    "bfloat16": lambda: ferry.DenseTensor(np.array([0x3F80], np.uint16)).view("bfloat16"),
    "coo": lambda: ferry.SparseTensor([[2, 0], [0, 1]], [5.0, 2.0], (3, 4)),
    "csr": lambda: ferry.SparseTensor.from_dense(np.eye(3), "csr"),
    "csc": lambda: ferry.SparseTensor.from_dense(np.eye(3), "csc"),
    "ragged": lambda: ferry.RaggedTensor.from_lists([[1, 2], [], [3]]),
    "nested": lambda: ferry.RaggedTensor.from_lists([[[1, 2], []], [], [[3]]]),
}


@pytest.mark.parametrize("kind", TENSORS)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_round_trip(kind, protocol):
    x = TENSORS[kind]()
    y = pickle.loads(pickle.dumps(x, protocol))
    assert y == x and repr(y) == repr(x)


@pytest.mark.parametrize("kind", TENSORS)
def test_out_of_band_buffers_are_not_copied(kind):
    x = TENSORS[kind]()
    buffers = []
    stream = pickle.dumps(x, 5, buffer_callback=buffers.append)
    assert buffers and pickle.loads(stream, buffers=buffers) == x
    if kind == "dense":
        y = pickle.loads(stream, buffers=buffers)
        assert address(y.to_numpy()) == address(x.to_numpy())
        assert len(stream) < 300


@pytest.mark.parametrize("dtype", PLAIN)
def test_every_dtype(dtype):
    x = ferry.DenseTensor(sample(dtype, 5))
    assert pickle.loads(pickle.dumps(x)) == x


@pytest.mark.parametrize("kind", TENSORS)
def test_copies(kind):
    x = TENSORS[kind]()
    assert copy.copy(x) is x
    deep = copy.deepcopy(x)
    assert deep == x and deep is not x
    assert x.copy() == x
    if kind in ("dense", "coo"):
        a, b = (t.to_numpy() if kind == "dense" else t.values for t in (x, deep))
        assert address(a) != address(b)


def test_facts_survive():
    x = ferry.SparseTensor.from_dense(np.eye(3))
    y = pickle.loads(pickle.dumps(x))
    assert y.sorted and y.unique


def test_map_round_trip():
    m = ferry.TensorMap({name: make() for name, make in TENSORS.items()}, {"who": "me"})
    m.tensor_metadata["coo"] = {"unit": "m"}
    n = pickle.loads(pickle.dumps(m))
    assert n == m and n.tensor_metadata == m.tensor_metadata


def test_damaged_pickles_are_errors():
    x = ferry.SparseTensor.from_dense(np.eye(3))
    layout, shape, order, parts = x._parts()
    with pytest.raises(ferry.Error):
        ferry.SparseTensor._from_parts(layout, (2, 2), order, parts)
    with pytest.raises(ferry.Error):
        ferry.SparseTensor._from_parts(layout, shape, order, parts[:1])
    with pytest.raises(ferry.Error):
        ferry.DenseTensor._from_parts("float64", (3,), [b"1234"])
