"""Models that TensorFlow writes, read by us as by TensorFlow's own protobufs: every node, attribute, function and signature."""
import math
import os
import pathlib

import numpy as np
import pytest

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
tf = pytest.importorskip("tensorflow")
import tensorferry as ferry  # noqa: E402
from google.protobuf import text_format  # noqa: E402
from tensorflow.core.framework import graph_pb2, types_pb2  # noqa: E402
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2  # noqa: E402

GOLDENS = pathlib.Path(__file__).resolve().parents[3] / "tests" / "golden" / "model"
FOLDERS = ["sparse", "star", "plain", "keras3", "keras2", "control", "simple", "text"]
v1 = tf.compat.v1


def dtype_of(number):
    if number == 0:
        return None
    name = tf.dtypes.as_dtype(number).name
    return name if number > 100 else getattr(ferry, "bool_" if name == "bool" else name)


def shape_of(shape):
    return None if shape.unknown_rank else tuple(None if d.size < 0 else d.size for d in shape.dim)


def same_tensor(ours, proto):
    theirs = tf.make_ndarray(proto)
    ours = ours.to_numpy()
    if theirs.dtype == object:
        return ours.reshape(-1).tolist() == [bytes(x) for x in theirs.reshape(-1)] and ours.shape == theirs.shape
    return ours.shape == theirs.shape and ours.tobytes() == theirs.tobytes()


def check_attr(ours, proto):
    kind = proto.WhichOneof("value")
    if kind == "s":
        assert ours == proto.s and isinstance(ours, bytes)
    elif kind == "i":
        assert ours == proto.i and not isinstance(ours, bool)
    elif kind == "f":
        assert ours == proto.f or (math.isnan(ours) and math.isnan(proto.f))
    elif kind == "b":
        assert ours is proto.b
    elif kind == "type":
        assert ours == dtype_of(proto.type)
    elif kind == "shape":
        assert ours == shape_of(proto.shape)
    elif kind == "tensor":
        assert same_tensor(ours, proto.tensor)
    elif kind == "func":
        check_call(ours, proto.func)
    elif kind == "placeholder":
        assert ours == proto.placeholder
    elif kind == "list":
        lists = [field.name for field, _ in proto.list.ListFields()]
        if not lists:
            assert ours == []
            return
        (name,) = lists
        values = getattr(proto.list, name)
        assert len(ours) == len(values)
        for x, y in zip(ours, values):
            if name == "type":
                assert x == dtype_of(y)
            elif name == "shape":
                assert x == shape_of(y)
            elif name == "func":
                check_call(x, y)
            elif name == "tensor":
                assert x == y.SerializeToString()
            else:
                assert x == y
    else:
        assert ours is None


def check_call(ours, proto):
    assert ours.name == proto.name and set(ours.attrs) == set(proto.attr)
    for name in proto.attr:
        check_attr(ours.attrs[name], proto.attr[name])


def check_nodes(ours, protos):
    assert len(ours) == len(protos)
    attrs = 0
    for mine, theirs in zip(ours, protos):
        assert (mine.name, mine.op, mine.device, mine.inputs) == (theirs.name, theirs.op, theirs.device, list(theirs.input))
        assert set(mine.attrs) == set(theirs.attr)
        for name in theirs.attr:
            check_attr(mine.attrs[name], theirs.attr[name])
            attrs += 1
    return attrs


def check_args(ours, protos):
    assert [(a.name, a.dtype, a.type_attr, a.number_attr, a.type_list_attr) for a in ours] == [
        (p.name, dtype_of(p.type), p.type_attr, p.number_attr, p.type_list_attr) for p in protos]


def check_graph(ours, proto):
    attrs = check_nodes(ours.nodes, proto.node)
    assert list(ours.functions) == [f.signature.name for f in proto.library.function]
    assert (ours.producer, ours.min_consumer) == (proto.versions.producer, proto.versions.min_consumer)
    for theirs in proto.library.function:
        mine = ours.functions[theirs.signature.name]
        attrs += check_nodes(mine.nodes, theirs.node_def)
        check_args(mine.inputs, theirs.signature.input_arg)
        check_args(mine.outputs, theirs.signature.output_arg)
        assert mine.ret == dict(theirs.ret) and mine.control_ret == dict(theirs.control_ret)
        assert set(mine.attrs) == set(theirs.attr)
        for name in theirs.attr:
            check_attr(mine.attrs[name], theirs.attr[name])
    return attrs


