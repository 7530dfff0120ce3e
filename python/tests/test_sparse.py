import itertools

import numpy as np
import pytest
from conftest import PLAIN, address, sample

import tensorferry as ferry
from tensorferry import SparseTensor


@pytest.mark.parametrize(
    "pairs",
    [
        {(2, 0): 5.0, (0, 1): 2.0},
        ([[2, 0], [0, 1]], [5.0, 2.0]),
        (np.array([[2, 0], [0, 1]], np.int32), np.array([5.0, 2.0])),
        [((2, 0), 5.0), ((0, 1), 2.0)],
        (p for p in [([2, 0], 5.0), ([0, 1], 2.0)]),
    ],
    ids=["dict", "lists", "arrays", "list of pairs", "generator"],
)
def test_from_pairs_takes_every_spelling(pairs):
    x = SparseTensor.from_pairs(pairs, shape=(3, 4))
    assert x.layout == "coo" and x.shape == (3, 4) and x.nnz == 2 and x.dtype == "float64" and x.sorted and x.unique
    assert x.indices.tolist() == [[0, 1], [2, 0]] and x.values.tolist() == [2.0, 5.0]


def test_from_pairs_without_a_shape_takes_the_smallest():
    assert SparseTensor.from_pairs({(0, 1): 2.0, (2, 0): 5.0}).shape == (3, 2)
    assert SparseTensor.from_pairs({4: 1, 2: 3}).shape == (5,)
    assert SparseTensor.from_pairs({4: 1, 2: 3}, shape=(9,)).indices.tolist() == [[2], [4]]


def test_from_pairs_of_nothing():
    x = SparseTensor.from_pairs({}, shape=(3, 4))
    assert x.nnz == 0 and x.shape == (3, 4)
    assert SparseTensor.from_pairs({}, shape=(3, 4), dtype="int32").dtype == "int32"
    assert SparseTensor.from_pairs({}, shape=(3, 4), dtype="string").dtype == "string"


def test_from_pairs_of_rank_0():
    x = SparseTensor.from_pairs({(): 3.0}, shape=())
    assert x.shape == () and x.nnz == 1 and x.to_dense().item() == 3.0


def test_from_pairs_of_strings():
    x = SparseTensor.from_pairs({(0, 1): "ab", (1, 0): b"c\x00"}, shape=(2, 2))
    assert x.dtype == "string" and x.values.tolist() == [b"ab", b"c\x00"]
    assert x.to_numpy().tolist() == [[b"", b"ab"], [b"c\x00", b""]]


@pytest.mark.parametrize("rule, wanted", [("sum", 7), ("first", 5), ("last", 2), ("min", 2), ("max", 5)])
def test_from_pairs_with_duplicates(rule, wanted):
    pairs = [((0, 0), 5), ((0, 0), 2)]
    assert SparseTensor.from_pairs(pairs, (1, 1), duplicates=rule).values.tolist() == [wanted]
    with pytest.raises(ferry.Error) as caught:
        SparseTensor.from_pairs(pairs, (1, 1))
    assert caught.value.code == "invalid_argument"
    with pytest.raises(ferry.Error, match="none of sum"):
        SparseTensor.from_pairs(pairs, (1, 1), duplicates="mean")


@pytest.mark.parametrize(
    "pairs, shape",
    [
        ({(0, 4): 1.0}, (3, 4)),
        ({(-1, 0): 1.0}, (3, 4)),
        ({(0, 1, 2): 1.0}, (3, 4)),
        ([((0, 1), 1.0), ((0,), 2.0)], (3, 4)),
        ({(0.5, 1): 1.0}, (3, 4)),
        (([[0, 1]], [1.0, 2.0]), (3, 4)),
        ({(0, 1): 1.0}, (3, -4)),
    ],
)
def test_from_pairs_refuses_what_does_not_fit(pairs, shape):
    with pytest.raises(ferry.Error) as caught:
        SparseTensor.from_pairs(pairs, shape)
    assert caught.value.code == "invalid_argument"


