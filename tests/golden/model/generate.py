"""Models made by TensorFlow, Keras 3 and tf_keras: python generate.py [--core-ops]

sparse/       tf.Module, a function of a SparseTensor, a RaggedTensor and a dict, sparse and ragged outputs, a table from an asset
star/         *args, saved from a concrete function
plain/        no signature; two traces of one function
keras3/       Keras 3, Model.export of a dict of inputs
keras2/       tf_keras, Input(sparse=True), Input(ragged=True), a dense one
control/      while, if, map_fn
simple/       TF1 simple_save of sparse placeholders: coo_sparse inputs; ref, resource and partitioned variables
train/        TF1 Saver: model.ckpt-7 and its .meta, trained with sparse placeholders
text/         TF1 SavedModel as text: two meta graphs, a regress signature with slashes, two keys of one tensor
frozen.pb, frozen.pbtxt   variables as constants
triple.pbtxt  three placeholders of any names, consumed together by a sparse op

--core-ops writes src/graph/core_ops.inc: the ops that TensorFlow registers by itself."""
import os
import pathlib
import shutil
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import keras
import numpy as np
import tensorflow as tf
import tf_keras

HERE = pathlib.Path(__file__).resolve().parent
v1 = tf.compat.v1


def fresh(name):
    shutil.rmtree(HERE / name, ignore_errors=True)
    return str(HERE / name)


def sparse(folder):
    vocabulary = HERE / "vocab.txt"
    vocabulary.write_text("a\nb\nc\n")

    class Model(tf.Module):
        def __init__(self):
            self.w = tf.Variable(np.arange(15, dtype=np.float32).reshape(5, 3), name="w")
            init = tf.lookup.TextFileInitializer(str(vocabulary), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64,
                                                 tf.lookup.TextFileIndex.LINE_NUMBER)
            self.table = tf.lookup.StaticHashTable(init, -1)

        @tf.function(input_signature=[tf.SparseTensorSpec([None, 5], tf.float32), tf.RaggedTensorSpec([None, None], tf.int64),
                                      {"b": tf.TensorSpec([None], tf.float32), "a": tf.SparseTensorSpec([None, 7], tf.string)}])
        def f(self, features, rt, x):
            return {"y": tf.sparse.sparse_dense_matmul(features, self.w), "s": tf.sparse.reorder(features), "r": rt,
                    "t": self.table.lookup(x["a"].values), "b": x["b"]}

        @tf.function(input_signature=[tf.TensorSpec([None, 5], tf.float32)])
        def g(self, d):
            return tf.matmul(d, self.w)

    m = Model()
    tf.saved_model.save(m, folder, signatures={"serving_default": m.f, "dense": m.g})
    vocabulary.unlink()


def star(folder):
    @tf.function
    def f(*args, scale=None):
        return args[0].values, args[1] * 2

    m = tf.Module()
    concrete = f.get_concrete_function(tf.SparseTensorSpec([None, 5], tf.float32), tf.TensorSpec([None], tf.float32))
    m.f = f
    tf.saved_model.save(m, folder, signatures=concrete)


def plain(folder):
    class Model(tf.Module):
        def __init__(self):
            self.w = tf.Variable([1.0, 2.0])

        @tf.function
        def call(self, x, training=False):
            return self.w + x

    m = Model()
    m.call(tf.constant(1.0))
    m.call(tf.constant([1.0, 2.0]), training=True)
    m.inner = Model()
    m.inner.call(tf.constant(1.0))
    tf.saved_model.save(m, folder)


def keras3(folder):
    wide, deep = keras.Input((4,), name="wide"), keras.Input((2,), name="deep")
    h = keras.layers.Concatenate()([wide, deep])
    keras.Model({"wide": wide, "deep": deep}, {"score": keras.layers.Dense(1, name="score")(h)}).export(folder, verbose=False)


def keras2(folder):
    bag = tf_keras.Input((6,), sparse=True, name="bag")
    words = tf_keras.Input((None,), ragged=True, dtype="int64", name="words")
    plain = tf_keras.Input((2,), name="plain")
    counts = tf_keras.layers.Lambda(lambda t: tf.cast(tf.expand_dims(t.row_lengths(), 1), tf.float32))(words)
    h = tf_keras.layers.Concatenate()([tf_keras.layers.Dense(3)(bag), plain, counts])
    tf_keras.Model([bag, words, plain], tf_keras.layers.Dense(1, name="score")(h)).save(folder, save_format="tf")