def flat(ports):
    """What a signature's flat map says of each key: {key: tensor}."""
    return {part.key or port.name: part.tensor for port in ports.values() for part in port.parts if part.key or len(port.parts) == 1}


def check_meta(ours, proto):
    attrs = check_graph(ours.graph, proto.graph_def)
    assert list(ours.tags) == list(proto.meta_info_def.tags)
    assert ours.tensorflow_version == proto.meta_info_def.tensorflow_version
    keys = {key for key in proto.signature_def if not key.startswith("__saved_model")}
    assert set(ours.signatures) == keys
    for key in keys:
        mine, theirs = ours.signatures[key], proto.signature_def[key]
        assert mine.method == theirs.method_name
        for ports, infos in ((mine.inputs, theirs.inputs), (mine.outputs, theirs.outputs)):
            plain = {name: info.name for name, info in infos.items() if info.WhichOneof("encoding") == "name"}
            assert {name: tensor for name, tensor in flat(ports).items() if name in plain} == plain
            for name, info in infos.items():
                if info.WhichOneof("encoding") == "coo_sparse":
                    sparse = info.coo_sparse
                    assert [p.tensor for p in ports[name].parts] == [
                        sparse.indices_tensor_name, sparse.values_tensor_name, sparse.dense_shape_tensor_name]
                    assert ports[name].shape == shape_of(info.tensor_shape) or info.tensor_shape.unknown_rank
                if info.WhichOneof("encoding") == "composite_tensor":
                    assert [p.tensor for p in ports[name].parts] == [c.name for c in info.composite_tensor.components]
    assert set(ours.collections) == set(proto.collection_def)
    for name, collection in proto.collection_def.items():
        kind = collection.WhichOneof("kind")
        if kind in ("node_list", "bytes_list", "int64_list"):
            assert ours.collections[name] == list(getattr(collection, kind).value)
    assert [name for _, name in ours.assets] == [a.filename for a in proto.asset_file_def]
    return attrs


def saved(folder):
    out = saved_model_pb2.SavedModel()
    binary = pathlib.Path(folder, "saved_model.pb")
    if binary.exists():
        out.ParseFromString(binary.read_bytes())
    else:
        text_format.Parse(pathlib.Path(folder, "saved_model.pbtxt").read_text(), out)
    return out


@pytest.mark.parametrize("name", FOLDERS)
def test_golden_saved_models_are_read_as_tensorflow_reads_them(name):
    proto = saved(GOLDENS / name)
    model = ferry.open_model(GOLDENS / name, tags=["serve"])
    assert len(model.meta_graphs) == len(proto.meta_graphs)
    assert sum(check_meta(ours, theirs) for ours, theirs in zip(model.meta_graphs, proto.meta_graphs)) > 20


def test_text_is_turned_into_the_same_message(tmp_path):
    proto = saved(GOLDENS / "text")
    assert saved_model_pb2.SavedModel.FromString(ferry.open_model(GOLDENS / "text", tags="serve").serialize()) == proto
    # Every golden written as text by protobuf, and read by us.
    for name in ("sparse", "keras2", "control"):
        proto = saved(GOLDENS / name)
        (tmp_path / "saved_model.pbtxt").write_text(text_format.MessageToString(proto))
        assert saved_model_pb2.SavedModel.FromString(ferry.open_model(tmp_path).serialize()) == proto, name
        (tmp_path / "saved_model.pbtxt").write_text(text_format.MessageToString(proto, as_one_line=True, as_utf8=True, use_short_repeated_primitives=True))
        assert saved_model_pb2.SavedModel.FromString(ferry.open_model(tmp_path).serialize()) == proto, name
    meta = meta_graph_pb2.MetaGraphDef.FromString((GOLDENS / "train" / "model.ckpt-7.meta").read_bytes())
    (tmp_path / "text.meta").write_text(text_format.MessageToString(meta))
    model = ferry.open_model(tmp_path / "text.meta")
    assert model.kind == "MetaGraph" and model.is_text
    assert meta_graph_pb2.MetaGraphDef.FromString(model.serialize()) == meta
    check_meta(model, meta)


