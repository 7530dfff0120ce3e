"""Dataset: stages, order, state, functions of the user."""

import numpy as np
import pytest

import tensorferry as ferry

sp = pytest.importorskip("scipy.sparse")

ROWS = 500


@pytest.fixture(scope="module")
def matrix():
    return sp.random(ROWS, 40, 0.1, format="csr", random_state=0, dtype=np.float32)


@pytest.fixture
def rows(matrix):
    return ferry.SparseDataset.from_scipy(matrix, np.arange(ROWS))


def labels(stream):
    return [batch["y"].to_numpy().tolist() for batch in stream]


@pytest.mark.parametrize("sparse", ["coo", "csr"])
def test_batches_hold_the_rows_their_labels_name(rows, matrix, sparse):
    seen = []
    for batch in rows.shuffle(100, seed=3).batch(64, sparse=sparse).prefetch(3):
        y = batch["y"].to_numpy()
        assert batch["x"].layout == sparse and batch["x"].sorted
        assert (batch["x"].to_scipy().toarray() == matrix[y].toarray()).all()
        seen += y.tolist()
    assert sorted(seen) == list(range(ROWS)) and seen != sorted(seen)


PIPELINES = {
    "shuffle, repeat": lambda d: d.shuffle(100, seed=3).repeat(3).batch(64),
    "shuffle all": lambda d: d.shuffle(seed=5).repeat(2).batch(64).prefetch(2),
    "batches repeated": lambda d: d.shuffle(50, seed=1).batch(60, True).repeat(2).take(13).prefetch(2),
    "shard, skip": lambda d: d.shard(1, 3).skip(5).shuffle(10, seed=1).batch(7).prefetch(4),
    "rows alone": lambda d: d.shuffle(30, seed=2).take(20),
    "filter, map": lambda d: d.filter(lambda r: r["y"].item() % 3 == 0, "third").shuffle(9, seed=1).map(lambda r: {"y": r["y"]}, "y").batch(5),
    "batches mapped": lambda d: d.shuffle(40, seed=2).batch(32).map(lambda b: {"y": b["y"]}, "y").filter(lambda b: b["y"].to_numpy()[0] % 2, "odd"),
    "shuffle after repeat": lambda d: d.repeat(2).shuffle(700, seed=8).batch(50),
    "without a seed": lambda d: d.shuffle(100).batch(64).repeat(2),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_any_state_goes_on_with_the_very_next_batch(rows, name):
    dataset = PIPELINES[name](rows)
    whole = labels(dataset.iterator())
    for cut in range(0, len(whole) + 1, max(1, len(whole) // 12)):
        it = dataset.iterator()
        assert labels(next(it) for _ in range(cut)) == whole[:cut]
        state = it.state()
        it.close()
        again = dataset.iterator(state=state)
        assert again.state() == state
        assert labels(again) == whole[cut:]


@pytest.mark.parametrize("name", PIPELINES)
def test_threads_change_nothing(rows, name):
    dataset = PIPELINES[name](rows)
    whole = labels(dataset.iterator(threads=1))
    for threads in (2, 5):
        assert labels(dataset.prefetch(3).iterator(threads=threads)) == whole


def test_a_drawn_seed_is_in_the_state(rows):
    it = rows.shuffle(100).batch(64).iterator()
    next(it)
    state = it.state()
    assert labels(rows.shuffle(100).batch(64).iterator(state=state)) == labels(it)


def test_each_iteration_is_an_epoch_of_its_own(rows):
    dataset = rows.shuffle(100, seed=3).batch(64)
    first, second = labels(dataset), labels(dataset)
    assert first != second and sum(map(sorted, first), []) != first
    assert labels(dataset.iterator(epoch=0)) == first and labels(dataset.iterator(epoch=1)) == second
    same = rows.shuffle(100, seed=3, reshuffle=False).batch(64)
    assert labels(same) == labels(same)
    assert first + second == labels(rows.shuffle(100, seed=3).batch(64).repeat(2))


def test_a_state_of_another_pipeline_names_the_stage(rows):
    state = rows.shuffle(100, seed=3).batch(64).iterator().state()
    with pytest.raises(ferry.Error, match="its stage 2 is 'shuffle 100 seed=3', here it is 'shuffle 99 seed=3'"):
        rows.shuffle(99, seed=3).batch(64).iterator(state=state)
    assert labels(rows.shuffle(100, seed=3).batch(64).prefetch(2).iterator(state=state))  # how far ahead does not matter


@pytest.mark.parametrize("state", ["", "x", "[]", "{}", '{"tensorferry_dataset":2}', '{"tensorferry_dataset":1,"stages":[1]}'])
def test_what_is_no_state_is_refused(rows, state):
    if state:
        with pytest.raises(ferry.Error):
            rows.batch(4).iterator(state=state)


def test_an_exception_of_a_function_comes_through_as_it_is(rows):
    class Mine(Exception):
        pass

    def fail(batch):
        if 128 in batch["y"].to_numpy():
            raise Mine("here")
        return batch

    for dataset in (rows.batch(64).map(fail), rows.batch(64).map(fail).prefetch(2)):
        it = iter(dataset)
        next(it), next(it)
        for _ in range(2):
            with pytest.raises(Mine, match="here"):
                next(it)
    with pytest.raises(Mine):
        list(rows.filter(lambda row: fail({"y": row["y"].reshape((1,))})).batch(8))


def test_element_spec_is_what_comes(rows):
    spec = rows.batch(64).element_spec
    assert spec["x"][1:4] == ("coo", ferry.float32, (None, 40)) and spec["y"][1:4] == ("dense", ferry.int64, (None,))
    assert rows.batch(64, drop_remainder=True).element_spec["x"].shape == (64, 40)
    assert rows.batch(64, sparse="csr").element_spec["x"].kind == "csr"
    assert rows.element_spec["x"].shape == (40,)


def test_sizes(rows):
    assert len(rows) == ROWS and len(rows.batch(64)) == 8 and len(rows.batch(64, True)) == 7 and rows.repeat().size is None
    assert len(rows.shard(1, 3)) == len(labels(rows.shard(1, 3))) and len(rows.skip(495).take(9)) == 5
    with pytest.raises(TypeError):
        len(rows.filter(lambda row: True))


def test_stages_in_a_wrong_place_say_so(rows):
    with pytest.raises(ferry.Error, match="before batch"):
        rows.batch(4).shuffle(10)
    with pytest.raises(ferry.Error, match="files"):
        rows.interleave(2)
    with pytest.raises(ferry.Error):
        rows.batch(0)
    with pytest.raises(ferry.Error, match="counts from 0"):
        rows.shard(3, 3)


def test_dropping_an_iterator_stops_its_threads(rows):
    import threading
    import time

    it = iter(rows.repeat().batch(8).prefetch(4))
    next(it)
    start = time.monotonic()
    del it
    assert time.monotonic() - start < 1
    assert threading.active_count() < 50


def test_nothing_at_all_is_an_empty_stream(matrix):
    empty = ferry.SparseDataset.from_scipy(matrix[:0], labels=np.zeros(0))
    assert labels(empty.batch(4)) == [] and labels(empty.shuffle(4, seed=1).repeat().batch(4)) == []
    assert labels(empty.batch(4).repeat()) == []
