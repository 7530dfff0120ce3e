"""onnx: the onnx package reads what we write and its checker accepts it; we read what it writes."""
import ml_dtypes
import numpy as np
import onnx
import pytest
import scipy.sparse as ss
from onnx import TensorProto, helper, numpy_helper

import tensorferry as ferry

DTYPES = ["float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool", "complex64", "complex128",
          "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "int4", "uint4", "int2", "uint2", "float4_e2m1fn"]
SHAPES = [(), (0, 3), (1,), (5,), (2, 3)]


def sample(dtype, shape):
    kind = np.dtype(dtype if dtype[0] in "uib" and not dtype.startswith("bf") and dtype[-2:] not in ("t4", "t2") or dtype in ("float16", "float32", "float64") or
                    dtype.startswith("complex") else getattr(ml_dtypes, dtype))
    return (np.arange(int(np.prod(shape))) % 2).reshape(shape).astype(kind)


def same(ours, theirs):
    ours = np.asarray(ours, order="C")
    assert ours.shape == theirs.shape and ours.dtype.itemsize == theirs.dtype.itemsize
    assert ours.tobytes() == np.asarray(theirs, order="C").tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_tensors_both_ways(tmp_path, dtype, shape):
    x = sample(dtype, shape)
    theirs = numpy_helper.from_array(x, "x")
    (tmp_path / "theirs.pb").write_bytes(theirs.SerializeToString())
    if x.size:
        same(ferry.load(tmp_path / "theirs.pb", format="onnx")["x"], x)
    ferry.save(tmp_path / "ours.onnx", {"x": x})
    model = onnx.load(tmp_path / "ours.onnx")
    onnx.checker.check_model(model)
    same(x, numpy_helper.to_array(model.graph.initializer[0]))
    assert model.graph.initializer[0].SerializeToString() == theirs.SerializeToString()


@pytest.mark.parametrize("dtype", ["FLOAT", "DOUBLE", "INT32", "INT64", "UINT8", "UINT64", "FLOAT16", "BFLOAT16", "BOOL", "COMPLEX64", "INT4", "FLOAT8E5M2"])
def test_fields_of_values(tmp_path, dtype):
    values = [0, 1, 1, 0, 1]
    theirs = helper.make_tensor("x", getattr(TensorProto, dtype), [5], values)
    (tmp_path / "x.pb").write_bytes(theirs.SerializeToString())
    same(ferry.load(tmp_path / "x.pb", format="onnx")["x"], numpy_helper.to_array(theirs))


def test_strings(tmp_path):
    ferry.save(tmp_path / "x.onnx", {"s": np.array([b"a", b"", b"\xc3\xa9"])})
    model = onnx.load(tmp_path / "x.onnx")
    onnx.checker.check_model(model)
    assert list(model.graph.initializer[0].string_data) == [b"a", b"", b"\xc3\xa9"]


def test_sparse_initializers_pass_the_checker(tmp_path):
    x = ss.random_array((20, 30), density=0.1, rng=np.random.default_rng(0), format="coo", dtype=np.float32)
    ferry.save(tmp_path / "x.onnx", {"x": ferry.SparseTensor.from_dense(x.toarray())})
    model = onnx.load(tmp_path / "x.onnx")
    onnx.checker.check_model(model)
    sparse = model.graph.sparse_initializer[0]
    onnx.checker.check_sparse_tensor(sparse)
    indices, values = numpy_helper.to_array(sparse.indices), numpy_helper.to_array(sparse.values)
    back = np.zeros(tuple(sparse.dims), np.float32)
    back[tuple(indices.T)] = values
    np.testing.assert_array_equal(back, x.toarray())


def test_models_with_external_data(tmp_path):
    arrays = {f"w{i}": np.random.default_rng(i).normal(size=(100, i + 1)).astype(np.float32) for i in range(4)}
    graph = helper.make_graph([], "g", [], [], initializer=[numpy_helper.from_array(a, n) for n, a in arrays.items()])
    onnx.save(helper.make_model(graph), tmp_path / "x.onnx", save_as_external_data=True, location="x.data", size_threshold=0)
    ours = ferry.load(tmp_path / "x.onnx")
    for name, x in arrays.items():
        np.testing.assert_array_equal(np.asarray(ours[name]), x)


def test_layouts_and_ragged_come_back(tmp_path):
    x = ss.random_array((6, 5), density=0.4, rng=np.random.default_rng(0), format="csr", dtype=np.float32)
    ragged = ferry.RaggedTensor.from_rows([[1, 2], [], [3]]) if hasattr(ferry.RaggedTensor, "from_rows") else None
    tensors = {"csr": ferry.SparseTensor.from_scipy(x)} | ({"ragged": ragged} if ragged is not None else {})
    ferry.save(tmp_path / "x.onnx", tensors)
    onnx.checker.check_model(onnx.load(tmp_path / "x.onnx"))
    ours = ferry.load(tmp_path / "x.onnx")
    assert ours["csr"].layout == "csr"
    np.testing.assert_array_equal(ours["csr"].to_scipy().toarray(), x.toarray())
