import numpy as np
import pytest
import scipy.sparse as sp

import tensorferry as ferry
from tensorferry import SparseTensor

DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "complex64", "complex128"]


def address(array):
    return array.__array_interface__["data"][0]


def matrix(dtype, format, seed=1):
    rng = np.random.default_rng(seed)
    dense = (rng.integers(1, 9, (7, 5)) * (rng.random((7, 5)) < 0.4)).astype(dtype)
    return dense, getattr(sp, f"{format}_array")(dense)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("format", ["coo", "csr", "csc"])
def test_there_and_back(dtype, format):
    dense, a = matrix(dtype, format)
    x = SparseTensor.from_scipy(a)
    assert x.layout == format and x.dtype == dtype and x.shape == a.shape
    np.testing.assert_array_equal(x.to_numpy(), dense)
    b = x.to_scipy()
    assert b.format == format and b.dtype == a.dtype
    np.testing.assert_array_equal(b.toarray(), dense)
    assert x == a and ferry.as_tensor(a) == x


@pytest.mark.parametrize("format", ["csr", "csc"])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_compressed_shares_all_three_arrays_both_ways(format, index):
    _, a = matrix("float32", format)
    a.indices, a.indptr = a.indices.astype(index), a.indptr.astype(index)
    x = SparseTensor.from_scipy(a)
    assert (address(x.values), address(x.indices), address(x.indptr)) == (address(a.data), address(a.indices), address(a.indptr))
    b = x.to_scipy()
    assert (address(b.data), address(b.indices), address(b.indptr)) == (address(a.data), address(a.indices), address(a.indptr))
    assert b.indices.dtype == index and b.has_sorted_indices and not b.data.flags.writeable
    c = x.to_scipy(copy=True)
    assert address(c.data) != address(a.data) and c.data.flags.writeable and c.indices.flags.writeable
    assert address(SparseTensor.from_scipy(a, copy=True).values) != address(a.data)


def test_coo_shares_values_and_takes_coordinates_as_views():
    _, a = matrix("float32", "coo")
    x = SparseTensor.from_scipy(a)
    assert address(x.values) == address(a.data)
    b = x.to_scipy()
    assert address(b.data) == address(a.data) and address(b.coords[0]) == address(x.indices)


@pytest.mark.parametrize("format", ["bsr", "dia", "lil", "dok"])
def test_other_formats_are_converted(format):
    dense, a = matrix("float64", format)
    np.testing.assert_array_equal(SparseTensor.from_scipy(a).to_numpy(), dense)


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_matrix, sp.coo_matrix])
def test_matrices_as_well_as_arrays(kind):
    dense, a = matrix("float64", "csr")
    assert SparseTensor.from_scipy(kind(a)) == SparseTensor.from_dense(dense)


def test_unsorted_duplicates_and_empty():
    a = sp.csr_array((np.array([1.0, 2.0, 3.0]), np.array([2, 0, 0]), np.array([0, 3, 3])), shape=(2, 3))
    x = SparseTensor.from_scipy(a)
    assert not x.sorted and x.nnz == 3
    np.testing.assert_array_equal(x.coalesce().to_numpy(), a.toarray())
    np.testing.assert_array_equal(x.to_scipy().toarray(), a.toarray())
    for shape in ((0, 0), (0, 3), (3, 0), (2, 2)):
        assert SparseTensor.from_scipy(sp.csr_array(shape)).shape == shape
        assert SparseTensor.from_scipy(sp.csr_array(shape)).to_scipy().shape == shape


def test_higher_and_lower_ranks():
    dense = np.arange(24.0).reshape(2, 3, 4) % 5
    a = sp.coo_array(dense)
    x = SparseTensor.from_scipy(a)
    np.testing.assert_array_equal(x.to_numpy(), dense)
    np.testing.assert_array_equal(x.to_scipy().toarray(), dense)
    line = SparseTensor.from_dense(np.array([0, 1.0, 0]))
    np.testing.assert_array_equal(line.to_scipy().toarray(), [0, 1, 0])
    assert SparseTensor.from_scipy(sp.csr_array(np.array([0, 1.0, 0]))) == line


def test_what_scipy_cannot_hold_says_so():
    with pytest.raises(TypeError, match="float16"):
        SparseTensor.from_dense(np.ones((2, 2), np.float16)).to_scipy()
    with pytest.raises(TypeError, match="string"):
        SparseTensor.from_pairs({(0, 0): "a"}, (1, 1)).to_scipy()
    with pytest.raises(TypeError, match="expected a scipy.sparse"):
        SparseTensor.from_scipy(np.eye(2))


def test_broken_matrices_are_refused():
    _, a = matrix("float64", "csr")
    a.indices = a.indices.copy()
    a.indices[0] = 99
    with pytest.raises(ferry.Error):
        SparseTensor.from_scipy(a)


def test_arithmetic_agrees():
    rng = np.random.default_rng(4)
    a, b = (sp.random_array((50, 40), density=0.1, rng=rng, format="csr") for _ in range(2))
    x, y = SparseTensor.from_scipy(a), SparseTensor.from_scipy(b)
    d = rng.random((40, 3))
    np.testing.assert_allclose(x @ d, a @ d)
    np.testing.assert_allclose((x + y).to_numpy(), (a + b).toarray())
    np.testing.assert_allclose((x + b).to_numpy(), (a + b).toarray())
    np.testing.assert_allclose(x.sum(0), a.sum(axis=0))
    np.testing.assert_allclose(x[3:20:2, ::-1].to_numpy(), a.toarray()[3:20:2, ::-1])
    assert ferry.allclose(x.T, SparseTensor.from_scipy(a.T.tocsr()))


def test_sklearn_takes_read_only_matrices():
    from sklearn.preprocessing import normalize

    dense, a = matrix("float64", "csr")
    np.testing.assert_allclose(normalize(SparseTensor.from_scipy(a).to_scipy()).toarray(), normalize(dense))
