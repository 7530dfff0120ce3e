"""tfrecord, example, tensors and tensordata against a running TensorFlow and google.protobuf, through the command line."""
import json

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from tensorflow.train import BytesList, Example, Feature, FeatureList, FeatureLists, Features, FloatList, Int64List, SequenceExample


def ints(*values):
    return Feature(int64_list=Int64List(value=values))


def floats(*values):
    return Feature(float_list=FloatList(value=values))


def texts(*values):
    return Feature(bytes_list=BytesList(value=values))


def example(features):
    return Example(features=Features(feature=features)).SerializeToString(deterministic=True)


def write(path, records, compression=None):
    with tf.io.TFRecordWriter(str(path), compression) as out:
        for record in records:
            out.write(record)


def read(path, compression=""):
    return [r.numpy() for r in tf.data.TFRecordDataset(str(path), compression)]


@pytest.mark.parametrize("seed", range(5))
def test_examples_come_back_byte_for_byte(tmp_path, ferry_cli, seed):
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(1, 30))
    records = [example({
        "age": ints(int(rng.integers(-2**62, 2**62))),
        "image": floats(*rng.normal(size=5)),
        "ids": ints(*rng.integers(-5, 2**40, size=rng.integers(0, 200) if i else 3).tolist()),
        "name": texts(rng.bytes(int(rng.integers(0, 300)))),
        "words": texts(*[rng.bytes(int(n)) for n in rng.integers(0, 9, size=rng.integers(0, 4) if i else 5)]),
    }) for i in range(rows)]
    write(tmp_path / "theirs.tfrecord", records)
    ferry_cli("convert", tmp_path / "theirs.tfrecord", tmp_path / "ours.tfrecord")
    assert (tmp_path / "ours.tfrecord").read_bytes() == (tmp_path / "theirs.tfrecord").read_bytes() or rows == 1
    (tmp_path / "one.example").write_bytes(records[0])
    ferry_cli("convert", tmp_path / "one.example", tmp_path / "again.example")
    assert (tmp_path / "again.example").read_bytes() == records[0]


def test_sequence_examples_come_back_byte_for_byte(tmp_path, ferry_cli):
    record = SequenceExample(context=Features(feature={"id": ints(7), "w": floats(1, 2)}),
                             feature_lists=FeatureLists(feature_list={"t": FeatureList(feature=[ints(1, 2), ints(), ints(300)]),
                                                                      "u": FeatureList(feature=[texts(b"a")])})).SerializeToString(deterministic=True)
    (tmp_path / "a.example").write_bytes(record)
    ferry_cli("convert", tmp_path / "a.example", tmp_path / "b.example")
    assert (tmp_path / "b.example").read_bytes() == record
    write(tmp_path / "a.tfrecord", [record, record])
    ferry_cli("convert", tmp_path / "a.tfrecord", tmp_path / "b.tfrecord")
    assert read(tmp_path / "b.tfrecord") == [record, record]


def test_tensorflow_parses_the_rows_we_write(tmp_path, ferry_cli):
    rng = np.random.default_rng(3)
    matrix = scipy.sparse.random(50, 1000, 0.02, "csr", np.float32, random_state=1)
    label, cube = rng.integers(0, 5, 50).astype(np.int32), rng.random((50, 2, 3), "f")
    np.savez(tmp_path / "in.npz", label=label, cube=cube, flag=label > 2, **{
        "x/data": matrix.data, "x/indices": matrix.indices, "x/indptr": matrix.indptr, "x/shape": np.array(matrix.shape)})
    ferry_cli("convert", tmp_path / "in.npz", tmp_path / "out.tfrecord")
    parsed = tf.io.parse_example(tf.constant(read(tmp_path / "out.tfrecord")), {
        "label": tf.io.FixedLenFeature([], tf.int64), "cube": tf.io.FixedLenFeature([2, 3], tf.float32),
        "cube/shape": tf.io.FixedLenFeature([2], tf.int64), "flag": tf.io.FixedLenFeature([], tf.int64),
        "label/dtype": tf.io.FixedLenFeature([], tf.string),
        "x": tf.io.SparseFeature("x/indices", "x/values", tf.float32, 1000)})
    np.testing.assert_array_equal(parsed["label"], label)
    np.testing.assert_array_equal(parsed["flag"], label > 2)
    np.testing.assert_array_equal(parsed["cube"], cube)
    assert set(parsed["label/dtype"].numpy()) == {b"int32"}
    np.testing.assert_array_equal(tf.sparse.to_dense(parsed["x"]), matrix.toarray())
    ferry_cli("convert", tmp_path / "out.tfrecord", tmp_path / "back.npz")
    back = np.load(tmp_path / "back.npz")
    assert back["label"].dtype == np.int32 and back["flag"].dtype == bool and back["cube"].shape == (50, 2, 3)


