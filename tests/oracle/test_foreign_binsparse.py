"""binsparse-python reads what we write, and we what it writes."""
import numpy as np
import pytest
import scipy.sparse as ss
import sparse

import tensorferry as ferry

binsparse = pytest.importorskip("binsparse")
from binsparse.conversions.numpy import from_numpy, to_numpy  # noqa: E402
from binsparse.conversions.scipy import from_scipy, to_scipy  # noqa: E402
from binsparse.conversions.sparse import from_sparse, to_sparse  # noqa: E402

DTYPES = ["float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool", "complex64", "complex128"]


def random(dtype, shape=(12, 9), layout="coo"):
    x = ss.random_array(shape, density=0.2, rng=np.random.default_rng(1), format="coo")
    x.data = np.round(x.data * 100 + 1)
    return x.astype(dtype).asformat(layout)


def one(path):
    loaded = ferry.load(path)
    return loaded[next(iter(loaded))] if isinstance(loaded, ferry.TensorMap) else loaded


@pytest.mark.parametrize("layout", ["csr", "csc", "coo"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_scipy_both_ways(tmp_path, layout, dtype):
    x = random(dtype, layout=layout)
    binsparse.save_binsparse(from_scipy(x), tmp_path / "theirs.npz")
    ours = one(tmp_path / "theirs.npz")
    assert ours.layout == layout and ours.dtype == x.dtype
    np.testing.assert_array_equal(ours.to_scipy().toarray(), x.toarray())
    ferry.save(tmp_path / "ours.bsp.npz", {"x": ours})
    theirs = to_scipy(binsparse.load_binsparse(tmp_path / "ours.bsp.npz"))
    assert theirs.format == layout and theirs.dtype == x.dtype
    np.testing.assert_array_equal(theirs.toarray(), x.toarray())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3), (0, 3), (2, 3, 4)])
def test_dense_both_ways(tmp_path, dtype, shape):
    x = np.asarray(np.random.default_rng(0).normal(size=shape) * 50).astype("int8").astype(dtype)
    ferry.save(tmp_path / "ours.bsp.npz", {"x": x})
    np.testing.assert_array_equal(to_numpy(binsparse.load_binsparse(tmp_path / "ours.bsp.npz")), x)
    binsparse.save_binsparse(from_numpy(x), tmp_path / "theirs.npz")
    ours = np.asarray(one(tmp_path / "theirs.npz"))
    assert ours.dtype == x.dtype
    np.testing.assert_array_equal(ours, x)


def test_more_axes_both_ways(tmp_path):
    x = sparse.random((4, 5, 6), density=0.1, random_state=3)
    ferry.save(tmp_path / "ours.bsp.npz", {"x": x})
    theirs = to_sparse(binsparse.load_binsparse(tmp_path / "ours.bsp.npz"))
    np.testing.assert_array_equal(theirs.todense(), x.todense())
    binsparse.save_binsparse(from_sparse(x), tmp_path / "theirs.npz")
    np.testing.assert_array_equal(np.asarray(one(tmp_path / "theirs.npz").to_dense()), x.todense())


def test_a_folder_of_several_is_one_container_each(tmp_path):
    a, b = random("float32"), random("int64", layout="csr")
    ferry.save(tmp_path / "two.bsp.npz", {"a": ferry.from_scipy(a), "b": ferry.from_scipy(b)})
    archive = np.load(tmp_path / "two.bsp.npz")
    for name, x in (("a", a), ("b", b)):
        members = {key[len(name) + 1:]: archive[key] for key in archive.files if key.startswith(name + "/")}
        theirs = to_scipy(binsparse.BinsparseTensor.parse(binsparse.NPZBinsparseContainer(members)))
        np.testing.assert_array_equal(theirs.toarray(), x.toarray())


def test_the_descriptor_in_safetensors_is_binsparses(tmp_path):
    import json

    import safetensors
    x = random("float64")
    ferry.save(tmp_path / "x.safetensors", {"x": ferry.from_scipy(x).sort()})
    with safetensors.safe_open(tmp_path / "x.safetensors", "np") as file:
        text = json.loads(file.metadata()["x/binsparse"])
        members = {}
        for name, place in text["arrays"].items():
            array, _, column = place.partition("[:,")
            members[name] = file.get_tensor(array)[:, int(column[:-1])] if column else file.get_tensor(array)
    members["binsparse"] = np.asarray(json.dumps(text))
    theirs = to_scipy(binsparse.BinsparseTensor.parse(binsparse.NPZBinsparseContainer(members)))
    np.testing.assert_array_equal(theirs.toarray(), x.toarray())
