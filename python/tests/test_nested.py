"""Nested dicts, lists, tuples and dataclasses as one TensorMap with paths, in every format that keeps metadata."""

import dataclasses
import json
from collections import OrderedDict, namedtuple
from random import Random

import numpy as np
import pytest

import tensorferry as ferry
from tensorferry import RaggedTensor, SparseTensor, TensorMap

# A .keras file is a whole model.
KEEPS = [f.id for f in ferry.formats() if f.read and f.write and f.metadata and f.many and f.names and len(f.kinds) == 5 and f.id != "keras"]
Beam = namedtuple("Beam", "score text")


@dataclasses.dataclass
class Output:
    tokens: object
    attention: object = None


def same(got, wanted):
    if isinstance(wanted, dict):
        return isinstance(got, dict) and list(got) == list(wanted) and all(same(got[k], wanted[k]) for k in wanted)
    if isinstance(wanted, (list, tuple)):
        alike = type(got) is type(wanted) or hasattr(wanted, "_fields") and getattr(got, "_fields", None) == wanted._fields
        return alike and len(got) == len(wanted) and all(map(same, got, wanted))
    if isinstance(wanted, np.ndarray):
        return got.dtype == wanted.dtype and got.shape == wanted.shape and np.array_equal(got.to_numpy(), wanted)
    return type(got) is type(wanted) and bool(got == wanted)


def translation():
    return {
        "tokens": RaggedTensor.from_lists([[5, 7, 2], [9, 2]]),
        "lengths": np.array([3, 2], np.int32),
        "log_probs": np.float32([-0.5, -1.25]),
        "alignment": [np.ones((3, 4), np.float16), np.zeros((2, 6), np.float16)],
        "text": ["ein Satz", "zwei Sätze"],
        "beams": [Beam(np.float64([1, 2]), "a"), Beam(np.float64([3]), "")],
    }


