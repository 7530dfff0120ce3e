"""TensorFlow's checkpoints: what it writes is read bit for bit, by every path."""
import struct

import numpy as np
import pytest

import tensorferry as ferry

tf = pytest.importorskip("tensorflow")
from tensorflow.python.training import py_checkpoint_reader  # noqa: E402

v1 = tf.compat.v1
V1, V2 = v1.train.SaverDef.V1, v1.train.SaverDef.V2
DTYPES = [tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.int8, tf.uint8, tf.int16, tf.uint16, tf.int32, tf.int64, tf.uint32, tf.uint64, tf.bool,
          tf.complex64, tf.complex128]


def save(path, build, **saver):
    """What the variables held, by name."""
    with tf.Graph().as_default(), v1.Session() as session:
        build()
        session.run(v1.global_variables_initializer())
        v1.train.Saver(**saver).save(session, str(path))
        return {v.op.name: session.run(v) for v in v1.global_variables()}


def load(path):
    return {name: np.asarray(ferry.load(path, parts=False)[name]) for name in ferry.load(path, parts=False)}


def same(ours, theirs):
    assert set(ours) == set(theirs)
    for name, wanted in theirs.items():
        got, wanted = ours[name], np.asarray(wanted, object if isinstance(wanted, bytes) else None)
        assert got.shape == wanted.shape, name
        if wanted.dtype == object:
            assert [as_bytes(x) for x in got.ravel()] == [as_bytes(x) for x in wanted.ravel()], name
        else:
            assert got.dtype == wanted.dtype and got.tobytes() == wanted.tobytes(), name


def as_bytes(x):
    return x.encode() if isinstance(x, str) else bytes(x)


def variables(rng, dtypes=DTYPES):
    for i in range(40):
        dtype = dtypes[rng.integers(len(dtypes))]
        shape = tuple(int(n) for n in rng.integers(0, 5, rng.integers(0, 5)))
        value = tf.cast(tf.constant(rng.integers(0, 2 if dtype == tf.bool else 100, shape)), dtype)
        v1.get_variable(f"scope_{i % 3}/v{i}", initializer=value, use_resource=bool(i % 2) or dtype in (tf.uint32, tf.uint64))
    words = [["", "é", "x" * 300], ["a\0b", "c", "d"]]
    v1.get_variable("words", initializer=tf.constant(words), use_resource=False)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sharded", [False, True])
def test_saver_v2(tmp_path, seed, sharded):
    same_as = save(tmp_path / "m", lambda: variables(np.random.default_rng(seed)), sharded=sharded)
    same(load(tmp_path / "m"), same_as)
    same(load(tmp_path), same_as)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sharded", [False, True])
def test_saver_v1(tmp_path, seed, sharded):
    dtypes = [d for d in DTYPES if d not in (tf.bfloat16, tf.uint16, tf.uint32, tf.uint64)]  # which Saver V1 does not write
    same_as = save(tmp_path / "m", lambda: variables(np.random.default_rng(seed), dtypes), write_version=V1, sharded=sharded)
    same(load(tmp_path / "m"), same_as)


@pytest.mark.parametrize("version", [V1, V2])
@pytest.mark.parametrize("shape, axis, pieces", [((10, 4), 0, 3), ((4, 10), 1, 4), ((7,), 0, 7), ((3, 5, 2), 1, 2)])
def test_partitioned_variables(tmp_path, version, shape, axis, pieces):
    held = save(tmp_path / "m", lambda: v1.get_variable("p", shape=shape, initializer=v1.random_normal_initializer(seed=1),
                                                        partitioner=v1.fixed_size_partitioner(pieces, axis=axis)), write_version=version)
    parts = [held[f"p/part_{i}"] for i in range(pieces)]
    same(load(tmp_path / "m"), {"p": np.concatenate(parts, axis)})


def test_objects_and_keras(tmp_path):
    keras = pytest.importorskip("keras")
    objects = tf.train.Checkpoint(a=tf.Variable([1.0, 2.0]), d={"x": tf.Variable(3)}, l=[tf.Variable("text")])
    manager = tf.train.CheckpointManager(objects, str(tmp_path / "many"), 2)
    for _ in range(3):
        manager.save()
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.LayerNormalization()])
    model.export(str(tmp_path / "model"), verbose=False)
    for path, prefix in [(tmp_path / "many", manager.latest_checkpoint), (tmp_path / "model", str(tmp_path / "model/variables/variables"))]:
        reader = py_checkpoint_reader.NewCheckpointReader(prefix)
        same(load(path), {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()})


def test_sparse_triple_is_one_tensor(tmp_path):
    x = tf.sparse.from_dense([[0, 1.5, 0], [0, 0, 2.5]])
    tf.train.Checkpoint(values=tf.Variable(x.values), indices=tf.Variable(x.indices), dense_shape=tf.Variable(x.dense_shape)).write(str(tmp_path / "plain"))

    def build():
        for part in ["indices", "values", "dense_shape"]:
            v1.get_variable(f"clicks/{part}", initializer=tf.constant(getattr(x, part).numpy()))
    save(tmp_path / "m", build)
    clicks = ferry.load(tmp_path / "m")["clicks"]
    np.testing.assert_array_equal(clicks.to_scipy().toarray(), [[0, 1.5, 0], [0, 0, 2.5]])


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
        if byte < 128:
            return value, at


