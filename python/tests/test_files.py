import io

import numpy as np
import pytest

import tensorferry as ferry

IDS = [f.id for f in ferry.formats()]
needs_npz = pytest.mark.skipif("npz" not in IDS, reason="built without npz")


@pytest.fixture
def tensors():
    x = ferry.SparseTensor.from_pairs({(0, 1): 2.0, (2, 0): 5.0}, shape=(3, 4))
    return ferry.TensorMap({"x": x, "y": np.arange(6, dtype=np.int32).reshape(2, 3), "z": x.tocsr()})


def test_formats_are_a_table():
    rows = {f.id: f for f in ferry.formats()}
    assert {"npy", "tensorproto", "tf_sparse"} <= set(rows)
    assert rows["npy"].read and rows["npy"].write and ".npy" in rows["npy"].extensions and "dense" in rows["npy"].kinds


def test_one_tensor_without_a_name_comes_back_as_itself(tmp_path, pairs):
    ferry.save(tmp_path / "y.npy", np.arange(3.0))
    y = ferry.load(tmp_path / "y.npy")
    assert isinstance(y, ferry.DenseTensor) and y.tolist() == [0, 1, 2]
    assert ferry.loads(ferry.dumps(pairs, "tf_sparse"), "tf_sparse") == pairs
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), [0, 1, 2])


@needs_npz
def test_named_tensors_come_back_as_a_map(tmp_path, tensors):
    ferry.save(str(tmp_path / "all.npz"), tensors)
    back = ferry.load(str(tmp_path / "all.npz"))
    assert isinstance(back, ferry.TensorMap) and list(back) == ["x", "y", "z"] and back.format == "npz"
    assert all(back[name] == tensors[name] for name in tensors) and back["z"].layout == "csr"
    one = ferry.loads(ferry.dumps({"x": tensors["x"]}, "npz"))
    assert isinstance(one, ferry.TensorMap) and one["x"] == tensors["x"]


@needs_npz
def test_file_objects_and_bytes(tmp_path, tensors):
    out = io.BytesIO()
    ferry.save(out, tensors, "npz")
    for source in (out.getvalue(), bytearray(out.getvalue()), memoryview(out.getvalue()), np.frombuffer(out.getvalue(), np.uint8)):
        assert ferry.loads(source) == ferry.loads(out.getvalue())
    out.seek(0)
    assert ferry.load(out) == ferry.loads(out.getvalue())
    with open(tmp_path / "f.npz", "wb") as file:
        ferry.save(file, tensors)
    with open(tmp_path / "f.npz", "rb") as file:
        assert list(ferry.load(file)) == ["x", "y", "z"]
    with pytest.raises(TypeError, match="binary"):
        ferry.load(io.StringIO("a"))
    with pytest.raises(TypeError):
        ferry.load(3)
    with pytest.raises(TypeError):
        ferry.loads("a.npz")
    with pytest.raises(ferry.Error, match="format="):
        ferry.save(io.BytesIO(), tensors)


@needs_npz
def test_foreign_files_are_grouped_unless_told_not_to(tmp_path):
    np.savez(tmp_path / "p.npz", **{"x/indices": [[0, 1]], "x/values": [2.0], "x/dense_shape": [3, 4], "w": [1, 2]})
    assert {name: type(t).__name__ for name, t in ferry.load(tmp_path / "p.npz").items()} == {"x": "SparseTensor", "w": "DenseTensor"}
    assert len(ferry.load(tmp_path / "p.npz", parts=False)) == 4
    np.savez(tmp_path / "q.npz", a=[[0, 1]], b=[2.0], c=[3, 4])
    assert ferry.load(tmp_path / "q.npz", parts={"x": ["a", "b", "c"]})["x"].shape == (3, 4)


@needs_npz
def test_a_map_of_nothing_comes_back(tmp_path):
    np.savez(tmp_path / "none.npz")
    for data in (ferry.dumps({}, "npz"), (tmp_path / "none.npz").read_bytes()):
        assert dict(ferry.loads(data)) == {} and ferry.loads(data).format == "npz"