def test_from_pairs_names_the_pair_that_is_none():
    with pytest.raises(TypeError, match="pair 1 is 7"):
        SparseTensor.from_pairs([((0, 1), 1.0), 7])


@pytest.mark.parametrize("dtype", [*PLAIN, "string"])
@pytest.mark.parametrize("layout", ["coo", "csr", "csc"])
def test_dense_and_back(dtype, layout):
    dense = np.zeros((5, 6), object if dtype == "string" else dtype)
    if dtype == "string":
        dense[:] = b""
    dense.flat[[0, 7, 8, 29]] = sample(dtype, 4)
    x = SparseTensor.from_dense(dense, layout)
    assert x.layout == layout and x.nnz == 4 and x.dtype == dtype
    out = x.to_numpy()
    assert out.dtype == dense.dtype and out.flags.writeable
    np.testing.assert_array_equal(out, dense)
    assert x.to_dense() == ferry.DenseTensor(dense)


@pytest.mark.parametrize("shape", [(), (0,), (4,), (0, 3), (2, 3, 4), (2, 1, 3, 2)])
def test_dense_of_any_rank(shape):
    dense = np.arange(int(np.prod(shape))).reshape(shape) % 3
    x = SparseTensor.from_dense(dense)
    assert x.shape == shape and x.nnz == np.count_nonzero(dense)
    np.testing.assert_array_equal(x.to_numpy(), dense)


def test_parts_share_memory():
    indices, values = np.array([[0, 1], [2, 0]]), np.array([2.0, 5.0])
    x = SparseTensor(indices, values, (3, 4))
    assert address(x.indices) == address(indices) and address(x.values) == address(values)
    assert not x.indices.flags.writeable and not x.values.flags.writeable
    assert x.sorted and x.unique
    indptr, columns = np.array([0, 1, 1, 2], np.int32), np.array([1, 0], np.int32)
    y = SparseTensor.csr(indptr, columns, values, (3, 4))
    assert (address(y.indptr), address(y.indices), address(y.values)) == (address(indptr), address(columns), address(values))
    assert x == y
    with pytest.raises(AttributeError, match="indptr"):
        x.indptr
    z = SparseTensor(indices, values, (3, 4), copy=True)
    assert address(z.values) != address(values)


def test_indices_of_two_widths_meet_in_the_wider():
    x = SparseTensor.csr(np.array([0, 1], np.int64), np.array([0], np.int32), [1.0], (1, 1))
    assert x.indices.dtype == np.int64 and x.indptr.dtype == np.int64


@pytest.mark.parametrize(
    "make",
    [
        lambda: SparseTensor([[0, 4]], [1.0], (3, 4)),
        lambda: SparseTensor([[-1, 0]], [1.0], (3, 4)),
        lambda: SparseTensor([[0, 0]], [1.0, 2.0], (3, 4)),
        lambda: SparseTensor([[0, 0, 0]], [1.0], (3, 4)),
        lambda: SparseTensor([[0.5, 0]], [1.0], (3, 4)),
        lambda: SparseTensor(np.array([[2**63, 0]], np.uint64), [1.0], (3, 4)),
        lambda: SparseTensor.csr([0, 2, 1, 2], [0, 1], [1.0, 2.0], (3, 4)),
        lambda: SparseTensor.csr([0, 1, 2, 3], [0, 1], [1.0, 2.0], (3, 4)),
        lambda: SparseTensor.csr([0, 1, 2], [0, 1], [1.0, 2.0], (3, 4)),
        lambda: SparseTensor.csc([0, 1, 2, 2, 2], [0, 3], [1.0, 2.0], (3, 4)),
        lambda: SparseTensor([[0, 0], [0, 0]], [1.0, 2.0], (3, 4), validate="canonical"),
    ],
)
def test_broken_parts_are_refused(make):
    with pytest.raises(ferry.Error):
        make()


