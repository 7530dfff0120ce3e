"""Object graphs, paths, names and roles: what we say of TensorFlow's checkpoints is what TensorFlow's own objects say."""
import collections

import numpy as np
import pytest

import tensorferry as ferry

tf = pytest.importorskip("tensorflow")
from tensorflow.core.protobuf import trackable_object_graph_pb2  # noqa: E402

v1 = tf.compat.v1
GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
SLOT = "/.OPTIMIZER_SLOT/"


def escaped(name):
    return name.replace(".", "..").replace("/", ".S")


def as_bytes(x):
    return x.encode() if isinstance(x, str) else bytes(x)


def shortest_paths(graph, closed):
    """{node: length of the shortest way that leads through none of `closed`}"""
    lengths, queue = {0: 0}, collections.deque([0])
    while queue:
        at = queue.popleft()
        if at in closed and at != 0:
            continue
        for child in graph.nodes[at].children:
            if child.node_id not in lengths:
                lengths[child.node_id] = lengths[at] + 1
                queue.append(child.node_id)
    return lengths


def walk(graph, path):
    """The node at the end of a path, by TensorFlow's own message."""
    if SLOT in path:
        variable, rest = path.split(SLOT)
        optimizer, name = rest.rsplit("/", 1) if "/" in rest else ("", rest)
        original = walk(graph, variable)
        return next(s.slot_variable_node_id for s in graph.nodes[walk(graph, optimizer)].slot_variables
                    if s.original_variable_node_id == original and escaped(s.slot_name) == name)
    at = 0
    for part in path.split("/") if path else []:
        at = next(c.node_id for c in graph.nodes[at].children if escaped(c.local_name) == part)
    return at


def agree(path, cli=None):
    """Everything that does not depend on what was saved; gives our checkpoint."""
    ours, reader = ferry.Checkpoint(path, parts=False), tf.train.load_checkpoint(str(path))
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    readable = {key for key in shapes if dtypes[key] not in (tf.variant, tf.resource)}
    assert set(ours) == readable
    assert ferry.list_variables(path) == [(key, shape) for key, shape in tf.train.list_variables(str(path)) if key in readable]
    for key in readable:
        info = ours.infos[key]
        if "art_" in key:
            # TensorFlow cuts the name of a slot of "part_0" at a wrong place where there is a scope, and so does not put it together again.
            with pytest.raises(ferry.Error, match="the slices hold"):
                ours[key]
            continue
        try:
            theirs = reader.get_tensor(key)
        except tf.errors.UnimplementedError:  # in slices, by Saver V1
            assert ours[key].shape == tuple(shapes[key])
            continue
        theirs = np.asarray(theirs, object if isinstance(theirs, bytes) else None)
        assert list(info.shape) == shapes[key] and info.dtype == dtypes[key].name, key
        mine = np.asarray(ours[key])
        if theirs.dtype == object:
            assert [as_bytes(x) for x in mine.ravel()] == [as_bytes(x) for x in theirs.ravel()], key
        else:
            assert mine.dtype == theirs.dtype and mine.tobytes() == theirs.tobytes(), key
    if cli is not None:
        done = cli("verify", path, ok=False)
        assert done.returncode == 0 and not done.stderr, done.stderr.decode()
    if GRAPH not in readable:
        assert ours.objects is None
        return ours
    graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(reader.get_tensor(GRAPH))
    core = ours._core.objects()
    assert len(core) == len(graph.nodes) and core.problems() == []
    closed = {id for id in range(len(core)) if core.is_optimizer(id)}
    open_ways, all_ways = shortest_paths(graph, closed), shortest_paths(graph, set())
    for id, node in enumerate(graph.nodes):
        assert core.children(id) == [(c.local_name, c.node_id) for c in node.children]
        assert core.attributes(id) == [(a.name, a.full_name, a.checkpoint_key) for a in node.attributes]
        assert core.slots(id) == [(s.slot_name, s.original_variable_node_id, s.slot_variable_node_id) for s in node.slot_variables]
        mine = core.path(id)
        if mine is None:
            assert id not in all_ways and all(id != s.slot_variable_node_id for n in graph.nodes for s in n.slot_variables)
            continue
        assert walk(graph, mine) == id == core.find(mine)
        if id in open_ways:
            assert (len(mine.split("/")) if mine else 0) == open_ways[id], mine
        for attribute in node.attributes:
            if attribute.name != "VARIABLE_VALUE":
                continue
            info = ours.infos[attribute.checkpoint_key]
            assert (info.path, info.node) == (mine, id) and info.name == (attribute.full_name or mine)
            assert core.find(attribute.checkpoint_key.removesuffix(VALUE)) == id  # TensorFlow's key is a path, too
            assert ours[mine] == ours[attribute.checkpoint_key]
    return ours


