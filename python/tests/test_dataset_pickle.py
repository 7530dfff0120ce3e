"""Datasets go to other processes as how they were made."""

import pickle

import numpy as np
import pytest

import tensorferry as ferry


def batches(ds):
    return [{name: tensor for name, tensor in batch.items()} for batch in ds]


def rows():
    for i in range(10):
        yield {i % 4: 1.0, 3 - i % 4: 2.0}, i


def double(batch):
    return {name: ferry.DenseTensor(batch[name].to_numpy() * 2) for name in ("y",)}


PAIRS = {(i, (i * 3) % 5): float(i + 1) for i in range(20)}


@pytest.mark.parametrize(
    "make",
    [
        lambda: ferry.SparseDataset.from_pairs(PAIRS, shape=(20, 5), labels=np.arange(20)).shuffle(seed=3).batch(6).prefetch(2),
        lambda: ferry.SparseDataset.from_pairs(PAIRS, shape=(20, 5), labels=np.arange(20)).batch(6, sparse="csr").shard(1, 2),
        lambda: ferry.SparseDataset.from_generator(rows, 4, label_dtype="int64").skip(1).take(7).batch(3).repeat(2),
        lambda: ferry.dataset({"y": np.arange(9)}).shuffle(4, 7).batch(2, drop_remainder=True).map(double),
        lambda: ferry.dataset({"y": np.arange(9)}).with_options(threads=1, on_error="skip").batch(2),
    ],
)
def test_a_copy_gives_the_same_batches(make):
    ds = make()
    again = pickle.loads(pickle.dumps(ds))
    assert type(again) is type(ds) and repr(again) == repr(ds)
    for _ in range(2):
        assert batches(again) == batches(ds)
    later = pickle.loads(pickle.dumps(ds))
    assert batches(later) == batches(ds)  # in the same epoch


def test_files_are_opened_again(tmp_path):
    ferry.save(tmp_path / "a.tfrecord", {"x": np.arange(6)})
    ds = ferry.dataset(tmp_path / "*.tfrecord", spec="x:int64[]").batch(4)
    assert batches(pickle.loads(pickle.dumps(ds))) == batches(ds)


def test_a_seed_that_was_drawn_would_differ():
    with pytest.raises(TypeError, match="seed="):
        pickle.dumps(ferry.dataset({"y": np.arange(9)}).shuffle().batch(2))


def test_a_generator_that_was_started_stays_here():
    with pytest.raises(TypeError):
        pickle.dumps(ferry.SparseDataset.from_generator(rows(), 4, label_dtype="int64").batch(2))