def test_facts_are_found_not_assumed():
    unsorted = SparseTensor([[2, 0], [0, 1]], [5.0, 2.0], (3, 4))
    assert not unsorted.sorted and unsorted.nnz == 2
    twice = SparseTensor([[0, 1], [0, 1]], [5.0, 2.0], (3, 4))
    assert twice.sorted and not twice.unique
    with pytest.raises(ferry.Error):
        twice.validate()
    with pytest.raises(ferry.Error):
        unsorted.validate("canonical")
    unsorted.validate("bounds")
    assert unsorted.sort().sorted and unsorted.sort().values.tolist() == [2.0, 5.0]
    assert twice.coalesce().values.tolist() == [7.0] and twice.coalesce("max").values.tolist() == [5.0]
    twice.coalesce().validate()
    assert twice == SparseTensor.from_pairs({(0, 1): 7.0}, (3, 4))


@pytest.mark.parametrize("a, b", list(itertools.product(["coo", "csr", "csc"], repeat=2)))
def test_layouts_convert_into_one_another(pairs, a, b):
    x = pairs.to_layout(a).to_layout(b)
    assert x.layout == b and x == pairs and x.dtype == pairs.dtype
    assert x.tocoo().layout == "coo" and x.tocsr().layout == "csr" and x.tocsc().layout == "csc"
    if b != "coo":
        assert x.indices.dtype == np.int32
        assert x.to_layout(b, index_dtype="int64").indices.dtype == np.int64


def test_arithmetic_as_numpy():
    rng = np.random.default_rng(3)
    a, b = (rng.integers(-3, 4, (6, 5)) * (rng.random((6, 5)) < 0.4) for _ in range(2))
    for layout in ("coo", "csr", "csc"):
        x, y = SparseTensor.from_dense(a, layout), SparseTensor.from_dense(b, layout)
        np.testing.assert_array_equal((x + y).to_numpy(), a + b)
        np.testing.assert_array_equal((x - y).to_numpy(), a - b)
        np.testing.assert_array_equal((x * 3).to_numpy(), a * 3)
        np.testing.assert_array_equal((2.5 * x).to_numpy(), a * 2.5)
        np.testing.assert_array_equal((x / 2).to_numpy(), a / 2)
        np.testing.assert_array_equal((-x).to_numpy(), -a)
        np.testing.assert_array_equal(abs(x).to_numpy(), abs(a))
        np.testing.assert_array_equal(sum([x, y]).to_numpy(), a + b)
        assert (2.5 * x).dtype == "float64" and (x * 3).dtype == "int64"
        assert x.sum() == a.sum()
        for axis in (0, 1, -1):
            np.testing.assert_array_equal(x.sum(axis=axis), a.sum(axis=axis))
        np.testing.assert_array_equal(x.T.to_numpy(), a.T)
        assert x.astype("float32").dtype == "float32"
    mixed = SparseTensor.from_dense(a) + SparseTensor.from_dense(b.astype(np.float32), "csr")
    np.testing.assert_array_equal(mixed.to_numpy(), a + b.astype(np.float32))
    assert mixed.dtype == "float64"


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "complex64", "complex128", "float16", "int8", "bool"])
def test_products_as_numpy(dtype):
    rng = np.random.default_rng(5)
    a = ((rng.random((6, 5)) < 0.4) * rng.integers(1, 4, (6, 5))).astype(dtype)
    d = rng.integers(0, 3, (5, 3)).astype(dtype)
    for layout in ("coo", "csr", "csc"):
        x = SparseTensor.from_dense(a, layout)
        wanted = a @ d
        out = x @ d
        assert isinstance(out, np.ndarray) and out.dtype == wanted.dtype
        np.testing.assert_array_equal(out, wanted)
        np.testing.assert_array_equal(x @ d[:, 0], a @ d[:, 0])
        np.testing.assert_array_equal(d.T @ x.T, d.T @ a.T)
        np.testing.assert_array_equal(ferry.matmul(x, d), wanted)