def names(checkpoint, role):
    return sorted(info.name for info in checkpoint.infos.values() if info.role == role)


def slots(checkpoint):
    """{(slot name, name of the variable)}"""
    return sorted((info.slot_name, checkpoint.infos[info.slot_of].name) for info in checkpoint.infos.values() if info.role == "slot" and info.slot_of)


def test_nested_shared_and_cyclic_objects(tmp_path, ferry_cli):
    root, leaf = tf.Module(), tf.Module()
    shared = tf.Variable([1.0, 2.0], name="shared")
    root.a = {"x/y": shared, "dotted.name": tf.Variable(1, name="one"), "": tf.Variable(2, name="empty")}
    root.list = [shared, [tf.Variable("text", name="text")], (tf.Variable(True, name="flag"),)]
    root.leaf, leaf.parent, leaf.me = leaf, root, leaf
    leaf.step = tf.Variable(7, dtype=tf.int64, name="step")
    leaf.rng = tf.random.Generator.from_seed(3)
    ours = agree(tf.train.Checkpoint(root=root, again=shared).save(str(tmp_path / "c")), ferry_cli)
    assert names(ours, "counter") == ["save_counter", "step"] and names(ours, "state") == ["StateVar"] and names(ours, "slot") == []
    assert names(ours, "weight") == ["empty", "flag", "one", "shared", "text"]
    assert ours.objects.again == ours.objects["root/a/x.Sy"] == ours.objects.root.list["0"]


def test_layer_that_holds_a_sparse_triple(tmp_path, ferry_cli):
    x = tf.sparse.from_dense([[0, 1.5, 0], [0, 0, 2.5]])
    layer = tf.Module()
    layer.clicks = tf.Module()
    for part in ("indices", "values", "dense_shape"):
        setattr(layer.clicks, part, tf.Variable(getattr(x, part), name=part, shape=tf.TensorShape(None)))
    ours = agree(tf.train.Checkpoint(layer=layer).save(str(tmp_path / "c")), ferry_cli)
    ours = ferry.Checkpoint(ours.path)
    np.testing.assert_array_equal(ours["layer/clicks"].to_numpy(), tf.sparse.to_dense(x))
    assert ours.objects.layer.clicks.value == ours["layer/clicks"] and ours.objects.layer.clicks["values"].value.tolist() == [1.5, 2.5]


def test_tables_iterators_and_python_state(tmp_path, ferry_cli):
    class State(tf.train.experimental.PythonState):
        def serialize(self):
            return "written by hand"

        def deserialize(self, text):
            pass

    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    table.insert(["x", "y", "z"], [1, 2, 3])
    dense = tf.lookup.experimental.DenseHashTable(tf.int64, tf.float32, 0.0, -1, -2)
    dense.insert(tf.constant([5], tf.int64), [2.5])
    iterator = iter(tf.data.Dataset.range(10).batch(2))
    next(iterator)
    path = tf.train.Checkpoint(table=table, dense=dense, iterator=iterator, state=State(), model=tf.Variable(1.0, name="w")).save(str(tmp_path / "c"))
    ours = agree(path, ferry_cli)
    assert names(ours, "weight") == ["w"]
    tables = {key for key in ours if key.startswith(("table", "dense"))}
    assert len(tables) >= 4 and all(ours.infos[key].role == "state" and ours.infos[key].path for key in tables)
    assert ours.infos["state/.ATTRIBUTES/PYTHON_STATE"].role == "state" if "state/.ATTRIBUTES/PYTHON_STATE" in ours else True
    assert [b.decode() for b in np.asarray(ours["table/.ATTRIBUTES/table-keys"])] != []


def test_objects_that_write_tensors_of_their_own(tmp_path, ferry_cli):
    class Plain(tf.Module):
        def __init__(self):
            super().__init__()
            self.value = tf.Variable([1.0, 2.0], name="plain")

        def _serialize_to_tensors(self):
            return {"first": self.value[0], "second/part": self.value[1]}

        def _restore_from_tensors(self, tensors):
            self.value.assign([tensors["first"], tensors["second/part"]])

    ours = agree(tf.train.Checkpoint(plain=Plain(), other=tf.Variable(3.0, name="other")).save(str(tmp_path / "c")), ferry_cli)
    assert "other" in names(ours, "weight")
    own = [info for info in ours.infos.values() if info.key.startswith("plain/.ATTRIBUTES/")]
    assert len(own) == 2 and all(info.path and info.path.startswith("plain/.ATTRIBUTES/") for info in own)


KERAS3 = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Adafactor", "Nadam", "Ftrl", "Lion", "LossScale", "EMA"]


