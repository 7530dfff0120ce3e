"""Restore plans and saving against TensorFlow: Keras 3, tf_keras, modules, slots, and what TensorFlow restores of ours."""

import os

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
tf_keras = pytest.importorskip("tf_keras")

import tensorferry as ferry  # noqa: E402

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="Keras runs on another backend")
X, Y = np.random.default_rng(0).random((8, 3), np.float32), np.random.default_rng(1).random((8, 2), np.float32)


def keras3(seed, name="net", optimizer="adam", words=None):
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential(
        [layers.Input((3,)), layers.Dense(4, name="d1"), layers.BatchNormalization(name="bn"), layers.Dropout(0.1), layers.Dense(2, name="d2")], name=name
    )
    model.compile(optimizer, "mse")
    return model


def keras2(seed, optimizer="adam"):
    tf_keras.utils.set_random_seed(seed)
    layers = tf_keras.layers
    model = tf_keras.Sequential([layers.Input((3,)), layers.Dense(4, name="d1"), layers.BatchNormalization(name="bn"), layers.Dense(2, name="d2")])
    model.compile(optimizer, "mse")
    return model


def state_of(model):
    variables = model.optimizer.variables
    return [np.asarray(v) for v in model.weights], [np.asarray(v) for v in (variables() if callable(variables) else variables)]


