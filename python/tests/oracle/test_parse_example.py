"""parse_example and its kin against TensorFlow's, on random features and records: the same outputs bit for bit, and errors where
it has errors. FERRY_EXAMPLE_CASES says how many records (100 000 unless told), FERRY_EXAMPLE_SEED which."""

import os
import random
import time

import numpy as np
import pytest
from example_cases import Writer, make_example, make_features, make_sequence, make_sequence_features

import tensorferry as ferry

tf = pytest.importorskip("tensorflow")

CASES = int(os.environ.get("FERRY_EXAMPLE_CASES", "100000"))
SEED = int(os.environ.get("FERRY_EXAMPLE_SEED", "5"))
ROWS = 64
# Where TensorFlow hands out coordinates outside the shape, or rows that do not fit their values, an error stands here.
STRICTER = ("is outside the size", "do not cut its", "a multiple of the uniform row length")


class IO:
    """tf.io's feature classes, as example_cases takes them; ours are used as well as theirs."""

    dtypes = tf
    FixedLenFeature, FixedLenSequenceFeature, VarLenFeature = tf.io.FixedLenFeature, tf.io.FixedLenSequenceFeature, tf.io.VarLenFeature
    SparseFeature, RaggedFeature = tf.io.SparseFeature, tf.io.RaggedFeature


def same_bits(ours, theirs):
    a, b = np.asarray(ours), np.asarray(theirs)
    if a.shape != b.shape:
        return False
    if b.dtype == object:
        return a.tolist() == b.tolist()
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


def same_but_for_ties(ours, theirs):
    """Values at one coordinate, which a flipped bit may make of two, come in any order from TensorFlow's sort."""
    places = np.asarray(ours.indices).tolist()
    mine, other = (sorted(zip(places, map(repr, np.asarray(values).tolist()))) for values in (ours.values, theirs.values.numpy()))
    return mine == other and len({tuple(p) for p in places}) < len(places)


def difference(ours, theirs):
    """What differs between two results, or None."""
    if set(ours) != set(theirs):
        return f"names {sorted(ours)} and {sorted(theirs)}"
    for name, want in theirs.items():
        have = ours[name]
        if isinstance(want, tf.SparseTensor):
            if not isinstance(have, ferry.SparseTensor):
                return f"{name} is {type(have).__name__}"
            if list(have.shape) != want.dense_shape.numpy().tolist():
                return f"{name} has shape {have.shape}, TensorFlow's {want.dense_shape.numpy()}"
            if not same_bits(have.indices, want.indices) or not same_bits(have.values, want.values) and not same_but_for_ties(have, want):
                return f"{name}: {np.asarray(have.indices).tolist()} {np.asarray(have.values)} and {want}"
        elif isinstance(want, tf.RaggedTensor):
            if not isinstance(have, ferry.RaggedTensor):
                return f"{name} is {type(have).__name__}"
            splits = list(want.nested_row_splits)
            if len(have.nested_row_splits) != len(splits) or not all(map(same_bits, have.nested_row_splits, splits)):
                return f"{name} has splits {have.nested_row_splits}, TensorFlow's {splits}"
            if not same_bits(have.values, want.flat_values):
                return f"{name} has values {have.values}, TensorFlow's {want.flat_values}"
        elif not isinstance(have, ferry.DenseTensor) or not same_bits(have, want):
            return f"{name} is {have!r}, TensorFlow's {want!r}"
    return None


def outcome(call):
    """(result, None), or (None, the error's text)."""
    try:
        return call(), None
    except (tf.errors.InvalidArgumentError, ValueError, UnicodeDecodeError) as error:
        # A text with bytes in it that are no UTF-8 is an InvalidArgumentError that Python could not be told of.
        return None, f"{type(error).__name__}: {error}"


def is_broken(result):
    """Whether TensorFlow's own checks would not let this tensor be made."""
    for tensor in result.values():
        if isinstance(tensor, tf.SparseTensor):
            places, shape = tensor.indices.numpy(), tensor.dense_shape.numpy()
            if ((places < 0) | (places >= shape)).any():
                return True
        elif isinstance(tensor, tf.RaggedTensor):
            inner = list(tensor.nested_row_splits)
            below = [len(s) - 1 for s in inner[1:]] + [tensor.flat_values.shape[0]]
            if any((np.diff(s.numpy()) < 0).any() or s.numpy()[0] != 0 or s.numpy()[-1] != n for s, n in zip(inner, below, strict=True)):
                return True
    return False