def put_varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def test_blocks_that_snappy_compressed(tmp_path):
    """TensorFlow's own builds may or may not have snappy: the blocks of a table are compressed here by another."""
    cramjam = pytest.importorskip("cramjam")
    crc32c = pytest.importorskip("google_crc32c")
    held = save(tmp_path / "m", lambda: [v1.get_variable(f"v{i}", initializer=tf.constant(np.arange(5000) % 7 * i), use_resource=True) for i in range(20)],
                write_version=V1)
    data = (tmp_path / "m").read_bytes()
    footer = data[-48:]
    _, at = varint(footer, 0)
    _, at = varint(footer, at)
    index_at, at = varint(footer, at)
    index_size, _ = varint(footer, at)
    out = bytearray()

    def block(raw):
        packed = bytes(cramjam.snappy.compress_raw(raw)) + b"\x01"
        crc = crc32c.value(packed)
        place = put_varint(len(out)) + put_varint(len(packed) - 1)
        out.extend(packed + struct.pack("<I", ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff))
        return place

    index = data[index_at:index_at + index_size]
    (restarts,) = struct.unpack("<I", index[-4:])
    entries, at, key = [], 0, b""
    while at < len(index) - 4 - 4 * restarts:
        shared, at = varint(index, at)
        further, at = varint(index, at)
        size, at = varint(index, at)
        key = key[:shared] + index[at:at + further]
        place = index[at + further:at + further + size]
        at += further + size
        offset, k = varint(place, 0)
        length, _ = varint(place, k)
        entries.append((key, block(data[offset:offset + length])))
    new = b"".join(put_varint(0) + put_varint(len(k)) + put_varint(len(v)) + k + v for k, v in entries)
    places = block(struct.pack("<II", 0, 1)) + block(new + struct.pack("<II", 0, 1))
    (tmp_path / "packed").write_bytes(bytes(out) + places.ljust(40, b"\0") + footer[-8:])
    assert (tmp_path / "packed").stat().st_size < len(data) / 2
    same(load(tmp_path / "packed"), held)


# ---- What we write


def test_saver_restores_ours(tmp_path):
    names = [d.name for d in DTYPES]
    arrays = {f"layer/{name}": tf.cast(tf.constant([[0, 1, 1], [1, 0, 1]]), name).numpy() for name in names}
    arrays |= {"scalar": np.float32(3.5), "empty": np.zeros((0, 4), np.float32), "words": np.array([["", "é"], ["x" * 300, "a\0b"]], object)}
    ferry.save(tmp_path / "m", arrays, "ckpt")
    reader = py_checkpoint_reader.NewCheckpointReader(str(tmp_path / "m"))
    assert set(reader.get_variable_to_shape_map()) == set(arrays)
    with tf.Graph().as_default(), v1.Session() as session:
        made = {name: v1.get_variable(name, initializer=tf.zeros_like(tf.constant(x)) if x.dtype != object else tf.constant(np.full(x.shape, "", object)),
                                      use_resource=True) for name, x in arrays.items()}
        v1.train.Saver(made).restore(session, str(tmp_path / "m"))
        same({name: np.asarray(x) if np.asarray(x).dtype != object else np.vectorize(as_bytes, otypes=[object])(x) for name, x in arrays.items()},
             {name: session.run(v) for name, v in made.items()})


def test_bytes_cannot_be_several_files():
    assert next(f for f in ferry.formats() if f.id == "ckpt").several_files
    with pytest.raises(ValueError, match="several files"):
        ferry.dumps({"x": np.ones(3)}, "ckpt")


def test_object_checkpoint_is_restored_after_a_round_trip(tmp_path):
    def make(a, x, text):
        return tf.train.Checkpoint(a=tf.Variable(a), d={"x": tf.Variable(x)}, l=[tf.Variable(text)])
    make([1.0, 2.0], 3, "text").write(str(tmp_path / "theirs"))
    ferry.save(tmp_path / "ours.index", ferry.load(tmp_path / "theirs", parts=False))
    fresh = make([0.0, 0.0], 0, "")
    fresh.read(str(tmp_path / "ours")).assert_consumed()
    assert fresh.a.numpy().tolist() == [1.0, 2.0] and fresh.d["x"].numpy() == 3 and fresh.l[0].numpy() == b"text"


def test_sparse_triple_of_ours_is_three_variables(tmp_path):
    x = ferry.SparseTensor.from_pairs({(0, 1): 2.0, (2, 0): 5.0}, shape=(3, 4))
    ferry.save(tmp_path / "m", {"clicks": x}, "ckpt")
    reader = py_checkpoint_reader.NewCheckpointReader(str(tmp_path / "m"))
    triple = tf.sparse.SparseTensor(*(reader.get_tensor(f"clicks/{part}") for part in ["indices", "values", "dense_shape"]))
    np.testing.assert_array_equal(tf.sparse.to_dense(triple), x.to_dense())