def test_graphs_and_meta_graphs():
    meta = meta_graph_pb2.MetaGraphDef.FromString((GOLDENS / "train" / "model.ckpt-7.meta").read_bytes())
    check_meta(ferry.open_model(GOLDENS / "train"), meta)
    for name in ("frozen.pb", "frozen.pbtxt", "triple.pbtxt"):
        proto = graph_pb2.GraphDef()
        if name.endswith(".pb"):
            proto.ParseFromString((GOLDENS / name).read_bytes())
        else:
            text_format.Parse((GOLDENS / name).read_text(), proto)
        check_graph(ferry.open_model(GOLDENS / name).graph, proto)


def test_attributes_of_every_kind(tmp_path):
    proto = graph_pb2.GraphDef()
    node = proto.node.add(name="n", op="Foo")
    node.attr["s"].s, node.attr["i"].i, node.attr["f"].f, node.attr["b"].b = b"\0\xff", -(2**63), float("nan"), True
    for number in [n for n in types_pb2.DataType.values() if n != 0]:
        node.attr[f"t{number}"].type = number
    node.attr["sh"].shape.dim.add(size=-1, name="x")
    node.attr["u"].shape.unknown_rank = True
    node.attr["p"].placeholder = "T"
    node.attr["e"].list.SetInParent()
    for name, values in {"s": [b"", b"x"], "i": [0, -1, 2**62], "f": [0.1, float("inf")], "b": [True, False], "type": [1, 101]}.items():
        getattr(node.attr["l" + name].list, name).extend(values)
    node.attr["lsh"].list.shape.add().unknown_rank = True
    node.attr["lfn"].list.func.add(name="g").attr["k"].i = 3
    node.attr["fn"].func.name = "g"
    node.attr["fn"].func.attr["T"].type = 1
    for dtype in (tf.float32, tf.bfloat16, tf.half, tf.dtypes.experimental.int4, tf.bool, tf.complex128, tf.uint64, tf.string, tf.qint8):
        value = np.zeros((2, 3), dtype.as_numpy_dtype) if dtype != tf.string else np.array([[b"a", b""]], object)
        node.attr["c" + dtype.name].tensor.CopyFrom(tf.make_tensor_proto(value, dtype if dtype != tf.qint8 else None))
    (tmp_path / "g.pb").write_bytes(proto.SerializeToString())
    check_graph(ferry.open_model(tmp_path / "g.pb").graph, proto)
    (tmp_path / "g.pbtxt").write_text(text_format.MessageToString(proto))
    check_graph(ferry.open_model(tmp_path / "g.pbtxt").graph, proto)


# ---- Exports made here


def check_folder(folder):
    proto = saved(folder)
    model = ferry.open_model(folder)
    check_meta(model, proto.meta_graphs[0])
    return model


def test_exports_with_arguments_of_many_structures(tmp_path):
    class M(tf.Module):
        @tf.function(input_signature=[
            {"u": {"id": tf.SparseTensorSpec([None, 9], tf.int64), "w": tf.TensorSpec([None])}, "x_1": tf.TensorSpec([None], tf.string)},
            (tf.RaggedTensorSpec([None, None, None], tf.float32, ragged_rank=2, row_splits_dtype=tf.int32), tf.TensorSpec([], tf.bool)),
            tf.RaggedTensorSpec([None, None, 4], tf.float32, ragged_rank=1)])
        def f(self, x, pair, last):
            return {"a": x["u"]["id"].values, "b": pair[0].flat_values, "c": last, "d": x["x_1"]}

    m = M()
    tf.saved_model.save(m, str(tmp_path / "m"), signatures=m.f)
    inputs = check_folder(tmp_path / "m").signatures["serving_default"].inputs
    kinds = {name: (p.kind, p.dtype.name, p.shape, p.argument) for name, p in inputs.items()}
    assert kinds["u/id"] == ("coo", "int64", (None, 9), "x['u']['id']")
    assert kinds["u/w"][0] == "dense"
    # x_1 is the flat name of another part, so this member keeps its argument's name.
    assert kinds["x/x_1"][:2] == ("dense", "string")
    ragged = inputs["pair"]
    assert (ragged.kind, ragged.shape, len(ragged.parts)) == ("ragged", (None, None, None), 3)
    assert [p.dtype.name for p in ragged.parts] == ["float32", "int32", "int32"]
    assert inputs["last"].parts[0].shape == (None, 4)


