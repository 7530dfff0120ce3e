"""Models run from Python. The graphs are TensorFlow's; what is run here needs no TensorFlow."""
import numpy as np
import pytest

import tensorferry as ferry


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def node(name, op, inputs=(), dtype_attr="T"):
    out = field(1, name.encode()) + field(2, op.encode())
    for one in inputs:
        out += field(3, one.encode())
    return field(1, out + field(5, field(1, dtype_attr.encode()) + field(2, b"\x30\x01")))


@pytest.fixture
def frozen(tmp_path):
    path = tmp_path / "frozen.pb"
    path.write_bytes(node("x", "Placeholder", dtype_attr="dtype") + node("y", "Neg", ["x"]) + node("z", "Mul", ["y", "x"]) + node("odd", "NoSuchOp", ["x"]))
    return path


def test_any_tensor_of_a_frozen_graph(frozen):
    model = ferry.Model(frozen)
    x = np.array([1, -2, 3], np.float32)
    z, y = model.run({"x:0": x}, ["z:0", "y"])
    assert z.to_numpy().tolist() == [-1, -4, -9] and y.to_numpy().tolist() == [-1, 2, -3]
    assert model.run({"y": x, "x": x}, ["z"])[0].to_numpy().tolist() == [1, 4, 9]


def test_what_cannot_run_is_named(frozen):
    model = ferry.Model(frozen)
    with pytest.raises(ferry.Error, match=r"no kernel for 1 op: NoSuchOp \(odd\)"):
        model.run({"x": np.zeros(1, np.float32)}, ["odd"])
    with pytest.raises(ferry.Error, match="no node 'nobody' to fetch"):
        model.run({}, ["nobody"])


def test_threads_share_one_model(frozen):
    from concurrent.futures import ThreadPoolExecutor
    model = ferry.Model(frozen)

    def work(i):
        x = np.full(100, i, np.float32)
        return all((model.run({"x": x}, ["z"])[0].to_numpy() == -np.float32(i * i)).all() for _ in range(50))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8)))