@pytest.mark.parametrize("kind", KERAS3)
def test_keras3_models_and_optimizers(tmp_path, ferry_cli, kind):
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras runs on another backend")
    inputs = keras.Input((3,), name="x")
    hidden = keras.layers.Dense(4, name="a_b")(keras.layers.Dropout(0.1)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1, name="a")(keras.layers.BatchNormalization(name="norm")(hidden)), name="m")
    make = keras.optimizers
    optimizer = {"SGD": lambda: make.SGD(momentum=0.9), "RMSprop": lambda: make.RMSprop(centered=True, momentum=0.5), "EMA": lambda: make.Adam(use_ema=True),
                 "LossScale": lambda: make.LossScaleOptimizer(make.Adam())}.get(kind, lambda: getattr(make, kind)())()
    model.compile(optimizer=optimizer, loss="mse", metrics=["mae"])
    model.fit(np.ones((4, 3), "f"), np.ones((4, 1), "f"), verbose=0)
    ours = agree(tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(str(tmp_path / "c")), ferry_cli)
    weights = sorted(v.path for v in model.weights if "seed" not in v.path)
    assert names(ours, "weight") == weights
    kept = [v for v in optimizer.variables if v.shape.rank > 0 or kind == "Adafactor" and v.path.split("/")[-1] not in ("iteration", "learning_rate")]
    assert len(names(ours, "slot")) == len(kept)
    if kind != "LossScale":  # whose inner optimizer's variables have other names there
        assert names(ours, "slot") == sorted(v.path for v in kept)
    assert len([n for n in names(ours, "counter") if n.endswith("iteration")]) >= 1
    for info in ours.infos.values():
        if info.role != "slot" or kind == "Adafactor" and "velocity" not in info.name:
            continue  # Adafactor's rows and columns have neither a list nor a name of their own
        assert info.of_optimizer and info.slot_of and info.slot_name, info
        base = ours.infos[info.slot_of].name
        assert info.name.split("/")[-1].startswith(base.replace("/", "_")), (info.name, base)
    # The same model without its optimizer has the same paths.
    alone = agree(tf.train.Checkpoint(model=keras.models.clone_model(model)).write(str(tmp_path / "alone")), ferry_cli)
    assert {i.path for i in alone.infos.values() if i.role == "weight"} == {i.path for i in ours.infos.values() if i.role == "weight"}


@pytest.mark.parametrize("kind", ["SGD", "Adam", "RMSprop", "Adagrad", "Nadam", "Ftrl", "legacy.SGD", "legacy.Adam", "legacy.RMSprop", "legacy.Ftrl", "legacy.Nadam"])
def test_keras2_models_and_optimizers(tmp_path, ferry_cli, kind):
    tf_keras = pytest.importorskip("tf_keras")
    model = tf_keras.Sequential([tf_keras.layers.Input((3,)), tf_keras.layers.Dense(4, name="a_b"), tf_keras.layers.BatchNormalization(name="norm"),
                                 tf_keras.layers.Dense(1, name="a")])
    maker = tf_keras.optimizers
    for part in kind.split("."):
        maker = getattr(maker, part)
    optimizer = maker(momentum=0.9) if kind.endswith(("SGD", "RMSprop")) else maker()
    model.compile(optimizer=optimizer, loss="mse", metrics=["mae"])
    model.fit(np.ones((4, 3), "f"), np.ones((4, 1), "f"), verbose=0)
    for path, saved in [(tmp_path / "c", lambda p: tf.train.Checkpoint(model=model, optimizer=optimizer).write(p)), (tmp_path / "w", model.save_weights)]:
        saved(str(path))
        ours = agree(path, ferry_cli)
        assert names(ours, "weight") == sorted(v.name.removesuffix(":0") for v in model.weights)
        found = {info.name for info in ours.infos.values() if info.role == "slot"}
        trained = [v.name.removesuffix(":0") for v in model.trainable_variables]
        assert all(any(base in name for base in trained) for name in found)
        assert len(found) > 0 and len(slots(ours)) == len(found)
        for info in ours.infos.values():
            if info.role == "slot":
                assert ours.infos[info.slot_of].name in info.name and info.slot_name in info.name, info
        per_variable = collections.Counter(base for _, base in slots(ours))
        assert set(per_variable) == set(trained) and len(set(per_variable.values())) == 1
    model.save(str(tmp_path / "saved"), save_format="tf")
    ours = agree(tmp_path / "saved" / "variables" / "variables", ferry_cli)
    assert set(names(ours, "weight")) >= {v.name.removesuffix(":0") for v in model.weights}
    assert all("norm" not in name or "moving" in name or "gamma" in name or "beta" in name for name in names(ours, "weight"))
    assert "mae" not in " ".join(names(ours, "weight")) and not [n for n in names(ours, "weight") if n in ("total", "count")]


