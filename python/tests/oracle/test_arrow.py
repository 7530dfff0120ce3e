import io
import subprocess
import sys

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

import tensorferry as ferry
from tensorferry import DenseTensor, RaggedTensor, SparseTensor, TensorMap

PLAIN = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"]


def sample(dtype, shape):
    return (np.arange(int(np.prod(shape))) % 5).astype(dtype).reshape(shape)


def table():
    """Equally many rows, one tensor of each kind that has rows."""
    csr = scipy.sparse.csr_matrix((np.float32([1, 2, 3]), np.int32([4, 0, 2]), np.int32([0, 1, 1, 3])), shape=(3, 5))
    return TensorMap({
        "label": np.array([1, 0, 1], np.int64),
        "image": np.arange(12, dtype=np.float32).reshape(3, 2, 2),
        "tokens": RaggedTensor(np.array([1, 2, 3], np.int32), np.array([0, 2, 2, 3], np.int64)),
        "text": ["a", "b", "ç"],
        "features": csr,
    }, {"who": "me"})


def read_file(data):
    return pa.ipc.open_file(data).read_all()


# ---- Files: ours to them


@pytest.mark.parametrize("dtype", PLAIN)
@pytest.mark.parametrize("shape", [(4,), (3, 2), (2, 1, 3)])
def test_pyarrow_reads_dense_tensors(dtype, shape):
    a = sample(dtype, shape)
    for compression in ["none", "lz4", "zstd"]:
        column = read_file(ferry.dumps({"x": a}, "arrow", compression=compression)).column("x").combine_chunks()
        if len(shape) == 1:
            np.testing.assert_array_equal(column.to_numpy(zero_copy_only=False), a)
        else:
            assert isinstance(column, pa.FixedShapeTensorArray) and column.type.shape == list(shape[1:])
            np.testing.assert_array_equal(np.array(column.storage.to_pylist(), dtype).reshape(shape), a)
            if dtype != "bool":
                np.testing.assert_array_equal(column.to_numpy_ndarray(), a)


def test_pyarrow_reads_every_kind_and_both_framings():
    map = table()
    for format, open in [("arrow", pa.ipc.open_file), ("arrows", pa.ipc.open_stream)]:
        got = open(ferry.dumps(map, format)).read_all()
        got.validate(full=True)
        assert got.schema.metadata == {b"who": b"me"} and got.num_rows == 3
        assert got["tokens"].to_pylist() == [[1, 2], [], [3]]
        assert got["features"].to_pylist() == [[{"index": 4, "value": 1}], [], [{"index": 0, "value": 2}, {"index": 2, "value": 3}]]
    one = read_file(ferry.dumps({"x": map["features"].tocoo(), "v": [1.0, 2.0], "s": 7}, "arrow"))
    one.validate(full=True)
    assert one.num_rows == 1 and one["s"].to_pylist() == [7]
    assert one["x"].to_pylist() == [{"indices": [[0, 4], [2, 0], [2, 2]], "values": [1, 2, 3], "dense_shape": [3, 5]}]


def test_dtypes_that_arrow_has_no_word_for_survive_pyarrow():
    import ml_dtypes

    for dtype in [ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.int4, np.complex64, np.complex128]:
        for shape in [(6,), (3, 2)]:
            a = np.arange(6).astype(dtype).reshape(shape)
            got = read_file(ferry.dumps({"x": a}, "arrow"))
            sink = io.BytesIO()
            with pa.ipc.new_file(sink, got.schema) as writer:
                writer.write_table(got)
            back = ferry.loads(sink.getvalue(), "arrow")["x"].to_numpy()
            assert back.dtype == a.dtype
            np.testing.assert_array_equal(back, a)