def test_exports_of_keyword_arguments_defaults_and_feature_parsing(tmp_path):
    class M(tf.Module):
        @tf.function
        def f(self, x, *, sp, scale=2.0, training=False):
            return tf.sparse.to_dense(sp) * scale + x

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def parse(self, examples):
            parsed = tf.io.parse_example(examples, {"a": tf.io.VarLenFeature(tf.int64), "b": tf.io.FixedLenFeature([2], tf.float32),
                                                    "r": tf.io.RaggedFeature(tf.float32)})
            return {"a": parsed["a"], "b": parsed["b"], "r": parsed["r"]}

    m = M()
    c = m.f.get_concrete_function(tf.TensorSpec([None, 3]), sp=tf.SparseTensorSpec([None, 3], tf.float32))
    tf.saved_model.save(m, str(tmp_path / "m"), signatures={"serving_default": c, "parse": m.parse})
    model = check_folder(tmp_path / "m")
    inputs = model.signatures["serving_default"].inputs
    assert inputs["sp"].kind == "coo" and inputs["x"].kind == "dense"
    outputs = model.signatures["parse"].outputs
    assert {name: p.kind for name, p in outputs.items()} == {"a": "coo", "b": "dense", "r": "ragged"}


def test_exports_of_a_loaded_model_keep_the_structure_behind_two_wrappers(tmp_path):
    loaded = tf.saved_model.load(str(GOLDENS / "star"))
    signature = loaded.signatures["serving_default"]
    tf.saved_model.save(loaded, str(tmp_path / "m"), signatures={"x": signature, "y": signature})
    for found in check_folder(tmp_path / "m").signatures.values():
        assert [(p.name, p.kind) for p in found.inputs.values()] == [("args_0", "coo"), ("args_1", "dense")]
    run_cli("model", "rename", tmp_path / "m", tmp_path / "new", "--input", "x:args_0=c")
    new = tf.saved_model.load(str(tmp_path / "new"))
    parts = [tf.constant([[0, 1]], tf.int64), tf.constant([3.0]), tf.constant([1, 5], tf.int64)]
    for key, names in (("x", ["c/indices", "c/values", "c/dense_shape"]), ("y", ["args_0", "args_0_1", "args_0_2"])):
        assert new.signatures[key](**dict(zip(names, parts)), args_1=tf.ones([2]))["output_0"].numpy() == [3.0]


def test_exports_with_default_values(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec([None], name="x"), tf.TensorSpec([], name="s")])
    def f(x, s=tf.constant(2.5)):
        return {"y": x * s}

    m = tf.Module()
    m.f = f
    tf.saved_model.save(m, str(tmp_path / "m"), signatures=f)
    inputs = check_folder(tmp_path / "m").signatures["serving_default"].inputs
    assert inputs["x"].parts[0].default is None
    assert ferry.parse_tensor(inputs["s"].parts[0].default).to_numpy() == 2.5
    run_cli("model", "rename", tmp_path / "m", tmp_path / "new", "--input", "s=a_scale", "--input", "x=z")
    assert ferry.open_model(tmp_path / "new").signatures["serving_default"].inputs["a_scale"].parts[0].default is not None
    new = tf.saved_model.load(str(tmp_path / "new"))
    assert new.signatures["serving_default"](z=tf.ones([1]), a_scale=tf.constant(3.0))["y"].numpy() == [3.0]


def test_exports_of_keras_with_state_and_control_flow(tmp_path):
    import keras
    inputs = keras.Input((5, 3))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.LSTM(4)(keras.layers.BatchNormalization()(inputs))))
    model.compile("adam", "mse")
    model.fit(np.zeros((2, 5, 3)), np.zeros((2, 2)), verbose=0)
    model.export(str(tmp_path / "export"), verbose=False)
    check_folder(tmp_path / "export")
    tf.saved_model.save(model, str(tmp_path / "saved"))
    found = check_folder(tmp_path / "saved")
    keys = set(ferry.Checkpoint(found.checkpoint))
    assert all(v.key in keys for v in found.variables), [v.key for v in found.variables if v.key not in keys]


