"""Dataset: what rows can come from, what happens to damage, and the stages that need files."""

import gzip
import os
import shutil
import struct

import numpy as np
import pytest

import tensorferry as ferry

sp = pytest.importorskip("scipy.sparse")

ROWS = 300
rng = np.random.default_rng(4)


@pytest.fixture(scope="module")
def matrix():
    return sp.random(ROWS, 40, 0.2, format="csr", random_state=0, dtype=np.float32)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Three files of 100 records, one of them gzip: n, x [4], ids (as many as it likes), words."""
    folder = tmp_path_factory.mktemp("records")
    lengths = [i % 7 for i in range(ROWS)]
    splits = np.concatenate([[0], np.cumsum(lengths)])
    ids = ferry.RaggedTensor(np.arange(splits[-1]), splits)
    for i in range(3):
        begin, end = i * 100, i * 100 + 100
        part = {
            "n": np.arange(begin, end),
            "x": np.arange(begin * 4, end * 4, dtype=np.float32).reshape(-1, 4),
            "ids": ids[begin:end],
            "word": np.array([f"w{k}" for k in range(begin, end)]),
        }
        ferry.save(folder / f"part-{i}.tfrecord", part, compression="gzip" if i == 1 else "none")
    return folder


def numbers(stream, name="n"):
    return [int(n) for batch in stream for n in np.atleast_1d(batch[name].to_numpy())]


def svm_text(matrix, labels):
    rows = []
    for i, label in enumerate(labels):
        row = matrix[[i]].tocoo()
        order = np.argsort(row.col)
        rows.append(f"{label} " + " ".join(f"{c + 1}:{v!r}" for c, v in zip(row.col[order].tolist(), row.data[order].tolist())))
    return "\n".join(["# a comment", *rows, ""])


# ---- Records


def test_records_are_inferred_and_found_by_a_glob(records):
    dataset = ferry.dataset(str(records / "part-*.tfrecord"))
    batches = list(dataset.batch(64))
    assert numbers(batches) == list(range(ROWS))
    assert dataset.element_spec["x"].shape == (4,) and dataset.batch(2).element_spec["ids"].kind == "ragged"
    assert batches[0]["ids"][6].tolist() == [15, 16, 17, 18, 19, 20]
    assert batches[1]["x"].to_numpy()[0].tolist() == [256, 257, 258, 259]
    assert numbers(ferry.dataset([records / "part-2.tfrecord", records / "part-0.tfrecord"]).batch(7)) == [*range(200, 300), *range(100)]


def test_records_by_a_schema(records):
    batch = next(iter(ferry.dataset(records / "part-0.tfrecord", spec="n:int64, ids:int64{*}").batch(8)))
    assert list(batch) == ["n", "ids"] and batch["ids"].layout == "coo" and batch["ids"].shape == (8, 6)
    with pytest.raises(ferry.Error, match=r"part-0.tfrecord: record 0.*'n'"):
        list(ferry.dataset(records / "part-0.tfrecord", spec="n:float32").batch(8))


def test_records_by_features(records):
    features = {"n": ferry.FixedLenFeature([], "int64"), "ids": ferry.RaggedFeature("int64"), "no": ferry.FixedLenFeature([2], "float32", [1.0, 2.0])}
    batch = next(iter(ferry.dataset(records / "part-0.tfrecord", features).batch(8)))
    assert list(batch) == ["n", "ids", "no"] and batch["no"].to_numpy().tolist() == [[1, 2]] * 8 and len(batch["ids"].row_splits) == 9


def test_records_as_bytes(records):
    dataset = ferry.dataset(str(records / "*.tfrecord"), spec="bytes")
    assert len([b for batch in dataset.batch(32) for b in batch["record"].to_numpy()]) == ROWS


def test_interleave_takes_turns(records):
    seen = numbers(ferry.dataset(str(records / "*.tfrecord")).interleave(2, 3).batch(50))
    assert seen[:12] == [0, 1, 2, 100, 101, 102, 3, 4, 5, 103, 104, 105] and sorted(seen) == list(range(ROWS))


def test_all_rows_are_shuffled_where_files_are_not_compressed(records):
    paths = [records / "part-0.tfrecord", records / "part-2.tfrecord"]
    seen = numbers(ferry.dataset(paths).shuffle(seed=1).batch(16))
    assert sorted(seen) == [*range(100), *range(200, 300)]
    assert min(seen[:20]) < 100 <= 200 <= max(seen[:20])
    with pytest.raises(ferry.Error, match="shuffle with a buffer"):
        next(iter(ferry.dataset(records / "part-1.tfrecord").shuffle(seed=1).batch(4)))


PIPELINES = {
    "buffer": lambda d: d.shuffle(70, seed=1).repeat(2).batch(32).prefetch(2),
    "interleave": lambda d: d.interleave(2, 5).shuffle(20, seed=1).batch(13),
    "interleave, shard": lambda d: d.interleave(3, 2).shard(1, 2).batch(13).repeat(2),
    "buckets": lambda d: d.shuffle(50, seed=3).bucket_by_length("ids", [1, 4], [8, 16, 4]).prefetch(2),
    "buckets repeated": lambda d: d.repeat(2).bucket_by_length("ids", [3], [16, 9]),
    "shuffle of a repeat": lambda d: d.repeat(3).shuffle(333, seed=1).batch(64).prefetch(3),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_any_state_goes_on_with_the_very_next_batch(records, name):
    dataset = PIPELINES[name](ferry.dataset(str(records / "*.tfrecord")))
    whole = [batch["n"].to_numpy().tolist() for batch in dataset.iterator()]
    assert whole == [batch["n"].to_numpy().tolist() for batch in dataset.prefetch(3).iterator(threads=4)]
    for cut in range(0, len(whole) + 1, 3):
        it = dataset.iterator()
        for _ in range(cut):
            next(it)
        assert [batch["n"].to_numpy().tolist() for batch in dataset.iterator(state=it.state())] == whole[cut:]


def test_buckets_hold_rows_of_similar_length(records):
    dataset = ferry.dataset(str(records / "*.tfrecord")).bucket_by_length("ids", [1, 4], [8, 16, 4])
    seen = []
    for batch in dataset:
        lengths = np.diff(batch["ids"].row_splits)
        bucket = {int(np.searchsorted([1, 4], n)) for n in lengths}
        assert len(bucket) == 1 and len(lengths) <= [8, 16, 4][bucket.pop()]
        seen += numbers([batch])
    assert sorted(seen) == list(range(ROWS))


# ---- Damage


@pytest.fixture
def damaged(records, tmp_path):
    """A file whose records 10 and 50 are damaged: the data of one, the length of the other."""
    raw = bytearray((records / "part-0.tfrecord").read_bytes())
    at, number = 0, 0
    while at < len(raw):
        size = struct.unpack_from("<Q", raw, at)[0]
        if number == 10:
            raw[at + 12 + size // 2] ^= 1
        if number == 50:
            raw[at] ^= 1
        at, number = at + size + 16, number + 1
    path = tmp_path / "damaged.tfrecord"
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("stage", [lambda d: d.batch(16), lambda d: d.batch(16).prefetch(3), lambda d: d.shuffle(30, seed=1).batch(16, True)])
def test_a_damaged_record_is_an_error_that_names_it(damaged, stage):
    with pytest.raises(ferry.Error, match="damaged.tfrecord: record 10") as error:
        list(stage(ferry.dataset(damaged)))
    assert error.value.code == "data_loss" and error.value.offset is not None


def test_damaged_records_are_skipped_and_counted(damaged, caplog):
    rest = [n for n in range(100) if n not in (10, 50)]
    for stage in (lambda d: d.batch(16), lambda d: d.batch(16).prefetch(3), lambda d: d.shuffle(30, seed=1).repeat(2).batch(7)):
        dataset = stage(ferry.dataset(damaged, on_error="skip"))
        it = dataset.iterator()
        batches = [numbers([batch]) for batch in it]
        turns = 2 if len(batches[0]) == 7 else 1
        assert sorted(sum(batches, [])) == sorted(rest * turns) and it.skipped == 2 * turns
        assert all(len(batch) == len(batches[0]) for batch in batches[:-1])
        for cut in (0, 1, 2, len(batches) - 1):
            it = dataset.iterator()
            for _ in range(cut):
                next(it)
            again = dataset.iterator(state=it.state())
            assert [numbers([batch]) for batch in again] == batches[cut:] and again.skipped == 2 * turns
    assert any("record 10" in line for line in caplog.messages)


def test_records_of_the_wrong_kind_are_skipped_as_if_they_had_never_been(tmp_path):
    good = {"n": np.arange(60)}
    ferry.save(tmp_path / "a.tfrecord", good)
    ferry.save(tmp_path / "b.tfrecord", {"n": np.ones(3, np.float32)})
    ferry.save(tmp_path / "c.tfrecord", {"n": np.arange(60, 100)})
    paths = [tmp_path / f"{name}.tfrecord" for name in "abc"]
    with pytest.raises(ferry.Error, match="b.tfrecord: record 0.*n"):
        list(ferry.dataset(paths, spec="n:int64").batch(16))
    for threads, ahead in ((1, 0), (1, 2), (4, 8)):
        dataset = ferry.dataset(paths, spec="n:int64", on_error="skip", threads=threads).batch(16, drop_remainder=True)
        it = iter(dataset.prefetch(ahead))
        assert [numbers([batch]) for batch in it] == [list(range(i, i + 16)) for i in range(0, 96, 16)]
        assert it.skipped == 3


def test_a_file_that_vanishes_is_an_error_or_a_skip(records, tmp_path):
    for i in range(3):
        shutil.copy(records / f"part-{i}.tfrecord", tmp_path)
    dataset = ferry.dataset(str(tmp_path / "*.tfrecord"), spec="n:int64").batch(50)
    stopping, skipping = dataset.iterator(), dataset.with_options(on_error="skip").iterator()
    assert numbers([next(stopping)]) == numbers([next(skipping)]) == list(range(50))
    os.remove(tmp_path / "part-1.tfrecord")
    next(stopping)
    with pytest.raises(FileNotFoundError, match="part-1"):
        next(stopping)
    assert numbers(skipping) == [*range(50, 100), *range(200, 300)] and skipping.skipped == 1


def test_a_cut_gzip_file_gives_what_it_holds_and_is_told(records, tmp_path):
    raw = (records / "part-1.tfrecord").read_bytes()
    (tmp_path / "cut.tfrecord").write_bytes(raw[: len(raw) * 2 // 3])
    paths = [tmp_path / "cut.tfrecord", records / "part-2.tfrecord"]
    with pytest.raises(ferry.Error, match="cut.tfrecord: record"):
        list(ferry.dataset(paths, spec="n:int64").batch(16))
    it = iter(ferry.dataset(paths, spec="n:int64", on_error="skip").batch(16))
    seen = numbers(it)
    assert seen[:10] == list(range(100, 110)) and seen[-100:] == list(range(200, 300)) and it.skipped >= 1


# ---- Cache


def test_a_cache_is_written_once_and_read_from_then_on(records, tmp_path):
    part = tmp_path / "part.tfrecord"
    shutil.copy(records / "part-0.tfrecord", part)
    kept = tmp_path / "rows.cache"
    dataset = ferry.dataset(part, spec="n:int64").cache(kept).batch(16)
    half = iter(dataset)
    next(half)
    half.close()
    assert not kept.exists() and os.listdir(tmp_path) == ["part.tfrecord"]
    assert numbers(dataset) == list(range(100)) and kept.exists()
    before = kept.stat().st_mtime_ns
    assert numbers(dataset.prefetch(2)) == list(range(100)) and kept.stat().st_mtime_ns == before
    shuffled = ferry.dataset(part, spec="n:int64").cache(kept).shuffle(seed=2).batch(16)  # any row can be reached now
    assert sorted(numbers(shuffled)) == list(range(100)) and kept.stat().st_mtime_ns == before
    shutil.copy(records / "part-2.tfrecord", part)  # another file: the cache is stale
    assert numbers(ferry.dataset(part, spec="n:int64").cache(kept).batch(16)) == list(range(200, 300))
    assert kept.stat().st_mtime_ns != before


def test_a_cache_never_writes_over_a_file_that_is_none(records, tmp_path):
    mine = tmp_path / "mine.tfrecord"
    shutil.copy(records / "part-2.tfrecord", mine)
    with pytest.raises(ferry.Error, match="is no cache"):
        next(iter(ferry.dataset(records / "part-0.tfrecord").cache(mine).batch(4)))


def test_rows_that_a_function_made_are_cached(tmp_path):
    calls = []

    def rows():
        calls.append(1)
        return ({"n": np.int64(i)} for i in range(30))

    dataset = ferry.dataset(rows, spec={"n": ferry.ElementSpec("n", "dense", "int64", ())}).map(lambda r: {"n": r["n"]}, "same")
    cached = dataset.cache(tmp_path / "rows").shuffle(seed=1).batch(7)
    first = numbers(cached)
    count = len(calls)
    assert sorted(first) == list(range(30)) and sorted(numbers(cached)) == list(range(30)) and len(calls) == count


# ---- Text


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress])
@pytest.mark.parametrize("sparse", ["coo", "csr"])
def test_libsvm(matrix, tmp_path, pack, sparse):
    labels = rng.integers(0, 2, ROWS)
    path = tmp_path / "a.svm"
    path.write_bytes(pack(svm_text(matrix, labels).encode()))
    dataset = ferry.dataset(path, format="libsvm", columns=40, base=1).batch(64, sparse=sparse).prefetch(2)
    batches = list(dataset)
    assert (sp.vstack([b["x"].to_scipy() for b in batches]).toarray() == matrix.toarray()).all()
    assert np.concatenate([b["y"].to_numpy() for b in batches]).tolist() == labels.tolist()
    assert batches[0]["x"].layout == sparse and batches[0]["x"].sorted and batches[0]["x"].unique
    found = ferry.dataset(path, format="libsvm").batch(64).element_spec["x"].shape[1]  # by a look at all
    assert found == matrix.indices.max() + 1


def test_libsvm_tells_where_a_line_is_wrong(tmp_path):
    path = tmp_path / "a.svm"
    path.write_text("1 1:2 3:4\n0 2:x\n1 1:1\n1 3:1 2:1\n0 9:1\nx 1:1\n1 1:1 2:2\n")
    for line, message in ((2, "2:x"), (4, "follows 3"), (5, "index 9"), (6, "label")):
        with pytest.raises(ferry.Error, match=message) as error:
            list(ferry.dataset(path, columns=3, base=1).skip(line - 1).batch(1))
        assert f"line {line}" in str(error.value)
    it = iter(ferry.dataset(path, columns=3, base=1, on_error="skip").batch(3))
    assert [batch["y"].to_numpy().tolist() for batch in it] == [[1, 1, 1]] and it.skipped == 4


def test_csv_tables(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,price,name,flag\n1,2.5,"a ""q"", b",true\n\n2,,plain,false\r\n3,7,"two\nlines",true\n')
    batches = list(ferry.dataset(path).batch(2))
    assert batches[0]["name"].to_numpy().tolist() == [b'a "q", b', b"plain"] and batches[1]["name"].to_numpy().tolist() == [b"two\nlines"]
    assert batches[0]["flag"].to_numpy().tolist() == [True, False] and np.isnan(batches[0]["price"].to_numpy()[1])
    assert next(iter(ferry.dataset(path, missing=-1, dtypes={"id": "int32"}).batch(3)))["price"].to_numpy().tolist() == [2.5, -1, 7]
    path.write_text("id,price\n1,2\n2,x\n")
    with pytest.raises(ferry.Error, match="line 3: column 'price'.*'x'"):
        list(ferry.dataset(path, dtypes={"price": "float32"}).batch(2))
    with pytest.raises(ferry.Error, match="no column"):
        ferry.dataset(path, dtypes={"nope": "float32"}).element_spec


def test_csv_pairs(tmp_path):
    path = tmp_path / "p.tsv"
    path.write_text("row\tcol\tvalue\n0\t1\t2.0\n0\t3\t1.5\n2\t0\t5\n2\t4\t6\n")
    for shape in (None, (5,)):
        batch = next(iter(ferry.dataset(path, shape=shape).batch(4)))
        assert batch["row"].to_numpy().tolist() == [0, 2]
        assert batch["x"].to_scipy().toarray().tolist() == [[0, 2, 0, 1.5, 0], [5, 0, 0, 0, 6]]
    with pytest.raises(ferry.Error, match="index 4"):
        list(ferry.dataset(path, shape=(4,)).batch(4))


def test_criteo_lines(tmp_path):
    lines = ["\t".join(["1", *map(str, range(13)), *(f"w{i}" for i in range(26))]), "\t".join(["0", *[""] * 39]), "\t".join(["1", *["7"] * 13, *["w0"] * 26])]
    path = tmp_path / "c.tsv"
    path.write_text("\n".join(lines))
    batch = next(iter(ferry.dataset(path, format="criteo", width=100, missing=-5).batch(3)))
    ids, dense = batch["categories"].to_numpy(), batch["numbers"].to_numpy()
    assert batch["label"].to_numpy().tolist() == [1, 0, 1] and dense[0].tolist() == list(range(13)) and set(dense[1]) == {-5}
    assert (ids[1] == 0).all() and ids[0].min() >= 1 and ids.max() < 100 and ids[0, 0] == ids[2, 0] and len(set(ids[2].tolist())) > 5
    assert ids[0, :3].tolist() == [id_of(c, f"w{c}", 100) for c in range(3)]
    sparse = next(iter(ferry.dataset(path, format="criteo", width=100, sparse=True).batch(3)))["categories"]
    assert sparse.shape == (3, 100) and sparse.sorted and sparse.to_scipy().sum(axis=1).tolist() == [26, 0, 26]
    path.write_text("1\t2\n")
    with pytest.raises(ferry.Error, match="line 1: a line of 2 fields, expected 40"):
        list(ferry.dataset(path, format="criteo").batch(1))


def id_of(column, word, width):
    """The hash as docs/dataset.md says it."""
    mask = 2**64 - 1
    h = 0xCBF29CE484222325
    for byte in bytes([column]) + word.encode():
        h = ((h ^ byte) * 0x100000001B3) & mask
    h = ((h ^ (h >> 30)) * 0xBF58476D1CE4E5B9) & mask
    h = ((h ^ (h >> 27)) * 0x94D049BB133111EB) & mask
    h ^= h >> 31
    return 1 + h % (width - 1)


# ---- Shards, Arrow, Python


@pytest.mark.parametrize("format", ["npz", "safetensors", "arrow"])
def test_shards_of_any_format(matrix, tmp_path, format):
    for i in range(3):
        part = {"x": ferry.from_scipy(matrix[i * 100 : i * 100 + 100]), "n": np.arange(i * 100, i * 100 + 100), "d": np.ones((100, 2, 3), np.float16)}
        ferry.save(tmp_path / f"s-{i}.{format}", part)
    dataset = ferry.dataset(str(tmp_path / f"s-*.{format}"))
    batches = list(dataset.batch(64).prefetch(2))
    assert numbers(batches) == list(range(ROWS)) and batches[0]["d"].shape == (64, 2, 3)
    assert (sp.vstack([b["x"].to_scipy() for b in batches]).toarray() == matrix.toarray()).all()
    assert numbers(dataset.interleave(2, 5).batch(10))[:10] == [0, 1, 2, 3, 4, 100, 101, 102, 103, 104]
    ferry.save(tmp_path / f"s-9.{format}", {"x": ferry.from_scipy(matrix[:5]), "n": np.arange(5.0), "d": np.ones((5, 2, 3), np.float16)})
    with pytest.raises(ferry.Error, match=f"s-9.{format}.*'n'.*float64.*int64"):
        list(ferry.dataset(str(tmp_path / f"s-*.{format}")).batch(64))


def test_arrow_streams_and_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    table = pa.table({"n": np.arange(100), "list": [list(range(i % 4)) for i in range(100)], "s": [f"s{i}" for i in range(100)]})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=30)
    for source in (tmp_path / "t.parquet", table, lambda: table.to_reader(max_chunksize=7)):
        dataset = ferry.dataset(source)
        assert dataset.batch(2).element_spec["list"].kind == "ragged"
        for _ in range(2):
            batches = list(dataset.shuffle(10, seed=1).batch(32))
            assert sorted(numbers(batches)) == list(range(100))
        it = dataset.batch(9).iterator()
        first = numbers([next(it)])
        state = it.state()
        assert first == list(range(9)) and numbers(dataset.batch(9).iterator(state=state)) == list(range(9, 100))
    reader = ferry.dataset(table.to_reader())
    assert len(numbers(reader.batch(8))) == 100
    with pytest.raises(ferry.Error, match="used up"):
        next(iter(reader.batch(8)))


def test_rows_from_python():
    dataset = ferry.dataset(lambda: ({"n": np.int64(i), "v": np.arange(i % 3, dtype=np.float32)} for i in range(20)))
    batch = next(iter(dataset.batch(5, ragged="pad", padding=-1)))
    assert batch["v"].to_numpy().tolist() == [[-1, -1], [0, -1], [0, 1], [-1, -1], [0, -1]]
    assert next(iter(dataset.batch(5, ragged="pad", widths={"v": 1})))["v"].shape == (5, 1)
    assert numbers(dataset.shuffle(5, seed=1).repeat(2).batch(3)) != []
    once = ferry.dataset(iter([{"n": 1}, {"n": 2}]))
    assert numbers(once.batch(1)) == [1, 2]
    with pytest.raises(ferry.Error, match="used up"):
        list(once.batch(1))
    with pytest.raises(ZeroDivisionError):
        list(ferry.dataset(lambda: ({"n": np.int64(1 // (20 - i))} for i in range(30))).batch(4))


def test_sparse_rows_from_a_generator():
    def rows():
        yield {3: 1.0, 1: 2.0}
        yield [(1, 2.0), (0, 1.0)]
        yield []
        yield np.array([2]), np.array([3.0])
        yield sp.csr_array(np.array([[0, 0, 5, 0]]))
        yield ferry.SparseTensor(np.array([[1]]), np.array([4.0]), (4,))

    dataset = ferry.SparseDataset.from_generator(rows, 4)
    expected = [[0, 2, 0, 1], [1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 3, 0], [0, 0, 5, 0], [0, 4, 0, 0]]
    assert next(iter(dataset.batch(6)))["x"].to_scipy().toarray().tolist() == expected
    labelled = ferry.SparseDataset.from_generator([({0: 1.0}, 7), ({}, 8)], 2, label_dtype="int64")
    assert next(iter(labelled.batch(2)))["y"].to_numpy().tolist() == [7, 8]
    with pytest.raises(ferry.Error):
        list(ferry.SparseDataset.from_generator([{9: 1.0}], 4).batch(1))


def test_sparse_rows_from_pairs():
    dataset = ferry.SparseDataset.from_pairs({(0, 1): 2.0, (2, 0): 5.0}, shape=(3, 4), labels=[1, 2, 3])
    batch = next(iter(dataset.batch(3, sparse="csr")))
    assert batch["x"].to_scipy().toarray().tolist() == [[0, 2, 0, 0], [0, 0, 0, 0], [5, 0, 0, 0]] and batch["y"].to_numpy().tolist() == [1, 2, 3]


def test_tensors_of_every_kind_keep_their_values(matrix):
    cube = ferry.SparseTensor(np.array([[0, 1, 2], [0, 3, 0], [4, 0, 1]]), np.array([1.0, 2.0, 3.0]), (5, 4, 3))
    nested = ferry.RaggedTensor.from_lists([[[0], [1, 2]], [], [[]], [[3]], [[4, 5]]])
    tensors = {"cube": cube, "words": np.array(["a", "", "ccc", "dd", "e"]), "flag": np.array([True, False, True, True, False]), "half": np.ones((5, 2), np.float16)}
    tensors["nested"] = nested
    rows = ferry.dataset(tensors)
    for dataset in (rows, rows.map(lambda row: row, "same")):
        whole = next(iter(dataset.batch(5)))
        assert whole["cube"] == cube or (whole["cube"].to_dense().to_numpy() == cube.to_dense().to_numpy()).all()
        assert whole["words"].to_numpy().tolist() == [b"a", b"", b"ccc", b"dd", b"e"]
        assert whole["nested"].tolist() == nested.tolist()
        assert whole["half"].shape == (5, 2) and whole["flag"].to_numpy().tolist() == [True, False, True, True, False]


@pytest.mark.parametrize("source", [3, None, object()])
def test_what_is_no_source_is_refused(source):
    with pytest.raises(TypeError):
        ferry.dataset(source)


def test_wrong_options_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(TypeError, match="colums"):
        ferry.dataset(tmp_path / "a.csv", colums=3)
    with pytest.raises(FileNotFoundError):
        ferry.dataset(str(tmp_path / "none-*.csv"))
    with pytest.raises(ferry.Error):
        ferry.dataset(tmp_path / "a.csv", kind="nope")