def test_polars_and_duckdb_read_our_files(tmp_path):
    data = ferry.dumps(table(), "arrow")
    frame = pl.read_ipc(io.BytesIO(data))
    assert frame["label"].to_list() == [1, 0, 1] and frame["tokens"].to_list() == [[1, 2], [], [3]]
    assert frame["features"].to_list()[2] == [{"index": 0, "value": 2.0}, {"index": 2, "value": 3.0}]
    arrow_table = read_file(data)  # duckdb takes it from this name
    assert duckdb.sql("select sum(label), sum(len(tokens)), sum(len(features)) from arrow_table").fetchall()[0] == (2, 3, 3)


# ---- Files: theirs to us


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_files_of_pyarrow_and_polars_are_read(compression):
    theirs = pa.table({"i": [1, 2, 3], "f": pa.array([1.0, None, 3.0], pa.float32()), "l": [[1], [], [2, 3]], "s": ["a", "b", "c"]})
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, theirs.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(theirs, max_chunksize=2)
    files = [sink.getvalue()]
    sink = io.BytesIO()
    pl.from_arrow(theirs).write_ipc(sink, compression=compression or "uncompressed")
    files.append(sink.getvalue())
    for data in files:
        got = ferry.loads(data)
        np.testing.assert_array_equal(got["i"].to_numpy(), [1, 2, 3])
        np.testing.assert_array_equal(got["f"].to_numpy(), np.float32([1, np.nan, 3]))
        assert got["l"].tolist() == [[1], [], [2, 3]]
        assert got["s"].to_numpy().tolist() == [b"a", b"b", b"c"]


def test_what_polars_rewrites_is_still_sparse():
    coo = SparseTensor.from_pairs({(0, 1): 2.0, (2, 0): 5.0}, shape=(3, 4))
    sink = io.BytesIO()
    pl.read_ipc(io.BytesIO(ferry.dumps({"x": coo, "y": 1}, "arrow"))).write_ipc(sink)
    assert ferry.loads(sink.getvalue())["x"] == coo


# ---- The PyCapsule interface


def test_a_map_is_a_table_for_pyarrow_polars_and_duckdb():
    map = table()
    got = pa.table(map)
    got.validate(full=True)
    assert got["features"].to_pylist()[0] == [{"index": 4, "value": 1}]
    assert pa.schema(map) == got.schema
    assert pl.DataFrame(map)["tokens"].to_list() == [[1, 2], [], [3]]
    assert duckdb.sql("select max(label), count(*) from map").fetchall()[0] == (1, 3)


COO = SparseTensor.from_pairs({(0, 1): 2.0, (2, 0): 5.0}, shape=(3, 4))
KINDS = {
    "vector": DenseTensor(np.arange(3.0)), "matrix": DenseTensor(np.arange(6.0).reshape(3, 2)), "cube": DenseTensor(np.arange(12).reshape(3, 2, 2)),
    "strings": ferry.as_tensor(["a", "b", "ç"]), "ragged": RaggedTensor.from_lists([[1, 2], [], [3]]),
    "nested": RaggedTensor.from_lists([[[1], [2, 3]], [], [[4]]]), "words": RaggedTensor.from_lists([["a"], [], ["b", "c"]]),
    "coo": COO, "csr": COO.tocsr(), "csc": COO.tocsc(),
}  # fmt: skip
IMPORTERS = {
    "pyarrow": lambda map: pa.table(map),
    "polars": lambda map: pl.DataFrame(map),
    "duckdb": lambda map: duckdb.sql("select * from map").to_arrow_table(),
}


