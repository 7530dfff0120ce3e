import numpy as np
import pytest

import tensorferry as ferry


def test_is_an_ordered_mapping():
    m = ferry.TensorMap({"b": [1.0, 2.0], "a": ferry.SparseTensor.from_dense(np.eye(2))}, {"k": "v"})
    assert list(m) == ["b", "a"] and len(m) == 2 and "a" in m and "c" not in m and m.metadata == {"k": "v"}
    assert isinstance(m["b"], ferry.DenseTensor) and m.get("c") is None and dict(m) == {"a": m["a"], "b": m["b"]}
    m["c"] = np.int32(4)
    assert list(m) == ["b", "a", "c"] and m["c"].dtype == "int32"
    del m["b"]
    assert list(m) == ["a", "c"]
    assert ferry.TensorMap(m) == m


def test_a_missing_name_says_which_there_are():
    with pytest.raises(KeyError, match="'x'.*'a', 'b'"):
        ferry.TensorMap({"a": 1, "b": 2})["x"]


def test_names_are_text():
    with pytest.raises(TypeError):
        ferry.TensorMap({1: 2})


def test_repr_is_a_table():
    m = ferry.TensorMap({"x": ferry.SparseTensor.from_dense(np.eye(2)), "": [1.0]}, {"k": "v"})
    assert repr(m).splitlines() == [
        "TensorMap(2 tensors)",
        "  x       coo    float64    (2, 2)  nnz=2",
        "  (root)  dense  float64    (1,)",
        "  metadata k = 'v'",
    ]