def control(folder):
    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.int32, name="n"), tf.SparseTensorSpec([None, 3], tf.float32)])
        def f(self, n, sp):
            i, a = tf.constant(0), tf.constant(0.0)
            while i < n:
                if i > 2:
                    a = a + 1.0
                else:
                    a = a + 2.0
                i += 1
            return {"a": a, "v": tf.map_fn(lambda x: x * 2, tf.sparse.to_dense(sp))}

    m = Model()
    tf.saved_model.save(m, folder, signatures=m.f)


def graph(train):
    features = v1.sparse_placeholder(tf.float32, [None, 30], name="features")
    tokens = v1.sparse_placeholder(tf.string, [None, None], name="tokens")
    ids = v1.sparse_placeholder(tf.int64, name="ids")
    constant = v1.constant_initializer(0.5)
    w = v1.get_variable("w", [30, 4], initializer=constant, use_resource=False)
    b = v1.get_variable("b", [4], initializer=constant, use_resource=True)
    v1.get_variable("part", [10, 4], initializer=constant, partitioner=v1.fixed_size_partitioner(2))
    logits = tf.identity(tf.sparse.sparse_dense_matmul(features, w) + b, name="logits")
    probabilities = tf.nn.softmax(logits, name="probabilities")
    text = v1.sparse_tensor_to_dense(tokens, default_value="", name="text")
    if train:
        labels = v1.placeholder(tf.float32, [None, 4], name="labels")
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        v1.losses.add_loss(loss)
        op = v1.train.AdamOptimizer().minimize(loss, global_step=v1.train.get_or_create_global_step())
        v1.add_to_collection("train_op", op)
    return {"features": features, "tokens": tokens, "ids": ids}, {"y": logits, "t": text, "sp": features}, probabilities


def in_session(train=False):
    made = graph(train)
    session = v1.Session()
    session.run(v1.global_variables_initializer())
    return session, made


def simple(folder):
    with tf.Graph().as_default():
        session, (inputs, outputs, _) = in_session()
        v1.saved_model.simple_save(session, folder, inputs, outputs)
        frozen = v1.graph_util.convert_variables_to_constants(session, session.graph.as_graph_def(), ["probabilities"])
        (HERE / "frozen.pb").write_bytes(frozen.SerializeToString(deterministic=True))
        tf.io.write_graph(frozen, str(HERE), "frozen.pbtxt", as_text=True)


def train(folder):
    os.makedirs(folder)
    with tf.Graph().as_default():
        session, _ = in_session(train=True)
        saver = v1.train.Saver()
        saver.save(session, folder + "/model.ckpt", global_step=7)
    state = pathlib.Path(folder, "checkpoint")
    state.write_text(state.read_text().replace(folder + "/", ""))


def text(folder):
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        w = v1.get_variable("w", [2, 1], initializer=v1.constant_initializer(2.0))
        y = tf.matmul(x, w, name="y")
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(folder)
        predict = v1.saved_model.predict_signature_def({"x": x, "same": x}, {"y": y})
        regress = v1.saved_model.build_signature_def({"inputs": v1.saved_model.build_tensor_info(x)},
                                                     {"outputs": v1.saved_model.build_tensor_info(y)}, "tensorflow/serving/regress")
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": predict, "tensorflow/serving/regress": regress})
        builder.add_meta_graph(["train"])
        builder.save(as_text=True)


def triple():
    with tf.Graph().as_default() as g:
        where, what, size = (v1.placeholder(t, s, name=n) for t, s, n in
                             [(tf.int64, [None, 2], "net/where"), (tf.float32, [None], "net/what"), (tf.int64, [2], "net/size")])
        sp = tf.SparseTensor(where, tf.cast(what, tf.float64), size)
        tf.identity(tf.sparse.sparse_dense_matmul(sp, tf.ones([4, 1], tf.float64)), name="net/scores")
    tf.io.write_graph(g.as_graph_def(), str(HERE), "triple.pbtxt", as_text=True)


def core_ops():
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session
    ops = op_def_pb2.OpList.FromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    lines, line = [], ""
    for name in sorted(op.name for op in ops.op):
        if len(line) + len(name) > 130:
            lines.append(line)
            line = ""
        line += name + " "
    lines.append(line)
    path = HERE.parents[2] / "src" / "graph" / "core_ops.inc"
    path.write_text("// The ops that TensorFlow registers by itself, sorted: tests/golden/model/generate.py --core-ops\n"
                    + "".join(f'"{line}"\n' for line in lines))


if "--core-ops" in sys.argv:
    core_ops()
    sys.exit()
for make in (sparse, star, plain, keras3, keras2, control, simple, train, text):
    make(fresh(make.__name__))
triple()
(HERE / "versions.txt").write_text(f"tensorflow {tf.__version__}\nkeras {keras.__version__}\ntf_keras {tf_keras.__version__}\n")
