"""Checkpoints as mappings, with what the file says of objects and roles. The files are TensorFlow's (tests/golden/ckpt)."""

import gc
import pathlib
import pickle
import shutil

import numpy as np
import pytest

import tensorferry as ferry

GOLDENS = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "ckpt" / "v2"
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.fixture(scope="module")
def slots():
    return ferry.Checkpoint(GOLDENS / "slots-1")


@pytest.fixture(scope="module")
def keras3():
    return ferry.Checkpoint(GOLDENS / "keras3")


def roles(checkpoint):
    return {info.path or info.key: info.role for info in checkpoint.infos.values()}


def test_is_a_mapping_of_keys(slots):
    whole = ferry.load(GOLDENS / "slots-1")
    assert list(slots) == list(whole) == list(slots.keys()) and len(slots) == 14 and slots.format == "ckpt"
    assert all(slots[key] == whole[key] for key in slots)
    assert dict(slots.items()) == dict(whole.items())
    assert "kernel" + VALUE in slots and "nothing" not in slots and 3 not in slots and None not in slots
    assert slots.get("nothing") is None
    assert slots.metadata == {} and bool(slots)


def test_paths_and_names_find_a_variable_too(slots):
    kernel = slots["kernel" + VALUE]
    assert slots["kernel"] == slots["dense/kernel"] == kernel
    assert slots.info("dense/kernel").key == "kernel" + VALUE and "dense/kernel" in slots
    with pytest.raises(KeyError, match="did you mean 'dense/kernel'"):
        slots["dense/kernal"]
    with pytest.raises(KeyError, match="there are '_CHECKPOINTABLE_OBJECT_GRAPH', .*…"):
        slots["zzz"]


def test_roles_and_slots_by_the_object_graph(slots, keras3):
    assert roles(slots) == {
        "_CHECKPOINTABLE_OBJECT_GRAPH": "other", "kernel": "weight", "model/names/other": "weight",
        "kernel/.OPTIMIZER_SLOT/opt/m": "slot", "kernel/.OPTIMIZER_SLOT/opt/v": "slot",
        "opt/iter": "counter", "save_counter": "counter", "opt/beta_1": "state", "opt/beta_2": "state", "opt/decay": "state",
        "opt/learning_rate": "state", "rng/_state_var": "state", "table/.ATTRIBUTES/table-keys": "state", "table/.ATTRIBUTES/table-values": "state",
    }  # fmt: skip
    m = slots.info("kernel/.OPTIMIZER_SLOT/opt/m")
    assert (m.slot_name, m.slot_of, m.name, m.of_optimizer) == ("m", "kernel" + VALUE, "Adam/dense/kernel/m", True)
    # The shortest way to a Keras 3 kernel leads through the optimizer; the path does not.
    assert roles(keras3)["model/_functional/_operations/1/_kernel"] == "weight"
    momentum = keras3.info("adam/sequential_d1_kernel_momentum")
    assert momentum.role == "slot" and momentum.slot_name == "momentum"
    assert momentum.slot_of == keras3.info("sequential/d1/kernel").key == "optimizer/_trainable_variables/0" + VALUE


def test_objects_are_a_tree_with_shared_nodes(slots, keras3):
    root = slots.objects
    assert list(root) == ["kernel", "model", "opt", "rng", "table", "save_counter"] and len(root) == 6 and root.path == ""
    assert root.model.again.back == root.model and root["model/again/back"] == root.model != root
    assert root.model.names["a/b.c"] == root.kernel and root["model/names/a.Sb..c"] == root.kernel
    assert root.kernel.key == "kernel" + VALUE and root.kernel.value == slots["kernel"] and root.kernel.info.name == "dense/kernel"
    assert root.opt.is_optimizer and not root.model.is_optimizer
    assert [(name, original.path) for name, original, _ in root.opt.slots] == [("m", "kernel"), ("v", "kernel")]
    assert root.table.attributes == {"table": "table/.ATTRIBUTES/table"} and root.table.key is None
    assert {info.path for info in root.model.variables} == {"kernel", "model/names/other"}
    assert root.paths()["opt/iter"] == "opt/iter" + VALUE and root.model.paths() == {"kernel": "kernel" + VALUE, "model/names/other": "model/names/other" + VALUE}
    assert "model/names" in root and "nothing" not in root and 3 not in root and "names" in root.model
    with pytest.raises(AttributeError, match="nothing"):
        root.nothing
    with pytest.raises(KeyError, match="'nothing'.*'kernel'"):
        root["nothing"]
    with pytest.raises(TypeError, match="is no variable"):
        root.model.value
    assert "model" in dir(root) and "optimizer" in repr(keras3.objects) and "→ model" in repr(root)
    assert len({root, slots.objects, root.model}) == 2


def test_what_has_no_object_graph_has_no_objects(tmp_path):
    ferry.save(tmp_path / "m.npz", {"dense/kernel": np.ones(2, np.float32), "dense/kernel/Adam": np.ones(2, np.float32), "global_step": np.int64(3)})
    checkpoint = ferry.Checkpoint(tmp_path / "m.npz")
    assert checkpoint.objects is None and checkpoint.format == "npz"
    assert {key: info.role for key, info in checkpoint.infos.items()} == {"dense/kernel": "weight", "dense/kernel/Adam": "slot", "global_step": "counter"}
    assert checkpoint.infos["dense/kernel/Adam"].slot_of == "dense/kernel" and checkpoint.infos["dense/kernel"].path is None


