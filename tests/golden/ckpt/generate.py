"""Writes the goldens of `ckpt` beside this file with TensorFlow: Saver V1 here, tensor bundles and what TensorFlow reads in them
in v2/. See versions.txt."""
import os
import pathlib
import shutil

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
from tensorflow.python.training import py_checkpoint_reader

HERE = pathlib.Path(__file__).parent
V2 = HERE / "v2"
v1 = tf.compat.v1
SAVER_V1 = v1.train.SaverDef.V1


def save(path, build, **saver):
    with tf.Graph().as_default(), v1.Session() as session:
        build()
        session.run(v1.global_variables_initializer())
        v1.train.Saver(**saver).save(session, str(path), write_meta_graph=False, write_state=False)


def variable(name, value, dtype=None):
    v1.get_variable(name, initializer=tf.constant(value, dtype), use_resource=False)


def few():
    variable("layer/kernel", [[1.5, -2.0], [3.0, 4.25]])
    variable("layer/bias", [0.5, 0.25], tf.float64)
    variable("ids", [1, -2, 1 << 40], tf.int64)
    variable("words", ["x", "", "é"])
    variable("flags", [True, False])
    variable("empty", np.zeros((0, 4), np.float32))
    variable("step", 7, tf.int32)


def all_dtypes():
    for dtype in [tf.float16, tf.float32, tf.float64, tf.int8, tf.uint8, tf.int16, tf.uint16, tf.int32, tf.int64, tf.uint32, tf.uint64, tf.bool,
                  tf.complex64, tf.complex128]:
        v1.get_variable(dtype.name, initializer=tf.cast(tf.constant([[0, 1, 1], [1, 0, 1]]), dtype), use_resource=True)


def piece_of(grid):
    def initializer(shape, dtype=None, partition_info=None):
        (i, j), (rows, columns) = partition_info.var_offset, shape
        return tf.constant(grid[i:i + rows, j:j + columns])
    return initializer


def pieces():
    grid = np.arange(40, dtype=np.float32).reshape(10, 4)
    v1.get_variable("rows", shape=(10, 4), initializer=piece_of(grid), partitioner=v1.fixed_size_partitioner(3))
    v1.get_variable("columns", shape=(4, 10), initializer=piece_of(grid.T), partitioner=v1.fixed_size_partitioner(4, axis=1))
    variable("whole", 1.0)


def triple():
    variable("clicks/indices", [[0, 1], [2, 3]], tf.int64)
    variable("clicks/values", [1.0, 2.0])
    variable("clicks/dense_shape", [3, 4], tf.int64)


def slots():
    """Objects that are shared, in a cycle, with names that are escaped in keys; an optimizer with slots, of which it has no list."""
    import tf_keras
    optimizer = tf_keras.optimizers.legacy.Adam()
    shared = tf.Variable([1.0, 2.0], name="dense/kernel")
    holder = tf.Module()
    holder.again = tf.Module()
    holder.again.back = holder
    holder.names = {"a/b.c": shared, "other": tf.Variable([3.0], name="other")}
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    table.insert(["x", "y"], [1, 2])
    optimizer.apply_gradients([(tf.constant([0.5, 0.5]), shared)])
    tf.train.Checkpoint(model=holder, kernel=shared, opt=optimizer, table=table, rng=tf.random.Generator.from_seed(1)).save(str(V2 / "slots"))


def keras3():
    import keras
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="d1"), keras.layers.Dropout(0.5)])
    model.compile(optimizer="adam", loss="mse")
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    tf.train.Checkpoint(model=model, optimizer=model.optimizer).write(str(V2 / "keras3"))


def expected(prefix):
    reader = py_checkpoint_reader.NewCheckpointReader(str(prefix))
    arrays = {}
    for name in sorted(reader.get_variable_to_shape_map()):
        value = np.asarray(reader.get_tensor(name))
        arrays[name] = value.astype("S") if value.dtype == object else value
    np.savez(f"{prefix}.expected.npz", **arrays)


for old in HERE.glob("*.ckpt"):
    old.unlink()
shutil.rmtree(V2, ignore_errors=True)
V2.mkdir(exist_ok=True)
save(HERE / "few.ckpt", few, write_version=SAVER_V1)
save(HERE / "pieces.ckpt", pieces, write_version=SAVER_V1)
for build in [few, all_dtypes, pieces, triple]:
    save(V2 / build.__name__, build)
    if build is not few:
        expected(V2 / build.__name__)
objects = tf.train.Checkpoint(a=tf.Variable([1.0, 2.0]), d={"x": tf.Variable(3)}, l=[tf.Variable("text")])
objects.write(str(V2 / "objects"))
manager = tf.train.CheckpointManager(tf.train.Checkpoint(step=tf.Variable(1)), str(V2 / "managed"), 2)
for _ in range(3):
    manager.save()
slots()
keras3()
(HERE / "versions.txt").write_text(f"tensorflow {tf.__version__}\nnumpy {np.__version__}\n")
