"""Models as data, from the goldens."""
import pathlib

import pytest
import tensorferry as ferry

GOLDENS = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "model"


def test_signatures_are_logical_tensors():
    model = ferry.open_model(GOLDENS / "sparse")
    assert (model.kind, model.tags, model.is_text) == ("SavedModel", ("serve",), False)
    s = model.signatures["serving_default"]
    assert s.method == "tensorflow/serving/predict" and not s.proposed
    assert list(s.inputs) == ["features", "rt", "a", "b"]
    x = s.inputs["features"]
    assert (x.kind, x.dtype, x.shape, x.origin) == ("coo", ferry.float32, (None, 5), "structured")
    assert [(p.key, p.role, p.shape) for p in x.parts] == [
        ("features", "indices", (None, 2)), ("features_1", "values", (None,)), ("features_2", "dense_shape", (2,))]
    assert s.inputs["a"].argument == "x['a']"
    assert s.outputs["r"].kind == "ragged"
    assert s.outputs["s"].parts[0].key is None and s.outputs["s"].parts[0].tensor == "StatefulPartitionedCall_1:3"


def test_nodes_and_attributes_are_read_when_asked_for():
    graph = ferry.open_model(GOLDENS / "frozen.pb").graph
    assert len(graph.nodes) == 12 and graph.producer > 24
    node = graph.nodes["SparseTensorDenseMatMul/SparseTensorDenseMatMul"]
    assert node.op == "SparseTensorDenseMatMul" and node.inputs[0] == "features/indices"
    assert dict(node.attrs)["T"] == ferry.float32
    assert graph.nodes["w"].attrs["value"].shape == (30, 4)
    assert graph.nodes["features/indices"].attrs["shape"] == (None, 2)
    assert "nothing" not in graph.nodes and graph.nodes[-1].name == graph.nodes[11].name
    with pytest.raises(KeyError):
        graph.nodes["nothing"]
    with pytest.raises(KeyError):
        node.attrs["nothing"]
    with pytest.raises(IndexError):
        graph.nodes[12]


def test_functions_have_bodies():
    model = ferry.open_model(GOLDENS / "control")
    name = next(name for name in model.functions if name.startswith("__inference_signature_wrapper"))
    f = model.functions[name]
    assert [a.name for a in f.inputs] == ["n", "sp", "sp_1", "sp_2"] and f.inputs[0].dtype == ferry.int32
    call = next(node for node in f.nodes if node.op.endswith("PartitionedCall")).attrs["f"]
    assert call.name in model.functions and call.attrs == {}
    assert set(f.ret) == {a.name for a in f.outputs}
    assert "StatelessWhile" in model.ops() and model.ops()["StatelessWhile"].signatures == ("serving_default",)


def test_a_graph_without_signatures_is_proposed_one():
    model = ferry.open_model(GOLDENS / "train")
    assert model.kind == "MetaGraph" and not model.signatures
    assert model.checkpoint == str(GOLDENS / "train" / "model.ckpt-7")
    s = model.propose_signature()
    assert s.proposed and list(s.inputs) == ["features", "tokens"] and "logits" in s.outputs
    assert model.collections["losses"] == ["Mean:0"]
    assert {v.key: (v.dtype, v.shape, v.role) for v in model.variables}["w"] == (ferry.float32, (30, 4), "weight")
    assert set(ferry.Checkpoint(model.checkpoint)) >= {v.key for v in model.variables}


def test_functions_without_signatures_and_tags():
    plain = ferry.open_model(GOLDENS / "plain")
    assert not plain.signatures and list(plain.callables()) == ["call", "inner/call"]
    assert plain.callables()["call"][1].values == ("training=True",)
    text = ferry.open_model(GOLDENS / "text", tags=["train"])
    assert text.is_text and text.tags == ("train",) and [m.tags for m in text.meta_graphs] == [("serve",), ("train",)]
    with pytest.raises(ferry.Error, match=r"there are \{serve\}, \{train\}"):
        ferry.open_model(GOLDENS / "text", tags="gpu")


def test_what_is_no_model_says_so(tmp_path):
    (tmp_path / "x.pb").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ferry.Error, match="git-lfs"):
        ferry.open_model(tmp_path / "x.pb")
    with pytest.raises(ferry.Error, match="saved_model.pb"):
        ferry.open_model(tmp_path)