def test_products_promote_and_check_shapes(pairs):
    assert (pairs @ np.ones((4, 2), np.float32)).dtype == np.float64
    with pytest.raises(ferry.Error):
        pairs @ np.ones((3, 2))
    with pytest.raises(ferry.Error):
        pairs @ np.ones(3)
    with pytest.raises(TypeError, match="sparse @ sparse"):
        pairs @ pairs
    with pytest.raises(TypeError, match="fill it"):
        pairs + 1
    with pytest.raises(TypeError):
        pairs * np.ones((3, 4))
    with pytest.raises(TypeError, match="no arithmetic"):
        SparseTensor.from_pairs({(0,): "a"}, (2,)) * 2


def test_sums_over_any_axis():
    dense = (np.arange(24) % 5 * (np.arange(24) % 2)).reshape(2, 3, 4)
    x = SparseTensor.from_dense(dense)
    for axis in (0, 1, 2, -1):
        np.testing.assert_array_equal(x.sum(axis), dense.sum(axis))
    assert x.sum() == dense.sum()
    assert SparseTensor.from_dense(np.full((2, 2), 200, np.uint8)).sum(0).tolist() == [400, 400]
    with pytest.raises(IndexError):
        x.sum(3)


KEYS = [
    np.s_[1], np.s_[-1], np.s_[1:3], np.s_[:], np.s_[...], np.s_[2:2], np.s_[::2], np.s_[::-1], np.s_[3:0:-2], np.s_[0, 1], np.s_[-1, -1],
    np.s_[1, :], np.s_[:, 1], np.s_[1:3, 2:4], np.s_[..., 2], np.s_[:, ::-2], np.s_[[2, 0, 2]], np.s_[:, [3, 1]], np.s_[np.array([-1, 0])],
    np.s_[np.array([True, False, True, False, True])], np.s_[[]], np.s_[1, ::2], np.s_[4:100], np.s_[()],
]  # fmt: skip


@pytest.mark.parametrize("layout", ["coo", "csr", "csc"])
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_slices_as_numpy(layout, key):
    rng = np.random.default_rng(7)
    dense = rng.integers(1, 9, (5, 6)) * (rng.random((5, 6)) < 0.5)
    x = SparseTensor.from_dense(dense, layout)
    got, wanted = x[key], dense[key]
    if np.ndim(wanted) == 0:
        assert got == wanted and not isinstance(got, SparseTensor)
        return
    assert got.shape == wanted.shape
    np.testing.assert_array_equal(got.to_numpy(), wanted)
    if wanted.ndim == 2:
        assert got.layout == layout


def test_slices_of_higher_ranks():
    dense = (np.arange(120) % 7 * (np.arange(120) % 3 == 0)).reshape(2, 3, 4, 5)
    x = SparseTensor.from_dense(dense)
    for key in (np.s_[1], np.s_[1, 2], np.s_[..., 3], np.s_[:, 1:, ::2, 0], np.s_[0, 1, 2, 3], np.s_[:, [2, 0]]):
        np.testing.assert_array_equal(np.asarray(x[key].to_numpy() if isinstance(x[key], SparseTensor) else x[key]), dense[key])


@pytest.mark.parametrize("key", [5, -6, (0, 6), (0, 0, 0), None, "a", 1.5, True, [7], np.array([True]), ([0], [1]), (..., ...)])
def test_bad_slices_are_index_errors(key):
    x = SparseTensor.from_dense(np.ones((5, 6)))
    with pytest.raises((IndexError, TypeError)):
        x[key]


def test_slice_of_csr_rows_shares_memory():
    x = SparseTensor.from_dense(np.eye(6), "csr")
    assert address(x[2:5].values) == address(x.values) + 16


def test_iteration_gives_entries(pairs):
    assert list(pairs) == [((0, 1), 2.0), ((2, 0), 5.0)] and len(pairs) == 2
    assert dict(pairs) == {(0, 1): 2.0, (2, 0): 5.0}
    assert dict(pairs.tocsr()) == dict(pairs.tocsc()) == dict(pairs)
    assert SparseTensor.from_pairs(iter(pairs), pairs.shape) == pairs
    big = SparseTensor.from_dense(np.ones((100, 100)))
    assert len(list(big)) == 10000