def test_exports_of_tensorflow_1(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.sparse_placeholder(tf.float32, [2, 3], name="known")
        default = v1.placeholder_with_default(tf.constant([1.0, 2.0]), [None], name="default")
        w = v1.get_variable("w", [3, 2], partitioner=v1.fixed_size_partitioner(3), use_resource=True)
        h = v1.get_variable("half", [2], tf.bfloat16)
        loop = tf.while_loop(lambda i: i < 3, lambda i: i + 1, [tf.constant(0)])[0]
        y = tf.add(tf.sparse.sparse_dense_matmul(x, w), default, name="score")
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(tmp_path / "m"), {"x": x, "d": default}, {"y": y, "loop": loop, "h": tf.identity(h)})
        v1.train.Saver().save(session, str(tmp_path / "ckpt" / "model"))
    found = check_folder(tmp_path / "m")
    assert {v.key: v.shape for v in found.variables} == {"w": (3, 2), "half": (2,)}
    meta = ferry.open_model(tmp_path / "ckpt" / "model.meta")
    proposed = meta.propose_signature()
    assert proposed.inputs["known"].kind == "coo" and proposed.inputs["known"].shape == (2, 3)
    assert "score" in proposed.outputs


def test_sparse_placeholders_without_names(tmp_path):
    with tf.Graph().as_default():
        known, unknown = v1.sparse_placeholder(tf.int64, [None, 9]), v1.sparse_placeholder(tf.float32)
        dense = v1.placeholder(tf.float32, [None])
        table = tf.ones([10, 2])
        tf.add(tf.nn.embedding_lookup_sparse(table, known, None, combiner="sum"), tf.sparse.reduce_sum(unknown) + tf.reduce_sum(dense), name="score")
        v1.train.export_meta_graph(str(tmp_path / "g.meta"))
        names = [[op.name for op in (sp.indices.op, sp.values.op, sp.dense_shape.op)] for sp in (known, unknown)]
    found = ferry.open_model(tmp_path / "g.meta").propose_signature()
    sparse = [[part.tensor[:-2] for part in port.parts] for port in found.inputs.values() if port.kind == "coo"]
    assert sorted(sparse) == sorted(names)
    assert [port.parts[0].tensor for port in found.inputs.values() if port.kind == "dense"] == [dense.name]
    assert list(found.outputs) == ["score"]


# ---- Renamed


def run_cli(*arguments):
    import subprocess
    ferry_path = os.environ.get("FERRY", str(pathlib.Path(ferry._core.__file__).resolve().parents[2] / "bin" / "ferry"))
    if not pathlib.Path(ferry_path).exists():
        pytest.skip("the command line is not built")
    subprocess.run([ferry_path, *map(str, arguments)], check=True)


def equal(a, b):
    if isinstance(a, tf.SparseTensor):
        return equal(a.indices, b.indices) and equal(a.values, b.values) and equal(a.dense_shape, b.dense_shape)
    if isinstance(a, tf.RaggedTensor):
        return equal(a.flat_values, b.flat_values) and equal(a.row_splits, b.row_splits)
    return a.dtype == b.dtype and np.array_equal(a.numpy(), b.numpy())


SPARSE = {"features": tf.constant([[0, 1], [1, 2]], tf.int64), "features_1": tf.constant([1.0, 2.0]), "features_2": tf.constant([2, 5], tf.int64),
          "rt": tf.constant([1, 2, 3], tf.int64), "rt_1": tf.constant([0, 1, 3], tf.int64), "x": tf.constant([[0, 0], [1, 1]], tf.int64),
          "x_1": tf.constant(["a", "c"]), "x_2": tf.constant([2, 7], tf.int64), "x_3": tf.constant([9.0, 8.0])}


