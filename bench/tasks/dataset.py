"""Datasets: records and sparse rows to shuffled batches, against tf.data, the PyPI reader of records and scikit-learn."""
import os
import subprocess
import sys
import tempfile

import numpy as np

from tasks.common import ferry as get_ferry, tensorflow

ROWS = 20_000
MATRIX_ROWS, COLUMNS, PER_ROW, BATCH = 50_000, 100_000, 50, 1024

LARGE = """
import sys, tensorferry as ferry
ds = ferry.dataset(sys.argv[1]).shuffle(4096, seed=1).repeat(8).batch(1024).prefetch(4)
for batch in ds: pass
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""

PACKAGE = """
import sys
from tfrecord.reader import tfrecord_loader
for _ in sys.stdin:
    print(sum(float(row["dense_0"][0]) for row in tfrecord_loader(sys.argv[1], None)), flush=True)
"""


def rows(bench):
    with tempfile.TemporaryDirectory() as folder:
        _records(bench, folder)
        _sparse(bench)
        _libsvm(bench, folder)


def _records(bench, folder):
    if not bench.wants("records to batches"):
        return
    tf, ferry = tensorflow(), get_ferry()
    rng = np.random.default_rng(8)
    columns = {f"dense_{i}": rng.random(ROWS, "f") for i in range(20)}
    columns |= {f"id_{i}": rng.integers(0, 1 << 20, ROWS) for i in range(20)}
    path = os.path.join(folder, "x.tfrecord")
    ferry.save(path, columns)
    size = os.path.getsize(path)
    features = {name: tf.io.FixedLenFeature([], tf.as_dtype(values.dtype)) for name, values in columns.items()}
    shuffled = ferry.dataset(path, features).shuffle(4096, seed=1).batch(BATCH)

    def ours(dataset, threads):
        checksum = np.float64(0)
        for batch in dataset.iterator(threads=threads):
            checksum += float(np.asarray(batch["dense_0"], np.float64).sum())
        return checksum

    def tf_data(threads):
        dataset = tf.data.TFRecordDataset(path).shuffle(4096, seed=1).batch(BATCH)
        dataset = dataset.map(lambda batch: tf.io.parse_example(batch, features), num_parallel_calls=threads).prefetch(2)
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        checksum = np.float64(0)
        for batch in dataset.with_options(options):
            checksum += batch["dense_0"].numpy().astype(np.float64).sum()
        return checksum

    def same(a, b, _):
        return abs(a - b) < 1e-6 * abs(b)

    bench.row("records to batches, 40 features, shuffled, 1 thread", lambda: ours(shuffled, 1), {"tf.data": lambda: tf_data(1)}, ROWS, same,
              {"tf.data": 6}, "row", size)
    bench.row("records to batches, 40 features, shuffled, 2 threads", lambda: ours(shuffled.prefetch(4), 2), {"tf.data": lambda: tf_data(2)},
              ROWS, same, {"tf.data": 6}, "row", size)
    bench.row("records to batches, 2 threads against 1", lambda: ours(shuffled.prefetch(4), 2), {"one thread": lambda: ours(shuffled, 1)}, ROWS,
              same, {"one thread": 1.7}, "row", size, note="of two cores that nobody else uses")
    few = os.path.join(folder, "few.tfrecord")
    ferry.save(few, {name: values[:4000] for name, values in columns.items()})
    small = ferry.dataset(few, features).shuffle(4096, seed=1).batch(BATCH)
    # Its messages and TensorFlow's cannot be in one process.
    with subprocess.Popen([sys.executable, "-c", PACKAGE, few], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:

        def package():
            reader.stdin.write("go\n")
            reader.stdin.flush()
            return np.float64(reader.stdout.readline())

        if package() is not None and reader.poll() is None:
            bench.row("records to batches, 40 features, PyPI tfrecord", lambda: ours(small, 1), {"tfrecord": package}, 4000, same,
                      {"tfrecord": 80}, "row", note="its checksums are not looked at, its rows neither shuffled nor batched")
        reader.stdin.close()
    if bench.wants("records to batches, memory"):
        large = os.path.join(folder, "large.tfrecord")
        with open(path, "rb") as one, open(large, "wb") as out:
            data = one.read()
            for _ in range(10):
                out.write(data)
        peak = int(subprocess.run([sys.executable, "-c", LARGE, large], capture_output=True, text=True, check=True).stdout) / 1024
        small_peak = int(subprocess.run([sys.executable, "-c", LARGE, path], capture_output=True, text=True, check=True).stdout) / 1024
        bench.figure("records to batches, memory: a file ten times as large", peak - small_peak, "MiB more", 8,
                     note=f"of {os.path.getsize(large) >> 20} MiB; {small_peak:.0f} MiB resident with {size >> 20} MiB")


def _sparse(bench):
    if not bench.wants("sparse rows to batches"):
        return
    import scipy.sparse as sp

    tf, ferry = tensorflow(), get_ferry()
    rng = np.random.default_rng(8)
    cols = (np.arange(PER_ROW) * (COLUMNS // PER_ROW) + rng.integers(0, COLUMNS // PER_ROW, (MATRIX_ROWS, PER_ROW))).astype(np.int32)
    values = rng.random(MATRIX_ROWS * PER_ROW, "f")
    csr = sp.csr_array((values, cols.ravel(), np.arange(0, MATRIX_ROWS * PER_ROW + 1, PER_ROW, dtype=np.int32)), (MATRIX_ROWS, COLUMNS))
    coo = csr.tocoo()
    tensor = tf.SparseTensor(np.stack([coo.row, coo.col], 1).astype(np.int64), coo.data, csr.shape)
    dataset = ferry.SparseDataset.from_scipy(csr).batch(BATCH)
    sliced = tf.data.Dataset.from_tensor_slices(tensor)

    def ours(source):
        return [int(batch["x"].indices[-1, 1]) for batch in source.iterator(threads=1)]

    def theirs(source):
        return [int(batch.indices[-1, 1]) for batch in source]

    def same(a, b, _):
        return a[: len(b)] == b

    bench.row("sparse rows to batches of 1024, 50 ids", lambda: ours(dataset), {"tf.data slices": lambda: theirs(sliced.batch(BATCH).prefetch(2))},
              MATRIX_ROWS, same, {"tf.data slices": 4}, "row")
    shuffled = ferry.SparseDataset.from_scipy(csr).shuffle(10_000, seed=1).batch(BATCH)
    bench.row("sparse rows to batches of 1024, shuffled", lambda: sum(batch["x"].nnz for batch in shuffled.iterator(threads=1)),
              {"tf.data slices": lambda: sum(int(tf.size(b.values)) for b in sliced.shuffle(10_000, seed=1).batch(BATCH))}, MATRIX_ROWS,
              lambda a, b, _: a == b, {"tf.data slices": 4}, "row")
    spec = tf.SparseTensorSpec([COLUMNS], tf.float32)

    def generate():
        for i in range(2048):
            a, b = csr.indptr[i], csr.indptr[i + 1]
            yield tf.SparseTensor(csr.indices[a:b, None].astype(np.int64), csr.data[a:b], [COLUMNS])

    few = ferry.SparseDataset.from_scipy(csr[:2048]).batch(BATCH)
    bench.row("sparse rows to batches of 1024, a generator of rows", lambda: ours(few),
              {"tf.data from_generator": lambda: theirs(tf.data.Dataset.from_generator(generate, output_signature=spec).batch(BATCH))}, 2048, same,
              {"tf.data from_generator": 300}, "row")


def _libsvm(bench, folder):
    if not bench.wants("libsvm to batches"):
        return
    from sklearn.datasets import load_svmlight_file

    ferry = get_ferry()
    rng = np.random.default_rng(1)
    path = os.path.join(folder, "a.svm")
    entries = 0
    with open(path, "w") as out:
        for _ in range(8192):
            c = np.unique(rng.integers(1, COLUMNS, 50))
            entries += len(c)
            out.write(f"{int(rng.integers(0, 2))} " + " ".join(f"{k}:{v:.6f}" for k, v in zip(c, rng.random(len(c)))) + "\n")
    dataset = ferry.dataset(path, columns=COLUMNS, base=1).batch(BATCH, sparse="csr")

    def same(ours, theirs, _):
        import scipy.sparse as sp

        stacked = sp.vstack([batch["x"].to_scipy() for batch in ours])
        return (stacked.indices == theirs[0].indices).all() and np.allclose(stacked.data, theirs[0].data)

    bench.row("libsvm to batches of CSR, 1 thread", lambda: list(dataset.iterator(threads=1)),
              {"scikit-learn": lambda: load_svmlight_file(path, n_features=COLUMNS, dtype=np.float32, zero_based=False)}, entries, same,
              {"scikit-learn": 12}, "entry", os.path.getsize(path))