def test_reshape_transpose_concat(pairs):
    assert pairs.reshape((2, 6)) == SparseTensor.from_dense(pairs.to_numpy().reshape(2, 6))
    assert pairs.tocsr().reshape((12,)) == SparseTensor.from_dense(pairs.to_numpy().reshape(12))
    dense = np.arange(24).reshape(2, 3, 4)
    x = SparseTensor.from_dense(dense)
    np.testing.assert_array_equal(x.transpose((2, 0, 1)).to_numpy(), dense.transpose(2, 0, 1))
    np.testing.assert_array_equal(x.transpose((-1, 0, 1)).to_numpy(), dense.transpose(2, 0, 1))
    for axis in (0, 1, 2, -1):
        np.testing.assert_array_equal(ferry.concat([x, x], axis).to_numpy(), np.concatenate([dense, dense], axis))
    csr = pairs.tocsr()
    assert csr.T.layout == "csc" and address(csr.T.values) == address(csr.values)
    with pytest.raises(ferry.Error):
        ferry.concat([])
    with pytest.raises(ferry.Error):
        pairs.reshape((5, 5))


def test_equality_and_closeness(pairs):
    assert pairs == pairs.tocsr() == pairs.tocsc() and not pairs != pairs
    assert pairs != pairs.astype("float32") and pairs != pairs.T and pairs != pairs * 2 and pairs != 3
    assert ferry.allclose(pairs, pairs * (1 + 1e-9)) and not ferry.allclose(pairs, pairs * 1.1)
    explicit = SparseTensor([[0, 0], [0, 1], [2, 0]], [0.0, 2.0, 5.0], (3, 4))
    assert explicit == pairs and ferry.allclose(explicit, pairs) and ferry.allclose(pairs.tocsc(), explicit)
    nan = SparseTensor([[0, 0]], [float("nan")], (1, 1))
    assert nan == nan.copy() and not ferry.allclose(nan, nan) and ferry.allclose(nan, nan, equal_nan=True)
    with pytest.raises(TypeError):
        hash(pairs)
    with pytest.raises(TypeError, match="ambiguous"):
        bool(pairs)


def test_nothing_densifies_unasked(pairs):
    with pytest.raises(TypeError, match="to_dense"):
        np.asarray(pairs)
    with pytest.raises(TypeError):
        np.add(pairs, 1)
    huge = SparseTensor([[10**9, 10**9, 10**9]], [1.0], (2**40, 2**40, 2**40))
    with pytest.raises(ferry.Error) as caught:
        huge.to_numpy()
    assert caught.value.code in ("limit_exceeded", "invalid_argument")
    with pytest.raises(ferry.Error) as caught:
        SparseTensor([[0, 0]], [1.0], (2**20, 2**20)).to_dense()
    assert caught.value.code == "limit_exceeded"
    assert "1000000000" in repr(huge)


def test_repr_shows_entries(pairs):
    assert repr(pairs) == "SparseTensor(coo, float64, shape=(3, 4), nnz=2, sorted)\n  (0, 1)  2.0\n  (2, 0)  5.0"
    text = repr(SparseTensor.from_dense(np.ones((100, 100)), "csr"))
    assert "csr" in text and "9,990 more" in text and "(99, 99)  1.0" in text and len(text) < 600
    assert "unsorted" in repr(SparseTensor([[2, 0], [0, 1]], [5.0, 2.0], (3, 4)))


def test_threads_never_change_results():
    rng = np.random.default_rng(11)
    indices = rng.integers(0, 1000, (200_000, 2))
    values = rng.random(200_000, np.float32)
    results = []
    before = ferry.get_threads()
    try:
        for count in (1, 2, 3):
            ferry.set_threads(count)
            assert ferry.get_threads() == count
            x = SparseTensor(indices, values, (1000, 1000)).coalesce()
            results.append((x.indices.tobytes(), x.values.tobytes(), (x @ np.ones((1000, 4), np.float32)).tobytes()))
    finally:
        ferry.set_threads(0)
    assert results[0] == results[1] == results[2] and ferry.get_threads() >= 1 and before >= 1
    with pytest.raises(ferry.Error):
        ferry.set_threads(-1)
