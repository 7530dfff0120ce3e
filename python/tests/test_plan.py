"""Restore plans over files, lists and dicts of arrays; the models of frameworks are in oracle/."""

import json

import numpy as np
import pytest

import tensorferry as ferry


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model-1"
    ferry.Checkpoint.save(path, {
        "tower/dense/kernel": np.arange(12, dtype=np.float32).reshape(3, 4), "tower/dense/bias": np.ones(4, np.float32),
        "tower/words/embeddings": np.full((2, 3), 7, np.float32), "global_step": np.int64(9),
    })  # fmt: skip
    return ferry.Checkpoint(path)


def verdicts(plan):
    return {row.name: row.verdict for row in plan.rows}


def test_a_list_of_names_with_dtypes_and_shapes(saved):
    plan = saved.plan({"tower/dense/kernel": ("float32", (3, 4)), "tower/dense/bias": (np.float32, (None,)), "gone": ("int64", None)})
    assert verdicts(plan) == {"tower/dense/kernel": "key", "tower/dense/bias": "key", "gone": "missing"}
    assert not plan.complete and [row.name for row in plan.missing] == ["gone"]
    assert plan.unexpected == ["tower/words/embeddings"] and plan.uses["global_step"] == "counter"
    assert plan.restored == {"tower/dense/kernel": "tower/dense/kernel", "tower/dense/bias": "tower/dense/bias"}
    assert repr(plan).startswith("incomplete: 2 of 3 variables restored (2 by key)\n\nmissing: 1\n  gone")
    assert plan._repr_html_().startswith("<pre>incomplete")
    told = json.loads(plan.to_json())
    assert told["complete"] is False and [v["verdict"] for v in told["variables"]] == ["key", "key", "missing"]


def test_incomplete_plans_are_not_carried_out(saved):
    target = {"tower/dense/bias": np.zeros(4, np.float32), "gone": np.zeros(2, np.float32)}
    with pytest.raises(ferry.IncompletePlan, match="gone") as caught:
        saved.plan(target).apply()
    assert caught.value.plan.missing[0].name == "gone" and target["tower/dense/bias"].sum() == 0
    assert saved.plan(target, allow_partial=True).apply() == {"tower/dense/bias": "tower/dense/bias"}
    assert target["tower/dense/bias"].tolist() == [1, 1, 1, 1] and target["gone"].sum() == 0


def test_nested_dicts_are_set_in_place(saved):
    params = {"tower": {"dense": {"kernel": np.zeros((3, 4), np.float32), "bias": np.zeros(4, np.float32)}}}
    plan = saved.plan(params)
    assert plan.complete
    plan.apply()
    np.testing.assert_array_equal(params["tower"]["dense"]["kernel"], saved["tower/dense/kernel"].to_numpy())
    params["tower"]["dense"]["kernel"][0, 0] = 5  # memory of its own
    assert saved["tower/dense/kernel"].to_numpy()[0, 0] == 0


def test_scopes_rules_and_fixes(saved):
    target = {"encoder/dense/kernel": np.zeros((3, 4), np.float32), "encoder/dense/bias": np.zeros(4, np.float16),
              "encoder/words/embeddings": np.zeros((4, 3), np.float32)}  # fmt: skip
    plan = saved.plan(target)
    assert verdicts(plan) == {"encoder/dense/kernel": "proposed", "encoder/dense/bias": "dtype", "encoder/words/embeddings": "shape"}
    assert plan.rows[0].reason == "renamed scope tower/ → encoder/"
    assert plan.rows[0].remedy == "--accept-proposed or --rename '^tower/=encoder/'"
    assert plan.rows[2].fix == {"resize": {"axis": 0, "from": 2, "to": 4}} and plan.rows[1].fix == {"cast": ferry.float16, "lossless": False}
    for settings in ({"accept_proposed": True}, {"rules": "^tower/=encoder/"}, {"rules": {"^tower/": "encoder/"}}, {"rules": ["zz=b", "^tower/=encoder/"]}):
        assert saved.plan(target, **settings, fix="resize,cast").complete
    saved.plan(target, "^tower/=encoder/", fix=["all"]).apply()
    assert target["encoder/words/embeddings"].tolist() == [[7, 7, 7], [7, 7, 7], [0, 0, 0], [0, 0, 0]]
    assert target["encoder/dense/bias"].dtype == np.float16
    with pytest.raises(ValueError, match="no fix is called 'turn'"):
        saved.plan(target, fix="turn")
    with pytest.raises(ferry.Error, match="regular expression"):
        saved.plan(target, rules="(=x")