def test_inspect_reads_headers(tmp_path):
    np.save(tmp_path / "y.npy", np.zeros((2, 3), np.float32))
    found = ferry.inspect(tmp_path / "y.npy")
    assert found.format == "npy" and len(found) == 1 and found.path.endswith("y.npy")
    info = found[""]
    assert (info.kind, info.dtype, info.shape, info.bytes, info.nnz) == ("dense", "float32", (2, 3), 24, None)
    assert "float32" in repr(found) and "(2, 3)" in repr(found)
    assert ferry.inspect((tmp_path / "y.npy").read_bytes()).tensors == found.tensors


def test_mapped_arrays_are_read_only_and_not_copied(tmp_path):
    np.save(tmp_path / "y.npy", np.arange(1000.0))
    y = ferry.load(tmp_path / "y.npy").to_numpy()
    assert not y.flags.writeable and y.sum() == 499500
    assert ferry.inspect(tmp_path / "y.npy")[""].zero_copy
    blob = ferry.dumps(np.arange(1000.0), "npy")
    inside = ferry.loads(blob).to_numpy()
    start = np.frombuffer(blob, np.uint8).__array_interface__["data"][0]
    at = inside.__array_interface__["data"][0]
    assert start < at < start + len(blob) or start % 8  # bytes objects begin where malloc put them


@pytest.mark.parametrize("options", [{"no_such": 1}, {"delimiter": ";"}])
def test_unknown_options_are_type_errors(options):
    with pytest.raises(TypeError, match="no option"):
        ferry.loads(ferry.dumps([1.0], "npy"), **options)


def test_unknown_formats_and_words_are_named(tmp_path):
    with pytest.raises(ferry.Error, match="'nyp'|\"nyp\"") as caught:
        ferry.dumps([1.0], "nyp")
    assert "npy" in str(caught.value)
    with pytest.raises(ferry.Error) as caught:
        ferry.save(tmp_path / "x.unheard", [1.0])
    assert caught.value.code == "unsupported"
    with pytest.raises(ferry.Error, match="trust"):
        ferry.loads(ferry.dumps([1.0], "npy"), validate="hard")
    with pytest.raises(ferry.Error, match="max_mice"):
        ferry.loads(ferry.dumps([1.0], "npy"), limits={"max_mice": 1})


def test_damaged_bytes_say_where(tmp_path):
    blob = ferry.dumps(np.arange(10.0), "npy")
    for size in (0, 5, 20, len(blob) - 1):
        with pytest.raises(ferry.Error) as caught:
            ferry.loads(blob[:size], "npy")
        assert caught.value.code == "data_loss"
    (tmp_path / "cut.npy").write_bytes(blob[:-1])
    with pytest.raises(ferry.Error) as caught:
        ferry.load(tmp_path / "cut.npy")
    assert caught.value.path.endswith("cut.npy") and "cut.npy" in str(caught.value)


def test_a_header_that_announces_too_much_is_no_memory_error():
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    blob = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + header.ljust(117) + b"\n"
    with pytest.raises(ferry.Error):
        ferry.loads(blob)


def test_a_failed_save_leaves_the_old_file(tmp_path, pairs):
    path = tmp_path / "y.npy"
    ferry.save(path, [1.0])
    before = path.read_bytes()
    with pytest.raises(ferry.Error) as caught:
        ferry.save(path, pairs)
    assert caught.value.code == "unsupported" and path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError):
        ferry.save(tmp_path / "no" / "such" / "y.npy", [1.0])


def test_what_is_saved_may_be_anything(tmp_path):
    class HasArray:
        def __array__(self, dtype=None, copy=None):
            return np.arange(3)

    assert ferry.loads(ferry.dumps(HasArray(), "npy")).tolist() == [0, 1, 2]
    assert ferry.loads(ferry.dumps([[1, 2]], "npy")).shape == (1, 2)
    with pytest.raises(ferry.Error):
        ferry.dumps(object(), "npy")
