"""zarr: what zarr-python and AnnData write, of versions 2 and 3, reads as they read it."""
import pathlib

import numpy as np
import pytest
import scipy.sparse as ss

import tensorferry as ferry

zarr = pytest.importorskip("zarr", minversion="3")
GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "zarr"

DTYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool", "complex64", "complex128"]


def assert_same(ours, theirs):
    theirs = np.asarray(theirs)
    if theirs.dtype.kind == "M":
        theirs = theirs.astype(np.int64)
    ours = np.asarray(ours)
    if theirs.dtype.kind in "USOT":
        as_text = lambda v: v if isinstance(v, str) else bytes(v).decode()
        assert [as_text(v) for v in ours.ravel().tolist()] == [as_text(v) for v in theirs.ravel().tolist()]
        return
    assert ours.shape == theirs.shape
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["v2.zarr.zip", "v2_consolidated.zarr.zip", "v3.zarr.zip", "v3_consolidated.zarr.zip"])
def test_goldens_are_what_zarr_reads(name):
    ours = ferry.load(GOLDEN / name)
    group = zarr.open_group(zarr.storage.ZipStore(GOLDEN / name, read_only=True), mode="r")
    seen = 0
    for path, array in group.members(max_depth=None):
        if isinstance(array, zarr.Array) and path not in ("null", "filters"):
            assert_same(ours[path], array[...])
            seen += 1
    assert seen > 10


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_folders_of_every_dtype(tmp_path, version, dtype):
    x = (np.random.default_rng(0).normal(size=(5, 7, 3)) * 50).astype(dtype)
    group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=version)
    group.create_array("a/x", shape=x.shape, chunks=(2, 3, 3), dtype=dtype)[:] = x
    group.create_array("whole", shape=x.shape, chunks=x.shape, dtype=dtype, compressors=None)[:] = x
    ours = ferry.load(tmp_path / "x.zarr")
    assert_same(ours["a/x"], x)
    assert_same(ours["whole"], x)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("layout", ["csr", "csc"])
def test_anndata_elements(tmp_path, version, layout):
    anndata = pytest.importorskip("anndata")
    x = ss.random_array((12, 9), density=0.2, rng=np.random.default_rng(1), format=layout)
    group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=version)
    anndata.io.write_elem(group, "x", x)
    ours = ferry.load(tmp_path / "x.zarr")
    assert ours["x"].layout == layout
    np.testing.assert_array_equal(ours["x"].to_scipy().toarray(), x.toarray())
