"""npy and npz: NumPy and SciPy read what we write, we read what they write, for every dtype both know."""
import numpy as np
import pytest
import scipy.sparse as ss

import tensorferry as ferry

DTYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool", "complex64", "complex128"]
SHAPES = [(), (0,), (3,), (2, 3), (0, 3), (2, 1, 3, 2)]


def sample(dtype, shape, seed=0):
    rng = np.random.default_rng(seed)
    return np.asarray((rng.normal(size=shape) * 50)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_npy_bytes_are_numpys(tmp_path, dtype, shape):
    x = sample(dtype, shape)
    np.save(tmp_path / "theirs.npy", x)
    ferry.save(tmp_path / "ours.npy", {"": x})
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()
    np.testing.assert_array_equal(np.asarray(ferry.load(tmp_path / "theirs.npy")), x)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("endian", ["<", ">"])
def test_npy_orders_and_ends(tmp_path, order, endian):
    x = np.asarray(sample("float64", (3, 4)), order=order).astype(endian + "f8", order=order)
    np.save(tmp_path / "x.npy", x)
    np.testing.assert_array_equal(np.asarray(ferry.load(tmp_path / "x.npy")), x)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_npz_of_numpy(tmp_path, write):
    arrays = {f"{d}/{i}": sample(d, s) for d in DTYPES for i, s in enumerate(SHAPES)}
    write(tmp_path / "x.npz", **arrays)
    ours = ferry.load(tmp_path / "x.npz")
    assert list(ours) == list(arrays)
    for name, x in arrays.items():
        np.testing.assert_array_equal(np.asarray(ours[name]), x)
    ferry.save(tmp_path / "ours.npz", ours)
    theirs = np.load(tmp_path / "ours.npz")
    for name, x in arrays.items():
        np.testing.assert_array_equal(theirs[name], x)
        assert theirs[name].dtype == x.dtype


@pytest.mark.parametrize("layout", ["csr", "csc", "coo"])
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "complex128", "bool"])
def test_scipy_npz_both_ways(tmp_path, layout, compressed, dtype):
    x = ss.random_array((12, 9), density=0.2, rng=np.random.default_rng(1), format=layout)
    x = x.astype(dtype)
    ss.save_npz(tmp_path / "theirs.npz", x, compressed=compressed)
    ours = ferry.load(tmp_path / "theirs.npz")
    assert ours.layout == layout
    np.testing.assert_array_equal(ours.to_scipy().toarray(), x.toarray())
    ferry.save(tmp_path / "ours.npz", ours)
    back = ss.load_npz(tmp_path / "ours.npz")
    assert back.format == layout and back.dtype == x.dtype
    np.testing.assert_array_equal(back.toarray(), x.toarray())


@pytest.mark.parametrize("shape", [(5,), (3, 4, 5)])
def test_scipy_npz_of_other_ranks(tmp_path, shape):
    x = ss.random_array(shape, density=0.3, rng=np.random.default_rng(2), format="coo")
    ss.save_npz(tmp_path / "theirs.npz", x)
    ours = ferry.load(tmp_path / "theirs.npz")
    np.testing.assert_array_equal(np.asarray(ours.to_dense()), x.toarray())
    ferry.save(tmp_path / "ours.npz", ours)
    np.testing.assert_array_equal(ss.load_npz(tmp_path / "ours.npz").toarray(), x.toarray())
