"""Matrix Market, libsvm and CSV: foreign tools read what we write, and we read what they write as they do."""
import itertools

import numpy as np
import pytest
import scipy.io
import scipy.sparse as ss
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

import tensorferry as ferry


def random_csr(seed, shape=(30, 40), density=0.1, dtype=np.float64):
    x = ss.random_array(shape, density=density, rng=np.random.default_rng(seed), format="csr")
    if np.issubdtype(dtype, np.integer):
        x.data = np.round(x.data * 1000)
    if np.issubdtype(dtype, np.complexfloating):
        x = x + 1j * x
    x = x.astype(dtype)
    x.sort_indices()
    return x


@pytest.mark.parametrize("path", ["coo", "csr", "csc"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "complex128"])
def test_scipy_reads_our_mtx(tmp_path, path, dtype):
    x = random_csr(1, dtype=np.dtype(dtype))
    ferry.save(tmp_path / "x.mtx", ferry.from_scipy(x.asformat(path)))
    back = scipy.io.mmread(tmp_path / "x.mtx")
    assert back.shape == x.shape
    # A float32 is written by the fewest digits that name it among float32s; SciPy reads them as float64.
    np.testing.assert_array_equal(back.toarray().astype(x.dtype), x.toarray())


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (1, 1), (5, 7)])
def test_scipy_reads_our_dense_mtx(tmp_path, shape):
    if 0 in shape:
        pytest.skip("SciPy's reader does not take empty arrays in every version")
    x = np.random.default_rng(2).normal(size=shape)
    ferry.save(tmp_path / "x.mtx", {"": x})
    np.testing.assert_array_equal(scipy.io.mmread(tmp_path / "x.mtx"), x)


@pytest.mark.parametrize("field,symmetry", list(itertools.product(["real", "integer", "complex", "pattern"], ["general", "symmetric", "skew-symmetric", "hermitian"])))
def test_mtx_reads_as_scipy_reads(tmp_path, field, symmetry):
    if (field, symmetry) in {("pattern", "skew-symmetric"), ("pattern", "hermitian"), ("real", "hermitian"), ("integer", "hermitian")}:
        pytest.skip("no such file")
    rng = np.random.default_rng(3)
    a = rng.integers(1, 9, (6, 6)).astype(np.complex128 if field == "complex" else np.float64)
    if field == "complex":
        a = a + 1j * rng.integers(1, 9, (6, 6))
    a[rng.random((6, 6)) < 0.6] = 0
    if symmetry == "symmetric":
        a = np.triu(a) + np.triu(a, 1).T
    elif symmetry == "skew-symmetric":
        a = np.triu(a, 1) - np.triu(a, 1).T
    elif symmetry == "hermitian":
        a = np.triu(a, 1) + np.triu(a, 1).conj().T + np.diag(np.diag(a).real)
    path = tmp_path / "x.mtx"
    scipy.io.mmwrite(path, ss.coo_matrix(a), field=field, symmetry=symmetry)
    ours, theirs = ferry.load(path), scipy.io.mmread(path)
    np.testing.assert_array_equal(np.asarray(ours.to_dense()).astype(theirs.dtype), theirs.toarray())


@pytest.mark.parametrize("zero_based", [True, False])
@pytest.mark.parametrize("query", [False, True])
def test_sklearn_and_we_read_one_another(tmp_path, zero_based, query):
    x = random_csr(4, (20, 15))
    y = np.random.default_rng(5).integers(-1, 3, 20).astype(float)
    qid = np.repeat(np.arange(5), 4) if query else None
    path = tmp_path / "x.libsvm"
    dump_svmlight_file(x, y, str(path), zero_based=zero_based, query_id=qid)
    ours = ferry.load(path, base=0 if zero_based else 1, columns=15)
    theirs = load_svmlight_file(str(path), n_features=15, zero_based=zero_based, query_id=query)
    np.testing.assert_array_equal(np.asarray(ours["x"].to_dense()), theirs[0].toarray())
    np.testing.assert_array_equal(np.asarray(ours["y"]), theirs[1])
    if query:
        np.testing.assert_array_equal(np.asarray(ours["qid"]), theirs[2])
    ferry.save(tmp_path / "ours.libsvm", ours)
    again = load_svmlight_file(str(tmp_path / "ours.libsvm"), n_features=15, query_id=query, zero_based="auto")
    np.testing.assert_array_equal(again[0].toarray(), theirs[0].toarray())
    np.testing.assert_array_equal(again[1], theirs[1])


def test_numpy_reads_our_csv_pairs(tmp_path):
    x = random_csr(6, (9, 11)).tocoo()
    ferry.save(tmp_path / "x.csv", ferry.from_scipy(x), plain=True)
    table = np.loadtxt(tmp_path / "x.csv", delimiter=",", skiprows=1)
    back = ss.coo_array((table[:, 2], (table[:, 0].astype(int), table[:, 1].astype(int))), x.shape)
    np.testing.assert_array_equal(back.toarray(), x.toarray())
