"""Restore plans into nested dicts of JAX's arrays, as Flax keeps parameters."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import tensorferry as ferry  # noqa: E402


def params(fill):
    return {
        "params": {"Dense_0": {"kernel": jax.numpy.full((3, 2), fill), "bias": jax.numpy.full(2, fill)}, "Embed_0": {"embedding": jax.numpy.full((5, 3), fill)}},
        "batch_stats": {"BatchNorm_0": {"mean": jax.numpy.full(2, fill), "var": jax.numpy.full(2, fill)}},
    }


def test_a_tree_from_its_own_checkpoint(tmp_path):
    ferry.Checkpoint.save(tmp_path / "m", params(3.0))
    tree = params(0.0)
    plan = ferry.Checkpoint(tmp_path / "m").plan(tree)
    assert plan.complete and plan.unexpected == []
    plan.apply()
    assert all((leaf == 3).all() for leaf in jax.tree.leaves(tree)) and all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(tree))


def test_shapes_alone_are_enough_to_plan(tmp_path):
    ferry.Checkpoint.save(tmp_path / "m", params(3.0))
    shapes = jax.eval_shape(lambda: params(0.0))
    plan = ferry.Checkpoint(tmp_path / "m").plan(shapes)
    assert plan.complete and len(plan.tensors()) == 5
    with pytest.raises(TypeError, match="no model whose variables can be set"):
        plan.apply()


def test_pytorchs_weights_in_flaxs_words(tmp_path):
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    ferry.save(tmp_path / "t.npz", {"Dense_0.weight": weight, "Dense_0.bias": np.ones(2, np.float32), "Embed_0.weight": np.ones((5, 3), np.float32)})
    tree = {"params": params(0.0)["params"]}
    plan = ferry.Checkpoint(tmp_path / "t.npz").plan(tree, accept_proposed=True)
    assert plan.complete, plan
    plan.apply()
    np.testing.assert_array_equal(tree["params"]["Dense_0"]["kernel"], weight.T)


def test_what_cannot_be_changed_says_so(tmp_path):
    from types import MappingProxyType

    ferry.Checkpoint.save(tmp_path / "m", {"w": np.ones(2)})
    plan = ferry.Checkpoint(tmp_path / "m").plan(MappingProxyType({"w": jax.numpy.zeros(2)}), fix="cast")
    with pytest.raises(TypeError):
        plan.apply()
    assert plan.tensors()["w"].to_numpy().tolist() == [1, 1]
