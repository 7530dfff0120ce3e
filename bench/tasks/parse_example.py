"""Serialized Examples in memory to columns: ours against tf.io.parse_example in a tf.function, on records that TensorFlow's own
classes wrote (their maps come in another order in each record). Batches of 1024."""
import os

import numpy as np

from tasks.common import ferry as get_ferry, tensorflow

BATCH, BATCHES = 1024, 4


def _records(tf, rng):
    """{name: serialized records}: what the peers' make_records writes, fewer of them."""
    train = tf.train
    floats = lambda v: train.Feature(float_list=train.FloatList(value=v))
    ints = lambda v: train.Feature(int64_list=train.Int64List(value=v))
    text = lambda v: train.Feature(bytes_list=train.BytesList(value=v))
    zipf = lambda n: (rng.zipf(1.2, n) % 10_000_000).astype(np.int64)

    def criteo(strings):
        out = {"label": ints([int(rng.integers(0, 2))])}
        out |= {f"I{i}": floats([float(rng.exponential(10))]) for i in range(1, 14)}
        return out | {f"C{i}": text([b"%08x" % int(rng.integers(0, 1 << 32))]) if strings else ints([int(zipf(1)[0])]) for i in range(1, 27)}

    def multihot():
        cuts = np.sort(rng.choice(np.arange(1, 287), 25, replace=False))
        return {f"M{i}": ints(p.tolist()) for i, p in enumerate(np.split(zipf(287), cuts), 1)}

    def long():
        return {"x": floats(rng.standard_normal(1024).astype("f").tolist()), "ids": ints(rng.integers(0, 1_000_000, 512).tolist())}

    def made(make):
        return [train.Example(features=train.Features(feature=make())).SerializeToString() for _ in range(BATCH * BATCHES)]

    return {"criteo_str": lambda: made(lambda: criteo(True)), "criteo_int": lambda: made(lambda: criteo(False)),
            "multihot": lambda: made(multihot), "long": lambda: made(long)}


def _specs(tf):
    fixed, var, ragged = tf.io.FixedLenFeature, tf.io.VarLenFeature, tf.io.RaggedFeature

    def criteo(dtype, kind):
        out = {"label": fixed([], tf.int64)} | {f"I{i}": fixed([], tf.float32) for i in range(1, 14)}
        make = {"fixed": lambda: fixed([], dtype), "varlen": lambda: var(dtype), "ragged": lambda: ragged(dtype)}[kind]
        return out | {f"C{i}": make() for i in range(1, 27)}

    kinds = ("fixed", "varlen", "ragged")
    return {
        "criteo_str": {k: criteo(tf.string, k) for k in kinds},
        "criteo_int": {k: criteo(tf.int64, k) for k in kinds},
        "multihot": {"varlen": {f"M{i}": var(tf.int64) for i in range(1, 27)}, "ragged": {f"M{i}": ragged(tf.int64) for i in range(1, 27)}},
        "long": {"fixed": {"x": fixed([1024], tf.float32), "ids": fixed([512], tf.int64)}, "varlen": {"x": var(tf.float32), "ids": var(tf.int64)},
                 "ragged": {"x": ragged(tf.float32), "ids": ragged(tf.int64)}},
    }


def _function(tf, spec):
    # A closure, not a default argument: tf.function would hash that on every call.
    return tf.function(lambda x: tf.io.parse_example(x, spec), input_signature=[tf.TensorSpec([None], tf.string)])


GOALS = {"criteo_str": 8, "criteo_int": 8, "multihot": 5, "long": 1.5}


def _same(tf, ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        if set(a) != set(b):
            return False
        for name, want in b.items():
            have = a[name]
            if isinstance(want, tf.SparseTensor):
                pairs = [(have.indices, want.indices), (have.values, want.values), (have.shape, want.dense_shape)]
            elif isinstance(want, tf.RaggedTensor):
                pairs = [(have.row_splits, want.row_splits), (have.values, want.values)]
            else:
                pairs = [(have, want)]
            if not all(np.array_equal(np.asarray(x), y.numpy()) for x, y in pairs):
                return False
    return True


def rows(bench):
    if not bench.wants("parse_example"):
        return
    threads = int(os.environ.get("BENCH_THREADS", "1"))
    tf, ferry = tensorflow(threads), get_ferry(threads)
    makers = _records(tf, np.random.default_rng(5))
    for name, kinds in _specs(tf).items():
        wanted = {kind: spec for kind, spec in kinds.items() if bench.wants(f"parse_example {name} {kind}")}
        if not wanted:
            continue
        records = makers[name]()
        batches = [records[i:i + BATCH] for i in range(0, len(records), BATCH)]
        tensors = [tf.constant(b) for b in batches]
        blocks = [ferry.as_tensor(np.asarray(b, object)) for b in batches]
        for kind, spec in wanted.items():
            parser = ferry.ExampleParser(spec)
            theirs = _function(tf, spec)
            bench.row(f"parse_example {name} {kind}", lambda: [parser.parse(b) for b in blocks],
                      {"tf.io.parse_example": lambda: [theirs(x) for x in tensors]}, len(records),
                      lambda a, b, _: _same(tf, a, b), {"tf.io.parse_example": GOALS[name]}, "row", sum(map(len, records)))