@pytest.mark.parametrize("importer", IMPORTERS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_tensor_is_imported_by_each_library_and_comes_back(kind, importer):
    tensor = KINDS[kind]
    got = ferry.from_arrow(IMPORTERS[importer](TensorMap({"x": tensor})))
    if kind == "csr" and importer != "pyarrow":  # they drop the metadata that tells columns of entries from other lists of structs
        assert got["x/index"].tolist() == [[1], [], [0]] and got["x/value"].tolist() == [[2.0], [], [5.0]]
    elif kind == "cube" and importer == "duckdb":  # and the shape within a row
        assert got["x"] == tensor.reshape((3, 4))
    else:
        assert got["x"] == tensor


def test_memory_is_shared_both_ways():
    a = np.arange(1000, dtype=np.float32)
    array = pa.array(DenseTensor(a))
    assert array.buffers()[1].address == a.ctypes.data
    back = ferry.from_arrow(array)
    assert back.to_numpy().ctypes.data == a.ctypes.data
    b = a.reshape(100, 10)
    shaped = pa.array(DenseTensor(b))
    assert isinstance(shaped, pa.FixedShapeTensorArray) and shaped.to_numpy_ndarray().ctypes.data == a.ctypes.data
    theirs = pa.array(np.arange(50, dtype=np.int64))
    mine = ferry.from_arrow(theirs)
    address = theirs.buffers()[1].address
    del theirs
    assert mine.to_numpy().ctypes.data == address and mine.to_numpy().sum() == 1225


def test_tensors_of_each_kind_become_arrays_and_come_back():
    coo = SparseTensor.from_pairs({(0, 1): 2.0, (2, 0): 5.0}, shape=(3, 4))
    ragged = RaggedTensor(np.float32([1, 2, 3]), np.array([0, 2, 3], np.int64))
    for tensor in [coo, coo.tocsr(), coo.tocsc(), ragged, DenseTensor(np.eye(3)), ferry.as_tensor(["a", "b"]), DenseTensor(np.ones((2, 3), np.complex64))]:
        array = pa.array(tensor)
        array.validate(full=True)
        assert len(pa.chunked_array(array).chunks) == 1
        field = pa.field(tensor)  # the metadata is in the schema, which an array alone does not carry
        batch = pa.record_batch([array], schema=pa.schema([field.with_name("x")]))
        assert ferry.from_arrow(batch)["x"] == tensor
    assert ferry.from_arrow(pa.array(coo)) == coo  # by its structure


def test_what_pyarrow_polars_and_duckdb_have_is_taken():
    theirs = pa.table({"i": [1, 2, 3], "l": [[1.0], [], [2.0, 3.0]], "s": ["a", None, "c"]})
    for source in [theirs.drop(["s"]), pl.from_arrow(theirs.drop(["s"])), theirs.drop(["s"]).to_batches()[0], theirs.drop(["s"]).to_reader()]:
        got = ferry.from_arrow(source)
        assert list(got) == ["i", "l"] and got["l"].tolist() == [[1.0], [], [2.0, 3.0]]
    relation = duckdb.sql("select i, l from theirs where i > 1")
    assert ferry.from_arrow(relation)["l"].tolist() == [[], [2.0, 3.0]]
    assert ferry.from_arrow(pl.Series("x", [1, 2])).to_numpy().tolist() == [1, 2]
    assert ferry.as_tensor(pa.array([[1, 2], [3]])).tolist() == [[1, 2], [3]]
    sliced = ferry.from_arrow(theirs.slice(1, 2).drop(["s"]))
    assert sliced["i"].to_numpy().tolist() == [2, 3] and sliced["l"].tolist() == [[], [2.0, 3.0]]
    words = ferry.from_arrow(pa.table({"w": pa.array(["x", "y", "x"]).dictionary_encode()}))
    assert words["w"].to_numpy().tolist() == [b"x", b"y", b"x"]
    with pytest.raises(ferry.Error, match="1 of 3 values are null"):
        ferry.from_arrow(theirs)
    with pytest.raises(TypeError, match="__arrow_c_array__"):
        ferry.from_arrow(3)


def test_capsules_that_nobody_takes_are_released():
    tensor = DenseTensor(np.ones(10))
    schema, array = tensor.__arrow_c_array__()
    del schema, array
    del_me = TensorMap({"x": tensor}).__arrow_c_stream__()
    del del_me
    reader = pa.RecordBatchReader.from_stream(TensorMap({"x": tensor}))
    assert reader.read_all().num_rows == 10


def test_polars_needs_no_pyarrow_in_between():
    code = "import tensorferry as f, polars as pl, numpy as n, sys; pl.DataFrame(f.TensorMap({'x': n.ones(3)})); f.from_arrow(pl.DataFrame({'a': [1]})); sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