SAVER = {"Adam": 2, "Momentum": 1, "RMSProp": 2, "Adagrad": 1, "Adadelta": 2, "Ftrl": 2}


@pytest.mark.parametrize("scope", ["", "train"])
@pytest.mark.parametrize("kind", SAVER)
@pytest.mark.parametrize("version", [v1.train.SaverDef.V1, v1.train.SaverDef.V2])
def test_saver_slots_by_their_names(tmp_path, ferry_cli, kind, scope, version):
    with tf.Graph().as_default(), v1.Session() as session:
        with v1.variable_scope("tower"):
            kernel = v1.get_variable("dense/kernel", initializer=tf.ones([4, 2]), use_resource=False)
            pieces = v1.get_variable("parts", shape=[6, 2], initializer=v1.ones_initializer(), partitioner=v1.fixed_size_partitioner(3))
            bias = v1.get_variable("dense/bias", initializer=tf.zeros([2]))
        step = v1.train.get_or_create_global_step()
        maker = getattr(v1.train, kind + "Optimizer")
        optimizer = maker(0.1, 0.9) if kind == "Momentum" else maker(0.1)
        loss = sum(tf.reduce_sum(tf.square(v)) for v in (kernel, tf.convert_to_tensor(pieces), bias))
        average = v1.train.ExponentialMovingAverage(0.9)
        with v1.variable_scope(scope) if scope else v1.variable_scope(v1.get_variable_scope()):
            train = optimizer.minimize(loss, global_step=step)
            average.apply([kernel, bias])
        session.run(v1.variables_initializer([kernel, bias, *pieces]))
        session.run(v1.global_variables_initializer())
        session.run(train)
        v1.train.Saver(write_version=version).save(session, str(tmp_path / "m"))
    ours = agree(tmp_path / "m", ferry_cli)
    assert names(ours, "weight") == ["tower/dense/bias", "tower/dense/kernel", "tower/parts"]
    assert names(ours, "counter") == ["global_step"]
    kept = collections.Counter(base for name, base in slots(ours) if name != "ExponentialMovingAverage")
    assert kept == {"tower/dense/bias": SAVER[kind], "tower/dense/kernel": SAVER[kind], "tower/parts": SAVER[kind] * (3 if scope else 1)}
    assert sorted(base for name, base in slots(ours) if name == "ExponentialMovingAverage") == ["tower/dense/bias", "tower/dense/kernel"]
    powers = [name for name in names(ours, "state")]
    assert len(powers) == (2 if kind == "Adam" else 0) and all("_power" in name for name in powers)


def test_v1_optimizer_in_an_object_checkpoint(tmp_path, ferry_cli):
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", initializer=tf.ones([3]), use_resource=True)
        optimizer = v1.train.AdamOptimizer(0.1)
        train = optimizer.minimize(tf.reduce_sum(tf.square(w)))
        checkpoint = v1.train.Checkpoint(w=w, optimizer=optimizer)
        session.run(v1.global_variables_initializer())
        session.run(train)
        path = checkpoint.save(str(tmp_path / "c"), session=session)
    ours = agree(path, ferry_cli)
    assert slots(ours) == [("m", "w"), ("v", "w")] and names(ours, "weight") == ["w"]
    assert names(ours, "state") == ["beta1_power", "beta2_power"]


def test_saved_models_of_modules(tmp_path, ferry_cli):
    module = tf.Module()
    module.w = tf.Variable(tf.ones([2, 2]), name="w")
    module.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), -1)
    module.f = tf.function(lambda x: x @ module.w, input_signature=[tf.TensorSpec([None, 2])])
    tf.saved_model.save(module, str(tmp_path / "m"))
    ours = agree(tmp_path / "m" / "variables" / "variables", ferry_cli)
    assert names(ours, "weight") == ["w"] and list(ferry.Checkpoint(tmp_path / "m")) == list(ours)


def test_latest_checkpoint_is_that_of_tensorflow(tmp_path):
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(step=tf.Variable(1)), str(tmp_path / "c"), 2)
    assert ferry.latest_checkpoint(tmp_path / "c") is None or not (tmp_path / "c").exists()
    for _ in range(3):
        manager.save()
        assert ferry.latest_checkpoint(tmp_path / "c") == tf.train.latest_checkpoint(str(tmp_path / "c")) == manager.latest_checkpoint
    (tmp_path / "c" / "ckpt-3.index").unlink()
    assert ferry.latest_checkpoint(tmp_path / "c") is None