def test_rules_may_lie_in_a_file(saved, tmp_path):
    (tmp_path / "rules").write_text("# words\n^tower/=t/\n")
    assert saved.plan({"t/dense/bias": ("float32", (4,))}, tmp_path / "rules").complete


def test_pytorchs_words_and_layout(saved, tmp_path):
    ferry.save(tmp_path / "p.safetensors", {"fc.weight": np.arange(4, dtype=np.float32).reshape(2, 2), "fc.bias": np.ones(2, np.float32)})
    target = {"fc/kernel": np.zeros((2, 2), np.float32), "fc/bias": np.zeros(2, np.float32)}
    plan = ferry.Checkpoint(tmp_path / "p.safetensors").plan(target, accept_proposed=True)
    assert plan.rows[0].fix == {"transpose": (1, 0)}
    plan.apply()
    assert target["fc/kernel"].tolist() == [[0, 2], [1, 3]]  # square, and turned all the same
    assert list(plan.tensors()) == ["fc/kernel", "fc/bias"]


def test_writes_the_target_as_it_is_once_restored(saved, tmp_path):
    ferry.save(tmp_path / "new.safetensors", {"head": np.ones(3, np.int32), "encoder/dense/bias": np.zeros(4, np.float64)})
    plan = saved.plan(tmp_path / "new.safetensors", "^tower/=encoder/", fix="cast")
    with pytest.raises(ferry.IncompletePlan):
        plan.write(tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()
    plan = saved.plan(tmp_path / "new.safetensors", "^tower/=encoder/", fix="cast", allow_partial=True)
    plan.write(tmp_path / "out.npz")
    out = ferry.load(tmp_path / "out.npz")
    assert list(out) == ["head", "encoder/dense/bias"] and out["encoder/dense/bias"].dtype == ferry.float64
    assert out["encoder/dense/bias"].to_numpy().tolist() == [1, 1, 1, 1] and out["head"].to_numpy().tolist() == [1, 1, 1]
    with pytest.raises(TypeError, match="no model whose variables can be set"):
        plan.apply()
    plan.write(tmp_path / "out")  # a checkpoint, without an extension that says otherwise
    assert (tmp_path / "out.index").exists()


def test_targets_are_checkpoints_paths_and_lists(saved, tmp_path):
    assert saved.plan(saved).complete and saved.plan(saved.path).complete
    (tmp_path / "list.csv").write_text('name,dtype,shape\ntower/dense/kernel,float32,"3,4"\n')
    (tmp_path / "list.json").write_text('[{"name": "tower/dense/bias", "dtype": "float32", "shape": [4]}]')
    assert saved.plan(tmp_path / "list.csv").complete and saved.plan(tmp_path / "list.json").complete
    assert saved.plan([{"name": "tower/dense/bias", "dtype": "float32", "shape": [4]}, {"name": "x", "optional": True}]).complete
    with pytest.raises(FileNotFoundError):
        saved.plan(tmp_path / "nosuch")
    with pytest.raises(TypeError, match="nothing to restore into"):
        saved.plan(3)


def test_variables_that_were_made_empty_say_what_to_do(tmp_path):
    ferry.Checkpoint.save(tmp_path / "m", {"x/indices": np.array([[0, 1], [2, 0], [2, 3]])})
    plan = ferry.Checkpoint(tmp_path / "m").plan({"x/indices": ("int64", (0, 2))})
    assert plan.rows[0].remedy.startswith("make the variable with a length that is not fixed, shape=[?, 2]")
    assert ferry.Checkpoint(tmp_path / "m").plan({"x/indices": ("int64", (None, 2))}).complete


def test_parts_of_a_sparse_tensor_are_variables(tmp_path):
    x = ferry.SparseTensor.from_pairs({(0, 1): 2.0, (2, 0): 5.0}, shape=(3, 4))
    ferry.Checkpoint.save(tmp_path / "m", {"x": x})
    checkpoint = ferry.Checkpoint(tmp_path / "m")
    assert checkpoint["x"] == x
    plan = checkpoint.plan({"x/indices": ("int64", (None, 2)), "x/values": ("float32", (None,)), "x/dense_shape": ("int64", (2,))}, fix="cast")
    assert plan.complete and plan.tensors()["x/indices"].to_numpy().tolist() == [[0, 1], [2, 0]]


def test_a_damaged_tensor_leaves_the_target_alone(saved):
    data = saved.path + ".data-00000-of-00001"
    with open(data, "r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes([first[0] ^ 1]))
    target = {key: np.zeros(saved.infos[key].shape, np.float32) for key in saved.infos if key != "global_step"}
    with pytest.raises(ferry.Error):
        ferry.Checkpoint(saved.path).plan(target).apply()
    assert all(not value.any() for value in target.values())
