"""The safetensors library reads what we write, and the same map gives the same bytes; we read what it writes through NumPy and PyTorch."""
import numpy as np
import pytest
import safetensors
import safetensors.numpy
import safetensors.torch
import scipy.sparse as ss
import torch

import tensorferry as ferry

DTYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool", "complex64"]
SHAPES = [(), (0,), (3,), (2, 3), (0, 3), (2, 1, 3, 2)]
ALL = DTYPES + ["complex128", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e4m3b11fnuz",
                "float4_e2m1fn", "int4", "uint4", "int2", "uint2"]


def sample(dtype, shape, seed=0):
    rng = np.random.default_rng(seed)
    return np.asarray(rng.normal(size=shape) * 50).astype(dtype)


def every_array():
    return {f"{d}.{i}": sample(d, s) for d in DTYPES for i, s in enumerate(SHAPES)}


def test_same_map_same_bytes(tmp_path):
    safetensors.numpy.save_file(every_array(), tmp_path / "theirs.safetensors")
    ferry.save(tmp_path / "ours.safetensors", ferry.load(tmp_path / "theirs.safetensors"))
    assert (tmp_path / "ours.safetensors").read_bytes() == (tmp_path / "theirs.safetensors").read_bytes()


@pytest.mark.parametrize("name", ["one", "empty", "torch", "parts"])
def test_goldens_come_out_as_they_went_in(tmp_path, golden, ferry_cli, name):
    path = golden / "safetensors" / f"{name}.safetensors"
    plain = ["--no-parts"] if name == "parts" else []
    ferry_cli("convert", *plain, path, tmp_path / "ours.safetensors")
    assert (tmp_path / "ours.safetensors").read_bytes() == path.read_bytes()


def test_numpy_both_ways(tmp_path):
    arrays = every_array()
    ferry.save(tmp_path / "ours.safetensors", arrays)
    theirs = safetensors.numpy.load_file(tmp_path / "ours.safetensors")
    assert sorted(theirs) == sorted(arrays)
    safetensors.numpy.save_file(arrays, tmp_path / "theirs.safetensors", metadata={"format": "np"})
    ours = ferry.load(tmp_path / "theirs.safetensors")
    assert dict(ours.metadata) == {"format": "np"}
    for name, x in arrays.items():
        assert theirs[name].dtype == x.dtype
        np.testing.assert_array_equal(theirs[name], x)
        np.testing.assert_array_equal(np.asarray(ours[name]), x)


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "complex64", "uint16", "bool"])
def test_torch_both_ways(tmp_path, dtype):
    x = torch.tensor([[1.5, -2, 0], [0.25, 8, 3]]).to(getattr(torch, dtype))
    safetensors.torch.save_file({"x": x}, tmp_path / "theirs.safetensors")
    ours = ferry.load(tmp_path / "theirs.safetensors")
    ferry.save(tmp_path / "ours.safetensors", ours)
    back = safetensors.torch.load_file(tmp_path / "ours.safetensors")["x"]
    assert back.dtype == x.dtype and back.shape == x.shape
    bits = torch.uint8 if x.element_size() == 1 else torch.int16 if x.element_size() == 2 else torch.int64
    assert torch.equal(back.view(bits), x.view(bits))


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_library_opens_every_dtype(tmp_path, dtype, shape):
    import ml_dtypes
    kind = getattr(ml_dtypes, dtype, None) or dtype
    x = sample("int8", shape).astype("float32").astype(kind) if "int" not in dtype else sample("int8", shape).astype(kind)
    ferry.save(tmp_path / "x.safetensors", {"x": x})
    with safetensors.safe_open(tmp_path / "x.safetensors", "pt") as file:
        assert list(file.keys()) == ["x"]
        assert list(file.get_slice("x").get_shape())[:len(shape)] == list(shape)
    back = np.asarray(ferry.load(tmp_path / "x.safetensors")["x"])
    assert back.dtype == x.dtype and back.tobytes() == x.tobytes()


@pytest.mark.parametrize("layout", ["csr", "csc", "coo"])
def test_sparse_and_ragged_open_elsewhere(tmp_path, layout):
    x = ss.random_array((12, 9), density=0.2, rng=np.random.default_rng(1), format=layout, dtype=np.float32)
    rows = ferry.RaggedTensor.from_lists([[1, 2], [], [3]])
    ferry.save(tmp_path / "x.safetensors", {"x": ferry.from_scipy(x), "words": np.array([b"a", b"bc\0"], object), "rows": rows})
    theirs = safetensors.numpy.load_file(tmp_path / "x.safetensors")
    np.testing.assert_array_equal(theirs["x/values"], x.data)
    np.testing.assert_array_equal(theirs["x/dense_shape"], x.shape)
    if layout == "coo":
        np.testing.assert_array_equal(theirs["x/indices"], np.stack(x.coords, axis=1))
    else:
        np.testing.assert_array_equal(theirs["x/indptr"], x.indptr)
    np.testing.assert_array_equal(theirs["rows/row_splits"], [0, 2, 2, 3])
    back = ferry.load(tmp_path / "x.safetensors")
    assert back["rows"] == rows and back["words"].tolist() == [b"a", b"bc\0"]
    assert back["x"].layout == layout
    np.testing.assert_array_equal(back["x"].to_scipy().toarray(), x.toarray())


def test_what_the_library_refuses_is_refused(golden):
    for path in sorted((golden / "safetensors" / "bad").glob("*.safetensors")):
        with pytest.raises(ferry.Error):
            for tensor in ferry.load(path).values():
                np.asarray(tensor)
