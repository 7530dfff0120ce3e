"""ds.torch() and collate_sparse: whole batches and joined samples, in one process and in workers."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch.utils.data import DataLoader

import tensorferry as ferry

pytestmark = pytest.mark.filterwarnings("ignore:Sparse CSR tensor support", "ignore:is_fx_tracing")


class Make:
    """Picklable, for workers that are started anew."""

    def __init__(self, count, rows=4):
        self.count, self.rows = count, rows

    def __call__(self):
        rng = np.random.default_rng(1)
        for i in range(self.count):
            x = sp.random_array((self.rows, 20), density=0.2, rng=rng, format="coo", dtype=np.float32)
            ragged = ferry.RaggedTensor.from_lists([[i] * n for n in range(self.rows)], dtype="int64")
            yield {"x": x, "i": np.full(self.rows, i), "r": ragged, "s": ["a"] * self.rows}, np.ones(self.rows, np.float32)


def broken():
    yield np.ones(3)
    raise ferry.NotFoundError("no such file", path="a.tfrecord")


@pytest.mark.parametrize("layout", ["coo", "csr"])
def test_batches_are_torch_tensors(layout):
    expected = list(Make(3)())
    found = list(DataLoader(ferry.Batches(Make(3)).torch(layout=layout), batch_size=None))
    assert len(found) == 3
    for (x, y), (tensors, labels) in zip(found, expected):
        assert str(x["x"].layout) == f"torch.sparse_{layout}"
        assert layout == "csr" or x["x"].is_coalesced()
        np.testing.assert_array_equal(x["x"].to_dense().numpy(), tensors["x"].toarray())
        assert x["r"].layout == torch.jagged
        assert x["s"] == [b"a"] * 4
        np.testing.assert_array_equal(y.numpy(), labels)


@pytest.mark.parametrize("layout, workers, start", [("coo", 2, "fork"), ("csr", 2, "fork")])
def test_workers_give_each_batch_once_and_in_order(layout, workers, start):
    ferry.from_dense(np.ones((1000, 1000))).tocsc()  # threads that a fork leaves behind
    loader = DataLoader(ferry.Batches(Make(7)).torch(layout=layout), batch_size=None, num_workers=workers, multiprocessing_context=start)
    sums = [float(x["x"].sum()) for x, _ in Make(7)()]
    for _ in range(2):
        found = list(loader)
        assert [int(x["i"][0]) for x, _ in found] == list(range(7))
        np.testing.assert_allclose([float(x["x"].to_dense().sum()) for x, _ in found], sums, rtol=1e-6)


@pytest.mark.parametrize("seed", [3, None])
@pytest.mark.parametrize("buffer", [None, 30])
def test_workers_of_a_shuffled_dataset_agree_on_the_order(seed, buffer):
    matrix = sp.random_array((100, 20), density=0.2, rng=np.random.default_rng(0), format="csr")
    ds = ferry.SparseDataset.from_scipy(matrix, labels=np.arange(100)).shuffle(buffer, seed).batch(8).prefetch(2)
    orders = []
    for workers in (0, 2):
        loader = DataLoader(ds.torch("y"), batch_size=None, num_workers=workers, multiprocessing_context="fork" if workers else None)
        for epoch in range(2):
            loader.dataset.set_epoch(epoch)
            labels = []
            for x, y in loader:
                np.testing.assert_array_equal(x.to_dense().numpy(), matrix.toarray()[y.numpy()])
                labels += y.tolist()
            assert sorted(labels) == list(range(100))
            orders.append(labels)
    assert orders[:2] == orders[2:] and orders[0] != orders[1]


def test_a_dataset_is_picklable_with_its_stages():
    ds = ferry.SparseDataset.from_scipy(sp.csr_array(np.eye(6)), labels=np.arange(6)).shuffle(seed=1).batch(2)
    again = pickle.loads(pickle.dumps(ds.torch("y", layout="csr")))
    assert [y.tolist() for _, y in again] == [y.tolist() for _, y in ds.torch("y")]


def test_sources_that_shard_are_asked_to():
    class Mine(ferry.Adapters):
        element_spec = (ferry.ElementSpec("x", "dense", "int64", (None,)),)

        def __init__(self, numbers):
            self.numbers = numbers

        def shard(self, index, count):
            return Mine(self.numbers[index::count])

        def __iter__(self):
            return (ferry.TensorMap({"x": np.array([n])}) for n in self.numbers)

    loader = DataLoader(Mine(list(range(5))).torch(features="x"), batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert [int(x) for x in loader] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_come_as_they_are(workers):
    with pytest.raises(FileNotFoundError, match="a.tfrecord: no such file"):
        list(DataLoader(ferry.Batches(broken).torch(), batch_size=None, num_workers=workers))


def test_it_is_picklable():
    again = pickle.loads(pickle.dumps(ferry.Batches(Make(2)).torch(layout="csr")))
    assert [int(x["i"][0]) for x, _ in again] == [0, 1]


def test_what_comes_may_be_written_to():
    values = np.ones(4, np.float32)
    x = sp.csr_array((values, np.arange(4), np.arange(5)), shape=(4, 4))
    for batch in ferry.Batches([{"x": x, "y": values}] * 2).torch(layout="csr"):
        batch["x"].values()[:] = 7
        batch["y"][:] = 7
    assert (values == 1).all()


def test_unsorted_duplicates_are_coalesced():
    x = ferry.SparseTensor(np.array([[1, 0], [0, 0], [1, 0]]), np.array([1.0, 2.0, 3.0]), (2, 2))
    (batch,) = ferry.Batches([x]).torch(features="x")
    assert batch.indices().tolist() == [[0, 1], [0, 0]] and batch.values().tolist() == [2, 4]


# ---- collate_sparse

ROWS = [sp.csr_array(np.eye(1, 5, i)) for i in range(4)]


@pytest.mark.parametrize("layout", ["coo", "csr"])
@pytest.mark.parametrize(
    "make",
    [
        lambda m: m,
        lambda m: m.tocoo(),
        lambda m: ferry.as_tensor(m),
        lambda m: ferry.as_tensor(m).reshape((5,)).tocoo(),
        lambda m: torch.tensor(m.toarray()[0]).to_sparse(),
    ],
)
def test_rows_are_stacked(layout, make):
    batch = ferry.collate_sparse([make(m) for m in ROWS], layout=layout)
    assert str(batch.layout) == f"torch.sparse_{layout}"
    np.testing.assert_array_equal(batch.to_dense().numpy(), np.eye(4, 5))


def test_matrices_are_stacked_to_a_cube():
    batch = ferry.collate_sparse([ferry.from_dense(np.eye(2, 3)), ferry.from_dense(2 * np.eye(2, 3))])
    np.testing.assert_array_equal(batch.to_dense().numpy(), [np.eye(2, 3), 2 * np.eye(2, 3)])


def test_blocks_stand_along_the_diagonal():
    blocks = [np.eye(2), np.full((1, 3), 5.0), np.zeros((2, 0)), np.full((3, 1), 7.0)]
    batch = ferry.collate_sparse([ferry.from_dense(b) for b in blocks], layout="block_diag")
    np.testing.assert_array_equal(batch.to_dense().numpy(), sp.block_diag([sp.csr_array(b) for b in blocks]).toarray())
    (whole,) = ferry.Batches([ferry.from_dense(np.arange(1.0, 13).reshape(2, 2, 3))]).torch(features="x", layout="block_diag")
    np.testing.assert_array_equal(whole.to_dense().numpy(), sp.block_diag(list(np.arange(1.0, 13).reshape(2, 2, 3))).toarray())


def test_samples_are_joined_place_by_place_by_a_loader_with_workers():
    samples = [(row, i, {"again": row, "name": f"row {i}"}) for i, row in enumerate(ROWS)]
    loader = DataLoader(samples, batch_size=3, collate_fn=ferry.collate_sparse(layout="csr"), num_workers=1)
    first, last = loader
    assert first[0].shape == (3, 5) and last[0].shape == (1, 5)
    assert first[1].tolist() == [0, 1, 2]
    assert first[2]["again"].layout == torch.sparse_csr and first[2]["name"] == ["row 0", "row 1", "row 2"]
    np.testing.assert_array_equal(last[0].to_dense().numpy(), ROWS[3].toarray())


@pytest.mark.parametrize(
    "samples, layout, words",
    [
        ([np.eye(1, 2), np.eye(1, 3)], "coo", "make no batch"),
        ([np.ones(3)], "block_diag", "takes matrices"),
        ([np.ones((1, 2), np.float32), np.ones((1, 2), np.float64)], "block_diag", "float32, float64"),
    ],
)
def test_samples_that_do_not_fit_are_told(samples, layout, words):
    with pytest.raises(ferry.Error, match=words):
        ferry.collate_sparse([ferry.from_dense(s) for s in samples], layout=layout)


@pytest.mark.parametrize("workers", [0, 2])
def test_rows_of_a_dataset_are_joined_by_the_loader(workers):
    matrix = sp.random_array((10, 6), density=0.4, rng=np.random.default_rng(2), format="csr")
    rows = ferry.SparseDataset.from_scipy(matrix, labels=np.arange(10)).torch("y")
    loader = DataLoader(rows, batch_size=4, collate_fn=ferry.collate_sparse(layout="csr"), num_workers=workers)
    seen = []
    for x, y in loader:
        assert x.layout == torch.sparse_csr
        np.testing.assert_array_equal(x.to_dense().numpy(), matrix.toarray()[y.numpy()])
        seen += y.tolist()
    assert sorted(seen) == list(range(10))
