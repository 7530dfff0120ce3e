"""TFRecord files: framing and checksums alone, and from the file to columns, against tf.data."""
import os
import tempfile

import numpy as np

from tasks.common import ferry as get_ferry, tensorflow

ROWS = 20_000


def framing(bench, tf, ferry):
    """Records of 0.7 KB: each one's two checksums, then each one as bytes. TensorFlow checks both too."""
    rng = np.random.default_rng(3)
    records = [rng.bytes(690 + i % 20) for i in range(ROWS)]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.tfrecord")
        with ferry.RecordWriter(path) as out:
            out.write_many(records)
        size = os.path.getsize(path)

        def batches(buffer=None):
            return sum(len(b) for b in tf.data.TFRecordDataset(path, buffer_size=buffer).batch(1024))

        peers = {"tf.data TFRecordDataset, batches of 1024": batches, "the same, buffer of 8 MiB": lambda: batches(8 << 20)}
        bench.row("tfrecord framing and checksums, 0.7 KB records", lambda: len(ferry.RecordIndex(path, verify=True)), peers, ROWS,
                  lambda a, b, _: a == b, dict.fromkeys(peers, 8), "record", size)
        each = {"tf.data TFRecordDataset, batches of 1024": lambda: [r for b in tf.data.TFRecordDataset(path).batch(1024) for r in b.numpy()]}
        bench.row("tfrecord records as bytes objects", lambda: list(ferry.RecordReader(path)), each, ROWS,
                  lambda a, b, _: a == b == records, {}, "record", size)


def rows(bench):
    if not bench.wants("tfrecord"):
        return
    tf, ferry = tensorflow(), get_ferry()
    framing(bench, tf, ferry)
    rng = np.random.default_rng(8)
    columns = {f"dense_{i}": rng.random(ROWS, "f") for i in range(20)}
    columns |= {f"id_{i}": rng.integers(0, 1 << 20, ROWS) for i in range(20)}
    spec = {name: tf.io.FixedLenFeature([], tf.as_dtype(values.dtype)) for name, values in columns.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.tfrecord")
        ferry.save(path, columns)

        def parsed():
            dataset = tf.data.TFRecordDataset(path).batch(1024).map(lambda batch: tf.io.parse_example(batch, spec))
            return list(dataset)

        def same(ours, theirs, _):
            return all(np.array_equal(np.asarray(ours[name]), np.concatenate([batch[name].numpy() for batch in theirs])) for name in columns)

        bench.row("tfrecord file of 40 features to columns", lambda: {n: np.asarray(t) for n, t in ferry.load(path).items()},
                  {"tf.data parse_example, batches of 1024": parsed}, ROWS, same, {}, "row", os.path.getsize(path))
        bench.row("tfrecord file, records framed and checked", lambda: len(ferry.load(path, records="bytes")["record"]),
                  {"tf.data TFRecordDataset, batches of 1024": lambda: sum(len(b) for b in tf.data.TFRecordDataset(path).batch(1024))}, ROWS,
                  lambda a, b, _: a == b, {}, "record", os.path.getsize(path))