STRUCTURES = {
    "translation": translation,
    "lists": lambda: {"a": [np.ones(2), np.ones(3)], "b": [[1, 2], [3]], "c": [[1, 2], [3, 4]], "d": [[[1], []], []], "e": [[], []]},
    "plain": lambda: {"i": 3, "f": 1.5, "b": True, "c": 2 - 1j, "s": "ß/~", "y": b"\xff\x00", "n": None, "l": [1.0, 2.5], "w": ["a", "b"], "z": [b"\0"]},
    "mixed": lambda: {"m": [1, "a", None, 2.0], "t": (1, 2), "u": [(1, 2), [3]], "big": [2**63, -1], "top": [2**64 - 1]},
    "numpy": lambda: {"a": np.float32(1.5), "b": [np.int8(1), np.int8(2)], "c": [[np.float64(1)], [], [np.float64(2)]], "d": [None]},
    "empty": lambda: {"l": [], "t": (), "d": {}, "deep": {"l": [[], {}]}},
    "keys": lambda: {"a/b": {"~": [np.ones(1)], "~1": [np.zeros(1)]}, "": {"": [np.ones(1)]}, 3: {-1: None, 2: np.eye(2)}},
    "order": lambda: OrderedDict(z={"b": np.ones(1), "a": np.ones(2)}, a=[np.ones(3)]),
    "list": lambda: [np.ones(2, np.int8), {"x": SparseTensor.from_dense(np.eye(2))}],
    "tuple": lambda: (np.ones(2), RaggedTensor.from_lists([["a"], []])),
    "dicts": lambda: {"layer": {"kernel": np.ones((2, 2)), "bias": {"w": np.ones(2)}}, "x": np.zeros(0)},
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_flatten_and_back(name):
    wanted = STRUCTURES[name]()
    assert same(ferry.unflatten(ferry.flatten(wanted)), wanted)


@pytest.mark.parametrize("format", KEEPS)
@pytest.mark.parametrize("name", STRUCTURES)
def test_through_bytes(name, format):
    wanted = STRUCTURES[name]()
    if format == "json" and name in ("plain", "lists", "mixed", "empty", "translation"):
        pytest.skip("JSON has neither bytes nor complex numbers, and a dtype only where it must")
    if format == "h5" and name == "keys":
        pytest.skip("HDF5 has no empty names")
    if format == "tensors" and name == "empty":
        pytest.skip("a stream of no records has no place for metadata")
    try:
        got = ferry.loads(ferry.dumps(wanted, format), format)
    except ferry.Error as error:
        if "ferry-hdf5" not in str(error):
            raise
        pytest.skip("this build has no ferry-hdf5")
    # A format may add metadata of its own.
    assert isinstance(got, TensorMap) and dict(got) == dict(ferry.flatten(wanted)) and same(got.nested(), wanted)


def test_a_list_of_numbers_of_both_kinds_comes_back_as_floats():
    got = ferry.flatten({"x": {"l": [1, 2.5], "big": [2**60, 2.5]}, "n": None}).nested()["x"]
    assert list(map(type, got["l"])) == [float, float] and got["l"] == [1, 2.5]
    assert got["big"] == [2**60, 2.5] and type(got["big"][0]) is int  # a float would lose digits


def test_random_structures_come_back():
    random = Random(1)
    keys = ["a", "b", "a/b", "~", "", "0", "1", "~1", "x.y", "values2", "é", " ", "a_b", "_0", 3, -1]
    leaves = [lambda: random.randint(-5, 5), random.random, lambda: "a\0ß", lambda: b"\xff\0", lambda: None, lambda: True, lambda: 2j,
              lambda: np.ones(random.randint(0, 3), "f"), lambda: np.int8(3), lambda: [random.randint(0, 9) for _ in range(random.randint(0, 4))],
              lambda: [[random.random() for _ in range(random.randint(0, 2))] for _ in range(random.randint(0, 3))], lambda: ["a", ""]]  # fmt: skip

    def structure(depth):
        kind, count = random.random(), random.randint(0, 3)
        if depth == 0 or kind < 0.3:
            return random.choice(leaves)()
        if kind < 0.6:
            made = [structure(depth - 1) for _ in range(count)]
            return tuple(made) if kind < 0.4 or {int, float} <= set(map(type, made)) else made
        return Beam(structure(depth - 1), None) if kind < 0.7 else {random.choice(keys): structure(depth - 1) for _ in range(count)}

    done = 0
    for _ in range(300):
        wanted = {"s": [structure(3)], "n": None}
        try:
            data = ferry.dumps(wanted, "npz")
        except ferry.Error as error:
            assert "are one name" in str(error)
            continue
        assert same(ferry.loads(data).nested(), wanted)
        done += 1
    assert done > 250


def test_names_are_paths():
    m = ferry.flatten(translation())
    assert list(m) == ["tokens", "lengths", "log_probs", "alignment/0", "alignment/1", "text", "beams/0/score", "beams/0/text",
                       "beams/1/score", "beams/1/text"]  # fmt: skip
    assert m["tokens"].dtype == "int64" and m["text"].dtype == "string"


def test_what_names_tell_needs_no_metadata():
    nested = {"layer": {"kernel": np.ones(2), "bias": {"w": np.ones(2)}}, "a~b": {"c/d": np.ones(1)}}
    m = ferry.flatten(nested)
    assert not m.metadata and list(m) == ["layer/kernel", "layer/bias/w", "a~0b/c~1d"] and same(m.nested(), nested)
    flat = ferry.flatten({"layer/kernel": np.ones(1), "n": 3})
    assert list(flat) == ["layer/kernel", "n"] and not flat.metadata
    assert list(flat.nested()["layer"]) == ["kernel"]


def test_dataclasses_and_named_tuples_come_back_as_named_tuples_or_as_asked():
    out = Output([np.ones(2), np.zeros(1)])
    m = ferry.loads(ferry.dumps({"out": out, "beam": Beam(1.0, "x")}, "npz"))
    got = m.nested()
    assert got["beam"] == Beam(1.0, "x") and type(got["out"]).__name__ == "Output" and got["out"].attention is None
    got = m.nested(types=[Output, Beam])
    assert isinstance(got["out"], Output) and type(got["beam"]) is Beam and same(got["out"].tokens, out.tokens)


def test_a_dict_of_parts_is_the_tensor_it_spells():
    body = {"sparse_input": {"indices": [[0, 0], [1, 2], [2, 3]], "values": [1, 2, 3], "dense_shape": [3, 4]},
            "ragged": {"values": [1.0, 2.0], "row_splits": [0, 2, 2]}, "none": {"indices": [], "values": [], "dense_shape": [3, 4]},
            "csr": {"indptr": [0, 1, 1], "indices": [2], "values": [7], "dense_shape": [2, 3]}}  # fmt: skip
    m = ferry.flatten(body)
    assert dict(m["sparse_input"]) == {(0, 0): 1, (1, 2): 2, (2, 3): 3} and m["ragged"].tolist() == [[1.0, 2.0], []]
    assert m["none"].nnz == 0 and m["csr"].layout == "csr" and not m.metadata
    assert ferry.loads(ferry.dumps(body, "npz")) == m
    with pytest.raises(ferry.Error, match="x/y: .*outside shape"):
        ferry.flatten({"x": {"y": {"indices": [[5, 0]], "values": [1], "dense_shape": [3, 4]}}})


def test_one_tensor_or_list_of_numbers_is_no_structure():
    for value in (np.ones(2), [1, 2], [[1, 2], [3, 4]], ((1, 2), (3, 4)), [1, 2.5], [np.float32(1), 2], 3, "a", b"b", ["a", b"b"], []):
        assert not isinstance(ferry.loads(ferry.dumps(value, "npz")), TensorMap)
    assert ferry.loads(ferry.dumps([[1, 2], [3]], "npz")).tolist() == [[1, 2], [3]]
    assert list(ferry.loads(ferry.dumps([np.ones(2), np.ones(2)], "npz"))) == ["0", "1"]


def test_facts_are_kept_where_asked():
    m = ferry.loads(ferry.dumps({"x": np.ones((2, 1), "f")}, "npz", metadata={"dtype", "shape", "framework", "device"}))
    facts = {"dtype": "float32", "shape": "(2, 1)", "framework": "numpy"}
    assert {k: v for k, v in m.tensor_metadata["x"].items() if k != "device"} == facts
    one = ferry.loads(ferry.dumps(np.ones(2), "npz", metadata={"dtype"}))
    assert isinstance(one, TensorMap) and one.tensor_metadata == {"": {"dtype": "float64"}} and one.nested().shape == (2,)
    with pytest.raises(ValueError, match="'weight'.*device"):
        ferry.dumps([1], "npz", metadata={"weight"})


def test_names_that_objects_carry():
    class Variable:
        name = "dense/kernel:0"

        def __array__(self, dtype=None, copy=None):
            return np.arange(3)

    assert list(ferry.loads(ferry.dumps(Variable(), "npz"))) == ["dense/kernel"]
    m = ferry.loads(ferry.dumps({"w": Variable(), "dense/kernel": Variable()}, "npz"))
    assert m.tensor_metadata == {"w": {"name": "dense/kernel"}}
    assert not isinstance(ferry.loads(ferry.dumps(Variable(), "npz", metadata=False)), TensorMap)


def test_without_metadata_only_tensors_are_written():
    m = TensorMap({"x": [1.0]}, {"who": "me"})
    m.tensor_metadata["x"] = {"unit": "m"}
    bare = ferry.loads(ferry.dumps(m, "npz", metadata=False))
    assert not bare.metadata and not bare.tensor_metadata and m.metadata
    assert ferry.loads(ferry.dumps(m, "npz")) == m
    assert list(ferry.loads(ferry.dumps([np.ones(1), {"a": 1}], "npz", metadata=False)).nested()) == ["0", "1"]


def test_same_structure_same_bytes():
    assert ferry.dumps(translation(), "npz", metadata={"shape", "dtype"}) == ferry.dumps(translation(), "npz", metadata=["dtype", "shape"])


@pytest.mark.parametrize("value, error", [
    ({"a": [1, {2}]}, "a/1: a set is no tensor"),
    ({"a": {1.5: 2}}, "a str or an int"),
    ({"a": {1: np.ones(1), "1": np.ones(1)}}, "two tensors would be called 'a/1'"),
    ({"a": [{"b": object()}]}, "a/0/b: element 0 of an object array"),
    ({"a": [np.zeros(2, "f,i")]}, "a/0: .*give each field by itself"),
    ({"a": np.ma.masked_array([1, 2], [0, 1])}, "a: some elements of the array are masked"),
    (None, "None is no tensor"),
])  # fmt: skip
def test_what_is_no_tensor_is_named_by_its_path(value, error):
    with pytest.raises((TypeError, ferry.Error), match=error):
        ferry.dumps(value, "npz")


def test_a_map_that_was_changed_says_so():
    m = ferry.flatten({"a": [np.ones(1), None]})
    m["b"] = [1]
    with pytest.raises(ferry.Error, match="'b' is in the map"):
        m.nested()
    del m["b"], m["a/0"]
    with pytest.raises(ferry.Error, match="'a/0'"):
        m.nested()
    clash = TensorMap({"a": [1], "a/b": [2]})
    with pytest.raises(ferry.Error, match="no tree"):
        clash.nested()


@pytest.mark.parametrize("text", ["", "[", "3", "null", '{"list":3}', '{"os.system":"x"}', '{"namedtuple":["a b",[["x","none"]]]}', '"t"', "{}",
                                  '{"dict":[["a"]]}', '{"list":' * 5000 + "[]" + "}" * 5000, '{"dataclass":["A",[["__x__()","none"]]]}'])  # fmt: skip
def test_hostile_structures_are_errors(text):
    with pytest.raises(ferry.Error):
        ferry.unflatten(TensorMap({"a": [1]}, {"tensorferry.structure": text}))


def test_the_structure_is_plain_json():
    m = ferry.flatten({"a": [1, None], "b": [np.ones(1)]})
    assert json.loads(m.metadata["tensorferry.structure"]) == {"dict": [["a", {"list": ["int", "none"]}], ["b", {"list": ["tensor"]}]]}