def test_tensorflow_parses_our_sequence_examples(tmp_path, ferry_cli):
    ragged = tf.ragged.constant([[[1, 2], []], [], [[3], [4, 5, 6], [7]]], dtype=tf.int64)
    np.savez(tmp_path / "in.npz", id=np.arange(3), **{"t/values": ragged.flat_values.numpy(), "t/row_splits_0": ragged.nested_row_splits[0].numpy(),
                                                      "t/row_splits_1": ragged.nested_row_splits[1].numpy()})
    ferry_cli("convert", tmp_path / "in.npz", tmp_path / "out.tfrecord")
    context, lists, _ = tf.io.parse_sequence_example(tf.constant(read(tmp_path / "out.tfrecord")), {"id": tf.io.FixedLenFeature([], tf.int64)},
                                                     {"t": tf.io.RaggedFeature(tf.int64)})
    assert context["id"].numpy().tolist() == [0, 1, 2]
    assert lists["t"].to_list() == ragged.to_list()


@pytest.mark.parametrize("ours, theirs", [("none", ""), ("gzip", "GZIP"), ("zlib", "ZLIB")])
def test_compression_both_ways(tmp_path, ferry_cli, ours, theirs):
    records = [example({"a": ints(i), "b": texts(b"x" * i)}) for i in range(100)]
    write(tmp_path / "theirs.tfrecord", records, theirs)
    ferry_cli("convert", tmp_path / "theirs.tfrecord", tmp_path / "ours.tfrecord", "--set", f"compression={ours}")
    assert read(tmp_path / "ours.tfrecord", theirs) == records


def test_a_stream_of_tensors_is_a_dataset(tmp_path, ferry_cli):
    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "ids": np.array([2**60, -1]), "flag": np.array(True)}
    np.savez(tmp_path / "in.npz", **arrays)
    ferry_cli("convert", tmp_path / "in.npz", tmp_path / "out.tensors")
    for record, array in zip(read(tmp_path / "out.tensors"), arrays.values()):
        np.testing.assert_array_equal(tf.io.parse_tensor(record, tf.as_dtype(array.dtype)), array)
    write(tmp_path / "theirs.tfrecord", [tf.io.serialize_tensor(a).numpy() for a in arrays.values()])
    listing = json.loads(ferry_cli("inspect", "--json", tmp_path / "theirs.tfrecord").stdout)
    assert [t["name"] for t in listing["tensors"]] == ["0", "1", "2"]
    joined = tmp_path / "joined.bin"
    joined.write_bytes(b"".join(tf.io.serialize_tensor(a).numpy() for a in arrays.values()))
    done = ferry_cli("inspect", joined, ok=False)
    assert done.returncode == 3 and b"written one after another" in done.stderr


def test_old_readers_see_the_floats_of_tensordata(tmp_path, ferry_cli, golden):
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="old.proto", package="old", syntax="proto3")
    message = file.message_type.add(name="TensorData")
    message.field.add(name="data", number=1, type=field.TYPE_FLOAT, label=field.LABEL_REPEATED)
    message.field.add(name="shape", number=2, type=field.TYPE_INT64, label=field.LABEL_REPEATED)
    message.field.add(name="dtype", number=3, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    old = message_factory.GetMessageClass(pool.FindMessageTypeByName("old.TensorData"))
    tokens = np.array([[5, 2**40 + 1], [7, -3]])
    np.save(tmp_path / "in.npy", tokens)
    ferry_cli("convert", tmp_path / "in.npy", tmp_path / "out.tensordata")
    seen = old.FromString((tmp_path / "out.tensordata").read_bytes())
    assert list(seen.shape) == [2, 2] and seen.dtype == "int64"
    np.testing.assert_array_equal(np.array(seen.data, np.float32), tokens.astype(np.float32).ravel())
    ferry_cli("convert", tmp_path / "out.tensordata", tmp_path / "back.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "back.npy"), tokens)
