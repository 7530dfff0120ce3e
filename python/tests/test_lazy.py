"""Maps that load() gives read a tensor when it is asked for."""

import copy
import os
import pickle
import threading

import numpy as np
import pytest

import tensorferry as ferry

COUNT = 20  # more than a listing compares one by one


@pytest.fixture
def path(tmp_path):
    arrays = {f"layer{i}/kernel": np.full((2, 3), i, np.float32) for i in range(COUNT)}
    ferry.save(tmp_path / "m.npz", {**arrays, "x": ferry.SparseTensor.from_dense(np.eye(3)), "t": ferry.RaggedTensor.from_lists([[1], [2, 3]])})
    return tmp_path / "m.npz"


def break_member(path, name):
    """Row numbers out of range in the indices of a sparse tensor: the listing is sound, the tensor is not."""
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays[name][:] = 99
    np.savez(path, **arrays)


def test_the_listing_costs_no_tensor(path):
    m = ferry.load(path)
    assert len(m) == COUNT + 2 and list(m)[0] == "layer0/kernel" and "x" in m and "y" not in m and 3 not in m and None not in m
    assert "layer0/kernel   dense  float32    (2, 3)" in repr(m) and "coo    float64    (3, 3)  nnz=3" in repr(m) and "ragged" in repr(m)
    assert repr(m) == repr(ferry.load(path, lazy=False))


def test_a_tensor_is_kept_after_the_first_access(path):
    m = ferry.load(path)
    assert m["layer3/kernel"] is m["layer3/kernel"] and m["x"] is m.get("x") and m["layer3/kernel"].to_numpy()[0, 0] == 3
    with pytest.raises(KeyError, match="'nothing'.*'layer0/kernel'"):
        m["nothing"]


def test_damage_shows_in_the_tensor_that_is_asked_for(path):
    break_member(path, "x/indices")
    m = ferry.load(path)
    assert m["t"].tolist() == [[1], [2, 3]] and "x" in repr(m)
    for _ in range(2):
        with pytest.raises(ferry.Error, match="tensor 'x'") as caught:
            m["x"]
        assert caught.value.path == str(path) and str(path) in str(caught.value)
    with pytest.raises(ferry.Error):
        ferry.load(path, lazy=False)
    with pytest.raises(ferry.Error):
        m == ferry.load(path)


def test_changes_go_beside_what_is_not_read(path):
    m = ferry.load(path)
    m["new"] = [1.0]
    del m["layer0/kernel"]
    m["layer1/kernel"] = [9]
    assert list(m)[0] == "layer1/kernel" and list(m)[-1] == "new" and len(m) == COUNT + 2
    assert m["layer1/kernel"].tolist() == [9] and m["layer2/kernel"].tolist() == [[2.0] * 3] * 2 and m["layer2/kernel"] is m["layer2/kernel"]
    assert "layer5/kernel   dense  float32" in repr(m)
    with pytest.raises(KeyError):
        del m["layer0/kernel"]
    m.clear()
    assert not m and dict(m) == {}


def test_copies_are_as_lazy_and_part_ways(path):
    break_member(path, "x/indices")
    m = ferry.load(path)
    for n in (copy.copy(m), m.copy(), ferry.TensorMap(m)):
        assert list(n) == list(m) and n["t"] is m["t"] and n.format == "npz"
        del n["x"]
        assert "x" in m and "x" not in n
    n.metadata["a"] = "b"
    assert not m.metadata


def test_pickles_and_compares_as_if_it_were_read(path):
    m = ferry.load(path)
    n = pickle.loads(pickle.dumps(m))
    assert n == m and list(n) == list(m) and n.format == "npz" and copy.deepcopy(m) == m
    buffers = []
    stream = pickle.dumps(m, 5, buffer_callback=buffers.append)
    assert len(buffers) == COUNT + 4 and len(stream) < 8000 and pickle.loads(stream, buffers=buffers) == m
    n["x"] = [1]
    assert n != m and m != {} and ferry.load(path) == m


def test_the_file_may_be_replaced_or_removed_underneath(path):
    m, n = ferry.load(path), ferry.load(path)
    ferry.save(path, {"other": [1]})
    assert m["layer7/kernel"].to_numpy()[0, 0] == 7
    path.unlink()
    assert n["x"].to_numpy().trace() == 3


def test_a_map_may_be_saved_over_its_own_file(path):
    m = ferry.load(path)
    before = ferry.load(path, lazy=False)
    m["new"] = [1.0]
    ferry.save(path, m)
    assert m == ferry.load(path) and len(m) == len(before) + 1


def test_bytes_stay_alive_and_what_can_change_is_read_at_once(path):
    data = path.read_bytes()
    m = ferry.loads(bytes(bytearray(data)))  # nobody else holds these
    assert m["layer9/kernel"].to_numpy()[0, 0] == 9 and not m["layer9/kernel"].to_numpy().flags.writeable
    with open(path, "rb") as file:
        assert ferry.load(file) == m
    array = bytearray(data)
    n = ferry.loads(array)
    with pytest.raises(BufferError):
        array.extend(b"more")  # its memory is lent
    assert n == m


def test_threads_get_one_tensor(path):
    m = ferry.load(path)
    got, start = [], threading.Barrier(8)

    def work():
        start.wait()
        got.append([m[name] for name in m])

    threads = [threading.Thread(target=work) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(got) == 8 and all(a is b for other in got for a, b in zip(got[0], other))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_the_child_of_a_fork_reads_on(path):
    m = ferry.load(path)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if m["x"].nnz == 3 and m["layer1/kernel"].to_numpy()[0, 0] == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_headers_of_many_plain_arrays_are_read_when_asked_for(tmp_path):
    arrays = {f"layer{i}/kernel": np.full((2, 3), i, np.float32) for i in range(COUNT)}
    path = tmp_path / "plain.npz"
    ferry.save(path, {**arrays, "small": ferry.as_tensor(np.zeros(4, np.uint8)).view("float8_e4m3fn")})
    m = ferry.load(path)
    assert list(m) == [*arrays, "small"] and "layer7/kernel" in m and "layer7/kernel.npy" not in m
    assert repr(m) == repr(ferry.load(path, lazy=False)) and m == ferry.load(path, lazy=False)
    assert m.tensor_metadata == {info.name: info.metadata for info in ferry.inspect(path) if info.metadata}
    damaged = path.read_bytes().replace(b"\x93NUMPY", b"\x93NUMBY", 1)
    n = ferry.loads(damaged)
    assert n["layer1/kernel"] == m["layer1/kernel"] and ferry.TensorMap(n)["layer2/kernel"] == m["layer2/kernel"]
    with pytest.raises(ferry.Error, match="member 'layer0/kernel.npy'"):
        n["layer0/kernel"]
    with pytest.raises(ferry.Error, match="member 'layer0/kernel.npy'"):
        repr(n)