def assert_same(a, b, optimizer=True):
    for x, y in zip(*(state_of(model)[0] for model in (a, b)), strict=True):
        np.testing.assert_array_equal(x, y)
    if optimizer:
        for x, y in zip(*(state_of(model)[1] for model in (a, b)), strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    model = keras3(1)
    model.fit(X, Y, verbose=0)
    folder = tmp_path_factory.mktemp("keras3")
    return model, folder, tf.train.Checkpoint(model=model).save(str(folder / "ckpt"))


def test_a_keras_model_by_the_object_graph(trained):
    model, _, path = trained
    other = keras3(2)
    plan = ferry.Checkpoint(path).plan(other)
    assert plan.complete and {row.verdict for row in plan.rows if row.required} == {"path"} and plan.unexpected == []
    plan.apply()
    assert_same(model, other, optimizer=False)
    plan = ferry.Checkpoint(path).plan(other, slots=True)
    assert plan.complete and len(plan.restored) > 20
    plan.apply()
    assert_same(model, other)


def test_a_model_that_is_not_built_says_so(trained):
    for module in (keras, tf_keras):
        with pytest.raises(ferry.Error, match="has no variables yet: build"):
            ferry.Checkpoint(trained[2]).plan(module.Sequential([module.layers.Dense(4)]))


def test_a_keras_model_of_another_name_and_optimizer(trained):
    model, _, path = trained
    other = keras3(2, "different", "sgd")
    ferry.Checkpoint(path).plan(other).apply()
    assert_same(model, other, optimizer=False)
    plan = ferry.Checkpoint(path).plan(keras3(3, optimizer=keras.optimizers.RMSprop()), slots=True)
    assert not plan.complete and all(row.role in ("slot", "state", "counter") for row in plan.missing)


def test_kerass_own_files(trained):
    model, folder, _ = trained
    model.save_weights(folder / "m.weights.h5")
    model.save(folder / "m.keras")
    for name in ("m.weights.h5", "m.keras"):
        other = keras3(3)
        plan = ferry.Checkpoint(folder / name).plan(other, slots=True)
        assert plan.complete and {row.verdict for row in plan.rows if row.required} == {"key"}
        plan.apply()
        assert_same(model, other)


def test_ours_is_restored_by_tensorflow_and_consumed(trained):
    model, folder, _ = trained
    ferry.Checkpoint.save(folder / "ours", model)
    other = keras3(4)
    other.optimizer.build(other.trainable_variables)
    tf.train.Checkpoint(model=other).restore(str(folder / "ours")).assert_consumed().assert_existing_objects_matched()
    assert_same(model, other)
    again = keras3(5)
    ferry.Checkpoint(folder / "ours").plan(again, slots=True).apply()
    assert_same(model, again)


def test_ours_is_loaded_by_keras(trained):
    model, folder, _ = trained
    ferry.Checkpoint.save(folder / "ours.weights.h5", model)
    other = keras3(6)
    other.optimizer.build(other.trainable_variables)
    other.load_weights(folder / "ours.weights.h5")
    assert_same(model, other)
    ferry.Checkpoint.save(folder / "ours.safetensors", model)
    assert "layers/dense/kernel" in ferry.load(folder / "ours.safetensors")
    again = keras3(7)
    plan = ferry.Checkpoint(folder / "ours.safetensors").plan(again, slots=True)
    assert plan.complete and {row.verdict for row in plan.rows if row.role == "weight"} == {"key"}
    plan.apply()
    assert_same(model, again)
    ferry.save(folder / "named.npz", {v.path: np.asarray(v) for v in model.weights})
    plan = ferry.Checkpoint(folder / "named.npz").plan(again)
    assert {row.verdict for row in plan.rows if row.role == "weight"} == {"name"}


def test_a_plan_writes_what_tensorflow_restores_without_a_warning(trained, tmp_path, caplog):
    """An old checkpoint by names, for a model of today."""
    model, _, _ = trained
    names = {"old/" + v.path.partition("/")[2]: np.asarray(v) for v in model.weights}
    ferry.Checkpoint.save(tmp_path / "old", names)
    fresh = keras3(8)
    fresh.optimizer.build(fresh.trainable_variables)
    target = tf.train.Checkpoint(model=fresh).save(str(tmp_path / "fresh"))
    plan = ferry.Checkpoint(tmp_path / "old").plan(target)
    assert not plan.complete and "--rename '^old/=net/'" in plan.missing[0].remedy
    rules = "^old/=net/"
    plan = ferry.Checkpoint(tmp_path / "old").plan(target, rules)
    assert plan.complete, plan
    plan.write(tmp_path / "out")
    other = keras3(9)
    other.optimizer.build(other.trainable_variables)
    tf.train.Checkpoint(model=other).restore(str(tmp_path / "out")).assert_consumed()
    assert_same(model, other, optimizer=False)
    # The same by the live model.
    ferry.Checkpoint(tmp_path / "old").plan(fresh, rules).write(tmp_path / "live")
    assert not np.array_equal(np.asarray(fresh.weights[0]), np.asarray(model.weights[0]))
    again = keras3(10)
    again.optimizer.build(again.trainable_variables)
    tf.train.Checkpoint(model=again).restore(str(tmp_path / "live")).assert_consumed()
    assert_same(model, again, optimizer=False)


@pytest.mark.parametrize("make", [lambda: "adam", lambda: tf_keras.optimizers.legacy.Adam(), lambda: tf_keras.optimizers.SGD(momentum=0.9)])
def test_keras_2_with_the_slots_of_its_optimizers(make, tmp_path):
    model = keras2(1, make())
    model.fit(X, Y, verbose=0)
    model.save_weights(str(tmp_path / "theirs"))
    other = keras2(2, make())
    plan = ferry.Checkpoint(tmp_path / "theirs").plan(other, slots=True)
    assert plan.complete and plan.unexpected == []
    plan.apply()
    assert_same(model, other)
    ferry.Checkpoint.save(tmp_path / "ours", other, root=None)
    third = keras2(3, make())
    third.fit(X, Y, verbose=0)
    third.load_weights(str(tmp_path / "ours")).assert_consumed()
    assert_same(model, third)
    model.save_weights(str(tmp_path / "m.h5"))
    fourth = keras2(4, make())
    plan = ferry.Checkpoint(tmp_path / "m.h5").plan(fourth)
    assert {row.verdict for row in plan.rows if row.required} == {"name"}
    plan.apply()
    assert_same(model, fourth, optimizer=False)


class Module(tf.Module):
    def __init__(self, scope="net"):
        with tf.name_scope(scope):
            self.w = tf.Variable(tf.zeros([2, 3]), name="w")
            self.words = tf.Variable(["", ""], name="words")


def test_name_based_checkpoints_of_a_saver(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        v1 = tf.compat.v1
        v1.get_variable("net/w", initializer=np.arange(6, dtype=np.float32).reshape(2, 3))
        v1.get_variable("net/words", initializer=np.array([b"a", b"b\0c"]))
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(tmp_path / "saver"))
    module = Module()
    assert ferry.Checkpoint(tmp_path / "saver").plan(module).apply() == {"net/w": "net/w", "net/words": "net/words"}
    assert module.w.numpy().tolist() == [[0, 1, 2], [3, 4, 5]] and module.words.numpy().tolist() == [b"a", b"b\0c"]
    moved = Module("other")
    plan = ferry.Checkpoint(tmp_path / "saver").plan([moved.w, moved.words])
    assert [row.reason for row in plan.rows] == ["renamed scope net/ → other/"] * 2
    ferry.Checkpoint(tmp_path / "saver").plan([moved.w, moved.words], accept_proposed=True).apply()
    assert moved.w.numpy()[1, 2] == 5
    # And back: a checkpoint by names, restored by a Saver.
    ferry.Checkpoint.save(tmp_path / "ours", {"net/w": module.w, "net/words": module.words})
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        w = tf.compat.v1.get_variable("net/w", [2, 3])
        words = tf.compat.v1.get_variable("net/words", initializer=np.array([b"", b""]))
        tf.compat.v1.train.Saver().restore(session, str(tmp_path / "ours"))
        assert session.run(w).tolist() == [[0, 1, 2], [3, 4, 5]] and session.run(words).tolist() == [b"a", b"b\0c"]


def test_several_objects_in_one_checkpoint(tmp_path):
    a, b, step = Module(), Module("b"), tf.Variable(7, dtype=tf.int64)
    a.w.assign(tf.ones([2, 3]))
    ferry.Checkpoint.save(tmp_path / "m", {"a": a, "b": b, "step": step})
    c, d, at = Module(), Module("b"), tf.Variable(0, dtype=tf.int64)
    tf.train.Checkpoint(a=c, b=d, step=at).restore(str(tmp_path / "m")).assert_consumed()
    assert at.numpy() == 7 and c.w.numpy().sum() == 6
    e = Module()
    ferry.Checkpoint(tmp_path / "m").plan({"a": e, "b": Module("b"), "step": at}, slots=True).apply()
    assert e.w.numpy().sum() == 6


class WithState(tf.Module):
    def __init__(self):
        self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
        self.generator = tf.random.Generator.from_seed(1)


def test_tables_and_generators_go_along(tmp_path):
    module = WithState()
    module.table.insert(tf.constant(["a", "b"]), tf.constant([1, 2], tf.int64))
    module.generator.normal([3])
    theirs = tf.train.Checkpoint(model=module).save(str(tmp_path / "theirs"))
    ferry.Checkpoint.save(tmp_path / "ours", module)
    other = WithState()
    tf.train.Checkpoint(model=other).restore(str(tmp_path / "ours")).assert_consumed()
    assert other.table.lookup(tf.constant(["a", "b", "c"])).numpy().tolist() == [1, 2, -1]
    third = WithState()
    plan = ferry.Checkpoint(theirs).plan(third)
    assert plan.complete and len(plan.restored) == 3
    plan.apply()
    assert third.table.lookup(tf.constant(["a", "b", "c"])).numpy().tolist() == [1, 2, -1]
    assert third.generator.state.numpy().tolist() == module.generator.state.numpy().tolist()


def test_what_is_no_tensor_is_not_lost_silently(tmp_path):
    class WithIterator(tf.Module):
        def __init__(self):
            self.iterator = iter(tf.data.Dataset.range(3))

    with pytest.raises(ferry.Error, match="has state that is no tensor; save and restore it with tf.train.Checkpoint"):
        ferry.Checkpoint.save(tmp_path / "m", WithIterator())


def test_managers_agree(tmp_path):
    module = Module()
    theirs = tf.train.CheckpointManager(tf.train.Checkpoint(model=module), str(tmp_path), max_to_keep=3)
    theirs.save()
    ours = ferry.CheckpointManager(tmp_path, keep=3)
    assert ours.latest == theirs.latest_checkpoint and ours.latest_step == 1
    for step in (2, 3, 4):
        module.w.assign_add(tf.ones([2, 3]))
        ours.save(step, module)
    assert tf.train.latest_checkpoint(str(tmp_path)) == ours.latest == str(tmp_path / "ckpt-4")
    again = tf.train.CheckpointManager(tf.train.Checkpoint(model=module), str(tmp_path), max_to_keep=3)
    assert again.checkpoints == ours.checkpoints == [str(tmp_path / f"ckpt-{step}") for step in (2, 3, 4)]
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert len(state.all_model_checkpoint_timestamps) == 3 and not os.path.exists(tmp_path / "ckpt-1.index")
    fresh = Module()
    tf.train.Checkpoint(model=fresh).restore(again.latest_checkpoint).assert_consumed()
    assert fresh.w.numpy()[0, 0] == 3
    third = Module()
    assert ours.restore_latest(third) == 4 and third.w.numpy()[0, 0] == 3
    again.save(checkpoint_number=5)
    assert ours.latest_step == 5 and [ours._step(p) for p in ours.checkpoints] == [3, 4, 5]