def test_a_renamed_model_gives_the_same_values_in_tensorflow(tmp_path):
    run_cli("model", "rename", GOLDENS / "sparse", tmp_path / "new", "--input", "serving_default:features=zclicks", "--input", "rt=words",
            "--input", "a=tags", "--input", "x_3=aaa", "--output", "y=a_scores", "--output", "s=zz", "--signature", "dense=score/dense")
    names = {"features": "zclicks/indices", "features_1": "zclicks/values", "features_2": "zclicks/dense_shape", "rt": "words/values",
             "rt_1": "words/row_splits", "x": "tags/indices", "x_1": "tags/values", "x_2": "tags/dense_shape", "x_3": "aaa"}
    outputs = {"y": "a_scores", "s": "zz"}
    old, new = tf.saved_model.load(str(GOLDENS / "sparse")), tf.saved_model.load(str(tmp_path / "new"))
    wanted = old.signatures["serving_default"](**SPARSE)
    for spell in (lambda name: name, lambda name: name.replace("/", "_")):
        got = new.signatures["serving_default"](**{spell(names[k]): v for k, v in SPARSE.items()})
        assert set(got) == {outputs.get(k, k) for k in wanted}
        for key, value in wanted.items():
            assert equal(value, got[outputs.get(key, key)]), key
    assert equal(old.signatures["dense"](d=tf.ones([1, 5]))["output_0"], new.signatures["score/dense"](d=tf.ones([1, 5]))["output_0"])
    assert equal(old.f(tf.SparseTensor(*[SPARSE["features" + s] for s in ("", "_1", "_2")]),
                       tf.RaggedTensor.from_row_splits(SPARSE["rt"], SPARSE["rt_1"]),
                       {"a": tf.SparseTensor(SPARSE["x"], SPARSE["x_1"], SPARSE["x_2"]), "b": SPARSE["x_3"]})["y"], wanted["y"])
    # A session, as TensorFlow Serving has it.
    with tf.Graph().as_default(), v1.Session() as session:
        signature = v1.saved_model.load(session, ["serve"], str(tmp_path / "new")).signature_def["serving_default"]
        feed = {signature.inputs[names[k]].name: v.numpy() for k, v in SPARSE.items()}
        fetches = [signature.outputs["a_scores"].name, signature.outputs["zz"].coo_sparse.values_tensor_name, signature.outputs["t"].name]
        y, s, t = session.run(fetches, feed)
    assert np.array_equal(y, wanted["y"]) and np.array_equal(s, wanted["s"].values) and np.array_equal(t, wanted["t"])
    # Saved again by TensorFlow, and renamed back by us: the same bytes.
    tf.saved_model.save(new, str(tmp_path / "again"))
    back = [x for old_name, name in names.items() if old_name[0] != "x" or old_name == "x_3" for x in ("--input", f"{name}={old_name}")]
    back += [x for old_name, name in (("x", "tags/indices"), ("x_1", "tags/values"), ("x_2", "tags/dense_shape")) for x in ("--input", f"{name}={old_name}")]
    run_cli("model", "rename", tmp_path / "new", tmp_path / "back", *back, "--output", "a_scores=y", "--output", "zz=s", "--signature", "score/dense=dense")
    assert (tmp_path / "back" / "saved_model.pb").read_bytes() == (GOLDENS / "sparse" / "saved_model.pb").read_bytes()


def test_renamed_keras_and_tensorflow_1_models_load(tmp_path):
    run_cli("model", "rename", GOLDENS / "keras2", tmp_path / "keras2", "--input", "bag=zbag", "--input", "words=words", "--input", "plain=plain")
    kw = {"args_0": SPARSE["features"], "args_0_1": SPARSE["features_1"], "args_0_2": tf.constant([2, 6], tf.int64), "args_0_3": SPARSE["rt"],
          "args_0_4": SPARSE["rt_1"], "args_0_5": tf.ones([2, 2])}
    names = ["zbag/indices", "zbag/values", "zbag/dense_shape", "words/values", "words/row_splits", "plain"]
    old, new = tf.saved_model.load(str(GOLDENS / "keras2")), tf.saved_model.load(str(tmp_path / "keras2"))
    assert equal(old.signatures["serving_default"](**kw)["score"], new.signatures["serving_default"](**dict(zip(names, kw.values())))["score"])
    run_cli("model", "rename", GOLDENS / "simple", tmp_path / "simple", "--input", "features=clicks", "--output", "y=logits")
    new = tf.saved_model.load(str(tmp_path / "simple"))
    empty = {f"{k}_{part}": v for k, t in (("ids", tf.int64), ("tokens", tf.string)) for part, v in
             (("indices", tf.zeros([0, 2], tf.int64)), ("values", tf.constant([], t)), ("dense_shape", tf.constant([1, 1], tf.int64)))}
    got = new.signatures["serving_default"](clicks_indices=tf.constant([[0, 1]], tf.int64), clicks_values=tf.constant([2.0]),
                                            clicks_dense_shape=tf.constant([1, 30], tf.int64), **empty)
    assert np.array_equal(got["logits"], np.full((1, 4), 1.5, np.float32))
