"""Files of records against TensorFlow's own reader and writer and the PyPI package tfrecord, through the command line and Python."""
import random
import subprocess
import sys

import pytest
import tensorflow as tf


def run_tfrecord(code, *paths):
    """The package registers TensorFlow's messages anew, and so cannot share a process with it."""
    done = subprocess.run([sys.executable, "-c", code, *map(str, paths)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def rows(count):
    generator = random.Random(3)
    return [generator.randbytes(generator.choice([0, 1, 5, 700, 5000])) for _ in range(count)]


def write(path, records, compression=None):
    with tf.io.TFRecordWriter(str(path), compression) as out:
        for record in records:
            out.write(record)
    return path


def theirs(path, compression=None):
    return [record.numpy() for record in tf.data.TFRecordDataset(str(path), compression)]


@pytest.mark.parametrize("compression", [None, "GZIP", "ZLIB"])
def test_theirs_are_read(tmp_path, ferry_cli, compression):
    path = write(tmp_path / "x", rows(500), compression)
    assert b"ok, 500 records" in ferry_cli("record", "verify", path).stdout
    assert ferry_cli("record", "cat", path, "--raw").stdout == b"".join(rows(500))
    # Without compression our file is theirs, byte for byte.
    plain = write(tmp_path / "plain", rows(500))
    assert ferry_cli("record", "cat", path).stdout == plain.read_bytes()


@pytest.mark.parametrize("compression", [None, "GZIP", "ZLIB"])
def test_ours_are_read(tmp_path, ferry_cli, compression):
    path = write(tmp_path / "x", rows(500))
    out = tmp_path / "out"
    ferry_cli("record", "cat", path, "-o", out, "--compress", (compression or "none").lower())
    assert theirs(out, compression) == rows(500)
    ferry_cli("record", "shuffle", path, out, "--compress", (compression or "none").lower(), "--memory", "1M")
    assert sorted(theirs(out, compression)) == sorted(rows(500)) and theirs(out, compression) != rows(500)


def test_merge_takes_turns_as_interleave_does(tmp_path, ferry_cli):
    sizes = [5, 0, 9, 1, 4, 7]
    paths = [write(tmp_path / f"x{i}", [b"%d.%d" % (i, n) for n in range(size)]) for i, size in enumerate(sizes)]
    for cycle, block in [(2, 1), (3, 2), (6, 4), (10, 3)]:
        out = tmp_path / "out"
        ferry_cli("record", "merge", *paths, out, "--interleave", cycle, "--block", block)
        expected = tf.data.Dataset.from_tensor_slices([str(p) for p in paths]).interleave(
            tf.data.TFRecordDataset, cycle_length=cycle, block_length=block)
        assert theirs(out) == [record.numpy() for record in expected], (cycle, block)


def test_the_index_of_lines_is_theirs(tmp_path, ferry_cli):
    path = write(tmp_path / "x", rows(300))
    ferry_cli("record", "index", "--dali", path)
    run_tfrecord("import sys; from tfrecord.tools.tfrecord2idx import create_index; create_index(*sys.argv[1:])", path, tmp_path / "theirs.idx")
    assert (tmp_path / "x.idx").read_text() == (tmp_path / "theirs.idx").read_text()
    # Their reader goes to its share of the file by our index; ours goes by theirs.
    code = "import sys; from tfrecord.reader import tfrecord_iterator as read; sys.stdout.buffer.write(b''.join(map(bytes, read(*sys.argv[1:3], shard=(1, 3)))))"
    share = run_tfrecord(code, path, tmp_path / "x.idx")
    assert share and share in b"".join(rows(300)) and len(share) < len(b"".join(rows(300)))
    import tensorferry

    assert list(tensorferry.RecordIndex(path, tmp_path / "theirs.idx")) == rows(300)


def test_damage_ends_theirs_where_it_ends_ours(tmp_path, ferry_cli):
    path = write(tmp_path / "x", [b"one", b"two", b"three", b"four"])
    data = bytearray(path.read_bytes())
    data[19 + 13] ^= 1
    path.write_bytes(data)
    found = []
    with pytest.raises(tf.errors.DataLossError):
        for record in tf.data.TFRecordDataset(str(path)):
            found.append(record.numpy())
    done = ferry_cli("record", "cat", path, "--raw", ok=False)
    assert done.returncode == 3 and b":31: record 1: " in done.stderr and found == [b"one"]
    ferry_cli("record", "salvage", path, tmp_path / "whole")
    assert theirs(tmp_path / "whole") == [b"one", b"three", b"four"]


@pytest.mark.parametrize("compression", [None, "GZIP"])
def test_the_schema_reads_what_they_wrote(tmp_path, ferry_cli, compression):
    def example(i):
        feature = {
            "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[i])),
            "ids": tf.train.Feature(int64_list=tf.train.Int64List(value=range(i % 4))),
            "image": tf.train.Feature(float_list=tf.train.FloatList(value=[i, 0.5, 1])),
            "w/indices": tf.train.Feature(int64_list=tf.train.Int64List(value=[i, i + 3])),
            "w/values": tf.train.Feature(float_list=tf.train.FloatList(value=[1, 2])),
        }
        return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()

    records = [example(i) for i in range(20)]
    path = write(tmp_path / "x", records, compression)
    scope = {"tf": tf}
    exec(ferry_cli("record", "schema", path, "--python", "tf").stdout.decode(), scope)  # what people paste
    parsed = tf.io.parse_example(tf.constant(records), scope["features"])
    assert parsed["label"].numpy().tolist() == list(range(20))
    assert parsed["image"].shape == (20, 3) and parsed["ids"].row_lengths().numpy().tolist() == [i % 4 for i in range(20)]
    assert parsed["w"].dense_shape.numpy().tolist() == [20, 23]


def test_a_sequence_schema_reads_what_they_wrote(tmp_path, ferry_cli):
    def sequence(i):
        steps = [tf.train.Feature(int64_list=tf.train.Int64List(value=[n, n + 1])) for n in range(i)]
        return tf.train.SequenceExample(
            context=tf.train.Features(feature={"id": tf.train.Feature(int64_list=tf.train.Int64List(value=[i]))}),
            feature_lists=tf.train.FeatureLists(feature_list={"pairs": tf.train.FeatureList(feature=steps)})).SerializeToString()

    records = [sequence(i) for i in range(1, 6)]
    path = write(tmp_path / "x", records)
    scope = {"tf": tf}
    exec(ferry_cli("record", "schema", path, "--python", "tf").stdout.decode(), scope)
    context, lists, lengths = tf.io.parse_sequence_example(
        tf.constant(records), context_features=scope["context_features"], sequence_features=scope["sequence_features"])
    assert context["id"].numpy().tolist() == [1, 2, 3, 4, 5] and lengths["pairs"].numpy().tolist() == [1, 2, 3, 4, 5]
    assert lists["pairs"].shape == (5, 5, 2)