def test_objects_outlive_their_checkpoint():
    root = ferry.Checkpoint(GOLDENS / "slots-1").objects
    gc.collect()
    assert root["model/names/other"].value.tolist() == [3.0]


def test_a_checkpoint_closes_its_files_when_it_is_let_go():
    import os
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    gc.collect()
    gc.disable()
    try:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            ferry.Checkpoint(GOLDENS / "slots-1")["kernel"]
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        gc.enable()


def test_values_and_items_are_those_of_the_keys(slots):
    assert list(slots.values()) == [slots[key] for key in slots]
    assert list(slots.items()) == [(key, slots[key]) for key in slots]
    assert len(slots.values()) == 14 and ("kernel" + VALUE, slots["kernel"]) in slots.items()


def test_many_variables_are_read_in_any_order(tmp_path):
    names = [f"v{i:04d}" for i in range(700)]
    ferry.save(tmp_path / "m", {name: np.full(3, i, np.float32) for i, name in enumerate(names)}, "ckpt")
    checkpoint = ferry.Checkpoint(tmp_path / "m")
    for name in names[::-7] + names:
        assert checkpoint[name].to_numpy()[0] == int(name[1:])
    assert [t.to_numpy()[0] for t in checkpoint.values()] == list(range(700))
    # Damage in one shows where that one is.
    data = tmp_path / "m.data-00000-of-00001"
    raw = bytearray(data.read_bytes())
    raw[12 * 600] ^= 1
    data.write_bytes(raw)
    damaged, seen = ferry.Checkpoint(tmp_path / "m"), 0
    with pytest.raises(ferry.Error, match="'v0600'"):
        for _ in damaged.values():
            seen += 1
    assert seen <= 600 and damaged["v0599"].to_numpy()[0] == 599


def test_sparse_triple_is_one_variable():
    checkpoint = ferry.Checkpoint(GOLDENS / "triple")
    assert list(checkpoint) == ["clicks"] and checkpoint["clicks"].nnz == 2 and checkpoint.infos["clicks"].kind == "coo"
    assert sorted(ferry.Checkpoint(GOLDENS / "triple", parts=False)) == ["clicks/dense_shape", "clicks/indices", "clicks/values"]
    assert "clicks/indices" not in checkpoint
    with pytest.raises(KeyError):
        checkpoint["clicks/indices"]


def test_object_of_sparse_parts_is_a_sparse_tensor(tmp_path):
    parts = {"indices": np.array([[0, 1], [2, 0]]), "values": np.array([5.0, 6.0]), "dense_shape": np.array([3, 4])}
    other = {f"layer/kernel{VALUE}": np.ones(2)}
    ferry.save(tmp_path / "m", {f"layer/clicks/{name}{VALUE}": x for name, x in parts.items()} | other, "ckpt")
    checkpoint = ferry.Checkpoint(tmp_path / "m")
    assert checkpoint["layer/clicks"].to_scipy().toarray()[2, 0] == 6 and "layer/clicks" in checkpoint and "layer" not in checkpoint
    assert len(checkpoint) == 4 and checkpoint["layer/clicks/values"].tolist() == [5, 6]
    assert "layer/clicks" not in ferry.Checkpoint(tmp_path / "m", parts=False)


def test_to_map_is_lazy_and_may_be_of_some_roles(slots):
    assert ferry.load(GOLDENS / "slots-1") == slots.to_map()
    assert sorted(slots.to_map("weight")) == ["kernel" + VALUE, "model/names/other" + VALUE]
    assert len(slots.to_map(["slot", "counter"])) == 4
    with pytest.raises(ValueError, match="'weights'"):
        slots.to_map("weights")


def test_pickle_and_repr(slots):
    again = pickle.loads(pickle.dumps(slots))
    assert list(again) == list(slots) and again.path == slots.path
    assert "14 tensors: 2 weights, 2 slots, 2 counters" in repr(slots) and "kernel/.OPTIMIZER_SLOT/opt/m" in repr(slots)


def test_folder_says_which_is_the_latest(tmp_path):
    assert ferry.latest_checkpoint(GOLDENS / "managed") == str(GOLDENS / "managed" / "ckpt-3")
    assert ferry.latest_checkpoint(tmp_path) is None
    moved = tmp_path / "moved"
    shutil.copytree(GOLDENS / "managed", moved)
    (moved / "checkpoint").write_text('model_checkpoint_path: "/somewhere/else/ckpt-3"\n')
    assert ferry.latest_checkpoint(moved) == str(moved / "ckpt-3")
    (moved / "ckpt-3.index").unlink()
    assert ferry.latest_checkpoint(moved) is None
    (moved / "checkpoint").write_text("model_checkpoint_path\n")
    with pytest.raises(ferry.Error):
        ferry.latest_checkpoint(moved)


def test_list_variables_is_sorted():
    assert ferry.list_variables(GOLDENS / "managed") == [("_CHECKPOINTABLE_OBJECT_GRAPH", []), ("save_counter" + VALUE, []), ("step" + VALUE, [])]
    assert ("clicks/indices", [2, 2]) in ferry.list_variables(GOLDENS / "triple")


def test_errors_name_the_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        ferry.Checkpoint(tmp_path / "nothing")
    (tmp_path / "m.index").write_bytes(b"not a table")
    with pytest.raises(ferry.Error, match="m.index"):
        ferry.Checkpoint(tmp_path / "m.index")["x"]
    with pytest.raises(TypeError, match="no option"):
        ferry.Checkpoint(GOLDENS / "few", nothing=1)
    with pytest.raises(TypeError):
        ferry.Checkpoint(GOLDENS / "few")[3]