class Tally:
    def __init__(self):
        self.records = self.calls = self.errors = self.stricter = self.specs = 0

    def check(self, ours, theirs, what):
        """Both gave the same."""
        self.calls += 1
        (have, our_error), (want, their_error) = outcome(ours), outcome(theirs)
        if our_error is not None and their_error is None and any(words in our_error for words in STRICTER):
            # Rows that move values from one record to the next are whole in the end; those TensorFlow cannot tell.
            assert is_broken(want) or "RaggedFeature" in what, f"{what}\nours: {our_error}\nTensorFlow's: {want}"
            self.stricter += 1
            return
        assert (our_error is None) == (their_error is None), f"{what}\nours: {our_error or have}\nTensorFlow's: {their_error or want}"
        if our_error is not None:
            self.errors += 1
            return
        for a, b in [(have, want)] if isinstance(want, dict) else list(zip(have, want, strict=True)):
            problem = difference(a, b)
            assert problem is None, f"{problem}\n{what}"

    def check_records(self, records, ours, theirs, what):
        """The batch; and where it is an error, those records that are errors one by one and the others as a batch."""
        given = tf.constant(records, tf.string)
        self.check(lambda: ours(records), lambda: theirs(given), f"{what}\nrecords = {records}")
        bad = [r for r in records if outcome(lambda r=r: ours([r]))[1] is not None]
        for record in bad:
            self.check(lambda r=record: ours([r]), lambda r=record: theirs([r]), f"{what}\nrecords = {[record]}")
        if bad:
            good = [r for r in records if r not in bad]
            given = tf.constant(good, tf.string)
            self.check(lambda: ours(good), lambda: theirs(given), f"{what}\nrecords = {good}")


def run(seed, cases, one_spec):
    tally, rng, start = Tally(), random.Random(seed), time.perf_counter()
    while tally.records < cases:
        tally.specs += 1
        one_spec(rng, tally)
    print(f"\n{tally.records} records under {tally.specs} specs (seed {seed}): {tally.calls} calls compared, {tally.errors} of them errors, "
          f"{tally.stricter} errors only here, {time.perf_counter() - start:.0f} s")
    assert tally.errors > tally.calls / 100
    return tally


def test_examples_in_batches_and_one_by_one():
    def one_spec(rng, tally):
        features, keys = make_features(rng, IO)
        writer = Writer(rng, rng.choice([0, 0.02, 0.02, 0.2]))
        records = [make_example(writer, keys) for _ in range(rng.choice([0, 1, ROWS // 2, ROWS, 2 * ROWS]))]
        tally.records += len(records)
        what = f"features = {features}"
        tally.check_records(records, lambda x: ferry.parse_example(x, features), lambda x: tf.io.parse_example(x, features), what)
        for record in rng.sample(records, min(1, len(records))):
            single = f"single, {what}\nrecord = {record}"
            tally.check(lambda r=record: ferry.parse_single_example(r, features), lambda r=record: tf.io.parse_single_example(r, features), single)

    run(SEED, CASES, one_spec)


def test_sequence_examples_in_batches_and_one_by_one():
    def one_spec(rng, tally):
        context, lists, keys = make_sequence_features(rng, IO)
        writer = Writer(rng, rng.choice([0, 0.02, 0.02, 0.2]))
        records = [make_sequence(writer, keys) for _ in range(rng.choice([0, 1, ROWS // 2, ROWS]))]
        tally.records += len(records)
        what = f"context = {context}\nlists = {lists}"
        ours, theirs = ferry.parse_sequence_example, tf.io.parse_sequence_example
        tally.check_records(records, lambda x: ours(x, context, lists), lambda x: theirs(x, context, lists), what)
        ours, theirs = ferry.parse_single_sequence_example, tf.io.parse_single_sequence_example
        for record in rng.sample(records, min(1, len(records))):
            single = f"single, {what}\nrecord = {record}"
            tally.check(lambda r=record: ours(r, context, lists), lambda r=record: theirs(r, context, lists), single)

    run(SEED + 1, CASES // 4, one_spec)
