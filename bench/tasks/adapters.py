"""Sparse batches into TensorFlow's graph: ds.tf() against what tf.data users do. Rows of 50 ids out of 100 000, batches of 1024."""
import os
import tempfile

import numpy as np

from tasks.common import ferry as get_ferry, tensorflow

COLUMNS, IDS, BATCH, ROWS, FEW = 100_000, 50, 1024, 1 << 16, 1 << 11


def rows(bench):
    if not bench.wants("sparse batches into TensorFlow"):
        return
    tf, ferry = tensorflow(), get_ferry()
    rng = np.random.default_rng(9)
    width = COLUMNS // IDS
    columns = np.arange(IDS) * width + rng.integers(0, width, (ROWS, IDS))  # sorted, and none twice
    indices = np.stack([np.repeat(np.arange(ROWS), IDS), columns.ravel()], axis=1)
    x = ferry.SparseTensor(indices, rng.random(ROWS * IDS, "f"), (ROWS, COLUMNS))
    spec = {"x": tf.io.SparseFeature("x/indices", "x/values", tf.float32, COLUMNS)}

    @tf.function
    def consume(dataset):
        """In the graph, as a training loop does it: entries, and a sum that depends on which they are."""
        count, total = tf.constant(0, tf.int64), tf.constant(0, tf.int64)
        for batch in dataset:
            count += tf.size(batch.values, tf.int64)
            total += tf.reduce_sum(batch.indices[:, 1]) + batch.indices[-1, 0]
        return count, total

    def answer(dataset):
        return [int(n) for n in consume(dataset)]

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.tfrecord")
        ferry.save(path, {"x": x})
        size = os.path.getsize(path)
        parsed = tf.data.TFRecordDataset(path).batch(BATCH).map(lambda records: tf.io.parse_example(records, spec)["x"]).prefetch(2)
        ours = ferry.dataset(path, spec=f"x:float32{{{COLUMNS}}}").batch(BATCH).prefetch(2).tf(features="x")
        bench.row("sparse batches into TensorFlow, from records", lambda: answer(ours), {"tf.data batch, parse_example": lambda: answer(parsed)}, ROWS,
                  lambda a, b, _: a == b, {}, "row", size)

    matrix = x.tocsr().to_scipy()
    signature = tf.SparseTensorSpec([None, COLUMNS], tf.float32)

    def batches(count):
        for begin in range(0, count, BATCH):
            yield matrix[begin : begin + BATCH]

    def theirs():
        for part in batches(ROWS):
            part = part.tocoo()
            yield tf.sparse.reorder(tf.SparseTensor(np.stack([part.row, part.col], axis=1).astype(np.int64), part.data, part.shape))

    ours = ferry.SparseDataset.from_scipy(matrix).batch(BATCH).prefetch(2).tf(features="x")
    peer = tf.data.Dataset.from_generator(theirs, output_signature=signature).prefetch(2)
    bench.row("sparse batches into TensorFlow, from a SciPy matrix", lambda: answer(ours), {"from_generator of batches, reorder": lambda: answer(peer)}, ROWS,
              lambda a, b, _: a == b, {}, "row")

    few = matrix[:FEW]

    def by_row():
        for i in range(FEW):
            part = few[i : i + 1].tocoo()
            yield tf.SparseTensor(part.col[:, None].astype(np.int64), part.data, [COLUMNS])

    ours_few = ferry.SparseDataset.from_scipy(few).batch(BATCH).prefetch(2).tf(features="x")
    row_peer = tf.data.Dataset.from_generator(by_row, output_signature=tf.SparseTensorSpec([COLUMNS], tf.float32)).batch(BATCH).prefetch(2)
    bench.row("sparse batches into TensorFlow, a row at a time", lambda: answer(ours_few), {"from_generator of rows, batch": lambda: answer(row_peer)}, FEW,
              lambda a, b, _: a == b, {}, "row")
