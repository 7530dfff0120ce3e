import numpy as np
import pytest
from conftest import PLAIN, address

import tensorferry as ferry
from tensorferry import RaggedTensor


def test_every_way_in_gives_the_same():
    values = np.array([1.0, 2.0, 3.0])
    x = RaggedTensor(values, [0, 2, 2, 3])
    assert x == RaggedTensor.from_row_splits(values, np.array([0, 2, 2, 3]))
    assert x == RaggedTensor.from_row_lengths(values, [2, 0, 1])
    assert x == RaggedTensor.from_lists([[1.0, 2.0], [], [3.0]])
    assert x == RaggedTensor.from_dense(np.array([[1.0, 2.0], [0, 0], [3.0, 0]]), lengths=[2, 0, 1])
    assert x == RaggedTensor.from_dense(np.array([[1.0, 2.0], [0, 0], [3.0, 0]]), padding=0.0)
    assert (x.shape, x.ndim, x.ragged_rank, len(x), str(x.dtype)) == ((3, None), 2, 1, 3, "float64")
    assert x.tolist() == [[1.0, 2.0], [], [3.0]] and x.row_lengths().tolist() == [2, 0, 1]
    assert x != RaggedTensor.from_lists([[1.0, 2.0], [3.0], []]) and x != RaggedTensor.from_lists([[1.0, 2.0], [], [4.0]]) and x != 1


def test_parts_share_memory():
    values, splits = np.arange(3.0), np.array([0, 2, 3], np.int32)
    x = RaggedTensor(values, splits)
    assert address(x.values) == address(values) and address(x.row_splits) == address(splits) and x.row_splits.dtype == np.int32
    assert not x.values.flags.writeable and not x.row_splits.flags.writeable


def test_nested_levels():
    rows = [[[1, 2], []], [], [[3], [4, 5], [6]]]
    x = RaggedTensor.from_lists(rows)
    assert x.ragged_rank == 2 and x.shape == (3, None, None) and x.tolist() == rows
    assert [s.tolist() for s in x.nested_row_splits] == [[0, 2, 2, 5], [0, 2, 2, 3, 5, 6]]
    assert x[0].tolist() == [[1, 2], []] and x[2, 1].tolist() == [4, 5] and x[2][0, 0] == 3 and x[-1].tolist() == rows[-1]
    assert x == RaggedTensor(x.values, list(x.nested_row_splits))
    assert x == RaggedTensor.from_row_lengths([1, 2, 3, 4, 5, 6], [[2, 0, 3], [2, 0, 1, 2, 1]])
    inner = RaggedTensor.from_lists([[[1, 2], [3, 4]], [[5, 6]]], ragged_rank=1)
    assert inner.ragged_rank == 1 and inner.shape == (2, None, 2) and inner[0].tolist() == [[1, 2], [3, 4]]


def test_rows_and_slices():
    x = RaggedTensor.from_lists([[1, 2], [], [3]])
    assert x[0].tolist() == [1, 2] and x[-1].tolist() == [3] and x[1:].tolist() == [[], [3]] and x[:0].tolist() == []
    assert x[0, 1] == 2 and [row.tolist() for row in x] == [[1, 2], [], [3]]
    for key in (3, -4, slice(None, None, 2)):
        with pytest.raises(IndexError):
            x[key]


def test_dense_sparse_and_id_lists():
    x = RaggedTensor.from_lists([[1, 2], [], [3]])
    assert x.to_dense().tolist() == [[1, 2], [0, 0], [3, 0]]
    assert x.to_numpy(-1).tolist() == [[1, 2], [-1, -1], [3, -1]]
    assert x.to_dense(widths=[3]).shape == (3, 3)
    assert x.to_sparse().to_numpy().tolist() == [[1, 2], [0, 0], [3, 0]]
    csr = x.ids_to_csr(5)
    assert csr.layout == "csr" and csr.dtype == "float32" and dict(csr) == {(0, 1): 1, (0, 2): 1, (2, 3): 1}
    with pytest.raises(ferry.Error):
        x.ids_to_csr(3)
    with pytest.raises(TypeError, match="to_dense"):
        np.asarray(x)


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("dtype", PLAIN)
def test_every_dtype(dtype):
    x = RaggedTensor.from_lists([[1, 0], [], [1]], dtype=dtype)
    assert x.dtype == dtype and x.values.dtype == np.dtype(dtype) and x.astype("float64").dtype == "float64"


def test_strings():
    x = RaggedTensor.from_lists([["a", b"b"], [], ["ccc"]])
    assert x.dtype == "string" and x.tolist() == [[b"a", b"b"], [], [b"ccc"]]
    assert x.to_dense().tolist() == [[b"a", b"b"], [b"", b""], [b"ccc", b""]]
    assert x.to_dense("-").tolist() == [[b"a", b"b"], [b"-", b"-"], [b"ccc", b"-"]]


@pytest.mark.parametrize("rows", [[], [[]], [[], []]])
def test_empty(rows):
    x = RaggedTensor.from_lists(rows)
    assert x.tolist() == rows and len(x) == len(rows) and x.nbytes >= 8
    assert "RaggedTensor" in repr(x)


@pytest.mark.parametrize("splits", [[0, 2], [1, 3], [0, 2, 1, 3], [], [0, 4], [0.5, 3]])
def test_broken_splits_are_refused(splits):
    with pytest.raises(ferry.Error):
        RaggedTensor([1.0, 2.0, 3.0], splits)


def test_uneven_nesting_is_refused():
    with pytest.raises(TypeError):
        RaggedTensor.from_lists([[1], 2])


def test_repr_shows_rows():
    assert repr(RaggedTensor.from_lists([[1, 2], [], [3]])) == "RaggedTensor(int64, shape=(3, None), values=3)\n  [1, 2]\n  []\n  [3]"
    text = repr(RaggedTensor.from_lists([[i] * 50 for i in range(100)]))
    assert "90 more rows" in text and len(text) < 1000
